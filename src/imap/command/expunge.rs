//! EXPUNGE and UID EXPUNGE (RFC 3501 6.4.3, RFC 4315 2.1). The session tells what went, as it tells all changes.

use crate::imap::command::{Ctx, Reply, read_only, store_failure};
use crate::imap::session::{Services, tell};
use crate::imap::syntax::command::{Access, Numbering};
use crate::imap::syntax::response::{Code, Completion};
use crate::imap::syntax::sequence::SequenceSet;
use crate::mail::ids::MailboxId;
use crate::store::Result;

/// EXPUNGE
pub fn run(ctx: &mut Ctx<'_>) -> Reply {
    expunge(ctx, None)
}

/// UID EXPUNGE: only messages of the set.
pub fn run_uid(set: &SequenceSet, ctx: &mut Ctx<'_>) -> Reply {
    expunge(ctx, Some(set))
}

/// Expunges what has `\Deleted`, for CLOSE.
pub(super) fn all(services: &Services, mailbox: MailboxId) -> Result<()> {
    services.store.expunge(mailbox, None).map(|_| ())
}

fn expunge(ctx: &mut Ctx<'_>, set: Option<&SequenceSet>) -> Reply {
    let services = ctx.services;
    let (selected, out) = match ctx.selected_and_out() {
        Ok(both) => both,
        Err(completion) => return completion.into(),
    };
    if selected.access == Access::ReadOnly {
        return read_only().into();
    }
    let uids = match set.map(|set| selected.view.resolve(set, Numbering::Uid)) {
        Some(Ok(ranges)) => Some(selected.view.uids_of(&ranges)),
        Some(Err(beyond)) => return Completion::bad(beyond.to_string()).into(),
        None => None,
    };
    match services.store.expunge(selected.mailbox, uids.as_deref()) {
        Ok((gone, modseq)) => {
            let condstore = selected.user.enabled.condstore;
            if let Some(changes) = selected.view.removed(&gone, modseq, 1) {
                tell::write(selected, &changes, out);
            }
            let done = Completion::ok("expunged");
            if condstore {
                return done.with(Code::HighestModSeq(modseq)).into();
            }
            done.into()
        }
        Err(error) => store_failure(&error).into(),
    }
}
