//! Who may log in, how, and what a session says of itself before.

use super::*;

#[test]
fn capabilities_by_state() {
    let house = House::new();
    let capabilities = |client: &mut Client<'_>| {
        let reply = client.run("CAPA\r\n");
        let lines: Vec<_> = reply.lines().collect();
        lines.join("|")
    };
    let common = "PIPELINING|RESP-CODES|AUTH-RESP-CODE|EXPIRE NEVER|LANG|UTF8 USER|\
        IMPLEMENTATION Heimpost|.";
    let mut plain = house.connect(None, SAFE);
    plain.run("");
    assert_eq!(
        capabilities(&mut plain),
        format!("+OK capabilities follow|TOP|UIDL|SASL SCRAM-SHA-256|STLS|{common}")
    );
    let secured = "USER|SASL SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN";
    plain.run("STLS\r\n");
    let expected = format!("+OK capabilities follow|TOP|UIDL|{secured}|{common}");
    assert_eq!(capabilities(&mut plain), expected);
    assert_eq!(capabilities(&mut house.log_in()), expected);
    let lax = Settings {
        plaintext_without_tls: true,
    };
    let mut lax = house.connect(None, lax);
    lax.run("");
    assert!(capabilities(&mut lax).contains("|USER|SASL SCRAM-SHA-256 PLAIN|STLS|"));
}

#[test]
fn no_password_without_tls() {
    let house = House::new();
    house.connect(None, SAFE).dialog(
        "S: +OK Heimpost POP3 ready
         C: USER anna@example.com
         S: -ERR not without TLS: use STLS first
         C: PASS correct horse
         S: -ERR USER first
         C: AUTH PLAIN
         S: -ERR not without TLS: use STLS first
         C: AUTH SCRAM-SHA-256-PLUS
         S: -ERR no such mechanism here
         C: STLS
         S: +OK begin TLS
         S: <tls>
         C: STLS
         S: -ERR TLS runs already
         C: USER anna@example.com
         S: +OK password please",
    );
}

#[test]
fn nothing_sent_before_the_handshake_survives_it() {
    let house = House::new();
    let mut client = house.connect(None, SAFE);
    client.run("");
    assert_eq!(
        client.run("STLS\r\nCAPA\r\nUSER x\r\nNO"),
        "+OK begin TLS\r\n<tls>\r\n"
    );
    assert_eq!(client.run("OP\r\n"), "-ERR unknown command\r\n");
}

#[test]
fn logins() {
    let house = House::new();
    house.connect_tls().dialog(
        "S: +OK Heimpost POP3 ready
         C: USER nobody@example.com
         S: +OK password please
         C: PASS correct horse
         S: -ERR [AUTH] wrong name or password
         C: USER anna@example.com
         S: +OK password please
         C: PASS wrong horse
         S: -ERR [AUTH] wrong name or password
         C: PASS correct horse
         S: -ERR USER first
         C: AUTH PLAIN
         S: + 
         C: *
         S: -ERR authentication cancelled
         C: AUTH PLAIN =
         S: -ERR malformed authentication response
         C: AUTH LOGIN
         S: -ERR no such mechanism here
         C: STAT
         S: -ERR not in this state
         C: AUTH plain AGFubmFAZXhhbXBsZS5jb20AY29ycmVjdCBob3JzZQ==
         S: +OK 0 messages
         C: AUTH PLAIN
         S: -ERR not in this state
         C: STLS
         S: -ERR not in this state",
    );
}

#[test]
fn too_many_failed_logins_end_the_connection() {
    let house = House::new();
    let mut client = house.connect_tls();
    let mut replies = client.run("");
    for _ in 0..crate::pop3::LOGIN_FAILURES_MAX {
        replies = client.run("USER anna@example.com\r\nPASS wrong horse\r\n");
    }
    assert!(replies.ends_with("<close>"), "{replies}");
}

#[test]
fn throttled_logins_are_told_when_to_come_back() {
    let house = House::new();
    let mut replies = String::new();
    for _ in 0..4 {
        let mut client = house.connect_tls();
        for _ in 0..3 {
            replies = client.run("USER anna@example.com\r\nPASS wrong horse\r\n");
        }
    }
    assert!(
        replies.ends_with("-ERR [SYS/TEMP] too many failed logins, try again in 2 seconds\r\n"),
        "{replies}"
    );
}

/// The client side of RFC 5802, to prove that both sides agree on a whole exchange.
#[test]
fn scram_with_a_device_password() {
    let house = House::new();
    let (_, password) = house.device("phone", Pop3Delete::Keep { days: 30 });
    let mut client = house.connect_tls();
    client.run("");
    let proofs = scram(&mut client, &password);
    assert!(proofs.ends_with("+OK 0 messages\r\n"), "{proofs}");
}

fn scram(client: &mut Client<'_>, password: &str) -> String {
    use base64::prelude::{BASE64_STANDARD as B64, Engine as _};
    use ring::{digest, pbkdf2};

    let mac = |key: &[u8], data: &[u8]| {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key);
        ring::hmac::sign(&key, data).as_ref().to_vec()
    };
    let gs2 = "p=tls-exporter,,";
    let bare = "n=anna@example.com,r=abcdef";
    let first = B64.encode(format!("{gs2}{bare}"));
    let reply = client.run(&format!("AUTH SCRAM-SHA-256-PLUS {first}\r\n"));
    let challenge = B64
        .decode(reply.trim_start_matches("+ ").trim_end())
        .unwrap();
    let challenge = String::from_utf8(challenge).unwrap();
    let mut fields = challenge.split(',').map(|field| field.split_at(2).1);
    let (nonce, salt, count) = (
        fields.next().unwrap(),
        fields.next().unwrap(),
        fields.next().unwrap(),
    );
    let (salt, count) = (B64.decode(salt).unwrap(), count.parse().unwrap());
    let mut salted = [0; 32];
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        count,
        &salt,
        password.as_bytes(),
        &mut salted,
    );
    let client_key = mac(&salted, b"Client Key");
    let stored_key = digest::digest(&digest::SHA256, &client_key);
    let binding = B64.encode([gs2.as_bytes(), &[0xe5; 32]].concat());
    let last = format!("c={binding},r={nonce}");
    let message = format!("{bare},{challenge},{last}");
    let signature = mac(stored_key.as_ref(), message.as_bytes());
    let proof: Vec<u8> = client_key
        .iter()
        .zip(&signature)
        .map(|(a, b)| a ^ b)
        .collect();
    let last = B64.encode(format!("{last},p={}", B64.encode(proof)));
    let reply = client.run(&format!("{last}\r\n"));
    let verdict = B64
        .decode(reply.trim_start_matches("+ ").trim_end())
        .unwrap();
    let expected = B64.encode(mac(&mac(&salted, b"Server Key"), message.as_bytes()));
    assert_eq!(String::from_utf8(verdict).unwrap(), format!("v={expected}"));
    client.run("\r\n")
}

#[test]
fn utf8_only_before_login_and_no_tls_after_it() {
    let house = House::new();
    let mut client = house.connect(None, SAFE);
    client.dialog(
        "S: +OK Heimpost POP3 ready
         C: UTF8
         S: +OK UTF-8 it is
         C: STLS
         S: -ERR no TLS after UTF8",
    );
    assert_eq!(house.log_in().run("UTF8\r\n"), "-ERR not in this state\r\n");
}
