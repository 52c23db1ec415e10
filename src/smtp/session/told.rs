//! What the mail log hears of a transaction: mail that was taken, and every refusal of a sender, recipient or message.
//! The store hears whose mail waits outside for want of room, and whose has come in.
//!
//! Commands that make no sense are no mail; they are not told.

use crate::clock::Now;
use crate::delivery::local::{Delivered, Envelope, Recipient};
use crate::mail::address::{Address, ReversePath};
use crate::maillog::{self, Cause, Log, NotTaken, Taken};
use crate::smtp::reply::{Detail, Reply};

use super::{Context, Role};

/// A mail is on the disk.
pub(super) fn taken(
    envelope: &Envelope,
    id: &str,
    bytes: u64,
    done: &Delivered,
    context: &Context,
    now: Now,
) {
    let to = addresses(&envelope.to);
    let mail = Taken {
        id,
        from: &envelope.from,
        to: &to,
        bytes,
        copies: done.filed.len(),
        spooled: done.spooled,
        peer: context.peer.address.ip(),
    };
    let tally = &context.service.tally;
    let log = Log(&context.service.store, now);
    match (context.service.role, &context.login) {
        (Role::Submission, Some(login)) => maillog::submitted(log, tally, &mail, login.account),
        (Role::Receive, _) | (Role::Submission, None) => maillog::received(log, tally, &mail),
    }
}

/// A whole mail is refused, or put off.
pub(super) fn not_taken(
    from: &ReversePath,
    to: &[Recipient],
    bytes: Option<u64>,
    reply: &Reply,
    context: &Context,
    now: Now,
) {
    if let Cause::AccountFull | Cause::CardFull = cause(reply) {
        for recipient in to {
            waits(from, recipient, bytes, context, now);
        }
    }
    tell((from, &addresses(to), bytes), reply, context, now);
}

/// There was no room for `recipient`: the mail waits outside.
pub(super) fn waits(
    from: &ReversePath,
    recipient: &Recipient,
    bytes: Option<u64>,
    context: &Context,
    now: Now,
) {
    let store = &context.service.store;
    for account in &recipient.targets.accounts {
        store.note_deferred(*account, from, bytes, now);
    }
}

/// One recipient is refused, or put off.
pub(super) fn no_recipient(
    from: &ReversePath,
    to: Option<&Address>,
    bytes: Option<u64>,
    reply: &Reply,
    context: &Context,
    now: Now,
) {
    tell((from, to.as_slice(), bytes), reply, context, now);
}

/// A mail that was not taken: from whom, to whom, how large.
type Refused<'a> = (&'a ReversePath, &'a [&'a Address], Option<u64>);

fn tell((from, to, bytes): Refused<'_>, reply: &Reply, context: &Context, now: Now) {
    let said = reply.to_string();
    let mail = NotTaken {
        from,
        to,
        bytes,
        peer: context.peer.address.ip(),
        reply: &said,
    };
    let log = Log(&context.service.store, now);
    let tally = &context.service.tally;
    if reply.code() >= 500 {
        return maillog::refused(log, tally, &mail);
    }
    maillog::deferred(log, tally, &mail, cause(reply));
}

/// Why mail was put off.
fn cause(reply: &Reply) -> Cause {
    // RFC 3463 3.3, 3.4
    match (reply.code(), reply.detail()) {
        (452, Some(Detail(2, 2))) => Cause::AccountFull,
        (452, Some(Detail(3, 1))) => Cause::CardFull,
        _ => Cause::Other,
    }
}

fn addresses(recipients: &[Recipient]) -> Vec<&Address> {
    let each = recipients.iter();
    each.map(|recipient| &recipient.address).collect()
}
