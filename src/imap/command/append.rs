//! APPEND (RFC 3501 6.3.11, RFC 4315 3, RFC 7889): a message streams into the store and is filed when it is whole.
//!
//! What can be refused is refused before the literal. A message that turns out to be impossible is read to its end and
//! discarded. Several messages (RFC 3502) would be several intakes and still one commit. A mail that the server has filed
//! in Sent already takes the place of that copy.

use crate::delivery::intake::{Intake, Received};
use crate::imap::command::copy::try_create;
use crate::imap::command::{Ctx, dialect, not_stored};
use crate::imap::session::Services;
use crate::imap::syntax::command::{Append, AppendMessage, Tag};
use crate::imap::syntax::lexer::Dialect;
use crate::imap::syntax::response::{Code, Completion};
use crate::imap::syntax::sequence::SequenceSet;
use crate::mail::ids::{AccountId, MailboxId};
use crate::mail::mime::Summary;
use crate::store::types::{Filed, Filing, QuotaRule};
use crate::store::{self, Error, Result};

/// An APPEND whose literal was accepted.
#[derive(Debug)]
pub struct Appending {
    tag: Tag,
    mailbox: MailboxId,
    message: AppendMessage,
    intake: Result<Intake>,
}

/// Decides whether the literal is taken; the completion to answer with if not.
pub fn begin(append: Append, ctx: &mut Ctx<'_>) -> std::result::Result<Appending, Completion> {
    let account = ctx.user()?.account;
    let bytes = append.message.literal.bytes;
    if bytes > ctx.services.settings.append_bytes_max {
        return Err(Completion::no("the message is too large").with(Code::TooBig));
    }
    if bytes == 0 {
        // RFC 3502 3: an empty literal cancels. It is not a message in any case.
        return Err(Completion::no("the message is empty"));
    }
    let mailbox = target(&append, account, ctx.services).map_err(|error| refusal(&error, ctx))?;
    let store = &ctx.services.store;
    let intake = store
        .admit_into(mailbox, bytes)
        .and_then(|()| Intake::begin(store, Some(bytes)));
    let intake = intake.map_err(|error| not_stored(&error, "APPEND", ctx))?;
    Ok(Appending {
        tag: append.tag,
        mailbox,
        message: append.message,
        intake: Ok(intake),
    })
}

fn target(append: &Append, account: AccountId, services: &Services) -> Result<MailboxId> {
    let snapshot = services.store.snapshot()?;
    let mailbox = snapshot.mailbox_by_name(account, &append.mailbox)?;
    let mailbox = mailbox.ok_or(Error::NotFound("the mailbox"))?;
    Ok(mailbox.id)
}

fn refusal(error: &Error, ctx: &mut Ctx<'_>) -> Completion {
    match error {
        Error::NotFound(_) => try_create(),
        Error::Exists(_)
        | Error::Refused(_)
        | Error::Limit(_)
        | Error::OverQuota
        | Error::Full
        | Error::InUse
        | Error::Fault(_) => not_stored(error, "APPEND", ctx),
    }
}

impl Appending {
    /// The command's tag.
    pub fn tag(&self) -> &Tag {
        &self.tag
    }

    /// Takes the next bytes. After an error they are discarded.
    pub fn take(&mut self, bytes: &[u8]) {
        if let Ok(intake) = &mut self.intake
            && let Err(error) = intake.write(bytes)
        {
            self.intake = Err(error);
        }
    }

    /// Files the message.
    pub fn finish(self, ctx: &mut Ctx<'_>) -> Completion {
        let received = match self.intake.and_then(Intake::finish) {
            Ok(received) => received,
            Err(error) => return refusal(&error, ctx),
        };
        // RFC 6855 4. Headers in other charsets are no mail of RFC 6532: old mail that is moved here stays as it is.
        if received.facts.has_utf8 && dialect(ctx.state) == Dialect::Utf7 {
            let text = "header fields in UTF-8 are taken after ENABLE UTF8=ACCEPT only";
            return Completion::no(text).with(Code::Cannot);
        }
        let filing = filing(&self.message, self.mailbox, ctx);
        let filed = file(received, filing, ctx);
        match filed {
            Ok(filed) => completion(&filed),
            Err(error) => refusal(&error, ctx),
        }
    }
}

fn filing(message: &AppendMessage, mailbox: MailboxId, ctx: &Ctx<'_>) -> Filing {
    Filing {
        mailbox,
        flags: message.flags.clone(),
        internal_date: message.internal_date.unwrap_or_else(|| ctx.now.stamp()),
        prefix: Vec::new(),
        quota: QuotaRule::Enforce,
    }
}

fn file(received: Received, filing: Filing, ctx: &Ctx<'_>) -> Result<Vec<Filed>> {
    let summary = Summary::decode(&received.summary).ok();
    let message_id = summary.and_then(|summary| summary.envelope.message_id);
    let message_id = message_id.unwrap_or_default();
    let append = store::Append {
        blob: received.blob,
        summary: received.summary,
        filings: vec![filing],
        spool: Vec::new(),
    };
    let store = &ctx.services.store;
    store.append_own(append, &message_id, ctx.now)
}

fn completion(filed: &[Filed]) -> Completion {
    let done = Completion::ok("message appended");
    let uids = SequenceSet::from_numbers(filed.iter().map(|filed| filed.uid.get()));
    match (filed.first(), uids) {
        (Some(first), Some(uids)) => done.with(Code::AppendUid(first.uid_validity, uids)),
        _ => done,
    }
}
