//! SELECT and EXAMINE (RFC 3501 6.3.1, 6.3.2; RFC 7162 3.1.2, 3.1.8).

use crate::imap::command::{Ctx, Reply, store_failure};
use crate::imap::session::Services;
use crate::imap::session::state::{Selected, State, User};
use crate::imap::session::tell;
use crate::imap::syntax::command::{Access, Select};
use crate::imap::syntax::render::{put, status};
use crate::imap::syntax::response::{Code, Completion};
use crate::imap::view::MailboxView;
use crate::mail::flags::SystemFlags;
use crate::mail::ids::Uid;
use crate::store::types::{Mailbox, MessageRow};
use crate::store::{Error, Result};

/// Opens a mailbox. One that was open is left in any case (RFC 3501 6.3.1).
pub fn run(select: &Select, ctx: &mut Ctx<'_>) -> Reply {
    if let Err(completion) = ctx.user() {
        return completion.into();
    }
    if ctx.selected().is_ok() {
        let closed = Completion::ok("previous mailbox is closed").with(Code::Closed);
        status::untagged(ctx.out, &closed);
    }
    let services = ctx.services;
    let opened = match ctx.state.unselect() {
        Some(user) => {
            user.enabled.condstore |= select.parameters.condstore;
            open(services, user, select)
        }
        None => Err(Error::Refused("nobody is logged in")),
    };
    match opened {
        Ok((mailbox, rows)) => {
            describe(&mailbox, &rows, select.access, ctx.out);
            enter(ctx.state, &mailbox, &rows, select.access);
            opened_as(select.access).into()
        }
        Err(error) => store_failure(&error).into(),
    }
}

fn open(services: &Services, user: &User, select: &Select) -> Result<(Mailbox, Vec<MessageRow>)> {
    let snapshot = services.store.snapshot()?;
    let found = snapshot.mailbox_by_name(user.account, &select.mailbox)?;
    let mailbox = found.ok_or(Error::NotFound("the mailbox"))?;
    let rows = snapshot.rows(mailbox.id, Uid::MIN, Uid::MAX)?;
    Ok((mailbox, rows))
}

fn describe(mailbox: &Mailbox, rows: &[MessageRow], access: Access, out: &mut Vec<u8>) {
    tell::flag_names(access, &mailbox.keywords, out);
    put!(out, "* {} EXISTS\r\n* 0 RECENT\r\n", rows.len());
    let unseen = |row: &MessageRow| !row.flags.system.contains(SystemFlags::SEEN);
    let unseen = rows.iter().position(unseen);
    let unseen = unseen.and_then(|index| u32::try_from(index + 1).ok());
    let codes = [
        unseen.map(|seq| ("first unseen message", Code::Unseen(seq))),
        Some(("UIDs are valid", Code::UidValidity(mailbox.uid_validity))),
        Some(("predicted next UID", Code::UidNext(mailbox.uid_next))),
        Some((
            "highest mod-sequence",
            Code::HighestModSeq(mailbox.highest_modseq),
        )),
    ];
    for (text, code) in codes.into_iter().flatten() {
        status::untagged(out, &Completion::ok(text).with(code));
    }
}

fn enter(state: &mut State, mailbox: &Mailbox, rows: &[MessageRow], access: Access) {
    *state = match std::mem::replace(state, State::Logout) {
        State::Authenticated(user) => State::Selected(Box::new(Selected {
            user,
            mailbox: mailbox.id,
            access,
            view: MailboxView::new(rows, mailbox.highest_modseq),
            keywords: mailbox.keywords.clone(),
        })),
        other @ (State::NotAuthenticated(_) | State::Selected(_) | State::Logout) => other,
    };
}

fn opened_as(access: Access) -> Completion {
    match access {
        Access::ReadWrite => Completion::ok("mailbox opened").with(Code::ReadWrite),
        Access::ReadOnly => Completion::ok("mailbox opened for reading").with(Code::ReadOnly),
    }
}
