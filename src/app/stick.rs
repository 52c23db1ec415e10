//! Follows the stick that is named for backups: since when it is, and a mail to the owners when the last good backup
//! becomes too old. One per time that it does, whatever restarts.

use crate::clock::Now;
use crate::config::{BackupSettings, Settings};
use crate::delivery::notice::{self, Notice};
use crate::mail::address::Domain;
use crate::maillog::{self, Log};
use crate::stick::{self, Standing, words};
use crate::store::{self, Append, Store};

/// Does that.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    store: Store,
    settings: BackupSettings,
    /// Domain that mails come from.
    domain: Domain,
}

impl Watch {
    /// For a box with these settings.
    pub(super) fn new(store: &Store, settings: &Settings) -> Self {
        let domain = settings.domains.first().unwrap_or(&settings.hostname);
        Self {
            store: store.clone(),
            settings: settings.backup.clone(),
            domain: domain.clone(),
        }
    }

    /// Looks how it stands. Failures are logged; the next turn tries again.
    pub(super) fn look(&self, now: Now) {
        if let Err(error) = self.try_look(now) {
            tracing::warn!(%error, "how old the backup on the stick is was not looked at");
        }
    }

    fn try_look(&self, now: Now) -> store::Result<()> {
        let Some(standing) = Standing::follow(&self.store, &self.settings, now)? else {
            return Ok(());
        };
        let is_overdue = standing.is_overdue(now);
        if is_overdue == standing.record.told {
            return Ok(());
        }
        if is_overdue {
            self.write(&standing, now)?;
        }
        stick::note_told(&self.store, &standing.record.name, is_overdue).map(drop)
    }

    /// Writes to the owners. A crash before that is noted tells them twice, which is better than not at all.
    fn write(&self, standing: &Standing, now: Now) -> store::Result<()> {
        let accounts = self.store.snapshot()?.accounts()?;
        let mut mails: Vec<Append> = Vec::new();
        for to in accounts.iter().filter(|account| account.owner) {
            let (subject, text) = words::letter(standing, now, to.language);
            let notice = Notice {
                to,
                subject: &subject,
                text: &text,
            };
            mails.push(notice::compose(&self.store, &self.domain, &notice, now)?);
            maillog::house_wrote(Log(&self.store, now), &to.address, &subject);
        }
        self.store.append_all(mails, now).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::{Clock, Wall};
    use crate::config;
    use crate::mail::address::Address;
    use crate::stick::{Failure, Reason};
    use crate::store::types::Language;
    use crate::store::{NewAccount, Options};

    const DAY: Duration = Duration::from_hours(24);

    /// Mails of a box's people: the owner's, and another's.
    fn mails(store: &Store) -> [u32; 2] {
        let snapshot = store.snapshot().unwrap();
        ["fred@home.test", "anna@home.test"].map(|address| {
            let account = snapshot.account_by_key(address).unwrap().unwrap();
            let mailboxes = snapshot.mailboxes(account.id).unwrap();
            mailboxes.iter().map(|mailbox| mailbox.messages).sum()
        })
    }

    fn house() -> (Store, Clock) {
        let store = Store::in_memory(&Options::default()).unwrap();
        let clock = Clock::virtual_at(Wall(1_800_000_000));
        for (name, owner) in [("fred@home.test", true), ("anna@home.test", false)] {
            let new = NewAccount {
                address: Address::parse(name).unwrap(),
                owner,
                language: Language::De,
                quota_bytes: None,
            };
            store.add_account(&new, clock.now()).unwrap();
        }
        (store, clock)
    }

    #[test]
    fn the_owner_hears_once_that_no_backup_comes() {
        let (store, clock) = house();
        let mut settings = config::parse("t", "[backup]\nage_max_days = 2\n").unwrap();
        // Nobody named a stick, so nothing is missing.
        Watch::new(&store, &settings).look(clock.now());
        clock.advance(DAY * 9);
        settings.backup.stick = Some("BACKUP".to_owned());
        let watch = Watch::new(&store, &settings);
        let after = |days| {
            clock.advance(DAY * days);
            watch.look(clock.now());
            Watch::new(&store, &settings).look(clock.now());
            mails(&store)
        };
        assert_eq!(after(0), [0, 0]);
        assert_eq!(after(2), [0, 0]);
        let failure = Failure::new(Reason::NotThere, "");
        stick::note_failure(&store, "BACKUP", &failure, clock.now()).unwrap();
        assert_eq!(after(1), [1, 0]);
        assert_eq!(after(30), [1, 0]);
        // Another stick has time again.
        settings.backup.stick = Some("OTHER".to_owned());
        let watch = Watch::new(&store, &settings);
        watch.look(clock.now());
        assert_eq!(mails(&store), [1, 0]);
        clock.advance(DAY * 3);
        watch.look(clock.now());
        assert_eq!(mails(&store), [2, 0]);
    }
}
