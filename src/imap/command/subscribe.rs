//! SUBSCRIBE and UNSUBSCRIBE (RFC 3501 6.3.6, 6.3.7).

use super::{Ctx, Reply, store_failure};
use crate::imap::syntax::response::Completion;
use crate::mail::mailbox_name::MailboxName;

/// SUBSCRIBE: the name need not be one of a mailbox.
pub fn subscribe(name: &MailboxName, ctx: &mut Ctx<'_>) -> Reply {
    set(name, true, "SUBSCRIBE done", ctx)
}

/// UNSUBSCRIBE
pub fn unsubscribe(name: &MailboxName, ctx: &mut Ctx<'_>) -> Reply {
    set(name, false, "UNSUBSCRIBE done", ctx)
}

fn set(name: &MailboxName, subscribed: bool, done: &'static str, ctx: &mut Ctx<'_>) -> Reply {
    let account = match ctx.user() {
        Ok(user) => user.account,
        Err(completion) => return completion.into(),
    };
    match ctx.services.store.set_subscribed(account, name, subscribed) {
        Ok(()) => Completion::ok(done).into(),
        Err(error) => store_failure(&error).into(),
    }
}
