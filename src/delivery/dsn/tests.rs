//! Reports, whole and as another's parser reads them.

use std::convert::Infallible;

use mail_parser::{Message, MessageParser, MimeHeaders};
use proptest::prelude::*;

use super::*;
use crate::clock::Clock;

const MAIL: &[u8] = b"From: anna@home.test\r\nSubject: Hallo\r\n\r\nGeheim\r\n";

fn at(hours: i64) -> Wall {
    Wall(1_800_000_000 + 3600 * hours)
}

fn now() -> Now {
    Clock::virtual_at(at(5)).now()
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// What a test changes of a report on one recipient.
#[derive(Clone, Debug)]
struct Case<'a> {
    to: &'a str,
    language: Language,
    event: Event,
    status: &'a str,
    remote: Option<&'a str>,
    reply: Option<&'a str>,
    orcpt: Option<(&'a str, &'a str)>,
    envelope_id: Option<&'a str>,
    subject: Option<&'a str>,
    original: Original,
}

fn case(language: Language, event: Event, status: &str) -> Case<'_> {
    Case {
        to: "bob@example.org",
        language,
        event,
        status,
        remote: Some("mx.example.org"),
        reply: Some("550 5.1.1 User unknown"),
        orcpt: None,
        envelope_id: None,
        subject: Some("Hallo"),
        original: Original {
            returned: Return::Headers,
            bytes: MAIL.len() as u64,
            whole_bytes_max: 1000,
            form: Form::SevenBit,
        },
    }
}

#[test]
fn words_of_ours_are_not_the_other_hosts() {
    for reply in ["the connection broke", "", "5504 no", "5x0 no", "950 no"] {
        let case = Case {
            reply: Some(reply),
            ..case(Language::En, Event::Failed, "5.4.2")
        };
        let report = String::from_utf8(written(&case, MAIL)).unwrap();
        for part in ["Diagnostic-Code", "Remote-MTA", "The server mx"] {
            assert!(!report.contains(part), "{reply}: {report}");
        }
    }
}

fn written(case: &Case<'_>, mail: &[u8]) -> Vec<u8> {
    let (to, sender) = (address(case.to), address("anna@home.test"));
    let (reporting, domain) = (Domain::parse("mail.home.test"), Domain::parse("home.test"));
    let recipient = Recipient {
        address: &to,
        original: case.orcpt,
        event: case.event,
        status: Status::parse(case.status).unwrap(),
        remote: case.remote,
        reply: case.reply,
        last_attempt: Some(at(4)),
        retry_until: Some(at(120)),
    };
    let dsn = Dsn {
        to: &sender,
        language: case.language,
        reporting: &reporting.unwrap(),
        domain: &domain.unwrap(),
        unique: "5.d41d8c",
        arrived: Some(at(0)),
        envelope_id: case.envelope_id,
        subject: case.subject,
        recipients: &[recipient],
        original: case.original,
    };
    let mut pieces = mail
        .chunks(7)
        .map(|piece| Ok::<_, Infallible>(piece.to_vec()));
    let mut bytes = Vec::new();
    let mut out = |piece: &[u8]| {
        bytes.extend_from_slice(piece);
        Ok(())
    };
    let Ok(()) = write(&dsn, &mut pieces, now(), &mut out);
    bytes
}

fn text(case: &Case<'_>) -> String {
    let text = String::from_utf8(written(case, MAIL)).unwrap();
    text.replace("\r\n", "\n")
}

/// Content type and content of each part.
fn parts(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let message: Message<'_> = MessageParser::default().parse(bytes).unwrap();
    let of_type = message.content_type().unwrap();
    assert_eq!(
        (of_type.ctype(), of_type.subtype()),
        ("multipart", Some("report"))
    );
    assert_eq!(of_type.attribute("report-type"), Some("delivery-status"));
    let auto = message.header("Auto-Submitted").unwrap().as_text();
    assert_eq!(auto, Some("auto-replied"));
    let part = |part: &mail_parser::MessagePart<'_>| {
        let of_type = part.content_type().unwrap();
        let name = format!("{}/{}", of_type.ctype(), of_type.subtype().unwrap());
        let (from, to) = (part.raw_body_offset(), part.raw_end_offset());
        (name, bytes[from as usize..to as usize].to_vec())
    };
    message.parts.iter().skip(1).map(part).collect()
}

#[test]
fn failed_in_german() {
    insta::assert_snapshot!(text(&case(Language::De, Event::Failed, "5.1.1")), @r#"
    Date: Fri, 15 Jan 2027 13:00:00 +0000
    Message-ID: <5.d41d8c@home.test>
    From: Heimpost <postmaster@home.test>
    To: <anna@home.test>
    Subject: Ihre Mail konnte nicht zugestellt werden
    Auto-Submitted: auto-replied
    MIME-Version: 1.0
    Content-Type: multipart/report; report-type=delivery-status;
     boundary="=_5.d41d8c"

    --=_5.d41d8c
    Content-Type: text/plain; charset=utf-8
    Content-Language: de
    Content-Transfer-Encoding: 7bit

    Betreff: Hallo

    Ihre Mail konnte nicht zugestellt werden an:

      bob@example.org
        Diese Adresse gibt es dort nicht. Ist sie richtig geschrieben?
        Der Server mx.example.org sagt:
          550 5.1.1 User unknown

    Es wird nicht weiter versucht. Wenn der Grund behoben ist, senden Sie die Mail
    bitte noch einmal.

    Diesen Bericht hat Heimpost geschrieben, Ihr Mailserver.

    --=_5.d41d8c
    Content-Type: message/delivery-status
    Content-Transfer-Encoding: 7bit

    Reporting-MTA: dns; mail.home.test
    Arrival-Date: Fri, 15 Jan 2027 08:00:00 +0000

    Final-Recipient: rfc822; bob@example.org
    Action: failed
    Status: 5.1.1
    Remote-MTA: dns; mx.example.org
    Diagnostic-Code: smtp; 550 5.1.1 User unknown
    Last-Attempt-Date: Fri, 15 Jan 2027 12:00:00 +0000

    --=_5.d41d8c
    Content-Type: text/rfc822-headers
    Content-Transfer-Encoding: 7bit

    From: anna@home.test
    Subject: Hallo

    --=_5.d41d8c--
    "#);
}

#[test]
fn delayed_in_english() {
    let case = Case {
        envelope_id: Some("Q 17"),
        orcpt: Some(("rfc822", "Bob@example.org")),
        reply: Some("450-4.2.2 Mailbox full,\r\n450 4.2.2 try again later"),
        ..case(Language::En, Event::Delayed, "4.2.2")
    };
    insta::assert_snapshot!(text(&case), @r#"
    Date: Fri, 15 Jan 2027 13:00:00 +0000
    Message-ID: <5.d41d8c@home.test>
    From: Heimpost <postmaster@home.test>
    To: <anna@home.test>
    Subject: Your mail has not arrived yet
    Auto-Submitted: auto-replied
    MIME-Version: 1.0
    Content-Type: multipart/report; report-type=delivery-status;
     boundary="=_5.d41d8c"

    --=_5.d41d8c
    Content-Type: text/plain; charset=utf-8
    Content-Language: en
    Content-Transfer-Encoding: 7bit

    Subject: Hallo

    Your mail has not arrived yet at:

      bob@example.org
        The mailbox there is full.
        The server mx.example.org says:
          450-4.2.2 Mailbox full,
          450 4.2.2 try again later

    You need not do anything: more attempts follow. If they fail, you will hear
    of it in this way.

    This report was written by Heimpost, your mail server.

    --=_5.d41d8c
    Content-Type: message/delivery-status
    Content-Transfer-Encoding: 7bit

    Original-Envelope-Id: Q 17
    Reporting-MTA: dns; mail.home.test
    Arrival-Date: Fri, 15 Jan 2027 08:00:00 +0000

    Original-Recipient: rfc822; Bob@example.org
    Final-Recipient: rfc822; bob@example.org
    Action: delayed
    Status: 4.2.2
    Remote-MTA: dns; mx.example.org
    Diagnostic-Code: smtp; 450-4.2.2 Mailbox full, 450 4.2.2 try again later
    Last-Attempt-Date: Fri, 15 Jan 2027 12:00:00 +0000
    Will-Retry-Until: Wed, 20 Jan 2027 08:00:00 +0000

    --=_5.d41d8c
    Content-Type: text/rfc822-headers
    Content-Transfer-Encoding: 7bit

    From: anna@home.test
    Subject: Hallo

    --=_5.d41d8c--
    "#);
}

/// The words alone.
fn words(language: Language, event: Event, status: &str) -> String {
    let case = Case {
        subject: None,
        remote: None,
        ..case(language, event, status)
    };
    let bytes = written(&case, MAIL);
    let message = MessageParser::default().parse(&bytes).unwrap();
    message.body_text(0).unwrap().replace("\r\n", "\n")
}

#[test]
fn other_events_in_words() {
    let all = |language| {
        let events = [
            (Event::Expired, "4.4.1"),
            (Event::Delayed, "4.7.1"),
            (Event::Delivered, "2.1.5"),
            (Event::Relayed, "2.1.5"),
        ];
        let texts = events.map(|(event, status)| words(language, event, status));
        texts.join("=====\n")
    };
    insta::assert_snapshot!(all(Language::De), @r"
    Ihre Mail konnte trotz vieler Versuche nicht zugestellt werden an:

      bob@example.org
        Der Server dort ist nicht zu erreichen. Geht es bei allen Empfängern so, sperrt wohl
        Ihr Internetanbieter den Versand (Port 25); dann hilft ein Smarthost.

    Es wird nicht weiter versucht. Wenn der Grund behoben ist, senden Sie die Mail
    bitte noch einmal.

    Diesen Bericht hat Heimpost geschrieben, Ihr Mailserver.
    =====
    Ihre Mail ist noch nicht angekommen bei:

      bob@example.org
        Der Server dort schiebt die Mail auf, etwa zum Schutz vor Spam.

    Sie müssen nichts tun: Es wird weiter versucht. Gelingt es nicht, erfahren
    Sie es auf diesem Weg.

    Diesen Bericht hat Heimpost geschrieben, Ihr Mailserver.
    =====
    Ihre Mail ist im Postfach von:

      bob@example.org

    Ob sie gelesen wurde, sagt das nicht.

    Diesen Bericht hat Heimpost geschrieben, Ihr Mailserver.
    =====
    Ihre Mail wurde weitergegeben für:

      bob@example.org

    Der nächste Server hat sie angenommen. Ob sie ankommt, meldet er nicht.

    Diesen Bericht hat Heimpost geschrieben, Ihr Mailserver.
    ");
    insta::assert_snapshot!(all(Language::En), @r"
    In spite of many attempts your mail could not be delivered to:

      bob@example.org
        The server there cannot be reached. If it is so with all recipients, your internet
        provider seems to block sending (port 25); a smarthost helps then.

    No further attempt is made. When the cause is out of the way, please send the
    mail again.

    This report was written by Heimpost, your mail server.
    =====
    Your mail has not arrived yet at:

      bob@example.org
        The server there puts the mail off, for instance against spam.

    You need not do anything: more attempts follow. If they fail, you will hear
    of it in this way.

    This report was written by Heimpost, your mail server.
    =====
    Your mail is in the mailbox of:

      bob@example.org

    That does not say whether it was read.

    This report was written by Heimpost, your mail server.
    =====
    Your mail was passed on for:

      bob@example.org

    The next server has taken it. It does not report whether the mail arrives.

    This report was written by Heimpost, your mail server.
    ");
}

#[test]
fn reasons() {
    for (status, event, expected) in [
        ("5.1.1", Event::Failed, "no such address"),
        ("5.1.2", Event::Failed, "after the @"),
        ("4.1.2", Event::Delayed, "cannot be reached"),
        ("5.1.10", Event::Failed, "after the @"),
        ("5.2.2", Event::Failed, "is full"),
        ("5.2.3", Event::Failed, "too large"),
        ("5.3.4", Event::Failed, "too large"),
        ("5.3.3", Event::Failed, "of this kind"),
        ("5.6.1", Event::Failed, "of this kind"),
        ("5.6.7", Event::Failed, "cannot handle"),
        ("4.4.1", Event::Delayed, "cannot be reached. If"),
        ("4.4.2", Event::Delayed, "cannot be reached."),
        ("4.4.3", Event::Delayed, "name service"),
        ("4.7.5", Event::Delayed, "encrypted"),
        ("5.7.10", Event::Failed, "encrypted"),
        ("4.7.8", Event::Delayed, "login was refused"),
        ("5.7.26", Event::Failed, "doubts that"),
        ("4.4.4", Event::Delayed, "cannot be reached"),
        ("5.4.4", Event::Failed, "after the @"),
        ("4.4.5", Event::Delayed, "overloaded"),
        ("5.4.6", Event::Failed, "in circles"),
        ("5.7.1", Event::Failed, "by its rules"),
        ("4.7.1", Event::Delayed, "puts the mail off"),
        ("5.7.8", Event::Failed, "login was refused"),
        ("5.0.0", Event::Failed, "did not take the mail"),
        ("5.999.999", Event::Failed, "did not take the mail"),
    ] {
        let text = words(Language::En, event, status);
        assert!(text.contains(expected), "{status}: {text}");
        assert!(!words(Language::De, event, status).contains("server there"));
    }
}

#[test]
fn the_original_comes_back_as_its_sender_and_the_limit_want() {
    let base = case(Language::En, Event::Failed, "5.1.1");
    let full = Original {
        returned: Return::Full,
        ..base.original
    };
    let header = b"From: anna@home.test\r\nSubject: Hallo\r\n".as_slice();
    let headers = ("text/rfc822-headers", header);
    for (event, original, expected) in [
        (Event::Failed, base.original, headers),
        (Event::Failed, full, ("message/rfc822", MAIL)),
        (Event::Expired, full, ("message/rfc822", MAIL)),
        (Event::Delayed, full, headers),
        (Event::Relayed, full, headers),
        (
            Event::Failed,
            Original {
                whole_bytes_max: 10,
                ..full
            },
            headers,
        ),
        (
            Event::Failed,
            Original {
                form: Form::Binary,
                ..full
            },
            headers,
        ),
        (
            Event::Failed,
            Original {
                form: Form::Global,
                ..full
            },
            ("message/global", MAIL),
        ),
    ] {
        let case = Case {
            event,
            original,
            ..base.clone()
        };
        let bytes = written(&case, MAIL);
        let parts = parts(&bytes);
        let names: Vec<&str> = parts.iter().map(|part| part.0.as_str()).collect();
        assert_eq!(names, ["text/plain", "message/delivery-status", expected.0]);
        assert_eq!(parts[2].1, expected.1, "{event:?} {original:?}");
    }
}

#[test]
fn eight_bit_originals_are_marked() {
    let base = case(Language::En, Event::Failed, "5.1.1");
    let case = Case {
        original: Original {
            returned: Return::Full,
            form: Form::EightBit,
            ..base.original
        },
        ..base
    };
    let mail = "Subject: a\r\n\r\nGrüße\r\n".as_bytes();
    let bytes = written(&case, mail);
    assert_eq!(parts(&bytes)[2].1, mail);
    let text = String::from_utf8(bytes).unwrap();
    assert_eq!(
        text.matches("Content-Transfer-Encoding: 8bit\r\n").count(),
        2
    );
}

#[test]
fn addresses_in_utf8_have_fields_of_their_own() {
    let case = Case {
        to: "jürgen@example.org",
        orcpt: Some(("utf-8", "jürgen@beispiel.de")),
        reply: Some("550 5.1.1 jürgen: unbekannt"),
        ..case(Language::De, Event::Failed, "5.1.1")
    };
    let bytes = written(&case, "Subject: Grüße\r\n\r\n".as_bytes());
    let parts = parts(&bytes);
    assert_eq!(parts[1].0, "message/global-delivery-status");
    let fields = String::from_utf8(parts[1].1.clone()).unwrap();
    for field in [
        "Final-Recipient: utf-8; jürgen@example.org\r\n",
        "Original-Recipient: utf-8; jürgen@beispiel.de\r\n",
        "Diagnostic-Code: smtp; 550 5.1.1 jürgen: unbekannt\r\n",
    ] {
        assert!(fields.contains(field), "{fields}");
    }
    assert_eq!(parts[2].0, "message/global-headers");
    assert_eq!(parts[2].1, "Subject: Grüße\r\n".as_bytes());

    // The reply alone asks for no new type.
    let ascii = Case {
        to: "bob@example.org",
        orcpt: None,
        ..case
    };
    let parts = self::parts(&written(&ascii, MAIL));
    assert_eq!(parts[1].0, "message/delivery-status");
    let fields = String::from_utf8(parts[1].1.clone()).unwrap();
    assert!(
        fields.contains("550 5.1.1 j?rgen: unbekannt\r\n"),
        "{fields}"
    );
}

#[test]
fn the_header_of_an_original_is_cut_and_cleaned() {
    let endless = b"A: b\r\n".repeat(HEADER_BYTES_MAX);
    let base = case(Language::En, Event::Failed, "5.1.1");
    let header = parts(&written(&base, &endless)).remove(2).1;
    assert!(
        header.len() <= HEADER_BYTES_MAX && header.ends_with(b"A: b\r\n"),
        "{}",
        header.len()
    );
    let parts = parts(&written(&base, b"A: \x00\xff\r\nB:\rc\n\tx\n\nbody"));
    assert_eq!(parts[2].1, "A: ?\u{fffd}\r\nB:?c\r\n\tx\r\n".as_bytes());
}

#[test]
fn an_error_ends_it() {
    let base = case(Language::En, Event::Failed, "5.1.1");
    let (to, domain) = (address(base.to), Domain::parse("home.test").unwrap());
    let dsn = Dsn {
        to: &to,
        language: base.language,
        reporting: &domain,
        domain: &domain,
        unique: "1",
        arrived: None,
        envelope_id: None,
        subject: None,
        recipients: &[],
        original: base.original,
    };
    let mut pieces = [Err("unreadable")].into_iter();
    assert_eq!(
        write(&dsn, &mut pieces, now(), &mut |_| Ok(())),
        Err("unreadable")
    );
    let mut pieces = [Ok(MAIL.to_vec())].into_iter();
    assert_eq!(
        write(&dsn, &mut pieces, now(), &mut |_| Err("full")),
        Err("full")
    );
}

/// Text as a peer may send it: line ends, fields and boundaries in it.
fn peers_text() -> impl Strategy<Value = String> {
    let bit = prop_oneof![
        4 => any::<char>().prop_map(String::from),
        2 => "[ -~]{0,40}",
        1 => Just("\r\n".to_owned()),
        1 => Just("\r\n\r\nBcc: evil@x.test\r\n".to_owned()),
        1 => Just("\n--=_5.d41d8c--\n".to_owned()),
        1 => Just("\u{85}\u{2028}\r".to_owned()),
    ];
    prop::collection::vec(bit, 0..20).prop_map(|bits| bits.concat())
}

fn localpart() -> impl Strategy<Value = String> {
    "[^\\p{Cc}]{1,12}".prop_filter_map("an address", |text| {
        let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
        let address = Address::parse(&format!("\"{quoted}\"@x.test")).ok()?;
        Some(address.to_string())
    })
}

proptest! {
    #[test]
    fn nothing_breaks_out(
        (to, orcpt, reply) in (localpart(), (peers_text(), peers_text()), peers_text()),
        (remote, envelope_id, subject) in (peers_text(), peers_text(), peers_text()),
        event in prop::sample::select(vec![Event::Failed, Event::Delayed, Event::Relayed]),
        is_german in any::<bool>(),
    ) {
        let language = if is_german { Language::De } else { Language::En };
        let case = Case {
            to: &to,
            orcpt: Some((&orcpt.0, &orcpt.1)),
            reply: Some(&reply),
            remote: Some(&remote),
            envelope_id: Some(&envelope_id),
            subject: Some(&subject),
            ..case(language, event, "5.1.1")
        };
        let bytes = written(&case, MAIL);
        let whole = String::from_utf8(bytes.clone()).unwrap();
        for line in whole.split("\r\n") {
            prop_assert!(line.len() <= 998 && !line.contains(['\r', '\n']), "{:?}", line);
        }
        let (header, _) = whole.split_once("\r\n\r\n").unwrap();
        prop_assert!(!header.contains("evil"));
        prop_assert_eq!(whole.matches("\r\n--=_5.d41d8c").count(), 4);
        if whole.matches("--=_5.d41d8c").count() > 4 {
            // The parser takes a delimiter in the middle of a line for one.
            return Ok(());
        }
        let parts = parts(&bytes);
        prop_assert_eq!(parts.len(), 3);
        prop_assert_eq!(&parts[2].1, b"From: anna@home.test\r\nSubject: Hallo\r\n");
        let fields = String::from_utf8(parts[1].1.clone()).unwrap();
        for field in fields.split("\r\n").filter(|line| !line.is_empty()) {
            let known = ["Original-", "Reporting-MTA: ", "Arrival-Date: ", "Final-Recipient: ",
                "Action: ", "Status: ", "Remote-MTA: ", "Diagnostic-Code: ",
                "Last-Attempt-Date: ", "Will-Retry-Until: ", " "];
            prop_assert!(known.iter().any(|name| field.starts_with(name)), "{:?}", field);
        }
        prop_assert_eq!(fields.matches("\r\n\r\n").count(), 1, "two groups");
        let kind = if to.is_ascii() { "rfc822" } else { "utf-8" };
        let unfolded = fields.replace("\r\n ", " ");
        let typed = format!("Final-Recipient: {kind}; {}\r\n", one_line(&to));
        prop_assert!(unfolded.contains(&typed), "{}", fields);
    }
}
