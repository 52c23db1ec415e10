//! STARTTLS (RFC 3501 6.2.1): whether TLS may begin; the session drops what is buffered and hands over.

use crate::imap::command::{Ctx, Reply, login};
use crate::imap::syntax::response::Completion;

/// Begins TLS on a plain connection that nobody is logged in on.
pub fn run(ctx: &mut Ctx<'_>) -> Reply {
    if let Err(completion) = login::may_begin(ctx) {
        return completion.into();
    }
    if ctx.link.tls.is_some() {
        return Completion::bad("TLS runs already").into();
    }
    if !ctx.services.settings.starttls {
        return Completion::bad("TLS is not offered here").into();
    }
    Reply::StartTls(Completion::ok("begin TLS now"))
}
