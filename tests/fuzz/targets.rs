//! What is fuzzed: one function of bytes for each parser and for each state that a session can be in.
//!
//! A target panics when a promise of the code is broken, and else does nothing. It uses the public API of the crate
//! alone and depends on nothing but its bytes. `tests/it/fuzz_corpus.rs` replays the files of `tests/fuzz/corpus`
//! through this table; `tests/fuzz/fuzz_targets/all.rs` gives it to libFuzzer.

#[path = "targets/client.rs"]
mod client;
#[path = "targets/dialog.rs"]
mod dialog;
#[path = "targets/mail.rs"]
mod mail;
#[path = "targets/mime.rs"]
mod mime;
#[path = "targets/sessions.rs"]
mod sessions;
#[path = "targets/surroundings.rs"]
mod surroundings;
#[path = "targets/syntax.rs"]
mod syntax;
#[path = "targets/web.rs"]
mod web;

/// A target: panics if the code breaks a promise on these bytes.
pub(super) type Target = fn(&[u8]);

/// All targets, by the name of their corpus.
pub(super) const TARGETS: &[(&str, Target)] = &[
    ("mail_address", mail::address),
    ("mail_path", mail::path),
    ("mail_mailbox_name", mail::mailbox_name),
    ("mail_date", mail::date),
    ("mail_trace", mail::trace),
    ("mime_scanner", mime::scanner),
    ("mime_summary", mime::summary),
    ("mime_header", mime::header),
    ("mime_words", mime::words),
    ("mime_text", mime::text),
    ("mime_convert", mime::convert),
    ("mime_surrogate", mime::surrogate),
    ("smtp_command", syntax::smtp_command),
    ("smtp_data", syntax::smtp_data),
    ("smtp_replies", client::smtp_replies),
    ("smtp_client", client::smtp_client),
    ("imap_command", syntax::imap_command),
    ("imap_connection", syntax::imap_connection),
    ("pop3_command", syntax::pop3_command),
    ("sasl", syntax::sasl),
    ("config", surroundings::config),
    ("control_request", surroundings::control_request),
    ("mbox", surroundings::mbox),
    ("sts_policy", surroundings::sts_policy),
    ("safe_html", web::safe_html),
    ("smtp_receive", sessions::smtp_receive),
    ("smtp_submission_login", sessions::smtp_submission_login),
    ("smtp_submission", sessions::smtp_submission),
    ("imap_not_authenticated", sessions::imap_not_authenticated),
    ("imap_authenticated", sessions::imap_authenticated),
    ("imap_selected", sessions::imap_selected),
    ("pop3_authorization", sessions::pop3_authorization),
    ("pop3_transaction", sessions::pop3_transaction),
];

/// `data` in pieces whose sizes depend on it, the same each time.
fn pieces(data: &[u8]) -> Vec<&[u8]> {
    let mut rest = data;
    let mut pieces = Vec::new();
    while let Some(first) = rest.first() {
        let size = 1 + usize::from(*first) % 13;
        let (piece, after) = rest.split_at(size.min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}
