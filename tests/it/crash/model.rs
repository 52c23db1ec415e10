//! The reference model: what a store should hold.

use std::collections::BTreeMap;

use heimpost::mail::flags::SystemFlags;
use heimpost::mail::ids::{SpoolId, Uid};
use heimpost::store::spool::{SpoolClock, SpoolMail, SpoolState};
use heimpost::store::{Error, Result, Store};

/// An account's number and a mailbox's name there.
pub(super) type Target = (usize, String);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) digest: [u8; 16],
    pub(super) bytes: u64,
    pub(super) flags: SystemFlags,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Mailbox {
    /// Zero where it cannot be foretold.
    pub(super) uid_validity: u32,
    pub(super) uid_next: u32,
    pub(super) messages: BTreeMap<u32, Message>,
}

/// A mail that waits to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spooled {
    pub(super) digest: [u8; 16],
    pub(super) bytes: u64,
    pub(super) states: Vec<SpoolState>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Model {
    pub(super) mailboxes: BTreeMap<Target, Mailbox>,
    pub(super) accounts: usize,
    /// What each run has set aside, in the order in which it would come back.
    pub(super) aside: Vec<Vec<(Target, Message)>>,
    /// In the order in which they came.
    pub(super) spool: Vec<Spooled>,
    pub(super) clock: SpoolClock,
}

impl Model {
    /// What a store holds, as its users see it.
    pub(super) fn observe(store: &Store) -> Self {
        // While the disk fails, opening the index again may take more than one try.
        let mut tries = (0..20).map(|_| Self::try_observe(store));
        let seen = tries.find(|seen| !matches!(seen, Err(Error::Fault(_))));
        seen.unwrap().unwrap()
    }

    fn try_observe(store: &Store) -> Result<Self> {
        let snapshot = store.snapshot()?;
        let accounts = snapshot.accounts()?;
        let mut model = Self {
            accounts: accounts.len(),
            clock: snapshot.spool_clock()?,
            ..Self::default()
        };
        for mail in snapshot.spool(SpoolId(0), usize::MAX)? {
            model.spool.push(spooled(store, mail)?);
        }
        for run in snapshot.runs()? {
            let messages = snapshot.aside_messages(run.id)?.into_iter();
            let seen = messages.map(|message| {
                let number = accounts.iter().position(|a| a.id == message.account);
                let target = (number.unwrap(), message.mailbox.as_str().to_owned());
                let message = Message {
                    digest: message.digest,
                    bytes: message.bytes,
                    flags: message.flags.system,
                };
                (target, message)
            });
            model.aside.push(seen.collect());
        }
        for (number, account) in accounts.iter().enumerate() {
            for mailbox in snapshot.mailboxes(account.id)? {
                let mut messages = BTreeMap::new();
                for row in snapshot.rows(mailbox.id, Uid::MIN, Uid::MAX)? {
                    let record = snapshot.record(row.serial)?.unwrap();
                    let message = Message {
                        digest: record.digest,
                        bytes: record.bytes,
                        flags: row.flags.system,
                    };
                    messages.insert(row.uid.get(), message);
                }
                let seen = Mailbox {
                    uid_validity: mailbox.uid_validity.0.get(),
                    uid_next: mailbox.uid_next.get(),
                    messages,
                };
                let name = mailbox.name.as_str().to_owned();
                model.mailboxes.insert((number, name), seen);
            }
        }
        Ok(model)
    }

    /// Whether `found` is what this foretells. A new mailbox may have any UIDVALIDITY.
    pub(super) fn matches(&self, found: &Self) -> bool {
        let mut expected = self.clone();
        for (target, mailbox) in &mut expected.mailboxes {
            if let Some(found) = found.mailboxes.get(target)
                && mailbox.uid_validity == 0
            {
                mailbox.uid_validity = found.uid_validity;
            }
        }
        expected == *found
    }

    /// Some messages of a mailbox become a run.
    pub(super) fn set_aside(&mut self, target: &Target, numbers: &[u32]) {
        let messages = &mut self.mailboxes.get_mut(target).unwrap().messages;
        let gone = numbers
            .iter()
            .map(|number| (target.clone(), messages.remove(number).unwrap()));
        let gone: Vec<_> = gone.collect();
        if !gone.is_empty() {
            self.aside.push(gone);
        }
    }

    /// The last run comes back.
    pub(super) fn undo(&mut self) {
        for (target, message) in self.aside.pop().unwrap() {
            self.mailboxes.get_mut(&target).unwrap().add(message);
        }
    }

    pub(super) fn targets(&self) -> Vec<Target> {
        self.mailboxes.keys().cloned().collect()
    }

    pub(super) fn messages(&self) -> usize {
        self.mailboxes
            .values()
            .map(|mailbox| mailbox.messages.len())
            .sum()
    }
}

fn spooled(store: &Store, mail: SpoolMail) -> Result<Spooled> {
    Ok(Spooled {
        digest: store.blob(mail.blob)?.digest(),
        bytes: mail.bytes,
        states: mail.states,
    })
}

impl Mailbox {
    pub(super) fn add(&mut self, message: Message) {
        self.messages.insert(self.uid_next, message);
        self.uid_next += 1;
    }
}
