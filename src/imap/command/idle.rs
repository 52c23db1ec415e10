//! IDLE (RFC 2177): whether it may begin and how it ends; the session tells changes in between.

use crate::imap::command::{Ctx, Reply};
use crate::imap::syntax::response::Completion;

/// Begins to idle, with or without a selected mailbox.
pub fn run(ctx: &mut Ctx<'_>) -> Reply {
    match ctx.user() {
        Ok(_) => Reply::Idle,
        Err(completion) => completion.into(),
    }
}

/// The completion of an IDLE that `line` ended.
pub fn ended(line: &[u8]) -> Completion {
    if line.trim_ascii_end().eq_ignore_ascii_case(b"DONE") {
        Completion::ok("IDLE done")
    } else {
        Completion::bad("expected DONE")
    }
}
