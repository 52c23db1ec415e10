//! Commands as they are sent, and what cannot be sent.

use proptest::prelude::*;

use super::super::extensions::Limits;
use super::*;
use crate::smtp::command::Command;

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn envelope() -> Envelope {
    Envelope {
        from: Some(address("anna@home.test")),
        recipients: vec![Recipient::new(address("ben@far.test"))],
        size_bytes: 500,
        body: BodyType::SevenBit,
        header: HeaderType::Ascii,
        ret: Some(Return::Headers),
        envid: Some("a+b=c d".to_owned()),
    }
}

fn everything() -> Extensions {
    Extensions {
        pipelining: true,
        size: Size::Max(1000),
        eight_bit_mime: true,
        smtputf8: true,
        chunking: true,
        binarymime: true,
        dsn: true,
        starttls: true,
        enhanced_status_codes: true,
        auth: Vec::new(),
        limits: Limits::default(),
    }
}

#[test]
fn mail_has_what_the_server_offers() {
    let mut mail = envelope();
    let none = Extensions::default();
    assert_eq!(mail.mail(&none), "MAIL FROM:<anna@home.test>\r\n");
    assert_eq!(
        mail.mail(&everything()),
        "MAIL FROM:<anna@home.test> SIZE=500 RET=HDRS ENVID=a+2Bb+3Dc+20d\r\n"
    );
    mail.from = None;
    mail.body = BodyType::EightBitMime;
    mail.header = HeaderType::Utf8;
    mail.ret = Some(Return::Full);
    mail.envid = Some("x".repeat(ENVID_BYTES_MAX + 1));
    assert_eq!(
        mail.mail(&everything()),
        "MAIL FROM:<> SIZE=500 BODY=8BITMIME SMTPUTF8 RET=FULL\r\n"
    );
}

fn original(kind: &str, address: &str) -> (String, String) {
    (kind.to_owned(), address.to_owned())
}

#[test]
fn rcpt_has_what_the_server_offers() {
    let mut to = Recipient::new(address("ben@far.test"));
    let check = |to: &Recipient, expected: &str| {
        assert_eq!(
            to.rcpt(&everything()),
            format!("RCPT TO:<ben@far.test>{expected}\r\n")
        );
        assert_eq!(
            to.rcpt(&Extensions::default()),
            "RCPT TO:<ben@far.test>\r\n"
        );
    };
    check(&to, "");
    to.notify = Some(Notify::NEVER);
    to.original = Some(original("rfc822", "b+c@far.test"));
    check(&to, " NOTIFY=NEVER ORCPT=rfc822;b+2Bc@far.test");
    to.notify = Some(Notify {
        success: true,
        failure: false,
        delay: true,
    });
    to.original = Some(original("rfc822", "j\u{f6}rg\\@far.test\r\nQUIT"));
    check(
        &to,
        " NOTIFY=SUCCESS,DELAY ORCPT=utf-8;j\\x{F6}rg\\x{5C}@far.test\\x{D}\\x{A}QUIT",
    );
    to.notify = None;
    to.original = Some(original("x400", "/S=Ben/C=DE/"));
    check(&to, " ORCPT=x400;/S+3DBen/C+3DDE/");
    to.original = Some(original("utf-8", "b+c@far.test"));
    check(&to, " ORCPT=utf-8;b\\x{2B}c@far.test");
    for kind in ["", "a b", "x;\r\nQUIT"] {
        to.original = Some(original(kind, "ben@far.test"));
        check(&to, "");
    }
    to.original = Some(original("rfc822", &"x".repeat(ORCPT_BYTES_MAX)));
    check(&to, "");
}

#[test]
fn what_cannot_be_sent_is_known_before() {
    let none = Extensions::default();
    assert_eq!(envelope().check(&none), Ok(()));

    let mut nobody = envelope();
    nobody.recipients.clear();
    assert_eq!(nobody.check(&none), Err(SendError::NoRecipients));

    let mut large = envelope();
    large.size_bytes = 1001;
    let limit_bytes = 1000;
    assert_eq!(large.check(&none), Ok(()));
    assert_eq!(
        large.check(&everything()),
        Err(SendError::TooLarge { limit_bytes })
    );

    let needs = |change: fn(&mut Envelope), need| {
        let mut mail = envelope();
        change(&mut mail);
        assert_eq!(mail.check(&everything()), Ok(()));
        assert_eq!(mail.check(&none), Err(SendError::Needs(need)));
    };
    needs(
        |mail| mail.body = BodyType::EightBitMime,
        Need::EightBitMime,
    );
    needs(|mail| mail.body = BodyType::Binary, Need::BinaryMime);
    needs(|mail| mail.header = HeaderType::Utf8, Need::Smtputf8);
    needs(
        |mail| mail.from = Some(address("j\u{f6}rg@far.test")),
        Need::Smtputf8,
    );
    needs(
        |mail| mail.recipients[0].address = address("j\u{f6}rg@far.test"),
        Need::Smtputf8,
    );
}

proptest! {
    /// What the client writes, the server reads.
    #[test]
    fn parameters_come_back(
        envid in "[ -~]{1,20}",
        (kind, original) in prop_oneof![
            ("rfc822|x400", "[ -~]{1,30}"),
            ("utf-8", "[!-~\u{a1}-\u{2ff}]{1,30}"),
        ],
        wishes in any::<[bool; 3]>(),
    ) {
        let [success, failure, delay] = wishes;
        let recipient = Recipient {
            address: address("j\u{fc}@far.test"),
            notify: Some(Notify { success, failure, delay }),
            original: Some((kind, original)),
        };
        let mail = Envelope {
            envid: Some(envid),
            recipients: vec![recipient.clone()],
            ..envelope()
        };
        let parse = |line: String| Command::parse(line.trim_end().as_bytes());
        let Ok(Command::Mail(got)) = parse(mail.mail(&everything())) else {
            panic!("no MAIL");
        };
        prop_assert_eq!((got.ret, got.envid, got.smtputf8), (mail.ret, mail.envid, true));
        let Ok(Command::Rcpt(got)) = parse(recipient.rcpt(&everything())) else {
            panic!("no RCPT: {}", recipient.rcpt(&everything()));
        };
        prop_assert_eq!(got.to.address(), Some(&recipient.address));
        prop_assert_eq!((got.notify, got.original), (recipient.notify, recipient.original));
    }
}
