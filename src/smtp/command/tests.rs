//! Lines and what they are parsed to, by table; any bytes by proptest.

use proptest::prelude::*;

use super::*;

fn check(line: &str, expected: &str) {
    let got = match Command::parse(line.as_bytes()) {
        Ok(Command::Mail(mail)) => mail_text(&mail),
        Ok(Command::Rcpt(rcpt)) => rcpt_text(&rcpt),
        Ok(Command::Bdat(chunk)) => format!("bdat {} {:?}", chunk.bytes, chunk.place),
        Ok(Command::Auth { mechanism, initial }) => {
            let initial = initial.map(|initial| String::from_utf8(initial.0).unwrap());
            format!("auth {mechanism} {initial:?}")
        }
        Ok(Command::Helo(name) | Command::Ehlo(name)) => format!("hello {}", name.as_str()),
        Ok(other) => format!("{other:?}"),
        Err(error) => format!("! {error}"),
    };
    assert_eq!(got, expected, "{line:?}");
}

/// What was given, in the order of the fields.
fn mail_text(mail: &Mail) -> String {
    let from = mail
        .from
        .as_ref()
        .map_or_else(String::new, ToString::to_string);
    let words = [
        Some(format!("mail {from}")),
        mail.size.map(|size| size.to_string()),
        mail.body.map(|body| format!("{body:?}")),
        mail.auth.then(|| "auth".to_owned()),
        mail.ret.map(|ret| format!("{ret:?}")),
        mail.envid.clone(),
        mail.smtputf8.then(|| "utf8".to_owned()),
    ];
    words.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn rcpt_text(rcpt: &Rcpt) -> String {
    let mut text = format!("rcpt {}", rcpt.to.as_text());
    if let Some(notify) = rcpt.notify {
        for (on, letter) in [
            (notify.success, " S"),
            (notify.failure, " F"),
            (notify.delay, " D"),
        ] {
            text.push_str(if on { letter } else { " -" });
        }
    }
    if let Some((of_type, address)) = &rcpt.original {
        text.extend([" ", of_type, " ", address]);
    }
    text
}

#[test]
fn commands() {
    for verb in ["Data", "Rset", "Quit", "StartTls"] {
        check(&verb.to_uppercase(), verb);
        check(&format!("{}  \t", verb.to_lowercase()), verb);
        check(&format!("{verb} x"), "! this command takes no argument");
    }
    check("NOOP whatever", "Noop");
    check("HELP MAIL", "Help");
    check("VRFY anna", "Vrfy");
    check("EXPN", "! a name is missing");
    check("EHLO pc_1", "hello pc_1");
    check("HELO [IPv6:::1]", "hello [IPv6:::1]");
    check("EHLO", "! a domain or address literal is needed");
    check("EHLO a b", "! a domain or address literal is needed");
    check("", "! command not recognized");
    check("GET / HTTP/1.1", "! command not recognized");
    check("NOOP\r", "! lines end with CRLF and nothing else");
    check("NOOP\nQUIT", "! lines end with CRLF and nothing else");
    check("NOOP\0", "! control characters are not allowed");
}

#[test]
fn mail_from() {
    check("MAIL FROM:<>", "mail ");
    check("mail from: <a@b.c>", "mail a@b.c");
    check("MAIL FROM:<@x,@y:a@b.c>", "mail a@b.c");
    check(
        "MAIL FROM:<\"a>b\"@c.d> SIZE=5 body=8bitmime AUTH=<>",
        "mail \"a>b\"@c.d 5 EightBitMime auth",
    );
    check(
        "MAIL FROM:<a@b> SIZE=99999999999999999999",
        "mail a@b 18446744073709551615",
    );
    check(
        "MAIL FROM:a@b.c",
        "! bad sender address: the path is not in angle brackets",
    );
    check(
        "MAIL FROM:<postmaster>",
        "! bad sender address: the domain is missing",
    );
    check("MAIL <a@b>", "! the syntax is MAIL FROM:<address>");
    check(
        "MAIL FROM:<a@b>SIZE=5",
        "! a space is missing behind the path",
    );
    check("MAIL FROM:<a@b> SIZE=x", "! SIZE needs a count of bytes");
    check("MAIL FROM:<a@b> SIZE=", "! malformed parameter");
    check(
        "MAIL FROM:<a@b> SIZE=1 SIZE=2",
        "! a parameter is given twice",
    );
    check(
        "MAIL FROM:<a@b> X-Y=1",
        "! parameter X-Y is not supported here",
    );
    check("MAIL FROM:<a@b> BODY=BINARYMIME", "mail a@b Binary");
    check(
        "MAIL FROM:<a@b> BODY=9BIT",
        "! BODY is 7BIT, 8BITMIME or BINARYMIME",
    );
    check("MAIL FROM:<a@b> AUTH=+4", "! AUTH needs a mailbox or <>");
}

#[test]
fn smtputf8() {
    check(
        "MAIL FROM:<\u{fc}@b>",
        "! an address beyond ASCII needs SMTPUTF8",
    );
    check("MAIL FROM:<\u{fc}@b> smtputf8", "mail \u{fc}@b utf8");
    check("MAIL FROM:<a@b> SMTPUTF8", "mail a@b utf8");
    check("MAIL FROM:<a@\u{fc}>", "mail a@xn--tda");
    check("MAIL FROM:<a@b> SMTPUTF8=1", "! SMTPUTF8 takes no value");
    check(
        "MAIL FROM:<a@b> SMTPUTF8 SMTPUTF8",
        "! a parameter is given twice",
    );
    check("VRFY \u{fc}@b SMTPUTF8", "Vrfy");
}

#[test]
fn reports_to_the_sender() {
    check(
        "MAIL FROM:<> RET=hdrs ENVID=a+2Bb+20c",
        "mail  Headers a+b c",
    );
    check("MAIL FROM:<> RET=FULL", "mail  Full");
    check("MAIL FROM:<> RET=ALL", "! RET is FULL or HDRS");
    check("MAIL FROM:<> RET", "! RET is FULL or HDRS");
    for wrong in ["a+2b", "a+", "a+2", "+0D+0A", "+C3+BC", "\u{fc}", "+00"] {
        check(
            &format!("MAIL FROM:<> ENVID={wrong}"),
            "! ENVID is no xtext or too long",
        );
    }
    check(
        &format!("MAIL FROM:<> ENVID={}", "x".repeat(101)),
        "! ENVID is no xtext or too long",
    );
    check(
        "MAIL FROM:<> ENVID=a ENVID=b",
        "! a parameter is given twice",
    );
    check("RCPT TO:<a@b> NOTIFY=NEVER", "rcpt a@b - - -");
    check("RCPT TO:<a@b> notify=success,Delay", "rcpt a@b S - D");
    check("RCPT TO:<a@b> NOTIFY=FAILURE,FAILURE", "rcpt a@b - F -");
    for wrong in ["NEVER,DELAY", "SUCCESS,NEVER", "SUCCESS,", "MAYBE"] {
        check(
            &format!("RCPT TO:<a@b> NOTIFY={wrong}"),
            "! NOTIFY is NEVER or a list of SUCCESS, FAILURE and DELAY",
        );
    }
    check(
        "RCPT TO:<a@b> NOTIFY=DELAY NOTIFY=DELAY",
        "! a parameter is given twice",
    );
    check(
        "RCPT TO:<a@b> RET=FULL",
        "! parameter RET is not supported here",
    );
}

#[test]
fn original_recipients() {
    check(
        "RCPT TO:<a@b> ORCPT=rfc822;A+2Bc@b",
        "rcpt a@b rfc822 A+c@b",
    );
    check("RCPT TO:<a@b> ORCPT=X400;/c=de", "! malformed parameter");
    check("RCPT TO:<a@b> ORCPT=X400;/c+3Dde", "rcpt a@b x400 /c=de");
    check(
        "RCPT TO:<a@b> ORCPT=utf-8;\\x{FC}@\u{e4}+b",
        "! ORCPT needs an address type and an encoded address",
    );
    check(
        "RCPT TO:<a@b> ORCPT=UTF-8;\\x{FC}\\x{2B}@\u{e4}",
        "rcpt a@b utf-8 \u{fc}+@\u{e4}",
    );
    for wrong in [
        "a@b",
        ";a@b",
        "rfc822;",
        "rfc822;+C3+BC",
        "rfc822;\u{fc}",
        "utf-8;\\x{D800}",
        "utf-8;\\x{}",
        "utf-8;\\x{fc}",
        "utf-8;\\xFC",
        "utf-8;\\x{A}",
        "utf-8;\\x{FC",
        "utf-8;\\x{1000000}",
    ] {
        check(
            &format!("RCPT TO:<a@b> ORCPT={wrong}"),
            "! ORCPT needs an address type and an encoded address",
        );
    }
    check("RCPT TO:<\u{fc}@b>", "rcpt \u{fc}@b");
}

#[test]
fn rcpt_to() {
    check("RCPT TO:<a+b@c.d>", "rcpt a+b@c.d");
    check("RCPT TO: <Postmaster>", "rcpt Postmaster");
    check("RCPT TO:<>", "! bad recipient address: it is empty");
    check("RCPT FROM:<a@b>", "! the syntax is RCPT TO:<address>");
}

#[test]
fn bdat_and_auth() {
    check("BDAT 0 last", "bdat 0 Last");
    check("BDAT 86", "bdat 86 Middle");
    for wrong in [
        "BDAT",
        "BDAT x",
        "BDAT -1",
        "BDAT +1",
        "BDAT 1 LST",
        "BDAT 1 LAST x",
    ] {
        check(wrong, "! BDAT needs a count of bytes and perhaps LAST");
    }
    check("AUTH PLAIN", "auth PLAIN None");
    check("auth plain =", "auth plain Some(\"=\")");
    check("AUTH", "! the name of a mechanism is missing");
    check(
        "AUTH A B C",
        "! AUTH takes a mechanism and an initial response",
    );
}

proptest! {
    #[test]
    fn any_bytes_give_a_command_or_an_error(line in prop::collection::vec(any::<u8>(), 0..80)) {
        drop(Command::parse(&line));
    }

    #[test]
    fn nearly_right_lines_never_panic(line in "(MAIL FROM:|RCPT TO:|BDAT |AUTH )[ -~]{0,40}") {
        drop(Command::parse(line.as_bytes()));
    }
}
