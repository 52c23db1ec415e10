//! COPY and UID COPY (RFC 3501 6.4.7, RFC 4315 3): all messages or none.

use crate::imap::command::{Ctx, Reply, not_stored, store_failure};
use crate::imap::session::Services;
use crate::imap::session::state::Selected;
use crate::imap::syntax::command::Copy;
use crate::imap::syntax::response::{Code, Completion};
use crate::imap::syntax::sequence::SequenceSet;
use crate::mail::ids::{MailboxId, Uid};
use crate::store::types::Copied;

/// Copies messages of the selected mailbox to another one.
pub fn run(copy: &Copy, ctx: &mut Ctx<'_>) -> Reply {
    let (services, now) = (ctx.services, ctx.now);
    let selected = match ctx.selected() {
        Ok(selected) => selected,
        Err(completion) => return completion.into(),
    };
    let (uids, target) = match resolve(copy, selected, services) {
        Ok(resolved) => resolved,
        Err(completion) => return completion.into(),
    };
    match services.store.copy(selected.mailbox, &uids, target, now) {
        Ok(copied) => match copy_uid(&copied) {
            Some(code) => Completion::ok("copied").with(code).into(),
            None => Completion::ok("nothing to copy").into(),
        },
        Err(error) => not_stored(&error, "COPY", ctx).into(),
    }
}

/// The messages and the target of COPY or MOVE; the completion to answer with if there is no such thing.
pub(super) fn resolve(
    copy: &Copy,
    selected: &Selected,
    services: &Services,
) -> Result<(Vec<Uid>, MailboxId), Completion> {
    let ranges = selected.view.resolve(&copy.set, copy.numbering);
    let ranges = ranges.map_err(|beyond| Completion::bad(beyond.to_string()))?;
    let target = services
        .store
        .snapshot()
        .and_then(|snapshot| snapshot.mailbox_by_name(selected.user.account, &copy.mailbox))
        .map_err(|error| store_failure(&error))?;
    let target = target.ok_or_else(try_create)?;
    Ok((selected.view.uids_of(&ranges), target.id))
}

/// The answer when a target does not exist: the client may create it (RFC 3501 6.4.7).
pub(super) fn try_create() -> Completion {
    Completion::no("the mailbox does not exist").with(Code::TryCreate)
}

/// COPYUID; `None` if nothing was copied.
pub(super) fn copy_uid(copied: &Copied) -> Option<Code> {
    let old = copied.pairs.iter().map(|(old, _)| old.get());
    let new = copied.pairs.iter().map(|(_, new)| new.get());
    let old = SequenceSet::from_numbers(old)?;
    let new = SequenceSet::from_numbers(new)?;
    Some(Code::CopyUid(copied.uid_validity, old, new))
}
