//! Exchanges as dialogs, decoded; the vectors of RFC 4616, RFC 5802 and RFC 7677.

use proptest::prelude::*;

use super::*;

/// By what can be shown of them; passwords and proofs cannot.
impl PartialEq for Step {
    fn eq(&self, other: &Self) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }
}

const EXPORTER: [u8; 32] = [0xe5; 32];
const RFC_SALT: &str = "W22ZaJ0SNY7soEsUEjb6gQ==";
const RFC_NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";

fn context(exporter: Option<[u8; 32]>) -> Context {
    Context {
        lookup: Box::new(|_| {
            Some(ScramParameters {
                salt: BASE64_STANDARD.decode(RFC_SALT).unwrap(),
                iterations: 4096,
            })
        }),
        from: [192, 0, 2, 1].into(),
        exporter,
        nonce: RFC_NONCE.to_owned(),
    }
}

fn granted(server_signature: Option<[u8; 32]>) -> Outcome {
    Outcome::Granted(Identity {
        account: crate::mail::ids::AccountId(1),
        device: None,
        server_signature,
    })
}

/// Runs `mechanism` with decoded responses; the first goes as initial response. Renders each step.
fn run(mechanism: Mechanism, exporter: Option<[u8; 32]>, responses: &[&str]) -> Vec<String> {
    let mut lines = responses.iter().map(|text| encode(text.as_bytes()));
    let first = lines.next().map(|line| {
        if line.is_empty() {
            "=".to_owned()
        } else {
            line
        }
    });
    let initial = first.as_ref().map(String::as_bytes);
    let (mut exchange, step) = Exchange::start(mechanism, initial, context(exporter));
    let mut steps = vec![render(&step)];
    for line in lines {
        steps.push(render(&exchange.respond(line.as_bytes())));
    }
    steps
}

fn render(step: &Step) -> String {
    match step {
        Step::Challenge(text) => {
            let bytes = BASE64_STANDARD.decode(text).unwrap();
            format!("S: {}", String::from_utf8(bytes).unwrap())
        }
        Step::Authenticate(Request::Password {
            login, password, ..
        }) => {
            format!("password {login} {}", password.expose())
        }
        Step::Authenticate(Request::Scram {
            login,
            auth_message,
            ..
        }) => {
            format!("proof {login} {}", String::from_utf8_lossy(auth_message))
        }
        Step::Granted(_) => "granted".to_owned(),
        Step::Failed(failure) => failure.to_string(),
    }
}

#[test]
fn plain() {
    let check = |response: &str, expected: &str| {
        assert_eq!(
            run(Mechanism::Plain, None, &[response]),
            [expected],
            "{response:?}"
        );
    };
    // RFC 4616 4
    check("\0tim\0tanstaaftanstaaf", "password tim tanstaaftanstaaf");
    check("Ursel\0Kurt\0xipj3plmq", "wrong name or password");
    check("TIM\0tim\0tanstaaf", "password tim tanstaaf");
    for malformed in ["", "tim", "\0tim", "\0\0x", "\0tim\0", "\0tim\0a\0b"] {
        check(malformed, "malformed authentication response");
    }
    check(
        &format!("\0{}\0x", "u".repeat(321)),
        "malformed authentication response",
    );
    check(
        &format!("\0u\0{}", "x".repeat(257)),
        "malformed authentication response",
    );
}

#[test]
fn login_with_and_without_initial_response() {
    let expected = ["S: Password:", "password tim secret"];
    assert_eq!(run(Mechanism::Login, None, &["tim", "secret"]), expected);
    let (mut exchange, step) = Exchange::start(Mechanism::Login, None, context(None));
    assert_eq!(step, Step::Challenge("VXNlcm5hbWU6".to_owned()));
    assert_eq!(
        exchange.respond(b"dGlt"),
        Step::Challenge("UGFzc3dvcmQ6".to_owned())
    );
    assert!(matches!(
        exchange.respond(b"c2VjcmV0"),
        Step::Authenticate(_)
    ));
    assert!(matches!(exchange.finish(&granted(None)), Step::Granted(_)));
}

const RFC_FIRST: &str = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
const RFC_SERVER_FIRST: &str =
    "S: r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const RFC_FINAL: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
    p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";

/// RFC 7677 3; that proof and signature fit is tested in `auth::verifier`.
#[test]
fn scram_sha_256() {
    let steps = run(Mechanism::ScramSha256, None, &[RFC_FIRST, RFC_FINAL]);
    let auth_message = "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
        s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    assert_eq!(
        steps,
        [RFC_SERVER_FIRST, &format!("proof user {auth_message}")]
    );
}

#[test]
fn scram_sends_its_signature_before_success() {
    let signature: [u8; 32] = BASE64_STANDARD
        .decode("6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
        .unwrap()
        .try_into()
        .unwrap();
    let signed = || {
        let initial = encode(RFC_FIRST.as_bytes());
        let (mut exchange, _) = Exchange::start(
            Mechanism::ScramSha256,
            Some(initial.as_bytes()),
            context(None),
        );
        exchange.respond(encode(RFC_FINAL.as_bytes()).as_bytes());
        let step = exchange.finish(&granted(Some(signature)));
        assert_eq!(
            render(&step),
            "S: v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
        );
        exchange
    };
    assert!(matches!(signed().respond(b""), Step::Granted(_)));
    assert_eq!(signed().respond(b"*"), Step::Failed(Failure::Cancelled));
    assert_eq!(signed().respond(b"eA=="), Step::Failed(Failure::Malformed));
}

/// RFC 5802 6, every flag with and without -PLUS offered.
#[test]
fn channel_binding_flags() {
    let check = |mechanism, exporter, flag: &str, expected: &str| {
        let first = format!("{flag},,n=user,r=abc");
        let steps = run(mechanism, exporter, &[&first]);
        let server_first = format!("S: r=abc{RFC_NONCE},s={RFC_SALT},i=4096");
        let got = if steps == [server_first] {
            "goes on".to_owned()
        } else {
            steps.concat()
        };
        assert_eq!(got, expected, "{mechanism:?} {flag} {}", exporter.is_some());
    };
    let (no, yes) = (None, Some(EXPORTER));
    let (bad, broken) = (
        "channel binding does not match",
        "malformed authentication response",
    );
    check(Mechanism::ScramSha256, no, "n", "goes on");
    check(Mechanism::ScramSha256, yes, "n", "goes on");
    check(Mechanism::ScramSha256, no, "y", "goes on");
    check(Mechanism::ScramSha256, yes, "y", bad);
    check(Mechanism::ScramSha256, yes, "p=tls-exporter", bad);
    check(Mechanism::ScramSha256Plus, yes, "p=tls-exporter", "goes on");
    check(Mechanism::ScramSha256Plus, no, "p=tls-exporter", bad);
    check(Mechanism::ScramSha256Plus, yes, "p=tls-unique", bad);
    check(Mechanism::ScramSha256Plus, yes, "n", bad);
    check(Mechanism::ScramSha256Plus, yes, "y", bad);
    check(Mechanism::ScramSha256, no, "p=", broken);
    check(Mechanism::ScramSha256, no, "x", broken);
}

#[test]
fn channel_binding_data_must_be_ours() {
    let first = "p=tls-exporter,,n=user,r=abc";
    let last = |data: &[u8]| {
        let binding = encode(&[b"p=tls-exporter,,", data].concat());
        format!("c={binding},r=abc{RFC_NONCE},p={}", encode(&[0; 32]))
    };
    let end = |message: &str| {
        let steps = run(
            Mechanism::ScramSha256Plus,
            Some(EXPORTER),
            &[first, message],
        );
        steps.last().unwrap().split(' ').next().unwrap().to_owned()
    };
    assert_eq!(end(&last(&EXPORTER)), "proof");
    assert_eq!(end(&last(&[0xe6; 32])), "channel");
    assert_eq!(end(&last(&[])), "channel");
    // Downgraded in the last message.
    assert_eq!(
        end(&format!("c=biws,r=abc{RFC_NONCE},p={}", encode(&[0; 32]))),
        "channel"
    );
}

#[test]
fn scram_messages_that_are_refused() {
    let first = |message: &str| run(Mechanism::ScramSha256, None, &[message]).concat();
    let malformed = "malformed authentication response";
    for message in [
        "",
        "n,,",
        "n,,n=user",
        "n,,n=user,r=",
        "n,,r=abc,n=user",
        "n,,m=ext,n=user,r=abc",
        "n,,n=,r=abc",
        "n,,n=a=b,r=abc",
        "n,x,n=user,r=abc",
        "n,,n=user,r=a b",
    ] {
        assert_eq!(first(message), malformed, "{message}");
    }
    assert_eq!(first("n,a=other,n=user,r=abc"), "wrong name or password");
    for last in [
        "c=biws,r=abc,p=AAAA",
        &format!("c=biws,r=abc{RFC_NONCE}"),
        &format!("c=biws,r=abc{RFC_NONCE},p=AAAA"),
        &format!("r=abc{RFC_NONCE},c=biws,p={}", encode(&[0; 32])),
    ] {
        let steps = run(Mechanism::ScramSha256, None, &["n,,n=user,r=abc", last]);
        assert_eq!(steps.last().unwrap(), malformed, "{last}");
    }
}

#[test]
fn scram_names_are_unescaped() {
    let final_ = format!("c=biws,r=abc{RFC_NONCE},p={}", encode(&[0; 32]));
    let steps = run(
        Mechanism::ScramSha256,
        None,
        &["n,,n=a=2Cb=3Dc,r=abc", &final_],
    );
    assert!(
        steps
            .last()
            .unwrap()
            .starts_with("proof a,b=c n=a=2Cb=3Dc,r=abc,"),
        "{steps:?}"
    );
}

#[test]
fn responses_on_the_wire() {
    let start = |initial| Exchange::start(Mechanism::Plain, initial, context(None));
    let (mut exchange, step) = start(None);
    assert_eq!(step, Step::Challenge(String::new()));
    assert_eq!(exchange.respond(b"*"), Step::Failed(Failure::Cancelled));
    assert_eq!(
        exchange.respond(b"AHRpbQB4"),
        Step::Failed(Failure::Malformed)
    );
    assert_eq!(start(Some(b"=")).1, Step::Failed(Failure::Malformed));
    assert_eq!(
        start(Some(b"no base64!")).1,
        Step::Failed(Failure::Malformed)
    );
    let long = vec![b'A'; RESPONSE_BASE64_BYTES_MAX + 4];
    assert_eq!(start(Some(&long)).1, Step::Failed(Failure::Malformed));
}

#[test]
fn outcomes_become_failures() {
    let finish = |outcome| {
        let (mut exchange, _) = Exchange::start(Mechanism::Plain, Some(b"AHRpbQB4"), context(None));
        exchange.finish(&outcome)
    };
    let retry_after = Duration::from_secs(4);
    assert_eq!(finish(Outcome::Denied), Step::Failed(Failure::Denied));
    assert_eq!(
        finish(Outcome::Unavailable),
        Step::Failed(Failure::Unavailable)
    );
    let throttled = finish(Outcome::Throttled { retry_after });
    assert_eq!(throttled, Step::Failed(Failure::Throttled { retry_after }));
}

#[test]
fn offers_by_channel() {
    let tls = |exporter| TlsInfo {
        version: "TLS1.3".to_owned(),
        cipher: "TLS_AES_256_GCM_SHA384".to_owned(),
        exporter,
    };
    let offers = |tls: Option<&TlsInfo>, plaintext_without_tls| {
        let channel = Channel {
            tls,
            plaintext_without_tls,
        };
        let names: Vec<_> = channel.offers().map(Mechanism::name).collect();
        names.join(" ")
    };
    assert_eq!(offers(None, false), "SCRAM-SHA-256");
    assert_eq!(offers(None, true), "SCRAM-SHA-256 PLAIN");
    assert_eq!(offers(Some(&tls(None)), false), "SCRAM-SHA-256 PLAIN");
    assert_eq!(
        offers(Some(&tls(Some(EXPORTER))), false),
        "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN"
    );
}

#[test]
fn nonces_differ_and_repeat_by_seed() {
    let mut nonces = Nonces::new(&[1; 32]);
    let (first, second) = (nonces.draw(), nonces.draw());
    assert_ne!(first, second);
    assert_eq!(Nonces::new(&[1; 32]).draw(), first);
    assert_ne!(Nonces::new(&[2; 32]).draw(), first);
}

proptest! {
    /// Whatever a peer sends, an exchange neither panics nor grants before the outcome.
    #[test]
    fn any_responses(kind in 0_usize..4, lines in prop::collection::vec("[a-zA-Z0-9=,+/*]{0,40}", 0..5)) {
        let mechanisms = [
            Mechanism::Plain, Mechanism::Login, Mechanism::ScramSha256, Mechanism::ScramSha256Plus,
        ];
        let (mut exchange, _) = Exchange::start(mechanisms[kind], None, context(Some(EXPORTER)));
        for line in lines {
            let granted = matches!(exchange.respond(line.as_bytes()), Step::Granted(_));
            prop_assert!(!granted);
        }
    }
}
