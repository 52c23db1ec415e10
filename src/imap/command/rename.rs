//! RENAME (RFC 3501 6.3.5).

use super::{Ctx, Reply, mailbox, store_failure};
use crate::imap::syntax::command::Rename;
use crate::imap::syntax::response::Completion;

/// Renames a mailbox and all below it; of INBOX, only its messages move.
pub fn run(rename: &Rename, ctx: &mut Ctx<'_>) -> Reply {
    let found = match mailbox(&rename.from, ctx) {
        Ok(found) => found,
        Err(completion) => return completion.into(),
    };
    match ctx
        .services
        .store
        .rename_mailbox(found.id, &rename.to, ctx.now)
    {
        Ok(()) => Completion::ok("RENAME done").into(),
        Err(error) => store_failure(&error).into(),
    }
}
