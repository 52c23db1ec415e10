//! A message as this client sees it: as it is stored, or with its header made anew for a client that did not say UTF8
//! and could not read it else (RFC 6856 2.1, RFC 6858).

use crate::mail::mime::Summary;
use crate::mail::mime::surrogate::{Surrogate, is_needed};
use crate::store::types::MessageRecord;
use crate::store::{BlobReader, Error, Result, Store};

/// Longest header that is made anew; fields beyond are left out.
const HEADER_BYTES_MAX: usize = 1024 * 1024;

/// Whether the client said UTF8 (RFC 6856 2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Utf8 {
    Silent,
    Enabled,
}

/// A message opened for reading: `prefix`, then the blob from `offset` on.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) prefix: Vec<u8>,
    pub(super) reader: BlobReader,
    pub(super) offset: u64,
}

impl Shown {
    pub(super) fn open(store: &Store, record: &MessageRecord, utf8: Utf8) -> Result<Self> {
        let reader = store.blob(record.blob)?;
        match internationalized(record, utf8) {
            Some(summary) => Self::surrogate(reader, record, &summary),
            None => Ok(Self {
                prefix: record.prefix.clone(),
                reader,
                offset: 0,
            }),
        }
    }

    fn surrogate(
        mut reader: BlobReader,
        record: &MessageRecord,
        summary: &Summary,
    ) -> Result<Self> {
        let offset = summary.body.body_start.min(reader.bytes());
        let wanted = usize::try_from(offset).unwrap_or(usize::MAX);
        let mut block = record.prefix.clone();
        let end = block.len() + wanted.min(HEADER_BYTES_MAX);
        while block.len() < end {
            let at = (block.len() - record.prefix.len()) as u64;
            if reader.read_at(at, end - block.len(), &mut block)? == 0 {
                break;
            }
        }
        Ok(Self {
            prefix: Surrogate::new(&block, summary).header,
            reader,
            offset,
        })
    }

    pub(super) fn bytes(&self) -> u64 {
        self.prefix.len() as u64 + self.reader.bytes().saturating_sub(self.offset)
    }
}

/// Octets of a message as the client sees it.
pub(super) fn octets(store: &Store, record: &MessageRecord, utf8: Utf8) -> Result<u64> {
    if internationalized(record, utf8).is_none() {
        return Ok(record.bytes);
    }
    match Shown::open(store, record, utf8) {
        Ok(shown) => Ok(shown.bytes()),
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
    is_needed(&summary.envelope, &record.prefix).then_some(summary)
}
