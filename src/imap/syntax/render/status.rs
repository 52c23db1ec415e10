//! Status responses: tagged completions, untagged OK/NO/BAD/BYE, and continuation requests (RFC 3501 7.1, 7.5).

use super::put;
use crate::imap::syntax::command::Tag;
use crate::imap::syntax::response::{Code, Completion, Condition, PermanentFlags};
use crate::mail::flags::SystemFlags;

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

fn code_text(code: &Code) -> String {
    match code {
        Code::AppendUid(validity, uids) => format!("APPENDUID {validity} {uids}"),
        Code::BadCharset => "BADCHARSET (US-ASCII UTF-8)".to_owned(),
        Code::Capability(names) => format!("CAPABILITY {}", names.join(" ")),
        Code::CopyUid(validity, from, to) => format!("COPYUID {validity} {from} {to}"),
        Code::HighestModSeq(modseq) => format!("HIGHESTMODSEQ {modseq}"),
        Code::Modified(set) => format!("MODIFIED {set}"),
        Code::PermanentFlags(flags) => format!("PERMANENTFLAGS ({})", permanent(flags)),
        Code::UidNext(uid) => format!("UIDNEXT {uid}"),
        Code::UidValidity(validity) => format!("UIDVALIDITY {validity}"),
        Code::Unseen(seq) => format!("UNSEEN {seq}"),
        Code::Other(text) => text.clone(),
        _ => plain_code(code).to_owned(),
    }
}

fn plain_code(code: &Code) -> &'static str {
    match code {
        Code::Alert => "ALERT",
        Code::AlreadyExists => "ALREADYEXISTS",
        Code::AuthenticationFailed => "AUTHENTICATIONFAILED",
        Code::Closed => "CLOSED",
        Code::ExpungeIssued => "EXPUNGEISSUED",
        Code::HasChildren => "HASCHILDREN",
        Code::InUse => "INUSE",
        Code::Limit => "LIMIT",
        Code::NonExistent => "NONEXISTENT",
        Code::NoPerm => "NOPERM",
        Code::OverQuota => "OVERQUOTA",
        Code::PrivacyRequired => "PRIVACYREQUIRED",
        Code::ReadOnly => "READ-ONLY",
        Code::ReadWrite => "READ-WRITE",
        Code::ServerBug => "SERVERBUG",
        Code::TooBig => "TOOBIG",
        Code::TryCreate => "TRYCREATE",
        Code::Unavailable => "UNAVAILABLE",
        _ => "CANNOT",
    }
}

fn permanent(flags: &PermanentFlags) -> String {
    let PermanentFlags::Some { keywords, more } = flags else {
        return String::new();
    };
    let system = SystemFlags::NAMED.iter().map(|(_, name)| *name);
    let keywords = keywords.iter().map(|keyword| keyword.as_str());
    let any = more.then_some("\\*");
    system
        .chain(keywords)
        .chain(any)
        .collect::<Vec<_>>()
        .join(" ")
}
