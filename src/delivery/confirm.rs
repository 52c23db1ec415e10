//! Reports of success (RFC 3461 4.1, 5.2.2): for senders who asked for them, about recipients whose mail ends its way here.
//!
//! That is mail in a mailbox of the house (delivered), and mail that an alias forwards under another reverse-path, whose
//! further fate its sender does not hear of (relayed, RFC 3461 5.2.7). What is spooled under the sender's own name is
//! reported by the queue. A report is filed or spooled in the commit that takes the mail.

use super::dsn::{Dsn, Form, Original, Recipient};
use super::local::{self, Envelope};
use super::outbound::Leaving;
use super::report;
use super::route::Router;
use crate::clock::Now;
use crate::mail::address::Domain;
use crate::mail::report::{Class, Event, Status};
use crate::store::types::Language;
use crate::store::{self, Append, Store};

/// RFC 3463 3.1: other undefined status; there is nothing to add.
const FINE: Status = Status {
    class: Class::Success,
    subject: 0,
    detail: 0,
};

/// A mail that is about to be filed.
#[derive(Clone, Copy, Debug)]
pub struct Mail<'a> {
    /// Who sent it to whom, and what he wants to hear.
    pub envelope: &'a Envelope,
    /// Its way to other hosts.
    pub leaving: &'a Leaving,
    /// Its beginning, with its header, up to the limit that reports have for headers.
    pub head: &'a [u8],
    /// Its subject, decoded.
    pub subject: &'a str,
    /// Its size.
    pub bytes: u64,
}

/// Who reports.
#[derive(Clone, Copy, Debug)]
pub struct House<'a> {
    /// This host's name.
    pub hostname: &'a Domain,
    /// The language for senders elsewhere.
    pub language: Language,
}

/// The report, written into the store and not filed yet; none if nobody wants to hear.
pub fn write(
    store: &Store,
    router: &Router,
    house: &House<'_>,
    mail: &Mail<'_>,
    now: Now,
) -> store::Result<Option<Append>> {
    let envelope = mail.envelope;
    let told: Vec<Recipient<'_>> = envelope
        .to
        .iter()
        .filter_map(|to| Some(recipient(to, event(to, mail.leaving)?, now)))
        .collect();
    let (Some(sender), false) = (&envelope.from, told.is_empty()) else {
        return Ok(None);
    };
    let dsn = Dsn {
        to: sender,
        language: house.language,
        reporting: house.hostname,
        domain: router.writes_as(sender),
        unique: &report::unique()?,
        arrived: now.wall,
        envelope_id: envelope.envid.as_deref(),
        subject: Some(mail.subject),
        recipients: &told,
        original: Original {
            returned: envelope.ret.unwrap_or_default(),
            bytes: mail.bytes,
            whole_bytes_max: 0,
            form: Form::EightBit,
        },
    };
    let pieces = [mail.leaving.head.as_slice(), mail.head];
    let mut pieces = pieces.into_iter().map(|piece| Ok(piece.to_vec()));
    report::compose(store, router, &dsn, &mut pieces, now)
}

/// Whether a recipient's success shall be told.
pub fn wants(to: &local::Recipient) -> bool {
    to.notify.is_some_and(|notify| notify.success)
}

/// What there is to tell of a recipient, if he wants to hear.
fn event(to: &local::Recipient, leaving: &Leaving) -> Option<Event> {
    let is_forwarded = !to.targets.remote.is_empty() && leaving.account.is_none();
    let event = if !to.targets.accounts.is_empty() {
        Some(Event::Delivered)
    } else if is_forwarded {
        Some(Event::Relayed)
    } else {
        None
    };
    event.filter(|_| wants(to))
}

fn recipient(to: &local::Recipient, event: Event, now: Now) -> Recipient<'_> {
    let original = to.original.as_ref();
    Recipient {
        address: &to.address,
        original: original.map(|(of_type, address)| (of_type.as_str(), address.as_str())),
        event,
        status: FINE,
        remote: None,
        reply: None,
        last_attempt: now.wall,
        retry_until: None,
    }
}
