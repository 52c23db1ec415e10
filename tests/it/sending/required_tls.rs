//! Hosts that have to prove who they are: by DANE (RFC 7672), by an MTA-STS policy (RFC 8461). Mail for one that does not
//! waits, and nothing of it is said in plaintext.

use std::path::Path;
use std::sync::Arc;

use heimpost::net::tls::Tls;
use ring::digest::{SHA256, digest};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tempfile::TempDir;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::host::Host;
use super::hosts::{STARTTLS, tls};
use super::house::{House, Plan, mail};
use super::{BARE, TAKE, take};

const SECURE: &str = "S: 220 go\nTLS\nC: EHLO\nS: 250 mx.test\n";

/// Offers TLS; the client takes it and goes away.
fn broken_off() -> String {
    format!("{STARTTLS}S: 220 go\nNOTLS")
}

/// The record of the key that a host with files there shows.
fn record(dir: &Path) -> String {
    let pem = std::fs::read(dir.join("leaf.pem")).unwrap();
    let der = CertificateDer::from_pem_slice(&pem).unwrap();
    let (_, certificate) = X509Certificate::from_der(&der).unwrap();
    let key = digest(&SHA256, certificate.public_key().raw);
    let hex = key.as_ref().iter().map(|byte| format!("{byte:02x}"));
    hex.collect()
}

fn signed_zone(record: &str) -> String {
    format!(
        "far.test MX 10 mx.test\nmx.test A 127.0.0.1\n_25._tcp.mx.test TLSA 3 1 1 {record}\n\
         $signed far.test\n$signed mx.test"
    )
}

/// A host that must not get the mail says this; any further connection is one that would take it.
async fn stays(script: &str, tls: Arc<Tls>, plan: impl FnOnce(u16) -> Plan) -> String {
    let plaintext = take(BARE);
    let host = Host::with_tls("127.0.0.1:0", &[script, &plaintext], Some(tls)).await;
    let house = House::new(plan(host.address.port()));
    house.send(mail(&["ben@far.test"])).await;
    let tried = house.until_tried(1).await;
    assert_eq!(house.tallied().put_off, 1);
    house.stop().await;
    let said = host.said();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(!said[0].contains("MAIL"), "{said:?}");
    tried
}

#[tokio::test]
async fn dane_takes_the_key_of_the_record() {
    let dir = tempfile::tempdir().unwrap();
    // The name is another's, and nobody vouches for it: the record is all that counts.
    let tls = tls(dir.path(), "some.other.test");
    let script = format!("{STARTTLS}{SECURE}{TAKE}");
    let host = Host::with_tls("127.0.0.1:0", &[&script], Some(tls)).await;
    let zone = signed_zone(&record(dir.path()));
    let house = House::new(Plan::new(&zone, host.address.port()));
    house.send(mail(&["ben@far.test"])).await;
    house.until_empty().await;
    assert_eq!(house.tallied().put_off, 0);
    house.stop().await;
    host.end().await;
}

#[tokio::test]
async fn dane_takes_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let refused = format!("{STARTTLS}S: 454 4.7.0 not now");
    for (script, expected) in [
        (
            broken_off(),
            "4.7.5 mx.test the certificate is not accepted: ",
        ),
        (
            BARE.to_owned(),
            "4.7.4 mx.test the host offers no TLS, which is required for it",
        ),
        (
            refused,
            "4.7.4 mx.test the host refuses TLS, which is required for it: 454 4.7.0 not now",
        ),
    ] {
        let zone = signed_zone(&"0".repeat(64));
        let tried = stays(&script, tls(dir.path(), "mx.test"), |port| {
            Plan::new(&zone, port)
        })
        .await;
        assert!(tried.starts_with(expected), "{tried}");
    }
}

/// A domain with a policy that names these hosts; it is fetched from a web server that plays a script.
struct Policed {
    dir: TempDir,
    web: Host,
    authority: String,
}

impl Policed {
    async fn new(mx: &str) -> Self {
        let policy = format!("version: STSv1\r\nmode: enforce\r\nmax_age: 400000\r\nmx: {mx}\r\n");
        let script = format!(
            "TLS\nC: GET /.well-known/mta-sts.txt\nS: HTTP/1.1 200 OK\nS: Content-Type: text/plain\n\
             S: Content-Length: {}\nS:\nS: {}",
            policy.len(),
            policy.trim_end().replace("\r\n", "\nS: ")
        );
        let dir = tempfile::tempdir().unwrap();
        let tls = tls(dir.path(), "mta-sts.far.test");
        let authority = tls.authority_pem().unwrap();
        let web = Host::with_tls("127.0.0.1:0", &[&script], Some(tls)).await;
        Self {
            dir,
            web,
            authority,
        }
    }

    fn plan(&self, port: u16) -> Plan {
        let zone = "far.test MX 10 mx.test\nmx.test A 127.0.0.1\n\
                    _mta-sts.far.test TXT v=STSv1; id=1\nmta-sts.far.test A 127.0.0.1";
        Plan {
            authorities: self.authority.clone(),
            policy_port: self.web.address.port(),
            ..Plan::new(zone, port)
        }
    }
}

#[tokio::test]
async fn a_policy_takes_a_host_that_it_names_and_that_proves_its_name() {
    let world = Policed::new("*.test").await;
    let tls = tls(world.dir.path(), "mx.test");
    let script = format!("{STARTTLS}{SECURE}{TAKE}");
    let host = Host::with_tls("127.0.0.1:0", &[&script], Some(tls)).await;
    let house = House::new(world.plan(host.address.port()));
    house.send(mail(&["ben@far.test"])).await;
    house.until_empty().await;
    assert_eq!(house.tallied().put_off, 0);
    house.stop().await;
    host.end().await;
    world.web.end().await;
}

#[tokio::test]
async fn a_policy_takes_no_other_name_and_no_other_authority() {
    let stranger = tempfile::tempdir().unwrap();
    for (script, is_ours, name, expected) in [
        (
            broken_off(),
            true,
            "other.test",
            "4.7.5 mx.test the certificate is not accepted: ",
        ),
        (
            broken_off(),
            false,
            "mx.test",
            "4.7.5 mx.test the certificate is not accepted: ",
        ),
        (
            BARE.to_owned(),
            true,
            "mx.test",
            "4.7.4 mx.test the host offers no TLS, which is required for it",
        ),
    ] {
        let world = Policed::new("mx.test").await;
        let dir = if is_ours { &world.dir } else { &stranger };
        let tls = tls(dir.path(), name);
        let tried = stays(&script, tls, |port| world.plan(port)).await;
        assert!(tried.starts_with(expected), "{tried}");
        world.web.end().await;
    }
}

#[tokio::test]
async fn a_host_that_the_policy_does_not_name_is_not_asked() {
    let world = Policed::new("mx2.test").await;
    let host = Host::at("127.0.0.1:0", &[&take(BARE)]).await;
    let house = House::new(world.plan(host.address.port()));
    house.send(mail(&["ben@far.test"])).await;
    let tried = house.until_tried(1).await;
    let expected = "4.7.5 - mx.test is not a host that the domain's MTA-STS policy names";
    assert_eq!(tried, expected);
    house.stop().await;
    assert_eq!(host.said(), [""; 0]);
    world.web.end().await;
}
