//! The vectors of RFC 4616 and RFC 7677, servers that cheat, and our own server as the other side.

use super::*;

fn credentials(login: &str, password: &str) -> Credentials {
    Credentials {
        login: login.to_owned(),
        password: Secret::new(password.to_owned()),
    }
}

fn start(mechanism: Mechanism) -> Exchange {
    let credentials = credentials("user", "pencil");
    let nonce = "rOprNGfwEbeRWgbNEkqO".to_owned();
    Exchange::start_with_nonce(mechanism, &credentials, nonce).unwrap()
}

fn decoded(line: &Secret<String>) -> String {
    String::from_utf8(BASE64_STANDARD.decode(line.expose()).unwrap()).unwrap()
}

fn respond(exchange: &mut Exchange, challenge: &str) -> Result<String, ClientFailure> {
    let line = exchange.respond(&BASE64_STANDARD.encode(challenge))?;
    Ok(decoded(&line))
}

const SERVER_FIRST: &str =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const CLIENT_FINAL: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
    p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
const SERVER_FINAL: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

/// RFC 7677 3
#[test]
fn scram_sha_256() {
    for initial_is_sent in [true, false] {
        let mut exchange = start(Mechanism::ScramSha256);
        let first = decoded(&exchange.initial().unwrap());
        assert_eq!(first, "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        if initial_is_sent {
            exchange.initial_sent();
        } else {
            assert_eq!(respond(&mut exchange, "").unwrap(), first);
        }
        assert_eq!(respond(&mut exchange, SERVER_FIRST).unwrap(), CLIENT_FINAL);
        assert_eq!(respond(&mut exchange, SERVER_FINAL).unwrap(), "");
        assert_eq!(exchange.finish(), Ok(()));
    }
}

#[test]
fn a_server_without_proof_is_not_believed() {
    let expected = Err(ClientFailure::ServerSignature);
    assert_eq!(start(Mechanism::ScramSha256).finish(), expected);
    let at_final = || {
        let mut exchange = start(Mechanism::ScramSha256);
        respond(&mut exchange, SERVER_FIRST).unwrap();
        exchange
    };
    assert_eq!(at_final().finish(), expected);
    for last in [
        "",
        "v=",
        "v=AAAA",
        "e=other-error",
        "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G8=",
    ] {
        let failure = respond(&mut at_final(), last).unwrap_err();
        assert_eq!(failure, ClientFailure::ServerSignature, "{last}");
    }
}

#[test]
fn scram_challenges_that_are_refused() {
    let check = |challenge: &str, expected: ClientFailure| {
        let mut exchange = start(Mechanism::ScramSha256);
        assert_eq!(
            respond(&mut exchange, challenge),
            Err(expected),
            "{challenge}"
        );
        assert_eq!(exchange.finish(), Err(ClientFailure::Challenge));
    };
    let nonce = "r=rOprNGfwEbeRWgbNEkqOx";
    check("r=another,s=AAAA,i=4096", ClientFailure::Nonce);
    check("r=rOprNGfwEbeRWgbNEkqO,s=AAAA,i=4096", ClientFailure::Nonce);
    check(
        &format!("{nonce},s=AAAA,i=4095"),
        ClientFailure::Iterations(4095),
    );
    check(
        &format!("{nonce},s=AAAA,i=1000001"),
        ClientFailure::Iterations(1_000_001),
    );
    for malformed in [
        "x".to_owned(),
        format!("m=ext,{nonce},s=AAAA,i=4096"),
        format!("{nonce},s=,i=4096"),
        format!("{nonce},s=?,i=4096"),
        format!("{nonce},s=AAAA,i=many"),
        format!("{nonce},i=4096,s=AAAA"),
    ] {
        check(&malformed, ClientFailure::Challenge);
    }
}

#[test]
fn plain_and_login() {
    // RFC 4616 4
    let tim = credentials("tim", "tanstaaftanstaaf");
    let mut exchange = Exchange::start(Mechanism::Plain, &tim, &[0; NONCE_BYTES]).unwrap();
    let initial = exchange.initial().unwrap();
    assert_eq!(decoded(&initial), "\0tim\0tanstaaftanstaaf");
    exchange.initial_sent();
    assert_eq!(respond(&mut exchange, ""), Err(ClientFailure::Challenge));

    let mut exchange = Exchange::start(Mechanism::Plain, &tim, &[0; NONCE_BYTES]).unwrap();
    assert_eq!(
        respond(&mut exchange, "").unwrap(),
        "\0tim\0tanstaaftanstaaf"
    );
    assert_eq!(exchange.finish(), Ok(()));

    let mut exchange = start(Mechanism::Login);
    assert!(exchange.initial().is_none());
    assert_eq!(respond(&mut exchange, "Username:").unwrap(), "user");
    assert_eq!(respond(&mut exchange, "Password:").unwrap(), "pencil");
    assert_eq!(exchange.finish(), Ok(()));
    // Success before the password was asked for: not our login.
    let early = start(Mechanism::Login).finish();
    assert_eq!(early, Err(ClientFailure::Challenge));
}

#[test]
fn names_are_escaped_and_checked() {
    let exchange = |login: &str, password: &str| {
        Exchange::start_with_nonce(
            Mechanism::ScramSha256,
            &credentials(login, password),
            "abc".to_owned(),
        )
    };
    let first = exchange("a,b=c", "x").unwrap().initial().unwrap();
    assert_eq!(decoded(&first), "n,,n=a=2Cb=3Dc,r=abc");
    for (login, password) in [("", "x"), ("a", ""), ("a\0b", "x"), ("a", "x\0")] {
        let failure = exchange(login, password).unwrap_err();
        assert_eq!(failure, ClientFailure::Credentials);
    }
    let plus = Exchange::start(
        Mechanism::ScramSha256Plus,
        &credentials("a", "b"),
        &[0; NONCE_BYTES],
    );
    assert_eq!(plus.unwrap_err(), ClientFailure::Mechanism);
    let debug = format!("{:?}", start(Mechanism::Plain));
    assert!(!debug.contains("pencil"), "{debug}");
}
