//! What the mail log hears of a transaction: mail that was taken, and every refusal of a sender, recipient or message.
//!
//! Commands that make no sense are no mail; they are not told.

use crate::delivery::local::{Envelope, Recipient};
use crate::mail::address::{Address, ReversePath};
use crate::maillog::{self, Cause, NotTaken, Taken};
use crate::smtp::reply::{Detail, Reply};

use super::{Context, Role};

/// A mail is on the disk.
pub(super) fn taken(envelope: &Envelope, id: &str, bytes: u64, copies: usize, context: &Context) {
    let to = addresses(&envelope.to);
    let mail = Taken {
        id,
        from: &envelope.from,
        to: &to,
        bytes,
        copies,
        peer: context.peer.address.ip(),
    };
    let tally = &context.service.tally;
    match (context.service.role, &context.login) {
        (Role::Submission, Some(login)) => maillog::submitted(tally, &mail, login.account),
        (Role::Receive, _) | (Role::Submission, None) => maillog::received(tally, &mail),
    }
}

/// A whole mail is refused, or put off.
pub(super) fn not_taken(
    from: &ReversePath,
    to: &[Recipient],
    bytes: Option<u64>,
    reply: &Reply,
    context: &Context,
) {
    tell(from, &addresses(to), bytes, reply, context);
}

/// One recipient is refused, or put off.
pub(super) fn no_recipient(
    from: &ReversePath,
    to: Option<&Address>,
    bytes: Option<u64>,
    reply: &Reply,
    context: &Context,
) {
    tell(from, to.as_slice(), bytes, reply, context);
}

fn tell(from: &ReversePath, to: &[&Address], bytes: Option<u64>, reply: &Reply, context: &Context) {
    let said = reply.to_string();
    let mail = NotTaken {
        from,
        to,
        bytes,
        peer: context.peer.address.ip(),
        reply: &said,
    };
    let tally = &context.service.tally;
    if reply.code() >= 500 {
        return maillog::refused(tally, &mail);
    }
    // RFC 3463 3.3, 3.4
    let cause = match reply.detail() {
        Some(Detail(2, 2)) => Cause::AccountFull,
        Some(Detail(3, 1)) => Cause::CardFull,
        _ => Cause::Other,
    };
    maillog::deferred(tally, &mail, cause);
}

fn addresses(recipients: &[Recipient]) -> Vec<&Address> {
    let each = recipients.iter();
    each.map(|recipient| &recipient.address).collect()
}
