//! Which level people were last written to about, so that each crossing is told once.

use redb::ReadableTable;

use super::account::AccountRow;
use super::codec::{Packer, Unpacker};
use super::schema::{TOLD, subject_key};
use super::tx::{ReadRows, Tx};
use super::types::{Level, QuotaRule, Subject};
use super::{Append, Result, Snapshot, Store};
use crate::clock::Now;

fn note(tx: &Tx<'_>, subject: Subject, level: Level) -> Result<()> {
    if let Subject::Account(id) = subject {
        AccountRow::load(tx, id)?;
    }
    if level == Level::Ok {
        return forget(tx, subject);
    }
    let mut row = Packer::new();
    level.pack(&mut row);
    let mut table = tx.write(TOLD)?;
    table.insert(subject_key(subject), row.finish().as_slice())?;
    Ok(())
}

/// As if nothing had ever been told.
pub(super) fn forget(tx: &Tx<'_>, subject: Subject) -> Result<()> {
    tx.write(TOLD)?.remove(subject_key(subject))?;
    Ok(())
}

impl Snapshot {
    /// The level that the last mail about `subject` told, [`Level::Ok`] if there was none.
    pub fn told(&self, subject: Subject) -> Result<Level> {
        let table = self.read(TOLD)?;
        let Some(row) = table.get(subject_key(subject))? else {
            return Ok(Level::Ok);
        };
        let mut row = Unpacker::new("told", row.value());
        let level = Level::unpack(&mut row)?;
        row.finish()?;
        Ok(level)
    }
}

impl Store {
    /// Files mails of the house itself about `subject` and notes that they tell `level`, all in one commit. They go
    /// beyond quotas, and use the card's reserve if they were begun with [`Store::begin_own_blob`]. Without mails only
    /// the note is made. If one of them cannot be filed, nothing is done.
    pub fn tell(
        &self,
        subject: Subject,
        level: Level,
        mut mails: Vec<Append>,
        now: Now,
    ) -> Result<()> {
        for filing in mails.iter_mut().flat_map(|mail| &mut mail.filings) {
            filing.quota = QuotaRule::Exceed;
        }
        let ready = self.ready(mails, now)?;
        self.0.commit(move |tx| {
            for mail in &ready {
                mail.carry_out(tx)?
                    .into_iter()
                    .try_for_each(|filed| filed.map(drop))?;
            }
            note(tx, subject, level)
        })
    }
}
