//! CREATE (RFC 3501 6.3.3).

use super::{Ctx, Reply, store_failure};
use crate::imap::syntax::command::Create;
use crate::imap::syntax::response::Completion;

/// Creates a mailbox and its missing ancestors.
pub fn run(create: &Create, ctx: &mut Ctx<'_>) -> Reply {
    let account = match ctx.user() {
        Ok(user) => user.account,
        Err(completion) => return completion.into(),
    };
    let store = &ctx.services.store;
    match store.create_mailbox(account, &create.mailbox, None, ctx.now) {
        Ok(_) => Completion::ok("CREATE done").into(),
        Err(error) => store_failure(&error).into(),
    }
}
