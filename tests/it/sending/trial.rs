//! Trials of smarthosts: each way in which they end, as people read it.

use std::path::Path;

use heimpost::clock::{Clock, Wall};
use heimpost::dns::Resolver;
use heimpost::mail::address::{Address, Domain};
use heimpost::mail::secret::Secret;
use heimpost::net::outbound::Outbound;
use heimpost::queue::relay::{Login, Password, RelayTls, Smarthost};
use heimpost::queue::worker::trial::{Failure, Request, Trial, What};
use heimpost::store::types::Language;
use heimpost::store::{Options, Store};
use heimpost::trust::signing::Keyring;

use super::TAKE;
use super::host::Host;
use super::hosts::tls;

/// base64 of NUL anna NUL right.
const LOGIN: &str = "C: AUTH PLAIN AGFubmEAcmlnaHQ=\n";

/// What follows a refusal.
const RESET: &str = "C: RSET\nS: 250 ok\n";

const ZONE: &str = "relay.test A 127.0.0.1\nother.test A 127.0.0.1\nlater.test A servfail\n";

fn trial(authorities: &str) -> Trial {
    let store = Store::in_memory(&Options::default()).unwrap();
    Trial {
        outbound: Outbound::trusting(authorities).unwrap(),
        resolver: Some(Resolver::zone(ZONE).unwrap()),
        keyring: Keyring::open(&store, &[]),
        hostname: Domain::parse("home.test").unwrap(),
        clock: Clock::virtual_at(Wall(1_800_000_000)),
    }
}

fn request(name: &str, port: u16, tls: RelayTls) -> Request {
    Request {
        smarthost: Smarthost {
            name: format!("{name}:{port}"),
            host: Domain::parse(name).unwrap(),
            port,
            tls,
            login: Some(Login {
                user: "anna".to_owned(),
                password: Password::Given(Secret::new("right".to_owned())),
            }),
        },
        owner: Address::parse("anna@home.test").unwrap(),
        language: Language::De,
    }
}

/// Plays `script` behind TLS as relay.test; what the trial brings, and what the host heard.
async fn play(
    script: &str,
    change: impl FnOnce(&mut Request),
) -> (Result<String, Failure>, String) {
    let dir = tempfile::tempdir().unwrap();
    let tls = tls(Path::new(&dir.path().join("tls")), "relay.test");
    let authorities = tls.authority_pem().unwrap();
    let host = Host::with_tls("127.0.0.1:0", &[script], Some(tls)).await;
    let mut request = request("relay.test", host.address.port(), RelayTls::Implicit);
    change(&mut request);
    let result = trial(&authorities).run(&request).await;
    (result, host.end().await.concat())
}

fn offering(rest: &str) -> String {
    format!("TLS\nS: 220 relay.test\nC: EHLO\nS: 250-relay.test\nS: 250 AUTH PLAIN\n{rest}")
}

#[tokio::test]
async fn a_mail_is_handed_over() {
    let script = offering(&format!("{LOGIN}S: 235 ok\n{TAKE}"));
    let (result, heard) = play(&script, |_| {}).await;
    assert_eq!(result, Ok("250 2.0.0 queued".to_owned()));
    for line in [
        "MAIL FROM:<anna@home.test>",
        "RCPT TO:<anna@home.test>",
        "Subject: Heimpost: Probemail",
        "relay.test gesendet",
        "Auto-Submitted: auto-generated",
    ] {
        assert!(heard.contains(line), "{line} is not in {heard}");
    }
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let table = [
        (
            format!("{LOGIN}S: 535 5.7.8 no"),
            What::Password,
            "535 5.7.8 no",
        ),
        (
            format!("{LOGIN}S: 454 later"),
            What::LoginLater,
            "454 later",
        ),
        (
            format!("{LOGIN}S: 235 ok\nC: MAIL\nS: 553 5.7.1 not yours\n{RESET}"),
            What::Sender,
            "553 5.7.1 not yours",
        ),
        (
            format!("{LOGIN}S: 235 ok\nC: MAIL\nS: 250 ok\nC: RCPT\nS: 550 nobody\n{RESET}"),
            What::Recipient,
            "550 nobody",
        ),
        (
            format!(
                "{LOGIN}S: 235 ok\nC: MAIL\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: DATA\nS: 354 go\nDATA\nS: 554 spam"
            ),
            What::Message,
            "554 spam",
        ),
        (format!("{LOGIN}CUT"), What::Lost, "the connection was cut"),
    ];
    for (rest, what, said) in table {
        let (result, _) = play(&offering(&rest), |_| {}).await;
        let said = said.to_owned();
        assert_eq!(result, Err(Failure { what, said }), "{rest}");
    }
    let wants_login = offering(&format!("C: MAIL\nS: 530 5.7.0 log in\n{RESET}"));
    let (result, _) = play(&wants_login, |request| request.smarthost.login = None).await;
    assert_eq!(result.unwrap_err().what, What::LoginMissing);
    let (result, _) = play("TLS\nS: 554 go away\n", |_| {}).await;
    assert_eq!(result.unwrap_err().what, What::Unwelcome);
}

#[tokio::test]
async fn the_password_goes_to_the_right_host_only() {
    let other =
        |request: &mut Request| request.smarthost.host = Domain::parse("other.test").unwrap();
    let (result, heard) = play("NOTLS", other).await;
    assert_eq!(
        (result.unwrap_err().what, heard.as_str()),
        (What::Certificate, "")
    );
    let plain = "S: 220 relay.test\nC: EHLO\nS: 250-relay.test\nS: 250 AUTH PLAIN\n";
    let (result, heard) = play(plain, |request| request.smarthost.tls = RelayTls::StartTls).await;
    assert_eq!(result.unwrap_err().what, What::NoTls);
    assert!(!heard.contains("AUTH"), "{heard}");
}

#[tokio::test]
async fn hosts_that_are_not_there() {
    let closed = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().port()
    };
    for (name, what) in [
        ("relay.test", What::NoConnection),
        ("gone.test", What::NoHost),
        ("later.test", What::NoNames),
        ("[127.0.0.1]", What::NoConnection),
    ] {
        let result = trial("")
            .run(&request(name, closed, RelayTls::Implicit))
            .await;
        assert_eq!(result.unwrap_err().what, what, "{name}");
    }
    let nameless = Trial {
        resolver: None,
        ..trial("")
    };
    let result = nameless
        .run(&request("relay.test", closed, RelayTls::Implicit))
        .await;
    assert_eq!(result.unwrap_err().what, What::NoNames);
}

#[test]
fn hints_of_providers_come_with_refused_logins() {
    let mut smarthost = request("smtp.gmail.com", 465, RelayTls::Implicit).smarthost;
    let words = |what, smarthost: &Smarthost| {
        let failure = Failure {
            what,
            said: String::new(),
        };
        failure.in_words(smarthost, Language::De)
    };
    assert!(words(What::Password, &smarthost).contains("App-Passwort"));
    assert!(!words(What::Silent, &smarthost).contains("App-Passwort"));
    smarthost.host = Domain::parse("relay.test").unwrap();
    assert_eq!(
        words(What::Password, &smarthost),
        "relay.test lehnt die Anmeldung ab. Prüfen Sie Benutzer und Passwort."
    );
}
