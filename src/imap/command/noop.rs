//! NOOP and CHECK (RFC 3501 6.1.2, 6.4.1): the session tells what changed, as after every command.

use crate::imap::command::{Ctx, Reply};
use crate::imap::syntax::response::Completion;

/// NOOP: nothing to do in any state.
pub fn noop() -> Reply {
    Completion::ok("NOOP done").into()
}

/// CHECK: every write is durable when it is answered, so that there is nothing to do either.
pub fn check(ctx: &mut Ctx<'_>) -> Reply {
    match ctx.selected() {
        Ok(_) => Completion::ok("CHECK done").into(),
        Err(completion) => completion.into(),
    }
}
