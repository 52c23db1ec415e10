//! NAMESPACE (RFC 2342): one personal namespace without a prefix.

use super::{Ctx, Reply};
use crate::imap::syntax::render::put;
use crate::imap::syntax::response::Completion;
use crate::mail::mailbox_name::SEPARATOR;

/// Tells the namespaces.
pub fn run(ctx: &mut Ctx<'_>) -> Reply {
    if let Err(completion) = ctx.user() {
        return completion.into();
    }
    put!(ctx.out, "* NAMESPACE ((\"\" \"{SEPARATOR}\")) NIL NIL\r\n");
    Completion::ok("NAMESPACE done").into()
}
