//! A disk for tests: it remembers everything that was done to it, can fail at any operation, and can be put back to
//! how it might look after power was cut at any moment.
//!
//! What was synced survives. Of what was written since, a cut keeps an arbitrary part: each write whole, not at all, or
//! some of its sectors ([`Cut`]). Creating, renaming and removing a file is durable at once, for [`Media`] promises that.

mod card;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use card::Card;

use super::media::{Device, Media, span};

/// Writes are torn between sectors, never within one.
const SECTOR_BYTES: usize = 512;

/// One thing that was done to the disk.
#[derive(Clone, Debug)]
enum Operation {
    Create(String),
    Remove(String),
    Rename(String, String),
    Write(String, u64, Arc<[u8]>),
    SetLen(String, u64),
    Sync(String),
}

/// How operations fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// EIO, on writes, changes of length and syncs.
    Io,
    /// ENOSPC, on writes and changes of length.
    NoSpace,
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<String, Vec<u8>>,
    log: Option<Vec<Operation>>,
    operations: u64,
    /// From which operation on, how many, how.
    failing: Option<(u64, u64, Failure)>,
    /// What has these bytes in it cannot be read.
    spoiled: Option<Vec<u8>>,
    /// Where space is limited.
    card: Option<Card>,
}

/// The disk. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct FaultyDisk(Arc<Mutex<State>>);

impl FaultyDisk {
    /// An empty disk that remembers what is done to it, for [`Cuts`].
    pub fn recording() -> Self {
        let disk = Self::default();
        disk.lock().log = Some(Vec::new());
        disk
    }

    /// An empty disk of that size.
    pub fn with_bytes(bytes: u64) -> Self {
        let disk = Self::default();
        disk.lock().card = Some(Card::new(bytes));
        disk
    }

    /// Lets other programs take as much of a limited disk as leaves that many bytes free.
    pub fn leave_free(&self, bytes: u64) {
        if let Some(card) = &mut self.lock().card {
            card.set_others(0);
            card.set_others(card.free().saturating_sub(bytes));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Number of operations so far that change something.
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// Lets `count` operations fail, after the next `skip`.
    pub fn fail(&self, skip: u64, count: u64, failure: Failure) {
        let mut state = self.lock();
        let from = state.operations + skip;
        state.failing = Some((from, count, failure));
    }

    /// Lets all reading of these bytes fail, which are not empty.
    pub fn spoil(&self, bytes: &[u8]) {
        self.lock().spoiled = Some(bytes.to_vec());
    }

    /// Lets nothing fail any more.
    pub fn heal(&self) {
        let mut state = self.lock();
        state.failing = None;
        state.spoiled = None;
    }

    /// Everything that was done so far, to be cut at any moment.
    pub fn cuts(&self) -> Cuts {
        Cuts {
            log: self.lock().log.clone().unwrap_or_default(),
            done: 0,
            synced: BTreeMap::new(),
            unsynced: Vec::new(),
        }
    }
}

impl State {
    /// Counts an operation, fails it if it is its turn, and otherwise does it.
    fn run(&mut self, operation: Operation) -> io::Result<()> {
        let number = self.operations;
        self.operations += 1;
        if let Some((from, count, failure)) = self.failing
            && (from..from + count).contains(&number)
        {
            let error = match (failure, &operation) {
                (Failure::Io, _) => Some(io::ErrorKind::Other),
                (
                    Failure::NoSpace,
                    Operation::Sync(_) | Operation::Remove(_) | Operation::Rename(..),
                ) => None,
                (Failure::NoSpace, _) => Some(io::ErrorKind::StorageFull),
            };
            if let Some(kind) = error {
                return Err(io::Error::new(kind, "the test's disk fails"));
            }
        }
        self.take_blocks(&operation)?;
        apply(&mut self.files, &operation, &mut |_| true)?;
        if let Some(log) = &mut self.log {
            log.push(operation);
        }
        Ok(())
    }
}

impl State {
    fn is_spoiled(&self, read: &[u8]) -> bool {
        let spoiled = self.spoiled.as_deref();
        spoiled.is_some_and(|bytes| read.windows(bytes.len()).any(|found| found == bytes))
    }

    /// Does to a limited disk's space what the operation does to its files.
    fn take_blocks(&mut self, operation: &Operation) -> io::Result<()> {
        let Some(card) = &mut self.card else {
            return Ok(());
        };
        match operation {
            Operation::Write(name, offset, data) => {
                if !card.write(name, *offset, data.len()) {
                    return Err(io::ErrorKind::StorageFull.into());
                }
            }
            Operation::SetLen(name, len) => card.cut(name, *len),
            Operation::Remove(name) => card.remove(name),
            Operation::Rename(from, to) => card.rename(from, to),
            Operation::Create(_) | Operation::Sync(_) => {}
        }
        Ok(())
    }
}

/// Does an operation; of a write only the sectors that `keep` says.
fn apply(
    files: &mut BTreeMap<String, Vec<u8>>,
    operation: &Operation,
    keep: &mut dyn FnMut(usize) -> bool,
) -> io::Result<()> {
    match operation {
        Operation::Create(name) => {
            files.entry(name.clone()).or_default();
        }
        Operation::Remove(name) => {
            files.remove(name);
        }
        Operation::Rename(from, to) => {
            if let Some(file) = files.remove(from) {
                files.insert(to.clone(), file);
            }
        }
        Operation::SetLen(name, len) => {
            let len = span(*len, 0)?.start;
            if let Some(file) = files.get_mut(name) {
                file.resize(len, 0);
            }
        }
        Operation::Write(name, offset, data) => {
            let range = span(*offset, data.len())?;
            let Some(file) = files.get_mut(name) else {
                return Ok(());
            };
            if file.len() < range.end {
                file.resize(range.end, 0);
            }
            let target = file.get_mut(range).unwrap_or_default();
            let sectors = target
                .chunks_mut(SECTOR_BYTES)
                .zip(data.chunks(SECTOR_BYTES));
            for (number, (to, from)) in sectors.enumerate() {
                if keep(number) {
                    to.copy_from_slice(from);
                }
            }
        }
        Operation::Sync(_) => {}
    }
    Ok(())
}

impl Media for FaultyDisk {
    fn open(&self, name: &str) -> io::Result<Arc<dyn Device>> {
        let mut state = self.lock();
        if !state.files.contains_key(name) {
            state.run(Operation::Create(name.to_owned()))?;
        }
        drop(state);
        self.open_existing(name)
    }

    fn open_existing(&self, name: &str) -> io::Result<Arc<dyn Device>> {
        if !self.lock().files.contains_key(name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(Arc::new(FaultyDevice {
            disk: self.clone(),
            name: name.to_owned(),
        }))
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<String>> {
        let state = self.lock();
        let names = state.files.keys().filter(|name| name.starts_with(prefix));
        Ok(names.cloned().collect())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.lock().run(Operation::Remove(name.to_owned()))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.lock()
            .run(Operation::Rename(from.to_owned(), to.to_owned()))
    }

    fn used_bytes(&self) -> io::Result<u64> {
        let state = self.lock();
        let all = || state.files.values().map(Vec::len).sum::<usize>() as u64;
        Ok(state.card.as_ref().map_or_else(all, Card::used))
    }

    fn set_ballast(&self, bytes: u64) -> io::Result<()> {
        let mut state = self.lock();
        let fits = state
            .card
            .as_mut()
            .is_none_or(|card| card.set_ballast(bytes));
        if fits {
            return Ok(());
        }
        Err(io::ErrorKind::StorageFull.into())
    }

    fn file_bytes(&self, name: &str) -> io::Result<u64> {
        if let Some(card) = &self.lock().card {
            return Ok(card.file_bytes(name));
        }
        self.open_existing(name)?.len()
    }

    fn free_bytes(&self) -> io::Result<Option<u64>> {
        Ok(self.lock().card.as_ref().map(Card::free))
    }
}

#[derive(Debug)]
struct FaultyDevice {
    disk: FaultyDisk,
    name: String,
}

impl Device for FaultyDevice {
    fn len(&self) -> io::Result<u64> {
        let state = self.disk.lock();
        Ok(state.files.get(&self.name).map_or(0, Vec::len) as u64)
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.disk.lock();
        let file = state.files.get(&self.name);
        match file.and_then(|file| file.get(span(offset, out.len()).ok()?)) {
            Some(source) if state.is_spoiled(source) => Err(io::ErrorKind::Other.into()),
            Some(source) => {
                out.copy_from_slice(source);
                Ok(())
            }
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let operation = Operation::Write(self.name.clone(), offset, data.into());
        self.disk.lock().run(operation)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk
            .lock()
            .run(Operation::SetLen(self.name.clone(), len))
    }
    fn sync(&self) -> io::Result<()> {
        self.disk.lock().run(Operation::Sync(self.name.clone()))
    }
}

/// What a cut of power keeps of writes that were not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Nothing.
    LoseAll,
    /// Everything.
    KeepAll,
    /// Each write whole or not at all, as the dice say: later ones may survive earlier ones.
    Reorder,
    /// Any sectors of any write.
    Tear,
}

/// A recorded run, to be cut at one moment after the other.
#[derive(Debug)]
pub struct Cuts {
    log: Vec<Operation>,
    done: usize,
    synced: BTreeMap<String, Vec<u8>>,
    unsynced: Vec<Operation>,
}

impl Cuts {
    /// Goes on by one operation; `false` at the end.
    pub fn advance(&mut self) -> bool {
        let Some(operation) = self.log.get(self.done).cloned() else {
            return false;
        };
        self.done += 1;
        match &operation {
            Operation::Create(_) => self.settle(&operation),
            Operation::Remove(name) => {
                self.unsynced.retain(|other| other.file() != name);
                self.settle(&operation);
            }
            Operation::Rename(from, to) => {
                for other in &mut self.unsynced {
                    other.rename(from, to);
                }
                self.settle(&operation);
            }
            Operation::Write(..) | Operation::SetLen(..) => self.unsynced.push(operation),
            Operation::Sync(name) => {
                let (synced, still): (Vec<_>, Vec<_>) = std::mem::take(&mut self.unsynced)
                    .into_iter()
                    .partition(|other| other.file() == name);
                self.unsynced = still;
                for operation in synced {
                    self.settle(&operation);
                }
            }
        }
        true
    }

    fn settle(&mut self, operation: &Operation) {
        // Every operation was possible when it was recorded.
        apply(&mut self.synced, operation, &mut |_| true).ok();
    }

    /// The disk as it may be found after the power was cut now. The dice are `seed`.
    pub fn cut(&self, cut: Cut, seed: u64) -> FaultyDisk {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let mut files = self.synced.clone();
        for operation in &self.unsynced {
            let whole = dice.coin();
            let mut keep = |_| match cut {
                Cut::LoseAll => false,
                Cut::KeepAll => true,
                Cut::Reorder => whole,
                Cut::Tear => dice.coin(),
            };
            let torn = matches!(operation, Operation::Write(..));
            if torn || keep(0) {
                apply(&mut files, operation, &mut keep).ok();
            }
        }
        let state = State {
            files,
            ..State::default()
        };
        FaultyDisk(Arc::new(Mutex::new(state)))
    }
}

impl Operation {
    fn rename(&mut self, from: &str, to: &str) {
        if let Self::Write(name, ..) | Self::SetLen(name, _) = self
            && name == from
        {
            to.clone_into(name);
        }
    }

    fn file(&self) -> &str {
        match self {
            Self::Create(name)
            | Self::Remove(name)
            | Self::Rename(name, _)
            | Self::Write(name, ..)
            | Self::SetLen(name, _)
            | Self::Sync(name) => name,
        }
    }
}

/// xorshift64.
struct Dice(u64);

impl Dice {
    fn coin(&mut self) -> bool {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 63 == 1
    }
}
