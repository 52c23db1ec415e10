//! A maildrop as one session sees it: the messages that were there at login, by number.
//!
//! Only serials are kept from the start. Sizes and digests are read from the records in slices, each in a short
//! snapshot of its own, when a command first needs them. A message whose record is gone by then was never shown to the
//! client and is passed over; one that goes later keeps its number, size and UIDL.

use super::command::Number;
use super::shown::{Utf8, octets};
use crate::mail::ids::{AccountId, DeviceId, Serial};
use crate::store::types::MessageRecord;
use crate::store::{Pop3Update, Result, Store};

/// Records read in one snapshot, and lines of a listing made at once.
pub(super) const SLICE_RECORDS: usize = 1000;

/// The messages of one session.
#[derive(Debug)]
pub(super) struct Maildrop {
    account: AccountId,
    device: Option<DeviceId>,
    utf8: Utf8,
    messages: Vec<Message>,
}

/// One message; 24 bytes, so that 100,000 fit in the memory of a small board.
#[derive(Clone, Debug)]
pub(super) struct Message {
    serial: Serial,
    digest: [u8; 8],
    bytes: u32,
    record: Record,
    deleted: bool,
    fetched: bool,
}

/// What is known of a message's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Record {
    Unread,
    Known,
    Gone,
}

impl Message {
    /// Octets. Messages are far below 4 GiB.
    pub(super) fn bytes(&self) -> u32 {
        self.bytes
    }

    /// RFC 1939 7, UIDL.
    pub(super) fn unique_id(&self) -> String {
        format!(
            "{:016x}{:016x}",
            self.serial.0,
            u64::from_be_bytes(self.digest)
        )
    }

    fn is_listed(&self) -> bool {
        self.record == Record::Known && !self.deleted
    }

    fn learn(&mut self, record: &MessageRecord, bytes: u64) {
        self.record = Record::Known;
        self.bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        for (to, from) in self.digest.iter_mut().zip(record.digest) {
            *to = from;
        }
    }
}

impl Maildrop {
    /// The maildrop of an account as `device` sees it now, with messages as a client sees them that said UTF8 or not.
    pub(super) fn open(
        store: &Store,
        account: AccountId,
        device: Option<DeviceId>,
        utf8: Utf8,
    ) -> Result<Self> {
        let rows = store.snapshot()?.maildrop(account, device)?;
        let unread = |serial| Message {
            serial,
            digest: [0; 8],
            bytes: 0,
            record: Record::Unread,
            deleted: false,
            fetched: false,
        };
        let messages = rows.iter().map(|row| unread(row.serial)).collect();
        Ok(Self {
            account,
            device,
            utf8,
            messages,
        })
    }

    /// Messages at login.
    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    /// Messages and octets that are not marked as deleted.
    pub(super) fn stat(&mut self, store: &Store) -> Result<(usize, u64)> {
        for from in (0..self.len()).step_by(SLICE_RECORDS) {
            self.load(store, from)?;
        }
        let listed = self.messages.iter().filter(|message| message.is_listed());
        Ok(listed.fold((0, 0), |(count, bytes), message| {
            (count + 1, bytes + u64::from(message.bytes))
        }))
    }

    /// The messages from position `from` on, at most [`SLICE_RECORDS`] of them, that are not marked as deleted, by
    /// number.
    pub(super) fn slice(
        &mut self,
        store: &Store,
        from: usize,
    ) -> Result<impl Iterator<Item = (usize, &Message)>> {
        self.load(store, from)?;
        let slice = self
            .messages
            .iter()
            .enumerate()
            .skip(from)
            .take(SLICE_RECORDS);
        let listed = slice.filter(|(_, message)| message.is_listed());
        Ok(listed.map(|(position, message)| (position + 1, message)))
    }

    /// The position of the message with that number, if it is there and not marked as deleted.
    pub(super) fn find(&mut self, store: &Store, number: Number) -> Result<Option<usize>> {
        let position = number.0.checked_sub(1);
        let position = position.and_then(|position| usize::try_from(position).ok());
        let found = position.and_then(|position| Some((position, self.get(position)?.record)));
        let Some((position, record)) = found else {
            return Ok(None);
        };
        if record == Record::Unread {
            self.load(store, position - position % SLICE_RECORDS)?;
        }
        let message = self.get(position).filter(|message| message.is_listed());
        Ok(message.map(|_| position))
    }

    /// The message at a position that [`Maildrop::find`] gave.
    pub(super) fn get(&self, position: usize) -> Option<&Message> {
        self.messages.get(position)
    }

    /// Its record; `None` if it is gone by now.
    pub(super) fn record(&self, store: &Store, position: usize) -> Result<Option<MessageRecord>> {
        match self.get(position) {
            Some(message) => store.snapshot()?.record(message.serial),
            None => Ok(None),
        }
    }

    /// Marks a message as deleted.
    pub(super) fn delete(&mut self, position: usize) {
        if let Some(message) = self.messages.get_mut(position) {
            message.deleted = true;
        }
    }

    /// Takes back all marks of deletion. What was fetched stays fetched.
    pub(super) fn reset(&mut self) {
        for message in &mut self.messages {
            message.deleted = false;
        }
    }

    /// Notes that a message was sent whole.
    pub(super) fn fetched(&mut self, position: usize) {
        if let Some(message) = self.messages.get_mut(position) {
            message.fetched = true;
        }
    }

    /// What the UPDATE state has to do. The store wants to hear of a device's session even if that is nothing, and
    /// commits nothing then.
    pub(super) fn update(&self) -> Pop3Update {
        let serials = |wanted: fn(&Message) -> bool| -> Vec<Serial> {
            let messages = self.messages.iter().filter(|message| wanted(message));
            messages.map(|message| message.serial).collect()
        };
        Pop3Update {
            account: self.account,
            device: self.device,
            fetched: serials(|message| message.fetched),
            deleted: serials(|message| message.deleted),
        }
    }

    /// Reads the records of the slice that begins at `from`, as far as they are unread.
    pub(super) fn load(&mut self, store: &Store, from: usize) -> Result<()> {
        let slice = self.messages.iter_mut().skip(from).take(SLICE_RECORDS);
        let mut unread = slice
            .filter(|message| message.record == Record::Unread)
            .peekable();
        if unread.peek().is_none() {
            return Ok(());
        }
        let snapshot = store.snapshot()?;
        for message in unread {
            match snapshot.record(message.serial)? {
                Some(record) => message.learn(&record, octets(store, &record, self.utf8)?),
                None => message.record = Record::Gone,
            }
        }
        Ok(())
    }
}
