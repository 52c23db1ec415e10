//! Certificates as a client sees them.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use heimpost::clock::{Mono, Now, Wall};
use heimpost::net::Counters;
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
    let (near, far) = duplex(64 * 1024);
    let name = ServerName::try_from("toy.example").unwrap();
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
