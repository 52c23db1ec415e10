//! How full a test's disk is: files take blocks as they are written and none where they have holes, other programs and
//! the ballast take some too, and when there are none left a write fails, in the middle of a file as much as at its end.

use std::collections::{BTreeMap, BTreeSet};

/// Space is given in pieces of this size.
const BLOCK_BYTES: u64 = 4096;

#[derive(Clone, Debug)]
pub(super) struct Card {
    bytes: u64,
    others: u64,
    ballast: u64,
    /// Numbers of the blocks that each file has.
    files: BTreeMap<String, BTreeSet<u64>>,
}

impl Card {
    pub(super) fn new(bytes: u64) -> Self {
        Self {
            bytes,
            others: 0,
            ballast: 0,
            files: BTreeMap::new(),
        }
    }

    /// What other programs have, all of it together.
    pub(super) fn set_others(&mut self, bytes: u64) {
        self.others = bytes;
    }

    /// Whether the ballast now has that many bytes.
    pub(super) fn set_ballast(&mut self, bytes: u64) -> bool {
        let before = std::mem::take(&mut self.ballast);
        let fits = bytes <= self.free();
        self.ballast = if fits { bytes } else { before };
        fits
    }

    pub(super) fn free(&self) -> u64 {
        let taken = self.used() + self.others + self.ballast;
        self.bytes.saturating_sub(taken)
    }

    pub(super) fn used(&self) -> u64 {
        self.files.keys().map(|name| self.file_bytes(name)).sum()
    }

    pub(super) fn file_bytes(&self, name: &str) -> u64 {
        let blocks = self.files.get(name);
        blocks.map_or(0, |blocks| blocks.len() as u64 * BLOCK_BYTES)
    }

    /// Gives a write the blocks that it needs; `false` if there are not enough.
    pub(super) fn write(&mut self, name: &str, offset: u64, len: usize) -> bool {
        let end = (offset + len as u64).div_ceil(BLOCK_BYTES);
        let blocks = offset / BLOCK_BYTES..end;
        let had = self.files.entry(name.to_owned()).or_default();
        let new: Vec<u64> = blocks.filter(|block| !had.contains(block)).collect();
        if new.len() as u64 * BLOCK_BYTES > self.free() {
            return false;
        }
        self.files.entry(name.to_owned()).or_default().extend(new);
        true
    }

    pub(super) fn cut(&mut self, name: &str, len: u64) {
        if let Some(blocks) = self.files.get_mut(name) {
            blocks.split_off(&len.div_ceil(BLOCK_BYTES));
        }
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.files.remove(name);
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) {
        if let Some(blocks) = self.files.remove(from) {
            self.files.insert(to.to_owned(), blocks);
        }
    }
}
