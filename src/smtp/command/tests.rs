//! Lines and what they are parsed to, by table; any bytes by proptest.

use proptest::prelude::*;

use super::*;

fn check(line: &str, expected: &str) {
    let got = match Command::parse(line.as_bytes()) {
        Ok(Command::Mail(mail)) => {
            let from = mail.from.map_or_else(String::new, |from| from.to_string());
            format!(
                "mail {from} {:?} {:?} {:?}",
                mail.size, mail.body, mail.auth
            )
        }
        Ok(Command::Rcpt(to)) => format!("rcpt {}", to.as_text()),
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
    check("MAIL FROM:<>", "mail  None None false");
    check("mail from: <a@b.c>", "mail a@b.c None None false");
    check("MAIL FROM:<@x,@y:a@b.c>", "mail a@b.c None None false");
    check(
        "MAIL FROM:<\"a>b\"@c.d> SIZE=5 body=8bitmime AUTH=<>",
        "mail \"a>b\"@c.d Some(5) Some(EightBitMime) true",
    );
    check(
        "MAIL FROM:<a@b> SIZE=99999999999999999999",
        "mail a@b Some(18446744073709551615) None false",
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
        "MAIL FROM:<a@b> RET=HDRS",
        "! parameter RET is not supported here",
    );
    check(
        "MAIL FROM:<a@b> SMTPUTF8",
        "! parameter SMTPUTF8 is not supported here",
    );
    check(
        "MAIL FROM:<a@b> BODY=BINARYMIME",
        "! parameter BODY=BINARYMIME is not supported here",
    );
    check("MAIL FROM:<a@b> AUTH=+4", "! AUTH needs a mailbox or <>");
    check(
        "MAIL FROM:<\u{fc}@b>",
        "! non-ASCII addresses are not supported",
    );
}

#[test]
fn rcpt_to() {
    check("RCPT TO:<a+b@c.d>", "rcpt a+b@c.d");
    check("RCPT TO: <Postmaster>", "rcpt Postmaster");
    check("RCPT TO:<>", "! bad recipient address: it is empty");
    check(
        "RCPT TO:<a@b> NOTIFY=NEVER",
        "! parameter NOTIFY is not supported here",
    );
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
