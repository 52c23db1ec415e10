//! Mails about the storage state, to the account and to the owners: one per crossing of a level, whatever happens.
//!
//! What is due is the difference between the level now and the one told last (`space::letter`). The mails and the note
//! that they were written are one commit, so that neither a restart nor a crash tells twice or forgets. What cannot be
//! written is tried again at the next turn.

use crate::clock::Now;
use crate::config::Settings;
use crate::delivery::notice::{self, Notice};
use crate::mail::address::{Address, Domain};
use crate::maillog::{self, Log};
use crate::space;
use crate::space::letter::{self, Due, Letter, Occasion, Reader};
use crate::store::types::{Account, Fill, Subject, Waiting};
use crate::store::{self, Append, Store};
use jiff::tz::TimeZone;

/// Writes them.
#[derive(Clone, Debug)]
pub(super) struct Notices {
    store: Store,
    /// Domain that they come from.
    domain: Domain,
    /// For dates in them.
    time_zone: TimeZone,
}

impl Notices {
    /// For a box with these settings.
    pub(super) fn new(store: &Store, settings: &Settings) -> Self {
        let domain = settings.domains.first().unwrap_or(&settings.hostname);
        Self {
            store: store.clone(),
            domain: domain.clone(),
            time_zone: settings.time_zone.clone(),
        }
    }

    /// Writes all that is due. Failures are logged; the next turn tries again.
    pub(super) fn write_due(&self, now: Now) {
        if let Err(error) = self.try_write_due(now) {
            tracing::warn!(%error, "the storage state was not told by mail");
        }
    }

    fn try_write_due(&self, now: Now) -> store::Result<()> {
        let accounts = self.store.snapshot()?.accounts()?;
        let card = self.store.fill(Subject::Card)?;
        let mut failure = self.write_about(Subject::Card, card, &accounts, now).err();
        for (id, fill) in self.store.fills()? {
            let written = self.write_about(Subject::Account(id), fill, &accounts, now);
            failure = failure.or_else(|| written.err());
        }
        failure.map_or(Ok(()), Err)
    }

    fn write_about(
        &self,
        subject: Subject,
        fill: Fill,
        accounts: &[Account],
        now: Now,
    ) -> store::Result<()> {
        let told = self.store.snapshot()?.told(subject)?;
        let Some(due) = letter::due(told, fill.level) else {
            return Ok(());
        };
        let letters = match due {
            Due::Note => Vec::new(),
            Due::Mails(occasion) => self.letters(subject, occasion, accounts, now)?,
        };
        let mails = self.compose(&letters, now)?;
        self.store.tell(subject, fill.level, mails, now)?;
        let log = Log(&self.store, now);
        maillog::level_changed(log, address(subject, accounts), told, &fill);
        for (to, letter) in &letters {
            maillog::house_wrote(log, &to.address, &letter.subject);
        }
        Ok(())
    }

    fn letters<'a>(
        &self,
        subject: Subject,
        occasion: Occasion,
        accounts: &'a [Account],
        now: Now,
    ) -> store::Result<Vec<(&'a Account, Letter)>> {
        let state = space::of(&self.store, subject, now)?;
        let waiting = self.waiting(subject, accounts)?;
        let readers = letter::readers(subject, accounts).into_iter();
        let letters = readers.map(|(to, whose)| {
            let reader = Reader {
                language: to.language,
                whose,
                time_zone: &self.time_zone,
            };
            (to, letter::write(occasion, &state, &reader, &waiting))
        });
        Ok(letters.collect())
    }

    /// Whose mail waits for want of this room, the latest try first.
    fn waiting(&self, subject: Subject, accounts: &[Account]) -> store::Result<Vec<Waiting>> {
        let concerned = accounts
            .iter()
            .filter(|account| subject == Subject::Card || subject == Subject::Account(account.id));
        let mut all = Vec::new();
        for account in concerned {
            all.extend(self.store.waiting(account.id)?);
        }
        all.sort_by_key(|waiting| std::cmp::Reverse(waiting.last));
        Ok(all)
    }

    fn compose(&self, letters: &[(&Account, Letter)], now: Now) -> store::Result<Vec<Append>> {
        let mut mails = Vec::with_capacity(letters.len());
        for (to, letter) in letters {
            let notice = Notice {
                to,
                subject: &letter.subject,
                text: &letter.text,
            };
            mails.push(notice::compose(&self.store, &self.domain, &notice, now)?);
        }
        Ok(mails)
    }
}

fn address(subject: Subject, accounts: &[Account]) -> Option<&Address> {
    let found = accounts
        .iter()
        .find(|account| Subject::Account(account.id) == subject);
    found.map(|account| &account.address)
}

#[cfg(test)]
mod tests;
