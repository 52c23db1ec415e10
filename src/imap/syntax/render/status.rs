//! Status responses: tagged completions, untagged OK/NO/BAD/BYE, and continuation requests (RFC 3501 7.1, 7.5).

use std::borrow::Cow;

use super::put;
use crate::imap::syntax::command::Tag;
use crate::imap::syntax::response::{Code, Completion, Condition, PermanentFlags};
use crate::mail::flags::{Keyword, SystemFlags};

/// Writes `tag OK ...`, the completion of a command.
pub fn tagged(out: &mut Vec<u8>, tag: &Tag, completion: &Completion) {
    put!(out, "{tag} ");
    status(out, completion);
}

/// Writes `* OK ...`.
pub fn untagged(out: &mut Vec<u8>, completion: &Completion) {
    out.extend_from_slice(b"* ");
    status(out, completion);
}

/// Writes `+ text`, the request to go on.
pub fn continuation(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(b"+ ");
    resp_text(out, text);
    out.extend_from_slice(b"\r\n");
}

fn status(out: &mut Vec<u8>, completion: &Completion) {
    out.extend_from_slice(match completion.condition {
        Condition::Ok => b"OK ",
        Condition::No => b"NO ",
        Condition::Bad => b"BAD ",
        Condition::Bye => b"BYE ",
        Condition::PreAuth => b"PREAUTH ",
    });
    if let Some(code) = &completion.code {
        put!(out, "[{}] ", code_text(code));
    }
    resp_text(out, &completion.text);
    out.extend_from_slice(b"\r\n");
}

/// `resp-text` must not be empty and is one line of ASCII (RFC 3501 9, `text`).
fn resp_text(out: &mut Vec<u8>, text: &str) {
    let clean = |c: char| {
        if c == ' ' || c.is_ascii_graphic() {
            c
        } else {
            '?'
        }
    };
    let text: String = text.chars().map(clean).collect();
    out.extend_from_slice(if text.is_empty() {
        b"-"
    } else {
        text.as_bytes()
    });
}

fn code_text(code: &Code) -> Cow<'_, str> {
    Cow::Borrowed(match code {
        Code::Alert => "ALERT",
        Code::AlreadyExists => "ALREADYEXISTS",
        Code::AppendUid(validity, uids) => return format!("APPENDUID {validity} {uids}").into(),
        Code::AuthenticationFailed => "AUTHENTICATIONFAILED",
        Code::BadCharset => "BADCHARSET (US-ASCII UTF-8)",
        Code::Cannot => "CANNOT",
        Code::Capability(names) => return format!("CAPABILITY {}", names.join(" ")).into(),
        Code::Closed => "CLOSED",
        Code::CopyUid(validity, from, to) => {
            return format!("COPYUID {validity} {from} {to}").into();
        }
        Code::Downgraded(uids) => return format!("DOWNGRADED {uids}").into(),
        Code::ExpungeIssued => "EXPUNGEISSUED",
        Code::HasChildren => "HASCHILDREN",
        Code::HighestModSeq(modseq) => return format!("HIGHESTMODSEQ {modseq}").into(),
        Code::InUse => "INUSE",
        Code::Limit => "LIMIT",
        Code::Modified(set) => return format!("MODIFIED {set}").into(),
        Code::NonExistent => "NONEXISTENT",
        Code::NoPerm => "NOPERM",
        Code::OverQuota => "OVERQUOTA",
        Code::PermanentFlags(flags) => {
            return format!("PERMANENTFLAGS ({})", permanent(flags)).into();
        }
        Code::PrivacyRequired => "PRIVACYREQUIRED",
        Code::ReadOnly => "READ-ONLY",
        Code::ReadWrite => "READ-WRITE",
        Code::ServerBug => "SERVERBUG",
        Code::TooBig => "TOOBIG",
        Code::TryCreate => "TRYCREATE",
        Code::UidNext(uid) => return format!("UIDNEXT {uid}").into(),
        Code::UidValidity(validity) => return format!("UIDVALIDITY {validity}").into(),
        Code::Unavailable => "UNAVAILABLE",
        Code::Unseen(seq) => return format!("UNSEEN {seq}").into(),
        Code::Other(text) => text,
    })
}

fn permanent(flags: &PermanentFlags) -> String {
    let PermanentFlags::Some { keywords, more } = flags else {
        return String::new();
    };
    let system = SystemFlags::NAMED.iter().map(|(_, name)| *name);
    let keywords = keywords.iter().map(Keyword::as_str);
    let any = more.then_some("\\*");
    system
        .chain(keywords)
        .chain(any)
        .collect::<Vec<_>>()
        .join(" ")
}
