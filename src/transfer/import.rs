//! Bringing old mailboxes in.
//!
//! Messages are filed in batches, one commit each. Run again after an interruption, an import passes over what the
//! target mailboxes hold already, so nothing comes twice and nothing is left out. The quota holds: a full account ends the
//! import with what is to be done.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::Path;

use super::known::Known;
use super::maildir::{self, Entry};
use super::mbox::Mbox;
use super::{Error, Event, Listener, Pieces, Report};
use crate::clock::{Clock, Wall};
use crate::delivery::intake::Intake;
use crate::mail::flags::Flags;
use crate::mail::ids::{AccountId, MailboxId};
use crate::mail::mailbox_name::MailboxName;
use crate::store::types::{Filing, QuotaRule};
use crate::store::{self, Append, Store};

/// Most messages filed in one commit.
const BATCH_MESSAGES_MAX: usize = 64;
/// A batch is filed when it has this many bytes.
const BATCH_BYTES: u64 = 1 << 20;
/// Bytes between two progress events.
const PROGRESS_BYTES: u64 = 1 << 20;
/// Largest message that is brought over, in bytes.
const MESSAGE_BYTES_MAX: u64 = 1 << 30;

/// An import into one account.
#[derive(Debug)]
pub struct Import<'a> {
    store: &'a Store,
    account: AccountId,
    clock: &'a Clock,
    mailboxes: BTreeMap<MailboxName, MailboxId>,
    known: BTreeMap<MailboxId, Known>,
    batch: Vec<Append>,
    batch_bytes: u64,
    report: Report,
    told: u64,
}

impl<'a> Import<'a> {
    /// Into `account`.
    pub fn new(store: &'a Store, account: AccountId, clock: &'a Clock) -> Self {
        Self {
            store,
            account,
            clock,
            mailboxes: BTreeMap::new(),
            known: BTreeMap::new(),
            batch: Vec::new(),
            batch_bytes: 0,
            report: Report::default(),
            told: 0,
        }
    }

    /// All messages of the mbox file `path` into the mailbox `name`, which is made if it is missing.
    pub fn mbox(
        self,
        path: &Path,
        name: &MailboxName,
        listener: Listener<'_>,
    ) -> Result<Report, Error> {
        let file = fs::File::open(path).map_err(Error::io(path))?;
        let total = file.metadata().map_err(Error::io(path))?.len();
        self.mbox_from((BufReader::new(file), total), path, name, listener)
    }

    /// As [`Import::mbox`], from a source of so many bytes (0 if that is not known) that is called `path` in errors.
    pub fn mbox_from(
        mut self,
        (source, total): (impl BufRead, u64),
        path: &Path,
        name: &MailboxName,
        listener: Listener<'_>,
    ) -> Result<Report, Error> {
        let mut mbox = Mbox::new(source).map_err(|error| {
            if error.kind() == ErrorKind::InvalidData {
                Error::format(path, error.to_string())
            } else {
                Error::io(path)(error)
            }
        })?;
        let mailbox = self.mailbox(name)?;
        while let Some(head) = mbox.next_message().map_err(Error::io(path))? {
            if head.expunged {
                while mbox.read(&mut Vec::new()).map_err(Error::io(path))? {}
                continue;
            }
            let at = mbox.offset();
            let about = || format!("{}: message near byte {at}", path.display());
            let filing = self.filing(mailbox, head.flags, head.date);
            self.take(&mut mbox, filing, path, &about, listener)?;
            self.tell(name, mbox.offset(), total, listener)?;
        }
        self.finish()
    }

    /// All mailboxes and messages of the Maildir tree `root`.
    pub fn maildir(mut self, root: &Path, listener: Listener<'_>) -> Result<Report, Error> {
        let folders = maildir::scan(root)?;
        let total = folders
            .iter()
            .flat_map(|folder| &folder.entries)
            .map(|entry| entry.bytes)
            .sum();
        let mut done = 0;
        for folder in folders {
            let mailbox = self.mailbox(&folder.name)?;
            for entry in folder.entries {
                done += entry.bytes;
                self.maildir_entry(&entry, mailbox, listener)?;
                self.tell(&folder.name, done, total, listener)?;
            }
        }
        self.finish()
    }

    fn maildir_entry(
        &mut self,
        entry: &Entry,
        mailbox: MailboxId,
        listener: Listener<'_>,
    ) -> Result<(), Error> {
        let mut file = match maildir::File::open(&entry.path) {
            Ok(file) => file,
            Err(error) => return self.problem(error.to_string(), listener),
        };
        let about = || entry.path.display().to_string();
        let filing = self.filing(mailbox, entry.flags.clone(), entry.date);
        self.take(&mut file, filing, &entry.path, &about, listener)
    }

    fn filing(&self, mailbox: MailboxId, flags: Flags, date: Option<Wall>) -> Filing {
        let internal_date = date.unwrap_or_else(|| self.clock.now().stamp());
        Filing {
            mailbox,
            flags,
            internal_date,
            prefix: Vec::new(),
            quota: QuotaRule::Enforce,
        }
    }

    /// Takes one message from `pieces` into the batch.
    fn take(
        &mut self,
        pieces: &mut dyn Pieces,
        filing: Filing,
        path: &Path,
        about: &dyn Fn() -> String,
        listener: Listener<'_>,
    ) -> Result<(), Error> {
        let mut intake = Intake::begin(self.store, None)?;
        let mut piece = Vec::new();
        let mut fits = true;
        while pieces.read(&mut piece).map_err(Error::io(path))? {
            fits &= intake.bytes() + piece.len() as u64 <= MESSAGE_BYTES_MAX;
            if fits {
                intake.write(&piece)?;
            }
            piece.clear();
        }
        if !fits {
            return self.problem(
                format!("{}: longer than {MESSAGE_BYTES_MAX} bytes", about()),
                listener,
            );
        }
        if intake.bytes() == 0 {
            return self.problem(format!("{}: empty", about()), listener);
        }
        let received = intake.finish()?;
        if self.known(filing.mailbox)?.matches(&received.blob.digest()) {
            self.report.present += 1;
            return Ok(());
        }
        self.report.bytes += received.bytes;
        self.batch_bytes += received.bytes;
        self.batch.push(Append {
            blob: received.blob,
            summary: received.summary,
            filings: vec![filing],
            spool: Vec::new(),
        });
        if self.batch.len() >= BATCH_MESSAGES_MAX || self.batch_bytes >= BATCH_BYTES {
            self.file_batch()?;
        }
        Ok(())
    }

    fn file_batch(&mut self) -> Result<(), Error> {
        let batch = std::mem::take(&mut self.batch);
        self.batch_bytes = 0;
        if batch.is_empty() {
            return Ok(());
        }
        for filed in self
            .store
            .append(batch, self.clock.now())?
            .into_iter()
            .flatten()
        {
            filed?;
            self.report.messages += 1;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Report, Error> {
        self.file_batch()?;
        self.report.mailboxes = self.mailboxes.len() as u64;
        Ok(self.report)
    }

    /// The mailbox of that name, made if it is missing.
    fn mailbox(&mut self, name: &MailboxName) -> Result<MailboxId, Error> {
        if let Some(id) = self.mailboxes.get(name) {
            return Ok(*id);
        }
        let found = self.store.snapshot()?.mailbox_by_name(self.account, name)?;
        let id = match found {
            Some(mailbox) => mailbox.id,
            None => self.make_mailbox(name)?,
        };
        self.mailboxes.insert(name.clone(), id);
        Ok(id)
    }

    fn make_mailbox(&self, name: &MailboxName) -> Result<MailboxId, Error> {
        let made = self
            .store
            .create_mailbox(self.account, name, None, self.clock.now())?;
        self.store.set_subscribed(self.account, name, true)?;
        Ok(made.id)
    }

    fn known(&mut self, mailbox: MailboxId) -> store::Result<&mut Known> {
        use std::collections::btree_map::Entry::{Occupied, Vacant};
        match self.known.entry(mailbox) {
            Occupied(entry) => Ok(entry.into_mut()),
            Vacant(entry) => Ok(entry.insert(Known::read(self.store, mailbox)?)),
        }
    }

    fn tell(
        &mut self,
        name: &MailboxName,
        done: u64,
        total: u64,
        listener: Listener<'_>,
    ) -> Result<(), Error> {
        if done < total && done.saturating_sub(self.told) < PROGRESS_BYTES {
            return Ok(());
        }
        self.told = done;
        let event = Event::Progress {
            mailbox: name.as_str().to_owned(),
            done,
            total,
        };
        listener(event).map_err(|_| Error::Interrupted)
    }

    fn problem(&mut self, text: String, listener: Listener<'_>) -> Result<(), Error> {
        self.report.problems += 1;
        listener(Event::Problem(text)).map_err(|_| Error::Interrupted)
    }
}
