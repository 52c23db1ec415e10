//! DELETE (RFC 3501 6.3.4).

use super::{Ctx, Reply, mailbox, store_failure};
use crate::imap::syntax::response::Completion;
use crate::mail::mailbox_name::MailboxName;

/// Deletes a mailbox and its messages. A session that has it open hears of it.
pub fn run(name: &MailboxName, ctx: &mut Ctx<'_>) -> Reply {
    let found = match mailbox(name, ctx) {
        Ok(found) => found,
        Err(completion) => return completion.into(),
    };
    match ctx.services.store.delete_mailbox(found.id) {
        Ok(()) => Completion::ok("DELETE done").into(),
        Err(error) => store_failure(&error).into(),
    }
}
