//! ENABLE (RFC 5161): switches extensions on that change what the server sends.

use super::{Ctx, Reply, enable_condstore};
use crate::imap::syntax::render::put;
use crate::imap::syntax::response::Completion;

/// Switches on what is known of `names` and tells which (RFC 5161 3.2: unknown names are passed over).
pub fn run(names: &[String], ctx: &mut Ctx<'_>) -> Reply {
    if let Err(completion) = ctx.user() {
        return completion.into();
    }
    let condstore = names.iter().any(|name| name == "CONDSTORE");
    ctx.out.extend_from_slice(b"* ENABLED");
    if condstore {
        put!(ctx.out, " CONDSTORE");
    }
    ctx.out.extend_from_slice(b"\r\n");
    if condstore {
        enable_condstore(ctx);
    }
    Completion::ok("ENABLE done").into()
}
