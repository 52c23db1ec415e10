//! Accounts, aliases, devices, settings.

use redb::{ReadableTable, ReadableTableMetadata};

use super::*;
use crate::mail::secret::Secret;
use crate::store::change::{Change, Heard};
use crate::store::device::DEVICES_PER_ACCOUNT_MAX;
use crate::store::migrate;
use crate::store::schema::{FORMAT_VERSION, META, META_FORMAT, RECORDS};
use crate::store::types::{Alias, Login, SCRAM_SALT_BYTES, Verifier};
use crate::wake::Wake;

#[test]
fn an_account_starts_with_its_mailboxes() {
    let house = House::new();
    let snapshot = house.store.snapshot().unwrap();
    let mailboxes = snapshot.mailboxes(house.account).unwrap();
    let names: Vec<&str> = mailboxes.iter().map(|m| m.name.as_str()).collect();
    assert_eq!(
        names,
        ["Archive", "Drafts", "INBOX", "Junk", "Sent", "Trash"]
    );
    assert!(mailboxes.iter().all(|m| m.subscribed));
    assert!(snapshot.owner().unwrap().is_some_and(|a| a.owner));
    let taken = house
        .store
        .add_account(&new_account("ANNA@haus.example"), house.now());
    assert_eq!(taken, Err(Error::Exists("an account of that address")));
}

fn verifier() -> Verifier {
    Verifier::Argon2id(Secret::new("$argon2id$".to_owned()))
}

#[test]
fn the_last_owner_stays_while_there_are_others() {
    let house = House::new();
    let ben = house.add_account("ben@haus.example");
    let refused = house.store.remove_account(house.account);
    assert!(matches!(refused, Err(Error::Refused(_))));
    house.store.remove_account(ben).unwrap();
    house.store.remove_account(house.account).unwrap();
    let snapshot = house.store.snapshot().unwrap();
    assert_eq!(snapshot.accounts(), Ok(Vec::new()));
    assert_eq!(snapshot.owner(), Ok(None));
}

#[test]
fn a_removed_account_leaves_nothing() {
    let house = House::new();
    let ben = house.add_account("ben@haus.example");
    house
        .store
        .add_device(ben, "phone", Pop3Delete::Move, verifier(), house.now())
        .unwrap();
    let snapshot = house.store.snapshot().unwrap();
    let inbox = snapshot.mailbox_by_name(ben, &MailboxName::inbox());
    let inbox = inbox.unwrap().unwrap();
    house.fill(&inbox, 230);
    let mut heard = house.store.subscribe(ben, Wake::none());
    house.store.remove_account(ben).unwrap();
    assert_eq!(heard.poll(), Some(Heard::Change(Change::Account)));
    let snapshot = house.store.snapshot().unwrap();
    assert!(house.uids(inbox.id).is_empty());
    assert_eq!(snapshot.devices(ben), Ok(Vec::new()));
    assert_eq!(snapshot.read(RECORDS).unwrap().len().unwrap(), 0);
}

#[test]
fn an_address_is_an_account_or_an_alias() {
    let house = House::new();
    let alias = |from: &str, to: &[&str]| Alias {
        from: from.to_owned(),
        to: to.iter().map(|to| address(to)).collect(),
    };
    let info = alias("info@haus.example", &["anna@haus.example", "x@far.example"]);
    house.store.set_alias(&info).unwrap();
    house
        .store
        .set_alias(&alias("@haus.example", &["anna@haus.example"]))
        .unwrap();
    let taken = house
        .store
        .set_alias(&alias("anna@haus.example", &["x@far.example"]));
    assert_eq!(taken, Err(Error::Exists("an account of that address")));
    let taken = house
        .store
        .add_account(&new_account("INFO@haus.example"), house.now());
    assert_eq!(taken, Err(Error::Exists("an alias of that address")));
    let nowhere = house.store.set_alias(&alias("a@haus.example", &[]));
    assert!(matches!(nowhere, Err(Error::Refused(_))));
    let snapshot = house.store.snapshot().unwrap();
    assert_eq!(snapshot.alias("info@haus.example"), Ok(Some(info)));
    assert_eq!(snapshot.aliases().unwrap().len(), 2);
    house.store.remove_alias("info@haus.example").unwrap();
    let gone = house.store.remove_alias("info@haus.example");
    assert_eq!(gone, Err(Error::NotFound("the alias")));
}

#[test]
fn a_renamed_account_keeps_what_it_has() {
    let house = House::new();
    house.fill(&house.mailbox("INBOX"), 1);
    let to = address("Anna.Neu@haus.example");
    house.store.rename_account(house.account, &to).unwrap();
    let snapshot = house.store.snapshot().unwrap();
    let found = snapshot.account_by_key("anna.neu@haus.example");
    assert_eq!(
        found.unwrap().map(|a| (a.id, a.address)),
        Some((house.account, to))
    );
    assert_eq!(snapshot.account_by_key("anna@haus.example"), Ok(None));
    assert_eq!(house.uids(house.mailbox("INBOX").id), [1]);
}

#[test]
fn credentials_hold_password_and_devices_with_one_salt() {
    let house = House::new();
    let before = house.store.snapshot().unwrap().credentials(house.account);
    let before = before.unwrap().unwrap();
    assert_eq!(
        (before.salt.len(), before.verifiers.len()),
        (SCRAM_SALT_BYTES, 0)
    );
    let phone = house.add_device("phone", Pop3Delete::Delete);
    let scram = Verifier::Scram {
        stored_key: [1; 32],
        server_key: Secret::new([2; 32]),
    };
    house.store.set_password(house.account, scram).unwrap();
    let after = house.store.snapshot().unwrap().credentials(house.account);
    let after = after.unwrap().unwrap();
    assert_eq!(after.salt, before.salt);
    let who: Vec<_> = after.verifiers.iter().map(|(device, _)| *device).collect();
    assert_eq!(who, [None, Some(phone)]);
    let server_key = match &after.verifiers[0].1 {
        Verifier::Scram { server_key, .. } => *server_key.expose(),
        Verifier::Argon2id(_) | Verifier::Crypt(_) => panic!("another verifier"),
    };
    assert_eq!(server_key, [2; 32]);
}

#[test]
fn devices_have_names_and_limits() {
    let house = House::new();
    let add = |name: &str, policy| {
        house
            .store
            .add_device(house.account, name, policy, verifier(), house.now())
    };
    add("phone", Pop3Delete::Keep { days: 30 }).unwrap();
    assert!(matches!(
        add("phone", Pop3Delete::Move),
        Err(Error::Exists(_))
    ));
    assert!(matches!(add("", Pop3Delete::Move), Err(Error::Refused(_))));
    let forever = add("pc", Pop3Delete::Keep { days: 3651 });
    assert!(matches!(forever, Err(Error::Refused(_))));
    for n in 1..DEVICES_PER_ACCOUNT_MAX {
        add(&format!("device {n}"), Pop3Delete::Move).unwrap();
    }
    assert!(matches!(
        add("one more", Pop3Delete::Move),
        Err(Error::Limit(_))
    ));
}

#[test]
fn logins_are_remembered_but_seldom_written() {
    let house = House::new();
    let phone = house.add_device("phone", Pop3Delete::Keep { days: 30 });
    let other = house.add_account("bert@haus.example");
    let login = |protocol: &str, at| Login {
        protocol: protocol.to_owned(),
        at: Wall(START.0 + at),
        from: "192.0.2.7".parse().unwrap(),
        tls: "TLS1.3".to_owned(),
    };
    let remember = |device, protocol, at| {
        let login = login(protocol, at);
        let kept = house.store.remember_login(house.account, device, &login);
        kept.unwrap();
    };
    let logins = |of| house.store.snapshot().unwrap().logins(of).unwrap();
    for at in [0, 60, 899] {
        remember(Some(phone), "IMAP", at);
    }
    assert_eq!(logins(house.account), [(Some(phone), login("IMAP", 0))]);
    remember(Some(phone), "IMAP", 900);
    remember(Some(phone), "SMTP", 300);
    remember(None, "Web", 100);
    remember(None, "Web", -50);
    remember(Some(DeviceId(99)), "IMAP", 0);
    let expected = [
        (None, login("Web", -50)),
        (Some(phone), login("IMAP", 900)),
        (Some(phone), login("SMTP", 300)),
    ];
    assert_eq!(logins(house.account), expected);
    assert_eq!(logins(other), []);
    assert_eq!(house.device(phone).last_seen, Some(Wall(START.0 + 900)));
    let long = house
        .store
        .remember_login(other, None, &login(&"x".repeat(33), 0));
    assert!(matches!(long, Err(Error::Limit(_))));
    let house = house.reopen();
    house.store.revoke_device(phone).unwrap();
    let left = house.store.snapshot().unwrap().logins(house.account);
    assert_eq!(left.unwrap(), [(None, login("Web", -50))]);
    house.store.remove_account(other).unwrap();
    house.store.remove_account(house.account).unwrap();
    let left = house.store.snapshot().unwrap().logins(house.account);
    assert_eq!(left.unwrap(), []);
}

#[test]
fn what_dele_means_can_be_changed() {
    let house = House::new();
    let phone = house.add_device("phone", Pop3Delete::Delete);
    let set = |id, policy| house.store.set_pop3_delete(id, policy);
    set(phone, Pop3Delete::Keep { days: 7 }).unwrap();
    assert_eq!(
        house.device(phone).pop3_delete,
        Pop3Delete::Keep { days: 7 }
    );
    let forever = set(phone, Pop3Delete::Keep { days: 0 });
    assert!(matches!(forever, Err(Error::Refused(_))));
    let nobody = set(DeviceId(99), Pop3Delete::Move);
    assert!(matches!(nobody, Err(Error::NotFound(_))));
    assert_eq!(
        house.device(phone).pop3_delete,
        Pop3Delete::Keep { days: 7 }
    );
}

#[test]
fn settings_are_kept() {
    let house = House::new();
    house.store.set_setting("decoy", b"key").unwrap();
    let setting = || house.store.snapshot().unwrap().setting("decoy");
    assert_eq!(setting(), Ok(Some(b"key".to_vec())));
    let replace = |expected: Option<&[u8]>, value: &[u8]| {
        let replaced = house.store.replace_setting("decoy", expected, value);
        replaced.unwrap()
    };
    assert!(!replace(None, b"other"));
    assert!(!replace(Some(b"other"), b"other"));
    assert_eq!(setting(), Ok(Some(b"key".to_vec())));
    assert!(replace(Some(b"key"), b"new"));
    assert_eq!(setting(), Ok(Some(b"new".to_vec())));
    house.store.remove_setting("decoy").unwrap();
    assert!(replace(None, b"again"));
    house.store.remove_setting("decoy").unwrap();
    assert_eq!(setting(), Ok(None));
}

#[test]
fn a_store_of_a_newer_format_is_refused_by_name() {
    let house = House::new();
    let newer = vec![u8::try_from(FORMAT_VERSION + 1).unwrap()];
    let outcome = house.store.0.commit(move |tx| {
        tx.write(META)?.insert(META_FORMAT, newer.as_slice())?;
        migrate::prepare(tx)
    });
    let Err(Error::Fault(text)) = outcome else {
        panic!("{outcome:?}");
    };
    let expected = format!("format version {}", FORMAT_VERSION + 1);
    assert!(text.contains(&expected), "{text}");
}

#[test]
fn a_store_of_format_0_is_brought_up() {
    let house = House::new();
    // Format 0 is the empty store.
    house.store.remove_account(house.account).unwrap();
    let version = house.store.0.commit(|tx| {
        tx.write(META)?.remove(META_FORMAT)?;
        migrate::prepare(tx)?;
        let stored = tx
            .read(META)?
            .get(META_FORMAT)?
            .map(|row| row.value().to_vec());
        Ok(stored)
    });
    let newest = u8::try_from(FORMAT_VERSION).unwrap();
    assert_eq!(version, Ok(Some(vec![newest])));
}
