//! A message as this client sees it: as it is stored, or with its headers made anew for a client that did not say UTF8
//! and could not read it else (RFC 6856 2.1, RFC 6858).

use crate::mail::mime::Summary;
use crate::mail::mime::surrogate::is_needed;
use crate::store::types::MessageRecord;
use crate::store::{Error, MessageReader, Result, Store};

/// Whether the client said UTF8 (RFC 6856 2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Utf8 {
    Silent,
    Enabled,
}

/// Opens a message for reading.
pub(super) fn open(store: &Store, record: &MessageRecord, utf8: Utf8) -> Result<MessageReader> {
    let mut reader = store.message(record)?;
    if let Some(summary) = internationalized(record, utf8) {
        reader.downgrade(&summary)?;
    }
    Ok(reader)
}

/// Octets of a message as the client sees it.
pub(super) fn octets(store: &Store, record: &MessageRecord, utf8: Utf8) -> Result<u64> {
    if internationalized(record, utf8).is_none() {
        return Ok(record.bytes);
    }
    match open(store, record, utf8) {
        Ok(reader) => Ok(reader.bytes()),
        // RETR will tell that it is gone.
        Err(Error::NotFound(_)) => Ok(record.bytes),
        Err(error) => Err(error),
    }
}

/// The summary of a message that is not shown as it is.
fn internationalized(record: &MessageRecord, utf8: Utf8) -> Option<Summary> {
    if utf8 == Utf8::Enabled {
        return None;
    }
    let summary = Summary::decode(&record.summary).ok()?;
    is_needed(&summary, &record.prefix).then_some(summary)
}
