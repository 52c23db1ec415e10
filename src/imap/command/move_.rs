//! MOVE and UID MOVE (RFC 6851): all messages or none, in one step that every other session sees whole.

use crate::imap::command::copy::{copy_uid, resolve};
use crate::imap::command::{Ctx, Reply, read_only, store_failure};
use crate::imap::syntax::command::{Access, Copy};
use crate::imap::syntax::render::status;
use crate::imap::syntax::response::Completion;

/// Moves messages of the selected mailbox. COPYUID goes ahead of the EXPUNGE responses (RFC 6851 4.3).
pub fn run(copy: &Copy, ctx: &mut Ctx<'_>) -> Reply {
    let (services, now) = (ctx.services, ctx.now);
    let selected = match ctx.selected() {
        Ok(selected) if selected.access == Access::ReadOnly => return read_only().into(),
        Ok(selected) => selected,
        Err(completion) => return completion.into(),
    };
    let (uids, target) = match resolve(copy, selected, services) {
        Ok(resolved) => resolved,
        Err(completion) => return completion.into(),
    };
    let moved = services
        .store
        .move_messages(selected.mailbox, &uids, target, now);
    match moved {
        Ok(moved) => {
            if let Some(code) = copy_uid(&moved) {
                status::untagged(ctx.out, &Completion::ok("moved").with(code));
            }
            Completion::ok("MOVE done").into()
        }
        Err(error) => store_failure(&error).into(),
    }
}
