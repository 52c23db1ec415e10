//! The reports that a mail's sender is owed: one for all of its recipients whose step is saved in the same commit.

use super::Desk;
use super::figures::until;
use crate::clock::{Now, Wall};
use crate::delivery::dsn::{Dsn, Form, Original, Recipient};
use crate::delivery::report;
use crate::mail::address::Address;
use crate::mail::report::{Class, Event, Return, Status};
use crate::mail::transport::{BodyType, HeaderType};
use crate::queue::plan::Owed;
use crate::queue::time::QueueTime;
use crate::store::spool::{SpoolMail, SpoolReader, SpoolState};
use crate::store::{self, Append};

/// Bytes of the original that are read at a time.
const PIECE_BYTES: usize = 64 << 10;

/// RFC 3463 3.5: delivery time expired; said when nothing better is known.
const EXPIRED: Status = Status {
    class: Class::Transient,
    subject: 4,
    detail: 7,
};

impl Desk {
    /// Writes what is owed into the store, not filed yet, with `most` of the mail or less; the mail arrived and it is now at
    /// these times.
    pub(super) fn reports(
        &self,
        mail: &SpoolMail,
        (owed, most): (&[(Owed, &SpoolState)], Return),
        (arrived, time): (QueueTime, QueueTime),
        now: Now,
    ) -> store::Result<Vec<Append>> {
        let (Some(sender), false) = (&mail.new.sender, owed.is_empty()) else {
            return Ok(Vec::new());
        };
        let end = arrived + self.0.settings.policy.lifetime;
        let until = until(end, time, now);
        let told = owed.iter().filter_map(|(owed, state)| {
            let recipient = mail.new.recipients.get(owed.recipient)?;
            let last = state.last.as_ref();
            let status = last.and_then(|last| Status::parse(&last.status));
            let original = recipient.original.as_ref();
            Some(Recipient {
                address: &recipient.address,
                original: original.map(|(kind, address)| (kind.as_str(), address.as_str())),
                event: owed.event,
                status: status.unwrap_or(EXPIRED),
                remote: last.and_then(|last| last.host.as_deref()),
                reply: last.map(|last| last.reply.as_str()),
                last_attempt: last.and_then(|last| last.at),
                retry_until: until.filter(|_| owed.event == Event::Delayed),
            })
        });
        let told: Vec<Recipient<'_>> = told.collect();
        let report = self.write(mail, sender, (&told, most), now)?;
        if report.is_none() {
            tracing::info!(mail = %mail.id, "nobody to report to");
        }
        Ok(report.into_iter().collect())
    }

    fn write(
        &self,
        mail: &SpoolMail,
        sender: &Address,
        (told, most): (&[Recipient<'_>], Return),
        now: Now,
    ) -> store::Result<Option<Append>> {
        let settings = &self.0.settings;
        // What cannot be read must not keep its sender from hearing of it.
        let subject = self.subject(mail).unwrap_or_default();
        let report = Dsn {
            to: sender,
            language: settings.language,
            reporting: &settings.hostname,
            domain: self.0.router.writes_as(sender),
            unique: &report::unique()?,
            arrived: (mail.spooled > Wall::FLOOR).then_some(mail.spooled),
            envelope_id: mail.new.envid.as_deref(),
            subject: subject.as_deref(),
            recipients: told,
            original: Original {
                returned: mail.new.ret.unwrap_or_default().min(most),
                bytes: mail.bytes,
                whole_bytes_max: settings.returned_bytes_max,
                form: form(mail),
            },
        };
        let (store, router) = (&self.0.store, &self.0.router);
        let pieces = store.read_spooled(mail).map(Pieces::new);
        let composed =
            pieces.and_then(|mut pieces| report::compose(store, router, &report, &mut pieces, now));
        match composed {
            Err(error @ (store::Error::Fault(_) | store::Error::NotFound(_))) => {
                tracing::error!(%error, mail = %mail.id, "a report goes without the mail");
                report::compose(store, router, &report, &mut std::iter::empty(), now)
            }
            composed => composed,
        }
    }
}

fn form(mail: &SpoolMail) -> Form {
    match (mail.new.header, mail.new.body) {
        (HeaderType::Utf8, _) => Form::Global,
        (HeaderType::Ascii, BodyType::SevenBit) => Form::SevenBit,
        (HeaderType::Ascii, BodyType::EightBitMime) => Form::EightBit,
        (HeaderType::Ascii, BodyType::Binary) => Form::Binary,
    }
}

/// A spooled mail in pieces.
struct Pieces {
    reader: SpoolReader,
    at: u64,
}

impl Pieces {
    fn new(reader: SpoolReader) -> Self {
        Self { reader, at: 0 }
    }
}

impl Iterator for Pieces {
    type Item = store::Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut piece = Vec::new();
        match self.reader.read_at(self.at, PIECE_BYTES, &mut piece) {
            Ok(0) => None,
            Ok(bytes) => {
                self.at += bytes as u64;
                Some(Ok(piece))
            }
            Err(error) => Some(Err(error)),
        }
    }
}
