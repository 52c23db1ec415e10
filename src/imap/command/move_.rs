//! MOVE and UID MOVE (RFC 6851): all messages or none, in one step that every other session sees whole.

use crate::imap::command::copy::{copy_uid, resolve};
use crate::imap::command::{Ctx, Reply, read_only, store_failure};
use crate::imap::session::state::Selected;
use crate::imap::session::{Services, tell};
use crate::imap::syntax::command::{Access, Copy};
use crate::imap::syntax::render::status;
use crate::imap::syntax::response::Completion;
use crate::mail::ids::Uid;
use crate::store::types::Copied;

/// Moves messages of the selected mailbox. COPYUID goes ahead of the EXPUNGE responses (RFC 6851 4.3).
pub fn run(copy: &Copy, ctx: &mut Ctx<'_>) -> Reply {
    let (services, now) = (ctx.services, ctx.now);
    let (selected, out) = match ctx.selected_and_out() {
        Ok((selected, _)) if selected.access == Access::ReadOnly => return read_only().into(),
        Ok(both) => both,
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
                status::untagged(out, &Completion::ok("moved").with(code));
            }
            if target != selected.mailbox {
                tell_gone(&moved, selected, services, out);
            }
            Completion::ok("MOVE done").into()
        }
        Err(error) => store_failure(&error).into(),
    }
}

/// Tells what went, if nothing else happened: a move takes a mod-sequence of its target, then one of its source.
fn tell_gone(moved: &Copied, selected: &mut Selected, services: &Services, out: &mut Vec<u8>) {
    let gone: Vec<Uid> = moved.pairs.iter().map(|(old, _)| *old).collect();
    let mailbox = services.store.snapshot();
    let mailbox = mailbox.and_then(|snapshot| snapshot.mailbox(selected.mailbox));
    if let Ok(Some(mailbox)) = mailbox
        && let Some(changes) = selected.view.removed(&gone, mailbox.highest_modseq, 2)
    {
        tell::write(selected, &changes, out);
    }
}
