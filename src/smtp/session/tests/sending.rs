//! What is spooled for other hosts, and what is refused on its way there.

use super::house::{House, house, house_with};
use super::*;
use crate::mail::transport::BodyType;
use crate::store::spool::SpoolMail;

impl House {
    /// A spooled mail as it will be sent.
    fn text(&self, mail: &SpoolMail) -> String {
        let mut reader = self.service.store.read_spooled(mail).unwrap();
        let mut bytes = Vec::new();
        while reader.read_at(bytes.len() as u64, 999, &mut bytes).unwrap() > 0 {}
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The code of the last line's reply; the ones before succeed.
    fn last_code(&mut self, lines: &[&str]) -> String {
        let (last, lines) = lines.split_last().unwrap();
        for line in lines {
            let code = self.code(line);
            assert!(matches!(code.as_str(), "250" | "354"), "{line}: {code}");
        }
        self.code(last)
    }
}

fn logged_in() -> House {
    let mut house = house(Role::Submission);
    house.code("EHLO c");
    assert_eq!(house.code("AUTH PLAIN AGFubmEAeA=="), "235");
    house
}

/// Each spooled mail: sender, recipients with their wishes, what its message has in it, envelope's wishes.
fn render(mails: &[SpoolMail]) -> Vec<String> {
    let each = mails.iter().map(|mail| {
        let new = &mail.new;
        let sender = new.sender.as_ref().map(ToString::to_string);
        let to = new.recipients.iter().map(|to| {
            let success = to.notify.map(|notify| notify.success);
            let original = to.original.as_ref().map(|original| &original.1);
            format!("{} {success:?} {original:?}", to.address)
        });
        format!(
            "<{}> {}; {:?} {:?} {:?} {:?} {:?}",
            sender.unwrap_or_default(),
            to.collect::<Vec<_>>().join(", "),
            new.account.map(|account| account.0),
            new.body,
            new.header,
            new.ret,
            new.envid
        )
    });
    each.collect()
}

#[test]
fn what_users_send_is_filed_and_spooled_at_once() {
    let mut house = logged_in();
    house.alias("all@home.test", &["ben@home.test", "c@far.test"]);
    let lines = [
        "MAIL FROM:<anna@home.test> RET=HDRS ENVID=e1",
        "RCPT TO:<x@far.test> NOTIFY=SUCCESS ORCPT=rfc822;o@far.test",
        "RCPT TO:<ben@home.test>",
        "RCPT TO:<y@other.test>",
        "RCPT TO:<all@home.test>",
        "RCPT TO:<x@far.test>",
        "DATA",
    ];
    assert_eq!(house.last_code(&lines), "354");
    let said = house.say(
        "From: Anna <anna@home.test>\r\nBcc: y@other.test,\r\n b@c.d\r\nTo: x@far.test\r\n\r\nGr\u{fc}n\r\n.\r\n"
            .as_bytes(),
    );
    assert!(said.starts_with("250 2.0.0 Queued as "), "{said}");
    let id = said.trim_end().rsplit(' ').next().unwrap();
    let spool = house.spool();
    assert_eq!(
        render(&spool),
        [
            "<anna@home.test> x@far.test Some(true) Some(\"o@far.test\"), y@other.test None None; Some(1) EightBitMime \
             Ascii Some(Headers) Some(\"e1\")",
            "<anna@home.test> c@far.test None None; Some(1) EightBitMime Ascii Some(Headers) Some(\"e1\")",
        ]
    );
    let fields = format!(
        "Received: by mail.home.test with ESMTPA id {id};\r\n Fri, 15 Jan 2027 08:00:00 +0000\r\n\
         Date: Fri, 15 Jan 2027 08:00:00 +0000\r\nMessage-ID: <{id}@mail.home.test>\r\n"
    );
    let message = "From: Anna <anna@home.test>\r\nTo: x@far.test\r\n\r\nGr\u{fc}n\r\n";
    assert_eq!(house.text(&spool[0]), format!("{fields}{message}"));
    assert_eq!(
        house.text(&spool[1]),
        format!("Delivered-To: all@home.test\r\n{fields}{message}")
    );
    let inbox = house.inbox("ben@home.test");
    let [copy] = inbox.as_slice() else {
        panic!("one copy: {inbox:?}");
    };
    assert!(
        copy.contains("\r\nReceived: from c ([192.0.2.7]) by mail.home.test"),
        "{copy}"
    );
    assert!(copy.ends_with(message) && !copy.contains("Bcc"), "{copy}");
}

#[test]
fn forwards_leave_under_the_postmasters_name() {
    let mut house = house(Role::Receive);
    house.alias("info@home.test", &["anna@home.test", "x@far.test"]);
    house.code("EHLO c");
    let mail = [
        "MAIL FROM:<w@else.test> ENVID=e",
        "RCPT TO:<info@home.test> NOTIFY=NEVER",
        "DATA",
        "Subject: a\r\n\r\nb\r\n.",
    ];
    assert_eq!(house.last_code(&mail), "250");
    let spool = house.spool();
    assert_eq!(
        render(&spool),
        ["<postmaster@home.test> x@far.test None None; None SevenBit Ascii None None"]
    );
    let text = house.text(&spool[0]);
    assert!(
        text.starts_with("Delivered-To: info@home.test\r\nReceived: from c ([192.0.2.7]) by"),
        "{text}"
    );
    assert_eq!(house.inbox("anna@home.test").len(), 1);

    // It comes back.
    let mail = [
        "MAIL FROM:<postmaster@home.test>",
        "RCPT TO:<info@home.test>",
        "DATA",
    ];
    assert_eq!(house.last_code(&mail), "354");
    let said = house.say(format!("{text}.\r\n").as_bytes());
    assert!(said.starts_with("554 5.4.6 "), "{said}");
    assert_eq!(house.spool().len(), 1);
}

/// Neither SPF nor a signature shall vouch for it, and who judges it further on can tell.
#[test]
fn forged_mail_is_not_forwarded_under_our_name() {
    for (from, path) in [
        ("Anna <boss@home.test>", "<w@else.test>"),
        ("x@far.test", "<postmaster@home.test>"),
        ("x@far.test\r\nFrom: boss@home.test", "<w@else.test>"),
    ] {
        let mut house = house(Role::Receive);
        house.alias("info@home.test", &["x@far.test"]);
        house.code("EHLO c");
        let mail = [
            "MAIL FROM:<w@else.test>",
            "RCPT TO:<info@home.test>",
            "DATA",
        ];
        assert_eq!(house.last_code(&mail), "354");
        assert_eq!(house.code(&format!("From: {from}\r\n\r\nb\r\n.")), "250");
        let spool = house.spool();
        assert!(render(&spool)[0].starts_with(path), "{from}");
    }
}

/// Whoever is full does not keep a mail from a target elsewhere.
#[test]
fn full_accounts_hold_no_forward_up() {
    let mut house = house_with(Role::Receive, &Options::default(), Some(10));
    house.alias("info@home.test", &["anna@home.test", "x@far.test"]);
    house.code("EHLO c");
    for (to, expected) in [("anna", "250"), ("anna", "452"), ("info", "250")] {
        house.code("RSET");
        house.code("MAIL FROM:<w@else.test>");
        assert_eq!(house.code(&format!("RCPT TO:<{to}@home.test>")), expected);
        house.code("DATA");
        house.code("Subject: a\r\n\r\nb\r\n.");
    }
    assert_eq!(house.spool().len(), 1);
}

#[test]
fn hops_are_limited_for_what_leaves_too() {
    let mut house = logged_in();
    for (hops, expected) in [(100, "250"), (101, "554")] {
        let lines = ["MAIL FROM:<anna@home.test>", "RCPT TO:<x@far.test>", "DATA"];
        house.last_code(&lines);
        let message = format!("{}\r\nb\r\n.", "Received: x\r\n".repeat(hops));
        assert_eq!(house.code(&message), expected);
    }
}

/// A mail that came by an alias, sent to it once more by hand.
#[test]
fn what_is_sent_again_is_no_circle() {
    let mut house = logged_in();
    house.alias("info@home.test", &["anna@home.test", "x@far.test"]);
    let lines = [
        "MAIL FROM:<anna@home.test>",
        "RCPT TO:<info@home.test>",
        "DATA",
        "Delivered-To: info@home.test\r\n\r\nb\r\n.",
    ];
    assert_eq!(house.last_code(&lines), "250");
}

/// RFC 5322 3.6, RFC 6409 8: scanners and scripts leave it out.
#[test]
fn a_missing_author_is_the_sender() {
    let mut house = logged_in();
    house.alias("info@home.test", &["anna@home.test", "x@far.test"]);
    for (path, header, added) in [
        (
            "anna+scan@home.test",
            "Subject: a",
            "From: anna+scan@home.test\r\n",
        ),
        ("info@home.test", "Subject: a", "From: info@home.test\r\n"),
        ("", "Subject: a", "From: anna@home.test\r\n"),
        ("", "From: anna+x@home.test", ""),
        ("anna@home.test", "From: Nobody:;", ""),
    ] {
        let mail = format!("MAIL FROM:<{path}>");
        let message = format!("{header}\r\n\r\nb\r\n.");
        let lines = [mail.as_str(), "RCPT TO:<y@else.test>", "DATA", &message];
        assert_eq!(house.last_code(&lines), "250", "{path:?} {header}");
        let text = house.text(house.spool().last().unwrap());
        let (_, fields) = text.split_once(" +0000\r\n").unwrap();
        let expected = format!("{added}Date: ");
        assert!(fields.starts_with(&expected), "{path:?} {header}: {text}");
        let (_, rest) = fields.split_once("Message-ID: ").unwrap();
        let rest = rest.split_once("\r\n").unwrap().1;
        assert_eq!(rest, format!("{header}\r\n\r\nb\r\n"));
    }
}

#[test]
fn authors_belong_to_the_account() {
    let mut house = logged_in();
    house.alias("info@home.test", &["anna@home.test", "x@far.test"]);
    for (from, expected) in [
        ("From: anna@home.test", "250"),
        ("From: Anna M\u{fc}ller <Anna+x@Home.test>", "250"),
        ("From: <info@home.test>, anna@home.test", "250"),
        ("Sender: ben@home.test", "550"),
        ("Sender: info@home.test\r\nFrom: anna@home.test", "250"),
        ("Sender: boss@bank.test\r\nFrom: anna@home.test", "550"),
        ("From: anna@home.test\r\nFrom: boss@bank.test", "550"),
        ("From: anna@home.test\r\nFrom: anna@home.test", "550"),
        (
            "Resent-From: anna@home.test\r\nSender: y@far.test\r\nFrom: x@far.test",
            "250",
        ),
        ("From: Nobody:;", "250"),
        ("From: x@far.test", "550"),
        ("From: ben@home.test", "550"),
        ("From: anna@home.test, ben@home.test", "550"),
        ("From: anna", "550"),
        ("Resent-From: anna@home.test\r\nFrom: x@far.test", "250"),
        (
            "Resent-Sender: anna@home.test\r\nResent-From: y@far.test\r\nFrom: x@far.test",
            "250",
        ),
        (
            "Resent-From: ben@home.test\r\nResent-From: anna@home.test\r\nFrom: x@far.test",
            "550",
        ),
        (
            "Resent-From: anna@home.test, x@far.test\r\nFrom: x@far.test",
            "550",
        ),
        ("Resent-From: Nobody:;\r\nFrom: x@far.test", "550"),
    ] {
        let mail = ["MAIL FROM:<anna@home.test>", "RCPT TO:<x@far.test>", "DATA"];
        house.last_code(&mail);
        assert_eq!(
            house.code(&format!("{from}\r\n\r\nb\r\n.")),
            expected,
            "{from}"
        );
    }
}

#[test]
fn utf8_is_declared_where_it_must_be() {
    for (mail, to, subject, expected) in [
        ("", "x@far.test", "a", "SevenBit Ascii"),
        ("", "x@far.test", "\u{fc}", "EightBitMime Ascii"),
        (" SMTPUTF8", "x@far.test", "a", "SevenBit Ascii"),
        (" SMTPUTF8", "x@far.test", "\u{fc}", "EightBitMime Utf8"),
        (" SMTPUTF8", "\u{fc}@far.test", "a", "SevenBit Ascii"),
    ] {
        let mut house = logged_in();
        house.code(&format!("MAIL FROM:<anna@home.test>{mail}"));
        assert_eq!(house.code(&format!("RCPT TO:<{to}>")), "250", "{to}");
        house.code("DATA");
        assert_eq!(
            house.code(&format!("Subject: {subject}\r\n\r\nb\r\n.")),
            "250"
        );
        let spool = house.spool();
        let got = format!("{:?} {:?}", spool[0].new.body, spool[0].new.header);
        assert_eq!(got, expected, "{mail} {to} {subject}");
        let text = house.text(&spool[0]);
        let with = if mail.is_empty() {
            "ESMTPA"
        } else {
            "UTF8SMTPA"
        };
        assert!(text.contains(&format!(" with {with}")), "{text}");
        assert!(!text.contains("for <\u{fc}"), "{text}");
    }
}

#[test]
fn a_copy_is_kept_in_sent() {
    for (from, keeps, expected) in [
        ("<anna@home.test>", true, 1),
        ("<>", true, 0),
        ("<anna@home.test>", false, 0),
    ] {
        let House { clock, service, .. } = house(Role::Submission);
        let service = Service {
            keeps_sent: keeps,
            ..service
        };
        let mut house = House::connect(clock, service);
        house.code("EHLO c");
        assert_eq!(house.code("AUTH PLAIN AGFubmEAeA=="), "235");
        house.code(&format!("MAIL FROM:{from}"));
        let mail = ["RCPT TO:<x@far.test>", "DATA", "Subject: a\r\n\r\nb\r\n."];
        assert_eq!(house.last_code(&mail), "250");
        assert_eq!(house.spool().len(), 1);
        assert_eq!(house.count("anna@home.test", "Sent"), expected, "{from}");
    }
}

const BINARY: &str = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\
    Content-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n\0\n\r\u{fc}\r\n--b\r\n\
    Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\u{fc}\r\n--b--\r\n";

#[test]
fn binary_becomes_lines() {
    let lines = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\
        Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\nAAoNw7w=\r\n--b\r\n\
        Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\u{fc}\r\n--b--\r\n";
    for cut in [1, 150, BINARY.len() - 1] {
        let mut house = logged_in();
        let start = [
            "MAIL FROM:<anna@home.test> BODY=BINARYMIME",
            "RCPT TO:<x@far.test>",
            "RCPT TO:<ben@home.test>",
        ];
        house.last_code(&start);
        assert_eq!(house.code("DATA"), "503");
        let (first, rest) = BINARY.as_bytes().split_at(cut);
        let mut said = Vec::from(format!("BDAT {cut}\r\n"));
        said.extend_from_slice(first);
        said.extend(format!("BDAT {} LAST\r\n", rest.len()).into_bytes());
        said.extend_from_slice(rest);
        let said = house.say(&said);
        assert!(said.contains("\r\n250 2.0.0 Queued as"), "{said}");
        let spool = house.spool();
        assert_eq!(spool[0].new.body, BodyType::EightBitMime);
        assert!(
            house.text(&spool[0]).ends_with(lines),
            "{}",
            house.text(&spool[0])
        );
        assert!(house.inbox("ben@home.test")[0].ends_with(lines));
    }
}

/// What no part declares as binary has to be lines all the same.
#[test]
fn binary_without_a_label_is_refused() {
    let mut house = house(Role::Receive);
    house.code("EHLO c");
    let start = [
        "MAIL FROM:<x@y.z> BODY=BINARYMIME",
        "RCPT TO:<anna@home.test>",
    ];
    house.last_code(&start);
    let said = house.say(b"BDAT 13 LAST\r\nA: b\r\n\r\nc\0\ndd");
    assert!(said.starts_with("554 5.6.0"), "{said}");
}

/// Who asked hears, in the same commit, of what ends here.
#[test]
fn success_is_told_on_request() {
    let success = " NOTIFY=SUCCESS ORCPT=rfc822;o@x.y";
    for (to, wish, expected) in [
        ("ben@home.test", success, Some("delivered")),
        ("ben@home.test", "", None),
        ("ben@home.test", " NOTIFY=FAILURE,DELAY", None),
        ("both@home.test", success, Some("delivered")),
        ("out@home.test", success, Some("relayed")),
    ] {
        let mut house = house(Role::Receive);
        house.alias("both@home.test", &["ben@home.test", "x@far.test"]);
        house.alias("out@home.test", &["x@far.test"]);
        house.code("EHLO c");
        house.code("MAIL FROM:<w@else.test> ENVID=e1 RET=FULL");
        house.code(&format!("RCPT TO:<{to}>{wish}"));
        let mail = ["DATA", "Subject: =?utf-8?q?Gr=C3=BCn?=\r\n\r\nbody\r\n."];
        assert_eq!(house.last_code(&mail), "250");
        let spool = house.spool();
        let report = spool.iter().find(|mail| mail.new.sender.is_none());
        let Some(action) = expected else {
            assert_eq!(report, None, "{to}{wish}");
            continue;
        };
        let report = report.unwrap();
        assert_eq!(report.new.recipients[0].address.to_string(), "w@else.test");
        let text = house.text(report);
        for line in [
            format!("Action: {action}"),
            format!("Final-Recipient: rfc822; {to}"),
            "Original-Recipient: rfc822; o@x.y".to_owned(),
            "Original-Envelope-Id: e1".to_owned(),
            "Subject: =?utf-8?q?Gr=C3=BCn?=".to_owned(),
            "From: Heimpost <postmaster@home.test>".to_owned(),
        ] {
            assert!(text.contains(&format!("\r\n{line}\r\n")), "{line}: {text}");
        }
        assert!(!text.contains("\r\nbody\r\n"), "{text}");
    }
}

#[test]
fn our_users_hear_in_their_inbox() {
    let mut house = logged_in();
    let mail = [
        "MAIL FROM:<anna@home.test>",
        "RCPT TO:<ben@home.test> NOTIFY=SUCCESS",
        "RCPT TO:<x@far.test> NOTIFY=SUCCESS",
        "DATA",
        "Subject: a\r\n\r\nbody\r\n.",
    ];
    assert_eq!(house.last_code(&mail), "250");
    let inbox = house.inbox("anna@home.test");
    let [report] = inbox.as_slice() else {
        panic!("one report: {inbox:?}");
    };
    assert!(
        report.contains("\r\nFinal-Recipient: rfc822; ben@home.test\r\n"),
        "{report}"
    );
    // Of the other one the queue tells.
    assert!(!report.contains("x@far.test"), "{report}");
    assert!(!report.contains("192.0.2.7"), "{report}");
    assert_eq!(house.spool().len(), 1);
}
