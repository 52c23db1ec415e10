//! Telling the client what changed in its selected mailbox (RFC 3501 5.2, 7.2 to 7.4).
//!
//! A look begins with a comparison of mod-sequences, which costs one row; only if the mailbox moved on, its messages
//! are compared in windows, each step with a short snapshot and bounded output.

use crate::imap::session::state::{Selected, State};
use crate::imap::syntax::command::Access;
use crate::imap::syntax::render::{flags, put, status};
use crate::imap::syntax::response::{Code, Completion, PermanentFlags};
use crate::imap::view::{Changes, Expunges, Pass};
use crate::mail::flags::{KEYWORDS_PER_MAILBOX_MAX, Keyword};
use crate::store::types::{Mailbox, MessageRow};
use crate::store::{Result, Snapshot, Store};

/// What a look found.
#[derive(Debug)]
pub enum Look {
    /// The client knows all there is.
    Same,
    /// There are changes to tell.
    Changed(Pass),
    /// The mailbox was deleted by another session.
    Gone,
}

/// Compares the mailbox with what the client was told of it.
pub fn look(
    selected: &mut Selected,
    store: &Store,
    expunges: Expunges,
    out: &mut Vec<u8>,
) -> Result<Look> {
    let Some(mailbox) = store.snapshot()?.mailbox(selected.mailbox)? else {
        return Ok(Look::Gone);
    };
    tell_keywords(selected, &mailbox, out);
    let behind = selected.view.is_behind(mailbox.highest_modseq, expunges);
    Ok(if behind {
        Look::Changed(selected.view.begin(mailbox.highest_modseq, expunges))
    } else {
        Look::Same
    })
}

/// Tells the next window's changes; `false` when that was all.
pub fn step(
    selected: &mut Selected,
    pass: &mut Pass,
    store: &Store,
    out: &mut Vec<u8>,
) -> Result<bool> {
    let Some((from, to)) = selected.view.wanted(pass) else {
        return Ok(false);
    };
    let snapshot = store.snapshot()?;
    let rows = snapshot.rows(selected.mailbox, from, to)?;
    know_keywords(selected, &snapshot, &rows, out)?;
    let changes = selected.view.step(pass, &rows);
    write(selected, &changes, out);
    Ok(true)
}

/// Sees to it that the client knows the keywords of `rows` before it reads them.
pub fn know_keywords(
    selected: &mut Selected,
    snapshot: &Snapshot,
    rows: &[MessageRow],
    out: &mut Vec<u8>,
) -> Result<()> {
    let used = rows.iter().fold(0, |used, row| used | row.flags.keywords);
    let known = u32::try_from(selected.keywords.len()).unwrap_or(u32::MAX);
    if used.checked_shr(known).unwrap_or(0) != 0
        && let Some(mailbox) = snapshot.mailbox(selected.mailbox)?
    {
        tell_keywords(selected, &mailbox, out);
    }
    Ok(())
}

fn tell_keywords(selected: &mut Selected, mailbox: &Mailbox, out: &mut Vec<u8>) {
    if mailbox.keywords.len() == selected.keywords.len() {
        return;
    }
    selected.keywords.clone_from(&mailbox.keywords);
    flag_names(selected.access, &selected.keywords, out);
}

/// Writes FLAGS and PERMANENTFLAGS of a mailbox.
pub fn flag_names(access: Access, keywords: &[Keyword], out: &mut Vec<u8>) {
    out.extend_from_slice(b"* FLAGS (");
    flags::all(out, keywords);
    out.extend_from_slice(b")\r\n");
    let permanent = match access {
        Access::ReadOnly => PermanentFlags::None,
        Access::ReadWrite => PermanentFlags::Some {
            keywords: keywords.to_vec(),
            more: keywords.len() < KEYWORDS_PER_MAILBOX_MAX,
        },
    };
    let code = Code::PermanentFlags(permanent);
    status::untagged(out, &Completion::ok("Flags that are kept").with(code));
}

/// The client shows that it knows CONDSTORE: from now on it hears mod-sequences, beginning with where its picture is
/// complete (RFC 7162 3.1).
pub fn enable_condstore(state: &mut State, out: &mut Vec<u8>) {
    let Some(user) = state.user_mut() else {
        return;
    };
    if std::mem::replace(&mut user.enabled.condstore, true) {
        return;
    }
    if let Some(selected) = state.selected_mut() {
        let code = Code::HighestModSeq(selected.view.told());
        status::untagged(out, &Completion::ok("highest mod-sequence").with(code));
    }
}

/// Writes changes in the order in which their numbers are right.
pub fn write(selected: &Selected, changes: &Changes, out: &mut Vec<u8>) {
    for (seq, _) in &changes.expunged {
        put!(out, "* {seq} EXPUNGE\r\n");
    }
    for (seq, row) in &changes.flags {
        put!(out, "* {seq} FETCH (UID {} FLAGS (", row.uid);
        flags::of_message(out, row.flags, &selected.keywords);
        out.push(b')');
        if selected.user.enabled.condstore {
            put!(out, " MODSEQ ({})", row.modseq);
        }
        out.extend_from_slice(b")\r\n");
    }
    if let Some(exists) = changes.exists {
        put!(out, "* {exists} EXISTS\r\n* 0 RECENT\r\n");
    }
}
