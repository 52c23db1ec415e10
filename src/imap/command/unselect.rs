//! UNSELECT (RFC 3691): leaves the mailbox and expunges nothing.

use crate::imap::command::{Ctx, Reply};
use crate::imap::syntax::response::Completion;

/// Leaves the mailbox.
pub fn run(ctx: &mut Ctx<'_>) -> Reply {
    match ctx.selected() {
        Ok(_) => {
            ctx.state.unselect();
            Completion::ok("mailbox left").into()
        }
        Err(completion) => completion.into(),
    }
}
