//! Tests of accounts, mailboxes, messages and POP3 marks through a [`Store`] in memory, which is checked when it closes.

mod accounts;
mod aside;
mod broken;
mod levels;
mod mailboxes;
mod messages;
mod model;
mod pop3;
mod remembered;
mod sent;
pub(super) mod spool;

use std::sync::Arc;

use crate::clock::{Clock, Now, Wall};
use crate::mail::address::Address;
use crate::mail::flags::{Flags, Keyword, SystemFlags};
use crate::mail::ids::{AccountId, DeviceId, MailboxId, ModSeq, Uid};
use crate::mail::mailbox_name::MailboxName;
use crate::mail::secret::Secret;
use crate::store::check::Checked;
use crate::store::media::{Media, Memory};
use crate::store::tx::ReadRows;
use crate::store::types::{
    Copied, Device, Filed, Filing, FlagAction, Language, Mailbox, Pop3Delete, QuotaRule, Verifier,
};
use crate::store::{Append, Error, NewAccount, Options, Result, Store, Upkeep};

const START: Wall = Wall(1_800_000_000);

/// A store with one account.
struct House {
    store: Checked,
    media: Arc<dyn Media>,
    clock: Clock,
    account: AccountId,
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn name(text: &str) -> MailboxName {
    MailboxName::parse(text).unwrap()
}

fn uid(number: u32) -> Uid {
    Uid::new(number).unwrap()
}

fn uids(numbers: &[u32]) -> Vec<Uid> {
    numbers.iter().copied().map(uid).collect()
}

fn flags(system: SystemFlags, keywords: &[&str]) -> Flags {
    let keywords = keywords.iter().map(|k| Keyword::new(k).unwrap()).collect();
    Flags { system, keywords }
}

fn filing(to: &Mailbox, flags: Flags) -> Filing {
    Filing {
        mailbox: to.id,
        flags,
        internal_date: START,
        prefix: b"Received: here\r\n".to_vec(),
        quota: QuotaRule::Enforce,
    }
}

fn new_account(text: &str) -> NewAccount {
    NewAccount {
        address: address(text),
        owner: false,
        language: Language::De,
        quota_bytes: None,
    }
}

fn open(media: &Arc<dyn Media>, clock: &Clock) -> Store {
    let options = Options {
        upkeep: Upkeep::Inline,
        ..Options::default()
    };
    Store::open_on(Arc::clone(media), &options, clock.now()).unwrap()
}

impl House {
    fn new() -> Self {
        let media: Arc<dyn Media> = Arc::new(Memory::default());
        let clock = Clock::virtual_at(START);
        let store = open(&media, &clock);
        let account = store.add_account(&new_account("anna@haus.example"), clock.now());
        let account = account.unwrap().id;
        Self {
            store: Checked::new(store),
            media,
            clock,
            account,
        }
    }

    /// Closes the store, which checks it, and opens it again.
    fn reopen(self) -> Self {
        let Self {
            store,
            media,
            clock,
            account,
        } = self;
        drop(store);
        Self {
            store: Checked::new(open(&media, &clock)),
            media,
            clock,
            account,
        }
    }

    fn add_account(&self, text: &str) -> AccountId {
        let added = self.store.add_account(&new_account(text), self.now());
        added.unwrap().id
    }

    fn add_device(&self, name: &str, policy: Pop3Delete) -> DeviceId {
        let verifier = Verifier::Argon2id(Secret::new(String::new()));
        let added = self
            .store
            .add_device(self.account, name, policy, verifier, self.now());
        added.unwrap().id
    }

    fn device(&self, id: DeviceId) -> Device {
        let devices = self.store.snapshot().unwrap().devices(self.account);
        let mut devices = devices.unwrap().into_iter();
        devices.find(|device| device.id == id).unwrap()
    }

    fn now(&self) -> Now {
        self.clock.now()
    }

    fn mailbox(&self, text: &str) -> Mailbox {
        let snapshot = self.store.snapshot().unwrap();
        let found = snapshot.mailbox_by_name(self.account, &name(text));
        found.unwrap().unwrap()
    }

    fn append(&self, to: &Mailbox, body: &[u8], flags: Flags) -> Result<Filed> {
        let append = self.prepare(body, vec![filing(to, flags)]);
        let mut results = self.store.append(vec![append], self.now())?;
        results.pop().unwrap().pop().unwrap()
    }

    fn prepare(&self, body: &[u8], filings: Vec<Filing>) -> Append {
        let mut blob = self.store.begin_blob(None).unwrap();
        blob.write(body).unwrap();
        Append {
            blob: blob.finish().unwrap(),
            summary: b"summary".to_vec(),
            filings,
            spool: Vec::new(),
        }
    }

    fn fill(&self, to: &Mailbox, count: u32) {
        for n in 0..count {
            let body = format!("message {n}");
            self.append(to, body.as_bytes(), Flags::default()).unwrap();
        }
    }

    fn uids(&self, mailbox: MailboxId) -> Vec<u32> {
        let rows = self.store.snapshot().unwrap();
        let rows = rows.rows(mailbox, Uid::MIN, Uid::MAX).unwrap();
        rows.iter().map(|row| row.uid.get()).collect()
    }
}
