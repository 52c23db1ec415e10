//! Certificates as a client sees them.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use heimpost::clock::{Mono, Now, Wall};
use heimpost::net::Counters;
use heimpost::net::ca::{Authority, Subject};
use heimpost::net::tls::{Certificate, Tls};
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use tokio::io::duplex;
use tokio_rustls::TlsConnector;

use super::toy;

const START: i64 = 1_800_000_000;
const DAY: i64 = 24 * 60 * 60;

fn on_day(day: i64) -> Now {
    Now {
        mono: Mono::default(),
        wall: Some(Wall(START + day * DAY)),
    }
}

#[derive(Debug)]
struct Fixed(u64);

impl TimeProvider for Fixed {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0)))
    }
}

/// A client that lives on that day and trusts the authority.
fn client_on(day: i64, tls: &Tls) -> ClientConfig {
    let mut config = toy::client(tls);
    config.time_provider = Arc::new(Fixed(u64::try_from(START + day * DAY).unwrap()));
    config
}

/// The certificate that a client gets, or why it refuses.
async fn connect(tls: &Tls, config: ClientConfig) -> Result<CertificateDer<'static>, String> {
    connect_to("toy.example", tls, config).await
}

async fn connect_to(
    name: &'static str,
    tls: &Tls,
    config: ClientConfig,
) -> Result<CertificateDer<'static>, String> {
    let (near, far) = duplex(64 * 1024);
    let name = ServerName::try_from(name).unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let (client, _server) = tokio::join!(connector.connect(name, near), tls.accept(Box::new(far)));
    let client = client.map_err(|error| error.to_string())?;
    Ok(client.get_ref().1.peer_certificates().unwrap()[0]
        .clone()
        .into_owned())
}

fn made(dir: &Path) -> Tls {
    let certificate = Certificate::Made {
        directory: dir.to_owned(),
        subject: toy::subject(),
    };
    Tls::open(certificate, on_day(0), Counters::default()).unwrap()
}

#[tokio::test]
async fn a_renewed_leaf_is_served_at_once_and_trusted_as_before() {
    let dir = tempfile::tempdir().unwrap();
    let tls = made(dir.path());
    let trusting = |day| client_on(day, &tls);
    let first = connect(&tls, trusting(0)).await.unwrap();
    tls.refresh(on_day(300));
    assert_eq!(connect(&tls, trusting(300)).await.unwrap(), first);
    tls.refresh(on_day(400));
    let second = connect(&tls, trusting(400)).await.unwrap();
    assert_ne!(first, second);
}

#[tokio::test]
async fn an_expired_leaf_is_refused_by_the_same_client() {
    let dir = tempfile::tempdir().unwrap();
    let tls = made(dir.path());
    let refused = connect(&tls, client_on(400, &tls)).await.unwrap_err();
    assert!(refused.contains("expired"), "{refused}");
}

#[tokio::test]
async fn the_owners_files_are_read_again_when_they_change_and_kept_when_they_break() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let authorities = [made(one.path()), made(two.path())];
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    let install = |from: &Path| {
        fs::copy(from.join("leaf.pem"), &certificate).unwrap();
        fs::copy(from.join("leaf.key"), &key).unwrap();
    };
    install(one.path());
    let given = Certificate::Given {
        certificate: certificate.clone(),
        key: key.clone(),
    };
    let tls = Tls::open(given, on_day(0), Counters::default()).unwrap();
    let trusted_by = async |number: usize| {
        let authority: &Tls = &authorities[number];
        connect(&tls, client_on(0, authority)).await.is_ok()
    };
    assert!(trusted_by(0).await);
    // Half of the new pair, then nonsense of another length: the old one stays.
    fs::copy(two.path().join("leaf.pem"), &certificate).unwrap();
    tls.refresh(on_day(0));
    assert!(trusted_by(0).await);
    fs::write(&certificate, "nonsense").unwrap();
    tls.refresh(on_day(0));
    assert!(trusted_by(0).await);
    // Nothing changed since, and the owner still has to look after it.
    tls.refresh(on_day(0));
    assert!(tls.is_in_trouble(on_day(0)));
    install(two.path());
    tls.refresh(on_day(0));
    assert!(!tls.is_in_trouble(on_day(0)));
    assert!(trusted_by(1).await);
    assert!(!trusted_by(0).await);
}

#[test]
fn a_certificate_that_ends_soon_is_trouble_unless_it_is_renewed() {
    let dir = tempfile::tempdir().unwrap();
    let tls = made(dir.path());
    for (day, trouble) in [(0, false), (300, false), (392, true), (400, true)] {
        assert_eq!(tls.is_in_trouble(on_day(day)), trouble, "day {day}");
    }
    tls.refresh(on_day(400));
    assert!(!tls.is_in_trouble(on_day(400)));
}

#[test]
fn a_key_of_another_certificate_is_an_error_at_start() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    drop((made(one.path()), made(two.path())));
    let given = Certificate::Given {
        certificate: one.path().join("leaf.pem"),
        key: two.path().join("leaf.key"),
    };
    let error = Tls::open(given, on_day(0), Counters::default()).unwrap_err();
    assert!(error.to_string().contains("leaf.key: "), "{error}");
}

/// The box's own certificate names a local name too; the other one, by another authority, is for two public names.
struct Known {
    tls: Tls,
    everybodys: Authority,
    install: Box<dyn Fn(i64)>,
}

fn known(own: &Path, other: &Path) -> Known {
    let subject = Subject {
        names: ["toy.local".to_owned()].into(),
        ..toy::subject()
    };
    let names = Subject {
        names: ["mta-sts.example".to_owned()].into(),
        ..toy::subject()
    };
    let certificate = Certificate::Known {
        directory: own.to_owned(),
        subject,
        certificate: own.join("acme.pem"),
        key: own.join("acme.key"),
    };
    let (own, from) = (own.to_owned(), other.to_owned());
    let authority = Authority::open(other, "Everybody", on_day(0)).unwrap();
    Known {
        tls: Tls::open(certificate, on_day(0), Counters::default()).unwrap(),
        everybodys: Authority::open(other, "Everybody", on_day(0)).unwrap(),
        install: Box::new(move |day| {
            authority.leaf(&names, on_day(day)).unwrap();
            fs::copy(from.join("leaf.key"), own.join("acme.key")).unwrap();
            fs::copy(from.join("leaf.pem"), own.join("acme.pem")).unwrap();
        }),
    }
}

impl Known {
    /// Whether clients that trust everybody's authority, or the box's own, accept what they get.
    async fn accepted(&self, name: &'static str, day: i64) -> (bool, bool) {
        let mut theirs = toy::client_trusting(self.everybodys.pem());
        theirs.time_provider = client_on(day, &self.tls).time_provider;
        (
            connect_to(name, &self.tls, theirs).await.is_ok(),
            connect_to(name, &self.tls, client_on(day, &self.tls))
                .await
                .is_ok(),
        )
    }
}

#[tokio::test]
async fn a_known_certificate_serves_its_names_in_its_time_and_the_own_one_the_rest() {
    let (own, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let known = known(own.path(), other.path());
    let vouches = |day| known.tls.vouches_for("toy.example", on_day(day));
    assert_eq!(known.accepted("toy.example", 0).await, (false, true));
    assert!(!vouches(0));
    // A key alone is no certificate yet, and no trouble.
    fs::write(own.path().join("acme.key"), "to come").unwrap();
    known.tls.refresh(on_day(0));
    assert!(!known.tls.is_in_trouble(on_day(0)));
    (known.install)(0);
    known.tls.refresh(on_day(0));
    assert_eq!(known.accepted("toy.example", 0).await, (true, false));
    assert_eq!(known.accepted("mta-sts.example", 0).await, (true, false));
    assert_eq!(known.accepted("toy.local", 0).await, (false, true));
    assert!(vouches(0) && !known.tls.vouches_for("toy.local", on_day(0)));
    // A broken one is not used, and told of.
    fs::write(own.path().join("acme.pem"), "nonsense").unwrap();
    known.tls.refresh(on_day(1));
    assert_eq!(known.accepted("toy.example", 1).await, (true, false));
    assert!(known.tls.is_in_trouble(on_day(1)));
    // At its end the own one takes over.
    (known.install)(1);
    known.tls.refresh(on_day(1));
    known.tls.refresh(on_day(390));
    assert_eq!(known.accepted("toy.example", 390).await, (false, true));
    assert!(!vouches(390));
    (known.install)(390);
    known.tls.refresh(on_day(390));
    assert_eq!(known.accepted("toy.example", 390).await, (true, false));
}

#[tokio::test]
async fn an_authority_that_asks_by_alpn_sees_the_answer_while_there_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let tls = made(dir.path());
    let asking = || {
        let mut config = client_on(0, &tls);
        config.alpn_protocols = vec![b"acme-tls/1".to_vec()];
        connect(&tls, config)
    };
    let usual = connect(&tls, client_on(0, &tls)).await.unwrap();
    assert_eq!(asking().await.unwrap(), usual);
    let answer = tls
        .challenges()
        .answer_tls("Toy.example", &[7; 32])
        .unwrap();
    // RFC 8737 3: the extension is critical, so that no usual client accepts it.
    let refused = asking().await.unwrap_err();
    assert!(refused.contains("CriticalExtension"), "{refused}");
    assert_eq!(connect(&tls, client_on(0, &tls)).await.unwrap(), usual);
    drop(answer);
    assert_eq!(asking().await.unwrap(), usual);
}
