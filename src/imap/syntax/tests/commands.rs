//! Known answers of the command parser.

use std::num::{NonZeroU32, NonZeroU64};

use crate::imap::syntax::command::{
    Access, Append, CommandBody, List, Literal, Login, Numbering, StatusItem, Store, StoreAnswer,
    Sync,
};
use crate::imap::syntax::fetch::{
    FetchItem, Partial, Section, SectionAccess, SectionItem, SectionPiece,
};
use crate::imap::syntax::lexer::Dialect;
use crate::imap::syntax::parse::append::append_head;
use crate::imap::syntax::parse_command;
use crate::imap::syntax::search::{EnvelopeField, Needle, SearchKey};
use crate::imap::syntax::sequence::NumberRange;
use crate::mail::date::Date;
use crate::mail::flags::{Flags, Keyword, SystemFlags};
use crate::store::types::FlagAction;

fn body(line: &str) -> CommandBody {
    match parse_command(format!("a {line}\r\n").as_bytes()) {
        Ok(command) => command.body,
        Err(rejected) => panic!("{line}: {}", rejected.error),
    }
}

#[track_caller]
fn rejects(line: &str, expected: &str) {
    let rejected = parse_command(format!("a {line}\r\n").as_bytes()).unwrap_err();
    assert_eq!(rejected.error.to_string(), expected, "{line}");
    assert_eq!(rejected.tag.unwrap().as_str(), "a");
}

/// Commands without arguments, in any case, with nothing behind them.
#[test]
fn bare_commands() {
    for name in [
        "capability",
        "NOOP",
        "Logout",
        "STARTTLS",
        "NAMESPACE",
        "IDLE",
        "CHECK",
        "CLOSE",
        "UNSELECT",
        "EXPUNGE",
    ] {
        assert_eq!(body(name).name(), name.to_ascii_uppercase());
        let line = format!("{name} ");
        rejects(
            &line,
            &format!("expected the end of the line at byte {}", name.len() + 2),
        );
    }
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    rejects("", "expected a command at byte 2");
    rejects("BOGUS", "unknown command");
    rejects("UID NOOP", "unknown command");
    rejects("FETCH", "expected a space at byte 7");
    rejects("FETCH 0 FLAGS", "expected a message number or * at byte 8");
    rejects(
        "FETCH 1,, FLAGS",
        "expected a message number or * at byte 10",
    );
    rejects(
        "FETCH 4294967296 FLAGS",
        "expected a message number or * at byte 8",
    );
    rejects("FETCH 1 ()", "expected a FETCH item at byte 11");
    rejects("FETCH 1 BOGUS", "expected a FETCH item at byte 10");
    rejects("FETCH 1 BODY[MIME]", "expected a section at byte 15");
    rejects("FETCH 1 BODY[1.]", "expected a section at byte 17");
    rejects("FETCH 1 BODY[]<0.0>", "expected a length at byte 19");
    rejects(
        "STORE 1 FLAGS (\\Recent)",
        "expected a flag that clients can set at byte 17",
    );
    rejects(
        "STORE 1 FLAGS (\\Bogus)",
        "expected a flag that clients can set at byte 17",
    );
    rejects(
        "STORE 1 FLAGS ()x",
        "expected the end of the line at byte 18",
    );
    rejects(
        "LOGIN \"a\\b\" x",
        "expected \" or \\ behind a \\ at byte 11",
    );
    rejects(
        "LOGIN \"a",
        "expected the end of the quoted string at byte 10",
    );
    rejects("SELECT \"a//b\"", "the mailbox name has an empty level");
    rejects("SEARCH CHARSET KOI8-X ALL", "unknown charset");
    rejects(
        "SEARCH ON 31-Feb-2026",
        "expected a date such as 1-Feb-2026 at byte 12",
    );
    rejects(
        "AUTHENTICATE PLAIN !",
        "expected a base64 response or = at byte 21",
    );
    rejects("ENABLE", "expected a space at byte 8");
}

#[test]
fn nesting_is_bounded() {
    let deep = format!("SEARCH {}ALL", "NOT ".repeat(1000));
    rejects(&deep, "too many levels of search keys");
    let long = format!("LIST \"\" {}", "%a".repeat(301));
    rejects(&long, "too many bytes in a mailbox pattern");
    let wide = format!("SEARCH{}", " ALL".repeat(1001));
    rejects(&wide, "too many search keys");
}

#[test]
fn tags() {
    let tag_of = |line: &[u8]| parse_command(line).map(|command| command.tag.as_str().to_owned());
    assert_eq!(tag_of(b"A]1 NOOP\r\n").unwrap(), "A]1");
    for line in [
        &b"+ NOOP\r\n"[..],
        b" NOOP\r\n",
        b"(a NOOP\r\n",
        b"a\x80 NOOP\r\n",
    ] {
        assert_eq!(tag_of(line).unwrap_err().tag, None);
    }
}

#[test]
fn login_takes_every_kind_of_string() {
    for (line, password) in [
        ("LOGIN fred secret]", &b"secret]"[..]),
        ("LOGIN \"fred\" \"se\\\"c\\\\ret\"", b"se\"c\\ret"),
        ("LOGIN {4}\r\nfred {3+}\r\n{1}", b"{1}"),
        ("LOGIN fred \"\"", b""),
        ("LOGIN fred {2}\r\n\r\n", b"\r\n"),
    ] {
        let CommandBody::Login(Login {
            user,
            password: got,
        }) = body(line)
        else {
            panic!("{line}");
        };
        assert_eq!(
            (user.as_slice(), got.expose().as_slice()),
            (&b"fred"[..], password)
        );
    }
    assert!(!format!("{:?}", body("LOGIN fred secret")).contains("115"));
}

#[test]
fn authenticate_decodes_its_initial_response() {
    let initial = |line: &str| match body(line) {
        CommandBody::Authenticate(auth) => auth.initial.map(|initial| initial.expose().clone()),
        other => panic!("{other:?}"),
    };
    assert_eq!(initial("AUTHENTICATE PLAIN"), None);
    assert_eq!(initial("AUTHENTICATE plain ="), Some(Vec::new()));
    assert_eq!(
        initial("AUTHENTICATE PLAIN AGEAYg=="),
        Some(b"\0a\0b".to_vec())
    );
}

#[test]
fn mailbox_names_are_decoded() {
    let CommandBody::Select(select) = body("EXAMINE \"entw&APw-rfe\" (CONDSTORE)") else {
        panic!("no EXAMINE");
    };
    assert_eq!(select.mailbox.as_str(), "entw\u{fc}rfe");
    assert_eq!(select.access, Access::ReadOnly);
    assert!(select.parameters.condstore);
    let expected = List {
        reference: String::new(),
        pattern: "w\u{f6}rk/%*".to_owned(),
    };
    let CommandBody::List(list) = body("LIST \"\" w&APY-rk/%*") else {
        panic!("no LIST");
    };
    assert_eq!(list, expected);
}

#[test]
fn status_items() {
    let CommandBody::Status(status) = body("STATUS inbox (messages SIZE DELETED-STORAGE)") else {
        panic!("no STATUS");
    };
    assert!(status.mailbox.is_inbox());
    let expected = [
        StatusItem::Messages,
        StatusItem::Size,
        StatusItem::DeletedStorage,
    ];
    assert_eq!(status.items, expected);
}

#[test]
fn sequence_sets_are_resolved() {
    let ranges = |set: &str, largest: u32| match body(&format!("UID EXPUNGE {set}")) {
        CommandBody::UidExpunge(parsed) => {
            assert_eq!(parsed.to_string(), set);
            let ranges = parsed.ranges(largest).into_iter();
            ranges
                .map(|NumberRange { from, to }| (from, to))
                .collect::<Vec<_>>()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(ranges("7,1:3,2:5", 9), [(1, 5), (7, 7)]);
    assert_eq!(ranges("5:*", 3), [(3, 5)]);
    assert_eq!(ranges("*:2,4", 3), [(2, 4)]);
    assert_eq!(ranges("*", 0), []);
    assert_eq!(
        ranges("4294967295,4294967294", 1),
        [(4_294_967_294, 4_294_967_295)]
    );
}

#[test]
fn fetch_items() {
    let CommandBody::Fetch(fetch) = body(
        "UID FETCH 1:* (UID BODY BODY[] BODY.PEEK[1.2.HEADER.FIELDS (To \"X y\")]<5.10> BODY[3] \
         BODY[2.MIME] MODSEQ) (CHANGEDSINCE 7)",
    ) else {
        panic!("no FETCH");
    };
    let section = |part: &[u32], piece, partial, access| {
        let part = part.iter().filter_map(|number| NonZeroU32::new(*number));
        FetchItem::Section(SectionItem {
            section: Section {
                part: part.collect(),
                piece,
            },
            partial,
            access,
        })
    };
    let names = vec![b"To".to_vec(), b"X y".to_vec()];
    let partial = Partial {
        offset: 5,
        bytes_max: NonZeroU64::new(10).unwrap(),
    };
    let fields = SectionPiece::HeaderFields(names);
    assert_eq!(
        fetch.items,
        [
            FetchItem::Uid,
            FetchItem::Body,
            section(&[], SectionPiece::Whole, None, SectionAccess::Read),
            section(&[1, 2], fields, Some(partial), SectionAccess::Peek),
            section(&[3], SectionPiece::Whole, None, SectionAccess::Read),
            section(&[2], SectionPiece::Mime, None, SectionAccess::Read),
            FetchItem::ModSeq,
        ]
    );
    assert_eq!(fetch.numbering, Numbering::Uid);
    assert_eq!(fetch.modifiers.changed_since, Some(7));
}

#[test]
fn fetch_macros_are_written_out() {
    let items = |name: &str| match body(&format!("FETCH 1 {name}")) {
        CommandBody::Fetch(fetch) => fetch.items,
        other => panic!("{other:?}"),
    };
    assert_eq!(items("FAST"), FetchItem::fast());
    assert_eq!(items("all"), FetchItem::all());
    assert_eq!(items("Full"), FetchItem::full());
    rejects("FETCH 1 (FAST)", "expected a FETCH item at byte 11");
}

#[test]
fn store_actions() {
    let CommandBody::Store(store) =
        body("STORE 1 (UNCHANGEDSINCE 0) -flags.silent \\seen Later later")
    else {
        panic!("no STORE");
    };
    let Store {
        unchanged_since,
        action,
        answer,
        flags,
        ..
    } = store;
    assert_eq!(unchanged_since, Some(0));
    assert_eq!((action, answer), (FlagAction::Remove, StoreAnswer::Silent));
    let expected = Flags {
        system: SystemFlags::SEEN,
        keywords: vec![Keyword::new("Later").unwrap()],
    };
    assert_eq!(flags, expected);
}

#[test]
fn search_keys_are_a_tree() {
    let key = |line: &str| match body(&format!("SEARCH {line}")) {
        CommandBody::Search(search) => search.key,
        other => panic!("{other:?}"),
    };
    let seen = || SearchKey::Flag(SystemFlags::SEEN);
    let not = |key| SearchKey::Not(Box::new(key));
    let text = |text: &str| Needle(text.to_owned());
    assert_eq!(key("UNSEEN"), SearchKey::And(vec![not(seen())]));
    assert_eq!(
        key("OR SEEN (FROM x NOT ALL) OLD"),
        SearchKey::And(vec![
            SearchKey::Or(
                Box::new(seen()),
                Box::new(SearchKey::And(vec![
                    SearchKey::Envelope(EnvelopeField::From, text("x")),
                    not(SearchKey::All),
                ]))
            ),
            not(SearchKey::Recent),
        ])
    );
    assert_eq!(
        key("CHARSET ISO-8859-1 SUBJECT {1+}\r\na HEADER X-A \"\""),
        SearchKey::And(vec![
            SearchKey::Envelope(EnvelopeField::Subject, text("a")),
            SearchKey::Header("X-A".to_owned(), text("")),
        ])
    );
    let date = Date::parse_imap("1-Feb-2026").unwrap();
    assert_eq!(
        key("ON \"1-Feb-2026\""),
        SearchKey::And(vec![SearchKey::On(date)])
    );
    let modseq = "MODSEQ \"/flags/\\\\draft\" all 620162338";
    assert_eq!(
        key(modseq),
        SearchKey::And(vec![SearchKey::ModSeq(620_162_338)])
    );
}

#[test]
fn append_heads() {
    let head = |line: &str| append_head(line.as_bytes(), Dialect::Utf7);
    let Some(Ok(Append {
        mailbox, message, ..
    })) = head("a append {5+}\r\ninbox (\\Flagged x) \" 1-Jan-2026 00:00:01 +0100\" {12+}\r\n")
    else {
        panic!("no APPEND");
    };
    assert!(mailbox.is_inbox());
    assert_eq!(message.flags.system, SystemFlags::FLAGGED);
    assert_eq!(message.internal_date.unwrap().0, 1_767_222_001);
    let literal = Literal {
        bytes: 12,
        sync: Sync::NonSynchronizing,
    };
    assert_eq!(message.literal, literal);
    assert!(head("a APPEND {5+}\r\n").is_none());
    assert!(head("a APPENDIX INBOX {5+}\r\n").is_none());
    assert!(head("a APPEND INBOX bogus {5+}\r\n").is_none());
    assert!(matches!(head("a APPEND a//b {5+}\r\n"), Some(Err(_))));
}
