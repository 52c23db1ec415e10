//! What is written is read back by imap-codec, wholly and as what was meant.

use std::path::{Path, PathBuf};

use imap_codec::ResponseCodec;
use imap_codec::decode::Decoder;
use imap_codec::imap_types::body::BodyStructure;
use imap_codec::imap_types::core::NString;
use imap_codec::imap_types::fetch::MessageDataItem;
use imap_codec::imap_types::response::{Code as TheirCode, Data, Response, Status};
use proptest::prelude::*;

use crate::imap::syntax::command::Tag;
use crate::imap::syntax::lexer::Dialect;
use crate::imap::syntax::render::body::{Form, body};
use crate::imap::syntax::render::envelope::envelope;
use crate::imap::syntax::render::{put, status, string};
use crate::imap::syntax::response::{Code, Completion, PermanentFlags};
use crate::imap::syntax::sequence::SequenceSet;
use crate::mail::flags::Keyword;
use crate::mail::ids::{Uid, UidValidity};
use crate::mail::mailbox_name::MailboxName;
use crate::mail::mime::surrogate::{self, Bytes, Surrogate};
use crate::mail::mime::{Content, Part, Scanner, Summary};

fn read(bytes: &[u8]) -> Response<'_> {
    match ResponseCodec::default().decode(bytes) {
        Ok((b"", response)) => response,
        Ok((rest, _)) => panic!("left: {}", rest.escape_ascii()),
        Err(error) => panic!("{error:?} in {}", bytes.escape_ascii()),
    }
}

fn fetch_items(bytes: &[u8]) -> Vec<MessageDataItem<'_>> {
    match read(bytes) {
        Response::Data(Data::Fetch { items, .. }) => items.into_inner(),
        other => panic!("no FETCH: {other:?}"),
    }
}

fn corpus() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/messages");
    let entries = std::fs::read_dir(dir).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|ext| ext == "eml"))
        .collect();
    files.sort();
    files
}

#[test]
fn structures_of_the_corpus_are_read_back() {
    let files = corpus();
    assert!(files.len() > 20);
    for file in files {
        let message = std::fs::read(&file).unwrap();
        let mut scanner = Scanner::new();
        scanner.push(&message);
        let mut summary = scanner.finish().summary;
        // RFC 3501 knows no message/global, and neither does imap-codec.
        if surrogate::is_needed(&summary, b"") {
            let mut stored = Bytes::new(b"", &message);
            (_, summary) = Surrogate::new(&summary, &mut stored).unwrap();
        }
        check(&summary, &file.display().to_string());
    }
}

fn check(summary: &Summary, name: &str) {
    let mut out = b"* 1 FETCH (ENVELOPE ".to_vec();
    envelope(&mut out, &summary.envelope);
    out.extend_from_slice(b" BODYSTRUCTURE ");
    body(&mut out, &summary.body, Form::BodyStructure);
    out.extend_from_slice(b" BODY ");
    body(&mut out, &summary.body, Form::Body);
    out.extend_from_slice(b")\r\n");
    for item in fetch_items(&out) {
        match item {
            MessageDataItem::Envelope(read) => {
                same(&read.subject, summary.envelope.subject.as_deref(), name);
                same(
                    &read.message_id,
                    summary.envelope.message_id.as_deref(),
                    name,
                );
                assert_eq!(read.from.len(), summary.envelope.from.len(), "{name}");
                assert_eq!(read.to.len(), summary.envelope.to.len(), "{name}");
            }
            MessageDataItem::Body(read) | MessageDataItem::BodyStructure(read) => {
                assert_eq!(leaves(&read), our_leaves(&summary.body), "{name}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

fn same(read: &NString<'_>, written: Option<&[u8]>, name: &str) {
    let read = read.clone().into_option();
    assert_eq!(read.as_deref(), written, "{name}");
}

/// Sizes of the parts that are not multipart, in order.
fn leaves(structure: &BodyStructure<'_>) -> Vec<u64> {
    match structure {
        BodyStructure::Single { body, .. } => {
            let mut sizes = vec![u64::from(body.basic.size)];
            if let imap_codec::imap_types::body::SpecificFields::Message {
                body_structure, ..
            } = &body.specific
            {
                sizes.extend(leaves(body_structure));
            }
            sizes
        }
        BodyStructure::Multi { bodies, .. } => bodies.as_ref().iter().flat_map(leaves).collect(),
    }
}

fn our_leaves(part: &Part) -> Vec<u64> {
    match &part.content {
        Content::Leaf => vec![part.octets()],
        Content::Message(message) => {
            let mut sizes = vec![part.octets()];
            sizes.extend(our_leaves(&message.body));
            sizes
        }
        Content::Multipart(parts) => parts.iter().flat_map(our_leaves).collect(),
    }
}

#[track_caller]
fn check_code(code: Code, written: &str) {
    let mut out = Vec::new();
    let tag = Tag::new(b"a1").unwrap();
    status::tagged(&mut out, &tag, &Completion::ok("done").with(code));
    assert_eq!(
        String::from_utf8_lossy(&out),
        format!("a1 OK [{written}] done\r\n")
    );
    let Response::Status(Status::Tagged(tagged)) = read(&out) else {
        panic!("not tagged");
    };
    assert!(
        tagged
            .body
            .code
            .is_some_and(|code| !matches!(code, TheirCode::Other(_)))
            || is_newer(written)
    );
}

/// Codes that imap-codec does not know.
fn is_newer(written: &str) -> bool {
    [
        "HIGHESTMODSEQ",
        "MODIFIED",
        "UNAVAILABLE",
        "NONEXISTENT",
        "OVERQUOTA",
        "DOWNGRADED",
    ]
    .iter()
    .any(|newer| written.starts_with(newer))
}

#[test]
fn codes() {
    let validity = || UidValidity(3.try_into().unwrap());
    let set = |numbers: &[u32]| SequenceSet::from_numbers(numbers.iter().copied()).unwrap();
    check_code(Code::AppendUid(validity(), set(&[5])), "APPENDUID 3 5");
    check_code(
        Code::CopyUid(validity(), set(&[1, 2, 3, 7]), set(&[9, 10, 11, 12])),
        "COPYUID 3 1:3,7 9:12",
    );
    check_code(Code::UidNext(Uid::new(7).unwrap()), "UIDNEXT 7");
    check_code(Code::UidValidity(validity()), "UIDVALIDITY 3");
    check_code(Code::Unseen(4), "UNSEEN 4");
    check_code(Code::TryCreate, "TRYCREATE");
    check_code(Code::ReadOnly, "READ-ONLY");
    check_code(Code::Modified(set(&[4])), "MODIFIED 4");
    check_code(Code::Downgraded(set(&[2, 3, 9])), "DOWNGRADED 2:3,9");
    check_code(Code::BadCharset, "BADCHARSET (US-ASCII UTF-8)");
    let flags = PermanentFlags::Some {
        keywords: vec![Keyword::new("$Later").unwrap()],
        more: true,
    };
    check_code(
        Code::PermanentFlags(flags),
        "PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Later \\*)",
    );
}

#[test]
fn text_cannot_break_the_line() {
    let mut out = Vec::new();
    status::untagged(&mut out, &Completion::no("a\r\n* BYE \u{e4}"));
    assert_eq!(out, b"* NO a??* BYE ?\r\n");
    out.clear();
    status::continuation(&mut out, "");
    assert_eq!(out, b"+ -\r\n");
}

fn written(write: impl Fn(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn strings_take_the_form_that_fits() {
    assert_eq!(written(|out| string::astring(out, b"a]b")), "a]b");
    assert_eq!(written(|out| string::astring(out, b"")), "\"\"");
    assert_eq!(written(|out| string::astring(out, b"nil")), "\"nil\"");
    assert_eq!(
        written(|out| string::string(out, b"a\"\\b")),
        "\"a\\\"\\\\b\""
    );
    assert_eq!(
        written(|out| string::string(out, b"a\r\n\0")),
        "{4}\r\na\r\n?"
    );
    assert_eq!(written(|out| string::nstring(out, None)), "NIL");
    let name = MailboxName::parse("entw\u{fc}rfe").unwrap();
    let mailbox = |dialect| written(|out| string::mailbox(out, &name, dialect));
    assert_eq!(mailbox(Dialect::Utf7), "entw&APw-rfe");
    assert_eq!(mailbox(Dialect::Utf8), "\"entw\u{fc}rfe\"");
}

proptest! {
    /// Any bytes as text of a message come back as they were.
    #[test]
    fn any_subject_is_read_back(subject in prop::collection::vec(1..=u8::MAX, 0..1200)) {
        let mut summary = Summary::default();
        summary.envelope.subject = Some(subject);
        check(&summary, "subject");
    }

    /// Any mailbox name that is written is read back as the same.
    #[test]
    fn any_mailbox_is_read_back(name in "[^\0-\x1f\x7f-\u{9f}%*/\u{2028}\u{2029}]{1,20}") {
        prop_assume!(MailboxName::parse(&name).is_ok());
        let name = MailboxName::parse(&name).unwrap();
        let mut out = b"a DELETE ".to_vec();
        string::mailbox(&mut out, &name, Dialect::Utf7);
        put!(&mut out, "\r\n");
        let command = crate::imap::syntax::parse_command(&out).unwrap();
        assert_eq!(format!("{:?}", command.body), format!("Delete({name:?})"));
    }
}
