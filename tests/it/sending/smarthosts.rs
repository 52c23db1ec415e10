//! Smarthosts: TLS that proves the name, logins, passwords that are wrong.

use std::path::Path;

use heimpost::mail::address::Domain;
use heimpost::queue::relay::{Login, Password, Relay, RelayTls, Smarthost};
use heimpost::store::spool::SpoolMail;

use super::TAKE;
use super::host::Host;
use super::hosts::tls;
use super::house::{House, Plan, mail};

const USER: &str = "anna";

pub(super) fn smarthost(name: &str, port: u16, tls: RelayTls, password_file: &Path) -> Smarthost {
    Smarthost {
        name: format!("{name}:{port}"),
        host: Domain::parse(name).unwrap(),
        port,
        tls,
        login: Some(Login {
            user: USER.to_owned(),
            password: Password::File(password_file.to_owned()),
        }),
    }
}

struct World {
    dir: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let world = Self { dir };
        world.set_password("right");
        world
    }

    fn set_password(&self, password: &str) {
        std::fs::write(
            self.dir.path().join("password"),
            format!("{password}\nnotes\n"),
        )
        .unwrap();
    }

    /// A smarthost with a certificate for relay.test, and a house that goes by `name`.
    async fn start(&self, name: &str, security: RelayTls, scripts: &[&str]) -> (Host, House) {
        let tls = tls(&self.dir.path().join("tls"), "relay.test");
        let authorities = tls.authority_pem().unwrap();
        let host = Host::with_tls("127.0.0.1:0", scripts, Some(tls)).await;
        let port = host.address.port();
        let file = self.dir.path().join("password");
        let mut plan = Plan::new(&format!("{name} A 127.0.0.1"), 1);
        plan.authorities = authorities;
        plan.relay = Relay {
            default: Some(smarthost(name, port, security, &file)),
            senders: Vec::new(),
        };
        (host, House::new(plan))
    }
}

/// base64 of NUL anna NUL, then the password.
const RIGHT: &str = "AGFubmEAcmlnaHQ=";
const WRONG: &str = "AGFubmEAd3Jvbmc=";

fn offering(mechanisms: &str) -> String {
    format!("TLS\nS: 220 relay.test\nC: EHLO\nS: 250-relay.test\nS: 250 AUTH {mechanisms}\n")
}

#[tokio::test]
async fn logins_by_plain_and_login() {
    let plain = format!(
        "{}C: AUTH PLAIN {RIGHT}\nS: 235 ok\n{TAKE}",
        offering("LOGIN PLAIN")
    );
    let login = format!(
        "{}C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: YW5uYQ==\nS: 334 UGFzc3dvcmQ6\nC: cmlnaHQ=\nS: 235 ok\n{TAKE}",
        offering("LOGIN")
    );
    for script in [plain, login] {
        let world = World::new();
        let (host, house) = world
            .start("relay.test", RelayTls::Implicit, &[&script])
            .await;
        house.send(mail(&["ben@far.test"])).await;
        house.until_empty().await;
        assert_eq!(house.tallied().put_off, 0);
        house.stop().await;
        host.end().await;
    }
}

#[tokio::test]
async fn starttls_is_not_optional() {
    let begin = "S: 220 relay.test\nC: EHLO\nS: 250-relay.test\n";
    let works = format!(
        "{begin}S: 250 STARTTLS\nC: STARTTLS\nS: 220 go\nTLS\nC: EHLO\nS: 250-relay.test\nS: 250 AUTH PLAIN\n\
         C: AUTH PLAIN {RIGHT}\nS: 235 ok\n{TAKE}"
    );
    let world = World::new();
    let (host, house) = world
        .start("relay.test", RelayTls::StartTls, &[&works])
        .await;
    house.send(mail(&["ben@far.test"])).await;
    house.until_empty().await;
    house.stop().await;
    host.end().await;

    let none = format!("{begin}S: 250 AUTH PLAIN\nC: QUIT\nS: 221 bye");
    let (host, house) = world
        .start("relay.test", RelayTls::StartTls, &[&none])
        .await;
    house.send(mail(&["ben@far.test"])).await;
    let tried = house.until_tried(1).await;
    assert!(
        tried.starts_with("4.7.4 relay.test the host offers no TLS"),
        "{tried}"
    );
    house.stop().await;
    host.end().await;
}

#[tokio::test]
async fn the_password_is_for_the_right_host_only() {
    let world = World::new();
    // The certificate says relay.test.
    let port = {
        let tls = tls(&world.dir.path().join("tls"), "relay.test");
        let authorities = tls.authority_pem().unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (socket, _) = listener.accept().await.unwrap();
            assert!(tls.accept(Box::new(socket)).await.is_err());
        });
        (port, authorities)
    };
    let file = world.dir.path().join("password");
    let mut plan = Plan::new("other.test A 127.0.0.1", 1);
    plan.authorities = port.1;
    plan.relay.default = Some(smarthost("other.test", port.0, RelayTls::Implicit, &file));
    let house = House::new(plan);
    house.send(mail(&["ben@far.test"])).await;
    let tried = house.until_tried(1).await;
    assert!(
        tried.starts_with("4.7.5 other.test the certificate is not accepted"),
        "{tried}"
    );
    house.stop().await;
}

#[tokio::test]
async fn a_host_that_offers_no_login_for_once_has_refused_no_password() {
    let none = "TLS\nS: 220 relay.test\nC: EHLO\nS: 250 relay.test";
    let right = format!(
        "{}C: AUTH PLAIN {RIGHT}\nS: 235 ok\n{TAKE}",
        offering("PLAIN")
    );
    let world = World::new();
    let (host, house) = world
        .start("relay.test", RelayTls::Implicit, &[none, &right])
        .await;
    house.send(mail(&["ben@far.test"])).await;
    let tried = house.until_tried(1).await;
    assert!(
        tried.starts_with("4.7.8 relay.test login as anna"),
        "{tried}"
    );
    house.wish_for_all().await;
    house.until_empty().await;
    house.stop().await;
    host.end().await;
}

#[tokio::test]
async fn a_wrong_password_is_tried_once() {
    let wrong = format!(
        "{}C: AUTH PLAIN {WRONG}\nS: 535 5.7.8 no",
        offering("PLAIN")
    );
    let right = format!(
        "{}C: AUTH PLAIN {RIGHT}\nS: 235 ok\n{TAKE}{TAKE}",
        offering("PLAIN")
    );
    let world = World::new();
    world.set_password("wrong");
    let (host, house) = world
        .start("relay.test", RelayTls::Implicit, &[&wrong, &right])
        .await;
    house.send(mail(&["ben@far.test"])).await;
    let tried = house.until_tried(1).await;
    assert_eq!(
        tried,
        "4.7.8 relay.test login as anna at relay.test failed: 535 5.7.8 no"
    );
    // Neither a second mail nor the owner's wish make another login.
    house.send(mail(&["ina@far.test"])).await;
    house.wish_for_all().await;
    let attempts = |spool: &[SpoolMail]| {
        spool
            .iter()
            .map(|mail| mail.states[0].attempts)
            .sum::<u32>()
    };
    house.until(|spool| attempts(spool) >= 2).await;
    assert_eq!(host.said().len(), 1);

    world.set_password("right");
    house.wish_for_all().await;
    house.until_empty().await;
    house.stop().await;
    assert_eq!(host.end().await.len(), 2);
}

#[tokio::test]
async fn what_it_says_of_us_gives_no_mail_back() {
    let login = format!("{}C: AUTH PLAIN {RIGHT}\nS: 235 ok\n", offering("PLAIN"));
    let cases = [
        (
            "TLS\nS: 554 5.7.1 not from your address".to_owned(),
            "4.7.1 relay.test 554 5.7.1 not from your address",
        ),
        (
            format!("{login}C: MAIL\nS: 530 5.7.0 log in first\nC: RSET\nS: 250 ok"),
            "4.7.8 relay.test 530 5.7.0 log in first",
        ),
    ];
    for (script, expected) in cases {
        let world = World::new();
        let (host, house) = world
            .start("relay.test", RelayTls::Implicit, &[&script])
            .await;
        house.send(mail(&["ben@far.test"])).await;
        assert_eq!(house.until_tried(1).await, expected);
        assert_eq!(house.spool().len(), 1);
        house.stop().await;
        host.end().await;
    }
    // What it says of a mail counts.
    let refuses = format!("{login}C: MAIL\nS: 550 5.7.1 not your address\nC: RSET\nS: 250 ok");
    let world = World::new();
    let (host, house) = world
        .start("relay.test", RelayTls::Implicit, &[&refuses])
        .await;
    house.send(mail(&["ben@far.test"])).await;
    house.until_empty().await;
    assert_eq!(house.tallied().turned_away, 1);
    house.stop().await;
    host.end().await;
}
