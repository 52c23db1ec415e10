//! The scripts.

use super::*;

const PIPELINING: &str = "
    S: 220 mx.test ESMTP
    C: EHLO box.test
    S: 250-mx.test
    S: 250-PIPELINING
    S: 250-SIZE 1000
    S: 250 8BITMIME
    E: ready";

const BARE: &str = "
    S: 220 mx.test
    C: EHLO box.test
    S: 500 what?
    C: HELO box.test
    S: 250 mx.test
    E: ready";

const CHUNKING: &str = "
    S: 220 mx.test
    C: EHLO box.test
    S: 250-mx.test
    S: 250-CHUNKING
    S: 250-BINARYMIME
    S: 250-PIPELINING
    S: 250 LIMITS MAILMAX=1 RCPTMAX=2
    E: ready";

fn after(start: &str, script: &str) {
    check(&format!("{start}\n{script}"));
}

#[test]
fn greetings() {
    after(BARE, "> quit\n C: QUIT\n S: 221 bye\n E: closed");
    after(PIPELINING, "> quit\n C: QUIT\n > eof\n E: closed");
    check("S: 554-5.7.1 go\nS: 554 5.7.1 away\nC: QUIT\nE: closed greeting 554 5.7.1 go away");
    check("S: 421 busy\nE: closed greeting 421 busy");
    check("S: 354 go\nE: closed greeting unexpected reply: 354 go");
    check("S: SSH-2.0\nE: closed greeting a line is no SMTP reply");
    check("> eof\nE: closed greeting the connection was cut");
    let hello = "S: 220 a\nC: EHLO box.test\n";
    after(hello, "S: 451 no\nC: QUIT\nE: closed EHLO 451 no");
    after(
        hello,
        "S: 502 no\nC: HELO box.test\nS: 550 no\nC: QUIT\nE: closed EHLO 550 no",
    );
    after(
        PIPELINING,
        "S: 250 for nothing\nE: closed idle unexpected reply: 250 for nothing",
    );
    after(PIPELINING, "S: 421 idle\nE: closed idle 421 idle");
}

#[test]
fn one_by_one_without_pipelining() {
    after(
        BARE,
        "> send a@b.c x@y.z u@y.z
        C: MAIL FROM:<a@b.c>
        S: 250 ok
        C: RCPT TO:<x@y.z>
        S: 250 ok
        C: RCPT TO:<u@y.z>
        S: 550 5.1.1 who
        C: DATA
        S: 354 go
        E: wants body
        > body A:b\\r\\n\\r\\n.a
        > body b\\r\\n.
        > end
        C: A:b
        C:
        C: ..ab
        C: ..
        C: .
        S: 250 2.0.0 queued
        E: sent delivered 250 2.0.0 queued; permanent RCPT 550 5.1.1 who
        E: ready
        > send a@b.c x@y.z
        C: MAIL FROM:<a@b.c>
        S: 451 later
        E: sent transient MAIL 451 later
        C: RSET
        S: 250 ok
        E: ready",
    );
    after(
        BARE,
        "> send a@b.c x@y.z
        C: MAIL FROM:<a@b.c>
        S: 250 ok
        C: RCPT TO:<x@y.z>
        S: 450 no
        E: sent transient RCPT 450 no
        C: RSET
        S: 250 ok
        E: ready
        > quit
        C: QUIT
        S: 221 bye
        E: closed",
    );
}

/// MAIL, RCPT and DATA at once, then these replies.
const AT_ONCE: &str = "> send a@b.c x@y.z u@y.z
    C: MAIL FROM:<a@b.c> SIZE=9
    C: RCPT TO:<x@y.z>
    C: RCPT TO:<u@y.z>
    C: DATA\n";

fn at_once(script: &str) {
    after(&format!("{PIPELINING}\n{AT_ONCE}"), script);
}

#[test]
fn pipelined() {
    at_once(
        "S: 250 ok\nS: 251 will forward\nS: 250 ok\nS: 354 go
        E: wants body\n> end\nC: .\nS: 250 taken
        E: sent delivered 250 taken; delivered 250 taken\nE: ready",
    );
    at_once(
        "S: 250 ok\nS: 552 many\nS: 552 5.2.2 full\nS: 554 nobody
        E: sent transient RCPT 552 many; permanent RCPT 552 5.2.2 full
        C: RSET\nS: 250 ok\nE: ready",
    );
    at_once(
        "S: 550 no\nS: 503 bad\nS: 503 bad\nS: 503 bad
        E: sent permanent MAIL 550 no; permanent MAIL 550 no
        C: RSET\nS: 500 what\nE: closed RSET unexpected reply: 500 what",
    );
    at_once(
        "S: 250 ok\nS: 250 ok\nS: 550 no\nS: 451 disk
        E: sent transient DATA 451 disk; permanent RCPT 550 no\nC: RSET\nS: 250 ok\nE: ready",
    );
    at_once(
        "S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\nE: wants body\n> end\nC: .\nS: 554 spam
        E: sent permanent end of message 554 spam; permanent end of message 554 spam\nE: ready",
    );
}

/// RFC 2920 3.1
#[test]
fn data_is_taken_though_nobody_is() {
    at_once(
        "S: 250 ok\nS: 550 a\nS: 450 b\nS: 354 go\nC: .\nS: 554 nobody
        E: sent permanent RCPT 550 a; transient RCPT 450 b\nE: ready",
    );
    // A server that takes the message of a sender it has refused, and recipients too.
    at_once(
        "S: 550 no\nS: 250 ok\nS: 250 ok\nS: 354 go
        E: sent permanent MAIL 550 no; permanent MAIL 550 no
        E: closed DATA unexpected reply: 354 go",
    );
}

#[test]
fn the_server_closes() {
    at_once(
        "S: 421 bye\nE: sent transient MAIL 421 bye; transient MAIL 421 bye\nE: closed MAIL 421 bye",
    );
    at_once(
        "S: 250 ok\nS: 550 no\nS: 421 bye
        E: sent permanent RCPT 550 no; transient RCPT 421 bye\nE: closed RCPT 421 bye",
    );
    let body = "S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\nE: wants body\n> body a\n";
    let streaming = |script: &str| at_once(&format!("{body}{script}"));
    streaming(
        "> end\nC: a\nC: .\nS: 421 bye
        E: sent transient end of message 421 bye; transient end of message 421 bye
        E: closed end of message 421 bye",
    );
    streaming(
        "> end\nC: a\nC: .\n> eof
        E: sent unknown end of message the connection was cut; unknown end of message the connection was cut
        E: closed end of message the connection was cut",
    );
    streaming(
        "> end\nC: a\nC: .\nS: nonsense
        E: sent unknown end of message a line is no SMTP reply; unknown end of message a line is no SMTP reply
        E: closed end of message a line is no SMTP reply",
    );
    streaming(
        "> end\nC: a\nC: .\nS: 354 more
        E: sent unknown end of message unexpected reply: 354 more; unknown end of message unexpected reply: 354 more
        E: closed end of message unexpected reply: 354 more",
    );
}

#[test]
fn the_message_is_cut_short() {
    let body = "S: 250 ok\nS: 250 ok\nS: 550 no\nS: 354 go\nE: wants body\n> body a\\r\\nb\\r\\n\nC: a\nC: b\n";
    let streaming = |script: &str| at_once(&format!("{body}{script}"));
    streaming(
        "> eof
        E: sent transient message the connection was cut; permanent RCPT 550 no
        E: closed message the connection was cut",
    );
    streaming(
        "> abandon
        E: sent transient message given up on our side; permanent RCPT 550 no
        E: closed message given up on our side",
    );
    streaming(
        "S: 552 enough
        E: sent permanent message 552 enough; permanent RCPT 550 no
        E: closed message unexpected reply: 552 enough
        > late-body c\\r\\n
        > end",
    );
    streaming(
        "S: 421 bye
        E: sent transient message 421 bye; permanent RCPT 550 no
        E: closed message 421 bye",
    );
}

#[test]
fn chunks() {
    after(
        CHUNKING,
        "> send a@b.c x@y.z u@y.z v@y.z binary
        C: MAIL FROM:<a@b.c> BODY=BINARYMIME
        C: RCPT TO:<x@y.z>
        C: RCPT TO:<u@y.z>
        S: 250 ok
        S: 250 ok
        S: 550 no
        E: wants body
        > body .\\r\\n
        > end
        C: BDAT 3 LAST
        C: .
        > eof
        E: sent unknown end of message the connection was cut; permanent RCPT 550 no; transient too many
        E: closed end of message the connection was cut",
    );
    after(
        CHUNKING,
        "> send a@b.c x@y.z
        C: MAIL FROM:<a@b.c>
        C: RCPT TO:<x@y.z>
        S: 250 ok
        S: 250 ok
        E: wants body
        > body .\\n
        > end
        C: BDAT 3 LAST
        C: .
        S: 250 ok
        E: sent delivered 250 ok
        E: ready
        > send a@b.c x@y.z = the server takes no more messages on this connection",
    );
    after(
        CHUNKING,
        "> send a@b.c x@y.z
        C: MAIL FROM:<a@b.c>
        C: RCPT TO:<x@y.z>
        S: 250 ok
        S: 550 no
        E: sent permanent RCPT 550 no
        C: RSET
        S: 250 ok
        E: ready",
    );
}

/// Chunks go out as they fill, and a refused one ends the message (RFC 3030 2).
#[test]
fn a_large_message_goes_in_chunks() {
    let mut talk = Talk::new(Pieces::Lines);
    talk.run(CHUNKING);
    talk.run(
        "> send a@b.c x@y.z\nC: MAIL FROM:<a@b.c>\nC: RCPT TO:<x@y.z>\nS: 250 ok\nS: 250 ok\nE: wants body",
    );
    let piece = "0123456789abcd\r\n".repeat(4096);
    for _ in 0..3 {
        assert!(talk.client.takes_body());
        talk.client.body(piece.as_bytes(), talk.clock.now());
        // Until this has left, no more is taken.
        assert!(!talk.client.takes_body());
        talk.drain();
        let said = String::from_utf8(std::mem::take(&mut talk.said)).unwrap();
        assert_eq!(said, format!("BDAT {}\r\n{piece}", piece.len()));
    }
    talk.run(
        "S: 250 one\nS: 452 4.3.1 full\nS: 503 no\nC: RSET
        E: sent transient message 452 4.3.1 full\nS: 250 ok\nE: ready",
    );
}

#[test]
fn what_cannot_be_sent_is_not_begun() {
    after(
        PIPELINING,
        "> send a@b.c x@y.z large = the server takes messages of up to 1000 bytes
        > send a@b.c x@y.z utf8 = the message needs Smtputf8, which the server does not offer
        > send a@b.c x@y.z binary = the message needs BinaryMime, which the server does not offer
        > send a@b.c = the message has no recipients
        > send a@b.c x@y.z 8bit
        > send a@b.c x@y.z = the connection is not ready
        > quit
        C: MAIL FROM:<a@b.c> SIZE=9 BODY=8BITMIME
        C: RCPT TO:<x@y.z>
        C: DATA
        > abandon
        E: sent transient MAIL given up on our side
        E: closed MAIL given up on our side",
    );
    let need = "the message needs EightBitMime, which the server does not offer";
    after(BARE, &format!("> send a@b.c x@y.z 8bit = {need}"));
}

const OFFERS_TLS: &str = "
    S: 220 mx.test
    C: EHLO box.test
    S: 250-mx.test
    S: 250-AUTH PLAIN LOGIN
    S: 250-8BITMIME
    S: 250 STARTTLS
    E: ready";

const TLS: &str =
    "> starttls\n C: STARTTLS\n S: 220 go\n E: start TLS\n > tls\n C: EHLO box.test\n";

#[test]
fn tls() {
    let not_offered = "the server does not offer STARTTLS";
    after(BARE, &format!("> starttls = {not_offered}"));
    after(
        OFFERS_TLS,
        &format!(
            "{TLS} S: 250 mx.test\n E: ready
            > starttls = {not_offered}
            > send a@b.c x@y.z 8bit = the message needs EightBitMime, which the server does not offer"
        ),
    );
    after(
        OFFERS_TLS,
        "> starttls\n C: STARTTLS\n S: 454 no\n E: no TLS: 454 no\n E: ready",
    );
    after(
        OFFERS_TLS,
        "> starttls\n C: STARTTLS\n > eof\n E: closed STARTTLS the connection was cut",
    );
}

/// RFC 3207 4.2; whether the plaintext comes at once or a moment later.
#[test]
fn plaintext_behind_starttls_is_refused() {
    let injected = "closed STARTTLS plaintext follows the answer to STARTTLS";
    for (pieces, events) in [
        (Pieces::Lines, format!("E: {injected}")),
        (Pieces::Bytes, format!("E: start TLS\nE: {injected}")),
    ] {
        let mut talk = Talk::new(pieces);
        talk.run(OFFERS_TLS);
        talk.run(&format!(
            "> starttls\nC: STARTTLS\nS: 220 go\nS: 250 evil\n{events}\n> tls"
        ));
    }
}

#[test]
fn logins() {
    let with_tls = |offer: &str, script: &str| {
        let hello = format!("S: 250-mx.test\nS: 250 AUTH {offer}\nE: ready");
        after(OFFERS_TLS, &format!("{TLS}{hello}\n> login\n{script}"));
    };
    after(
        OFFERS_TLS,
        "> login = the server wants the password without TLS",
    );
    after(BARE, "> login = the server offers no login that we know");
    with_tls(
        "LOGIN PLAIN",
        "C: AUTH PLAIN AHRpbQB0YW5zdGFhZg==\nS: 235 ok\nE: logged in\nE: ready
        > login = the connection is not ready",
    );
    with_tls(
        "LOGIN",
        "C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: dGlt\nS: 334 UGFzc3dvcmQ6\nC: dGFuc3RhYWY=
        S: 535 5.7.8 wrong\nE: no login: 535 5.7.8 wrong\nE: ready",
    );
    let first = "C: AUTH SCRAM-SHA-256 biwsbj10aW0scj1BQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=\n";
    let unproved = "the server has not proved that it knows the password";
    let scram = |script: &str| with_tls("PLAIN SCRAM-SHA-256", &format!("{first}{script}"));
    scram(&format!(
        "S: 235 ok\nC: QUIT\nE: no login: {unproved}\nS: 221 bye\nE: closed"
    ));
    scram("S: 334 !\nC: *\nS: 501 ok\nE: no login: the server's challenge is malformed\nE: ready");
    scram("S: 334 !\nC: *\nS: 334 go\nE: closed AUTH unexpected reply: 334 go");
    scram("S: 421 4.7.0 slow\nE: closed AUTH 421 4.7.0 slow");
}

#[test]
fn time_runs_out() {
    let lost = |name: &str| format!("{name} the server was silent for too long");
    let closed = |name: &str| format!("E: closed {}", lost(name));
    let sent = |name: &str| {
        let lost = lost(name);
        format!(
            "E: sent transient {lost}; transient {lost}\n{}",
            closed(name)
        )
    };
    check(&format!("> wait 5 greeting\n{}", closed("greeting")));
    check(&format!(
        "S: 220 a\nC: EHLO box.test\n> wait 5 EHLO\n{}",
        closed("EHLO")
    ));
    at_once(&format!("> wait 5 MAIL\n{}", sent("MAIL")));
    let rcpt = "S: 250 ok\n> wait 5 RCPT\n";
    at_once(&format!("{rcpt}{}", sent("RCPT")));
    let data = "S: 250 ok\nS: 250 ok\nS: 250 ok\n> wait 2 DATA\n";
    at_once(&format!("{data}{}", sent("DATA")));
    let leave = "S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\nE: wants body\n";
    at_once(&format!("{leave}> wait 3 message\n{}", sent("message")));
    let end = sent("end").replace("end the", "end of message the");
    let end = end.replace("transient", "unknown");
    let mut talk = Talk::new(Pieces::Lines);
    talk.run(&format!("{PIPELINING}\n{AT_ONCE}\n{leave}> end\nC: ."));
    talk.wait(10, "end of message");
    talk.run(&end);
    after(PIPELINING, "> quit\nC: QUIT\n> wait 1 QUIT\nE: closed");
}

#[test]
fn domains_are_limited_for_the_connection() {
    check(
        "S: 220 mx.test
        C: EHLO box.test
        S: 250-mx.test
        S: 250 LIMITS RCPTDOMAINMAX=1
        E: ready
        > send a@b.c x@y.z x@other.z u@y.z
        C: MAIL FROM:<a@b.c>
        S: 250 ok
        C: RCPT TO:<x@y.z>
        S: 550 no
        C: RCPT TO:<u@y.z>
        S: 550 no
        C: RSET
        E: sent permanent RCPT 550 no; transient too many; permanent RCPT 550 no
        S: 250 ok
        E: ready
        > send a@b.c x@other.z = the server takes no more messages on this connection",
    );
}
