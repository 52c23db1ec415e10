//! The door in front of a store in memory.

use super::*;
use crate::clock::{Clock, Wall};
use crate::store::types::Language;
use crate::store::{NewAccount, Options};

const OUTSIDE: &str = "192.0.2.1";

struct House {
    store: Store,
    auth: Auth,
    clock: Clock,
    account: AccountId,
}

impl House {
    fn new(hashing: Hashing) -> Self {
        let store = Store::in_memory(&Options::default()).unwrap();
        let (auth, clock) = (
            Auth::new(store.clone()),
            Clock::virtual_at(Wall(1_800_000_000)),
        );
        let new = NewAccount {
            address: Address::parse("anna@example.com").unwrap(),
            owner: true,
            language: Language::De,
            quota_bytes: None,
        };
        let account = store.add_account(&new, clock.now()).unwrap().id;
        auth.set_password(account, "correct horse", hashing)
            .unwrap();
        Self {
            store,
            auth,
            clock,
            account,
        }
    }

    fn verify(&self, login: &str, password: &str) -> String {
        let outcome = self
            .auth
            .verify(&request(login, password), self.clock.now());
        match outcome {
            Outcome::Granted(identity) => format!("granted {:?}", identity.device),
            refused @ (Outcome::Denied | Outcome::Throttled { .. } | Outcome::Unavailable) => {
                format!("{refused:?}")
            }
        }
    }
}

fn request(login: &str, password: &str) -> Request {
    Request::Password {
        login: login.to_owned(),
        password: Secret::new(password.to_owned()),
        from: OUTSIDE.parse().unwrap(),
    }
}

#[test]
fn passwords_of_both_kinds() {
    for hashing in [Hashing::Scram, Hashing::Argon2id] {
        let house = House::new(hashing);
        let keep = Pop3Delete::Keep { days: 30 };
        let added = house
            .auth
            .add_device(house.account, "phone", keep, house.clock.now());
        let (device, app) = added.unwrap();
        assert_eq!(
            house.verify("Anna@Example.COM", "correct horse"),
            "granted None"
        );
        assert_eq!(house.verify("anna@example.com", "Correct horse"), "Denied");
        assert_eq!(house.verify("anna@example.org", "correct horse"), "Denied");
        assert_eq!(house.verify("anna", "correct horse"), "Denied");
        let typed = app.expose().replace('-', "");
        assert_eq!(
            house.verify("anna@example.com", &typed),
            format!("granted Some({:?})", device.id)
        );
    }
}

/// Of "correct horse", by libxcrypt.
const CRYPT: &str = "$y$j9T$abcdefghijklmnop$0Hi8KsZH/hAMRN9Bam6ce3nmi5QAIz3R/KeaXG/c7p9";

fn own_verifier(house: &House) -> Verifier {
    let snapshot = house.store.snapshot().unwrap();
    let credentials = snapshot.credentials(house.account).unwrap().unwrap();
    let own = credentials
        .verifiers
        .into_iter()
        .find(|(device, _)| device.is_none());
    own.unwrap().1
}

#[test]
fn a_foreign_hash_is_replaced_at_the_first_login() {
    let house = House::new(Hashing::Scram);
    let before = house.auth.scram_parameters("anna@example.com").unwrap();
    let hash = CryptHash::parse(CRYPT).unwrap();
    house.auth.set_crypt(house.account, hash.clone()).unwrap();
    assert_eq!(
        house.auth.scram_parameters("anna@example.com").unwrap(),
        before
    );
    assert_eq!(
        house.verify("anna@example.com", "incorrect horse"),
        "Denied"
    );
    assert_eq!(
        house.verify("nobody@example.com", "correct horse"),
        "Denied"
    );
    assert!(matches!(own_verifier(&house), Verifier::Crypt(_)));
    assert_eq!(
        house.verify("anna@example.com", "correct horse"),
        "granted None"
    );
    assert!(matches!(own_verifier(&house), Verifier::Scram { .. }));
    assert_eq!(
        house.verify("anna@example.com", "correct horse"),
        "granted None"
    );
    assert_eq!(
        house.verify("anna@example.com", "incorrect horse"),
        "Denied"
    );
    // A password that was set meanwhile is not undone.
    let stale = hash.into_secret();
    let kept = own_verifier(&house);
    assert_eq!(
        house.store.replace_crypt(house.account, &stale, kept),
        Ok(false)
    );
}

#[test]
fn a_foreign_hash_becomes_what_the_settings_want() {
    let house = House::new(Hashing::Scram);
    let auth = Auth::with_hashing(house.store.clone(), Hashing::Argon2id);
    auth.set_crypt(house.account, CryptHash::parse(CRYPT).unwrap())
        .unwrap();
    let outcome = auth.verify(
        &request("anna@example.com", "correct horse"),
        house.clock.now(),
    );
    assert!(matches!(outcome, Outcome::Granted(_)));
    assert!(matches!(own_verifier(&house), Verifier::Argon2id(_)));
    assert_eq!(
        house.verify("anna@example.com", "correct horse"),
        "granted None"
    );
}

#[test]
fn a_new_password_leaves_app_passwords_good() {
    let house = House::new(Hashing::Scram);
    let delete = Pop3Delete::Delete;
    let added = house
        .auth
        .add_device(house.account, "pc", delete, house.clock.now());
    let (_, app) = added.unwrap();
    house
        .auth
        .set_password(house.account, "another horse", Hashing::Scram)
        .unwrap();
    assert_eq!(house.verify("anna@example.com", "correct horse"), "Denied");
    assert_eq!(
        house.verify("anna@example.com", "another horse"),
        "granted None"
    );
    assert!(
        house
            .verify("anna@example.com", app.expose())
            .starts_with("granted Some")
    );
}

#[test]
fn rules_hold_for_new_passwords() {
    let house = House::new(Hashing::Scram);
    let set = |id, password| house.auth.set_password(id, password, Hashing::Scram);
    assert_eq!(
        set(house.account, "short"),
        Err(Error::Password(PasswordError::TooShort))
    );
    let missing = store::Error::NotFound("account");
    assert_eq!(
        set(AccountId(99), "long enough"),
        Err(Error::Store(missing))
    );
}

#[test]
fn decoys_look_like_accounts_and_stay() {
    let house = House::new(Hashing::Scram);
    let known = house.auth.scram_parameters("anna@example.com").unwrap();
    let decoy = house.auth.scram_parameters("nobody@example.com").unwrap();
    assert_eq!(
        (decoy.salt.len(), decoy.iterations),
        (known.salt.len(), known.iterations)
    );
    assert_ne!(decoy.salt, known.salt);
    let later = Auth::new(house.store);
    assert_eq!(later.scram_parameters("Nobody@example.com").unwrap(), decoy);
    assert_eq!(later.scram_parameters("ANNA@example.com").unwrap(), known);
    assert_ne!(
        later.scram_parameters("nobody2@example.com").unwrap().salt,
        decoy.salt
    );
    assert!(later.scram_parameters("no address").is_some());
}

#[test]
fn failures_are_throttled_until_one_is_good() {
    let house = House::new(Hashing::Scram);
    for _ in 0..throttle::FAILURES_FREE {
        assert_eq!(house.verify("anna@example.com", "wrong"), "Denied");
    }
    assert_eq!(house.verify("anna@example.com", "wrong"), "Denied");
    let throttled = house.verify("anna@example.com", "correct horse");
    assert_eq!(throttled, "Throttled { retry_after: 1s }");
    let delay = || {
        let request = request("anna@example.com", "correct horse");
        house.auth.throttle_delay(&request, house.clock.now().mono)
    };
    house.clock.advance(delay());
    assert_eq!(
        house.verify("anna@example.com", "correct horse"),
        "granted None"
    );
    for _ in 0..throttle::FAILURES_FREE {
        assert_eq!(house.verify("anna@example.com", "wrong"), "Denied");
    }
    assert_eq!(delay(), Duration::ZERO);
}

#[test]
fn who_was_let_in_is_remembered() {
    let house = House::new(Hashing::Scram);
    let (from, now) = (OUTSIDE.parse().unwrap(), house.clock.now());
    let keep = Pop3Delete::Keep { days: 30 };
    let added = house.auth.add_device(house.account, "pc", keep, now);
    let (device, app) = added.unwrap();
    for password in [app.expose(), "correct horse", "wrong horse"] {
        let outcome = house
            .auth
            .verify(&request("anna@example.com", password), now);
        if let Outcome::Granted(who) = outcome {
            let via = Via {
                protocol: "IMAP",
                tls: "TLS1.3".to_owned(),
            };
            house.auth.remember(&who, from, &via, now);
        }
    }
    let snapshot = house.store.snapshot().unwrap();
    let login = Login {
        protocol: "IMAP".to_owned(),
        at: now.wall.unwrap(),
        from,
        tls: "TLS1.3".to_owned(),
    };
    let logins = [(None, login.clone()), (Some(device.id), login)];
    assert_eq!(snapshot.logins(house.account).unwrap(), logins);
    let seen = snapshot.devices(house.account).unwrap()[0].last_seen;
    assert_eq!(seen, now.wall);
}
