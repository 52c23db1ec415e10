//! ID (RFC 2971): who we are. What the client says of itself is for the log.

use super::{Ctx, Reply};
use crate::imap::syntax::command::IdParameters;
use crate::imap::syntax::render::put;
use crate::imap::syntax::response::Completion;

/// Longest name or value that is logged, in bytes.
const LOGGED_BYTES_MAX: usize = 64;

/// Logs the client's parameters and tells name and version.
pub fn run(parameters: &IdParameters, ctx: &mut Ctx<'_>) -> Reply {
    for (name, value) in parameters {
        let value = value.as_deref().unwrap_or_default();
        tracing::debug!(name = %shown(name), value = %shown(value), "client identifies itself");
    }
    let version = env!("CARGO_PKG_VERSION");
    put!(
        ctx.out,
        "* ID (\"name\" \"Heimpost\" \"version\" \"{version}\")\r\n"
    );
    Completion::ok("ID done").into()
}

fn shown(text: &[u8]) -> String {
    let text = text.get(..LOGGED_BYTES_MAX).unwrap_or(text);
    text.escape_ascii().to_string()
}
