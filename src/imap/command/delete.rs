//! DELETE (RFC 3501 6.3.4).

use super::{Ctx, Reply, mailbox, store_failure};
use crate::imap::syntax::render::status;
use crate::imap::syntax::response::{Code, Completion};
use crate::mail::ids::MailboxId;
use crate::mail::mailbox_name::MailboxName;

/// Deletes a mailbox and its messages. Another session that has it open ends; this one just leaves it.
pub fn run(name: &MailboxName, ctx: &mut Ctx<'_>) -> Reply {
    let found = match mailbox(name, ctx) {
        Ok(found) => found,
        Err(completion) => return completion.into(),
    };
    match ctx.services.store.delete_mailbox(found.id) {
        Ok(()) => {
            leave(found.id, ctx);
            Completion::ok("DELETE done").into()
        }
        Err(error) => store_failure(&error).into(),
    }
}

fn leave(deleted: MailboxId, ctx: &mut Ctx<'_>) {
    if ctx
        .selected()
        .is_ok_and(|selected| selected.mailbox == deleted)
    {
        ctx.state.unselect();
        let closed = Completion::ok("the open mailbox is no more").with(Code::Closed);
        status::untagged(ctx.out, &closed);
    }
}
