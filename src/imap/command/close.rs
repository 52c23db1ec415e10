//! CLOSE (RFC 3501 6.4.2): expunges without telling, then leaves the mailbox.

use crate::imap::command::{Ctx, Reply, expunge, store_failure};
use crate::imap::syntax::command::Access;
use crate::imap::syntax::response::Completion;

/// Expunges what has `\Deleted`, unless the mailbox is open read-only, and leaves it.
pub fn run(ctx: &mut Ctx<'_>) -> Reply {
    let selected = match ctx.selected() {
        Ok(selected) => selected,
        Err(completion) => return completion.into(),
    };
    let (mailbox, access) = (selected.mailbox, selected.access);
    let expunged = match access {
        Access::ReadWrite => expunge::all(ctx.services, mailbox),
        Access::ReadOnly => Ok(()),
    };
    match expunged {
        Ok(()) => {
            ctx.state.unselect();
            Completion::ok("mailbox closed").into()
        }
        Err(error) => store_failure(&error).into(),
    }
}
