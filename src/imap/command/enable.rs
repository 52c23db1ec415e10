//! ENABLE (RFC 5161): switches extensions on that change what the server sends.

use super::{Ctx, Reply, enable_condstore};
use crate::imap::session::state::State;
use crate::imap::syntax::lexer::Dialect;
use crate::imap::syntax::response::Completion;

const CONDSTORE: &str = "CONDSTORE";
const UTF8_ACCEPT: &str = "UTF8=ACCEPT";

/// Switches on what is known of `names` and tells which (RFC 5161 3.2: unknown names are passed over).
pub fn run(names: &[String], ctx: &mut Ctx<'_>) -> Reply {
    if let Err(completion) = ctx.user() {
        return completion.into();
    }
    let asks = |name: &str| names.iter().any(|asked| asked == name);
    // RFC 6855 3: what is told of a mailbox does not change while it is open.
    if asks(UTF8_ACCEPT) && matches!(ctx.state, State::Selected(_)) {
        return Completion::bad("UTF8=ACCEPT cannot be enabled while a mailbox is open").into();
    }
    ctx.out.extend_from_slice(b"* ENABLED");
    for name in [CONDSTORE, UTF8_ACCEPT]
        .into_iter()
        .filter(|name| asks(name))
    {
        ctx.out.push(b' ');
        ctx.out.extend_from_slice(name.as_bytes());
    }
    ctx.out.extend_from_slice(b"\r\n");
    if asks(CONDSTORE) {
        enable_condstore(ctx);
    }
    if asks(UTF8_ACCEPT)
        && let Some(user) = ctx.state.user_mut()
    {
        user.enabled.dialect = Dialect::Utf8;
    }
    Completion::ok("ENABLE done").into()
}
