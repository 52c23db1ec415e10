//! Which level people were last written to about, so that each crossing is told once.

use super::types::{Level, Subject};
use super::{Append, Result, Snapshot, Store};
use crate::clock::Now;

impl Snapshot {
    /// The level that the last mail about `subject` told, [`Level::Ok`] if there was none.
    pub fn told(&self, subject: Subject) -> Result<Level> {
        todo!("{subject:?}")
    }
}

impl Store {
    /// Files mails of the house itself about `subject` and notes that they tell `level`, all in one commit. They may
    /// go beyond quotas and use the card's reserve. Without mails only the note is made.
    pub fn tell(&self, subject: Subject, level: Level, mails: Vec<Append>, now: Now) -> Result<()> {
        todo!("{subject:?} {level:?} {mails:?} {now:?}")
    }
}
