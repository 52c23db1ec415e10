//! Each check accepts and refuses what it must, before a rustls server on a pipe.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    PublicKeyData, date_time_ymd,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::{HandshakeKind, ServerConfig, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use super::*;

/// An authority or a leaf with its key.
struct Made {
    params: CertificateParams,
    key: KeyPair,
    certificate: rcgen::Certificate,
}

/// Everybody who could show a certificate.
struct World {
    root: Made,
    other_root: Made,
    intermediate: Made,
    good: Made,
    by_intermediate: Made,
    expired: Made,
    self_signed: Made,
}

fn params(name: &str, is_ca: bool) -> CertificateParams {
    let names = if is_ca { vec![] } else { vec![name.to_owned()] };
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2120, 1, 1);
    if is_ca {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    params
}

fn alone(params: CertificateParams) -> Made {
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    Made {
        params,
        key,
        certificate,
    }
}

fn issued(by: &Made, params: CertificateParams) -> Made {
    let key = KeyPair::generate().unwrap();
    let issuer = Issuer::from_params(&by.params, &by.key);
    let certificate = params.signed_by(&key, &issuer).unwrap();
    Made {
        params,
        key,
        certificate,
    }
}

impl World {
    fn new() -> Self {
        let root = alone(params("Root", true));
        let intermediate = issued(&root, params("Intermediate", true));
        let mut expired = params("mx.example.org", false);
        expired.not_after = date_time_ymd(2021, 1, 1);
        Self {
            good: issued(&root, params("mx.example.org", false)),
            by_intermediate: issued(&intermediate, params("mx.example.org", false)),
            expired: issued(&root, expired),
            self_signed: alone(params("elsewhere.example", false)),
            other_root: alone(params("Other", true)),
            intermediate,
            root,
        }
    }

    fn outbound(&self) -> Outbound {
        Outbound::trusting(&self.root.certificate.pem()).unwrap()
    }
}

fn server(shown: &[&Made], versions: &[&'static SupportedProtocolVersion]) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = shown.iter().map(|it| it.certificate.der().clone());
    let key = PrivateKeyDer::try_from(shown[0].key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain.collect(), key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

fn domain(text: &str) -> Domain {
    Domain::parse(text).unwrap()
}

fn names(names: &[&str]) -> Check {
    Check::Names(names.iter().map(|it| domain(it)).collect())
}

fn digest(matching: u8, bytes: &[u8]) -> Vec<u8> {
    let algorithm = match matching {
        0 => return bytes.to_vec(),
        1 => &ring::digest::SHA256,
        _ => &ring::digest::SHA512,
    };
    ring::digest::digest(algorithm, bytes).as_ref().to_vec()
}

/// A record that matches the certificate.
fn tlsa(usage: u8, selector: u8, matching: u8, made: &Made) -> Tlsa {
    let der = made.certificate.der();
    let data = match selector {
        0 => digest(matching, der),
        _ => digest(matching, &made.key.subject_public_key_info()),
    };
    Tlsa {
        usage,
        selector,
        matching,
        data,
    }
}

fn dane(records: &[Tlsa]) -> Check {
    Check::Dane {
        records: records.to_vec(),
        names: vec![domain("mx.example.org"), domain("example.org")],
    }
}

/// One handshake with `mx.example.org` and a greeting through it. The client's view: the kind of handshake, or why not.
async fn connect(
    outbound: &Outbound,
    server: &TlsAcceptor,
    check: &Check,
) -> Result<HandshakeKind, String> {
    let (here, there) = tokio::io::duplex(64 * 1024);
    let serving = async {
        let mut stream = server.accept(there).await.ok()?;
        stream.write_all(b"220 hello\r\n").await.ok()?;
        stream.shutdown().await.ok()
    };
    let name = domain("mx.example.org");
    let asking = async {
        let (mut stream, info) = outbound
            .start_tls(Box::new(here), &name, check)
            .await
            .map_err(|error| error.to_string())?;
        let mut greeting = Vec::new();
        stream.read_to_end(&mut greeting).await.unwrap();
        assert_eq!(greeting, b"220 hello\r\n");
        assert_eq!(info.version == "TLS1.3", info.exporter.is_some());
        let Stream::Client(stream) = stream else {
            panic!("{stream:?}");
        };
        Ok(stream.get_ref().1.handshake_kind().unwrap())
    };
    let (_served, asked) = tokio::join!(serving, asking);
    asked
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let mut runtime = runtime;
    runtime.enable_all().build().unwrap().block_on(future)
}

/// Checks one server by both versions; `expected` is a part of the refusal, or empty.
fn check(world: &World, shown: &[&Made], check: &Check, expected: &str) {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let said = run(connect(
            &world.outbound(),
            &server(shown, &[version]),
            check,
        ));
        let context = format!("{check:?} by {version:?}: {said:?}");
        match said {
            Ok(_) => assert!(expected.is_empty(), "{context}"),
            Err(why) => assert!(!expected.is_empty() && why.contains(expected), "{context}"),
        }
    }
}

#[test]
fn nothing_takes_any_certificate() {
    let world = World::new();
    for shown in [&world.good, &world.expired, &world.self_signed] {
        check(&world, &[shown], &Check::Nothing, "");
    }
}

#[test]
fn names_want_an_authority_a_date_and_a_name() {
    let world = World::new();
    let mx = names(&["mx.example.org"]);
    let one_of = names(&["other.example", "mx.example.org"]);
    let none_of = names(&["other.example", "example.org"]);
    check(&world, &[&world.good], &mx, "");
    check(&world, &[&world.good], &one_of, "");
    check(&world, &[&world.good], &none_of, "not accepted");
    check(
        &world,
        &[&world.by_intermediate, &world.intermediate],
        &mx,
        "",
    );
    check(&world, &[&world.by_intermediate], &mx, "not accepted");
    check(&world, &[&world.expired], &mx, "not accepted");
    check(&world, &[&world.self_signed], &mx, "not accepted");
    let stranger = issued(&world.other_root, params("mx.example.org", false));
    check(&world, &[&stranger, &world.other_root], &mx, "not accepted");
}

#[test]
fn dane_ee_looks_at_the_leaf_alone() {
    let world = World::new();
    for (selector, matching) in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)] {
        for shown in [&world.good, &world.expired, &world.self_signed] {
            let record = tlsa(3, selector, matching, shown);
            check(&world, &[shown], &dane(&[record]), "");
        }
    }
    let other = tlsa(3, 1, 1, &world.self_signed);
    check(
        &world,
        &[&world.good],
        &dane(std::slice::from_ref(&other)),
        "no TLSA record",
    );
    // One of several is enough, and an authority that DANE does not name is none.
    let both = [other, tlsa(3, 1, 1, &world.good)];
    check(&world, &[&world.good], &dane(&both), "");
    let of_issuer = tlsa(3, 0, 1, &world.root);
    check(
        &world,
        &[&world.good, &world.root],
        &dane(&[of_issuer]),
        "no TLSA record",
    );
    for (selector, matching) in [(2, 1), (1, 3)] {
        let unknown = Tlsa {
            selector,
            matching,
            ..tlsa(3, 1, 1, &world.good)
        };
        check(&world, &[&world.good], &dane(&[unknown]), "no TLSA record");
    }
}

#[test]
fn dane_ta_wants_chain_date_and_name() {
    let world = World::new();
    let stranger = issued(&world.other_root, params("mx.example.org", false));
    for (selector, matching) in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)] {
        let root = dane(&[tlsa(2, selector, matching, &world.root)]);
        let other = dane(&[tlsa(2, selector, matching, &world.other_root)]);
        let middle = dane(&[tlsa(2, selector, matching, &world.intermediate)]);
        check(&world, &[&world.good, &world.root], &root, "");
        check(&world, &[&stranger, &world.other_root], &other, "");
        check(
            &world,
            &[&world.by_intermediate, &world.intermediate, &world.root],
            &root,
            "",
        );
        check(
            &world,
            &[&world.by_intermediate, &world.intermediate],
            &middle,
            "",
        );
        check(
            &world,
            &[&world.expired, &world.root],
            &root,
            "not accepted",
        );
        check(
            &world,
            &[&stranger, &world.other_root, &world.root],
            &root,
            "not accepted",
        );
        let misnamed = issued(&world.root, params("other.example", false));
        check(&world, &[&misnamed, &world.root], &root, "not accepted");
        let by_domain = issued(&world.root, params("example.org", false));
        check(&world, &[&by_domain, &world.root], &root, "");
    }
    // Only a record that holds the authority whole can stand for one that the server does not show.
    check(
        &world,
        &[&world.good],
        &dane(&[tlsa(2, 0, 0, &world.root)]),
        "",
    );
    check(
        &world,
        &[&world.good],
        &dane(&[tlsa(2, 0, 1, &world.root)]),
        "no TLSA record",
    );
}

#[test]
fn sessions_are_resumed_within_one_check() {
    let world = World::new();
    let outbound = world.outbound();
    let server = server(&[&world.good], &[&rustls::version::TLS13]);
    let by_name = names(&["mx.example.org"]);
    let by_record = dane(&[tlsa(3, 1, 1, &world.good)]);
    let refused = dane(&[tlsa(3, 1, 1, &world.root)]);
    run(async {
        for (check, first) in [
            (&Check::Nothing, true),
            (&by_name, true),
            (&by_record, false),
        ] {
            let full = connect(&outbound, &server, check).await;
            assert!(
                matches!(full, Ok(HandshakeKind::Full)),
                "{check:?} {full:?}"
            );
            let again = connect(&outbound, &server, check).await.unwrap();
            assert_eq!(again == HandshakeKind::Resumed, first, "{check:?}");
        }
        assert!(connect(&outbound, &server, &refused).await.is_err());
    });
}

#[test]
fn who_speaks_no_tls_is_told_apart() {
    let world = World::new();
    run(async {
        let (here, mut there) = tokio::io::duplex(1024);
        there.write_all(b"502 5.5.1 what?\r\n").await.unwrap();
        let name = domain("mx.example.org");
        let outbound = world.outbound();
        let failed = outbound
            .start_tls(Box::new(here), &name, &Check::Nothing)
            .await;
        assert!(
            matches!(failed, Err(TlsFailure::Handshake(_))),
            "{failed:?}"
        );
    });
}

#[test]
fn addresses_have_names_too() {
    for (text, expected) in [
        ("[192.0.2.1]", "192.0.2.1"),
        ("[IPv6:2001:db8::1]", "2001:db8::1"),
        ("b\u{fc}cher.example", "xn--bcher-kva.example"),
    ] {
        let name = server_name(&domain(text)).unwrap();
        assert_eq!(name.to_str(), expected);
    }
}
