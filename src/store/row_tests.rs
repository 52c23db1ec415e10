//! Tests of accounts, mailboxes and messages through a [`Store`] in memory.

use super::types::{Copied, Filed, Filing, FlagAction, Language, Mailbox, QuotaRule};
use super::{Append, Error, NewAccount, Options, Result, Store};
use crate::clock::{Clock, Now, Wall};
use crate::mail::address::Address;
use crate::mail::flags::{Flags, Keyword, SystemFlags};
use crate::mail::ids::{AccountId, MailboxId, ModSeq, Uid};
use crate::mail::mailbox_name::MailboxName;

const START: Wall = Wall(1_800_000_000);

/// A store with one account.
struct House {
    store: Store,
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

fn new_account(text: &str) -> NewAccount {
    NewAccount {
        address: address(text),
        owner: false,
        language: Language::De,
        quota_bytes: None,
    }
}

impl House {
    fn new() -> Self {
        let store = Store::in_memory(&Options::default()).unwrap();
        let clock = Clock::virtual_at(START);
        let account = store.add_account(&new_account("anna@haus.example"), clock.now());
        let account = account.unwrap().id;
        Self {
            store,
            clock,
            account,
        }
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
        let mut blob = self.store.begin_blob(None)?;
        blob.write(body)?;
        let append = Append {
            blob: blob.finish()?,
            summary: b"summary".to_vec(),
            filings: vec![Filing {
                mailbox: to.id,
                flags,
                internal_date: START,
                prefix: b"Received: here\r\n".to_vec(),
                quota: QuotaRule::Enforce,
            }],
        };
        let mut results = self.store.append(vec![append], self.now())?;
        results.pop().unwrap().pop().unwrap()
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

#[test]
fn an_account_starts_with_its_mailboxes() {
    let house = House::new();
    let snapshot = house.store.snapshot().unwrap();
    let mailboxes = snapshot.mailboxes(house.account).unwrap();
    let names: Vec<&str> = mailboxes.iter().map(|m| m.name.as_str()).collect();
    assert_eq!(
        names,
        ["Archive", "Drafts", "INBOX", "Junk", "Sent", "Trash"]
    );
    assert!(mailboxes.iter().all(|m| m.subscribed));
    assert!(snapshot.owner().unwrap().is_some_and(|a| a.owner));
    let taken = house
        .store
        .add_account(&new_account("ANNA@haus.example"), house.now());
    assert_eq!(taken, Err(Error::Exists("an account of that address")));
}

#[test]
fn a_message_is_filed_and_read_back() {
    let house = House::new();
    let inbox = house.mailbox("INBOX");
    let filed = house
        .append(&inbox, b"hello", flags(SystemFlags::FLAGGED, &["$Later"]))
        .unwrap();
    assert_eq!(filed.uid, Uid::MIN);
    let snapshot = house.store.snapshot().unwrap();
    let record = snapshot.record(filed.serial).unwrap().unwrap();
    assert_eq!(record.bytes, 16 + 5);
    assert_eq!(record.prefix, b"Received: here\r\n");
    assert_eq!(record.summary, b"summary");
    assert_eq!((record.internal_date, record.saved), (START, START));
    let inbox = house.mailbox("INBOX");
    assert_eq!((inbox.messages, inbox.unseen, inbox.bytes), (1, 1, 21));
    assert_eq!(inbox.keywords, [Keyword::new("$later").unwrap()]);
    assert_eq!(snapshot.usage(house.account).unwrap().bytes, 21);
}

#[test]
fn only_real_changes_of_flags_count() {
    let house = House::new();
    let inbox = house.mailbox("INBOX");
    house.fill(&inbox, 3);
    let update = |uids: &[Uid], action, given: &Flags, since| {
        let updated = house
            .store
            .update_flags(inbox.id, uids, action, given, since);
        updated.unwrap()
    };
    let seen = flags(SystemFlags::SEEN, &[]);
    let before = house.mailbox("INBOX").highest_modseq;
    let first = update(&uids(&[1, 2, 9]), FlagAction::Add, &seen, None);
    assert_eq!(first.changed.len(), 2);
    assert!(first.changed.iter().all(|row| row.modseq > before));
    let again = update(&uids(&[1, 2, 3]), FlagAction::Add, &seen, None);
    assert_eq!(again.changed.len(), 1);
    let nothing = update(&uids(&[1, 2, 3]), FlagAction::Add, &seen, None);
    assert!(nothing.changed.is_empty());
    assert_eq!(house.mailbox("INBOX").unseen, 0);
    let since = ModSeq::new(first.changed[0].modseq.get());
    let late = update(&uids(&[1, 2, 3]), FlagAction::Remove, &seen, since);
    assert_eq!(late.modified, uids(&[3]));
    assert_eq!(late.changed.len(), 2);
}

#[test]
fn copy_and_move_translate_keywords() {
    let house = House::new();
    let (inbox, sent) = (house.mailbox("INBOX"), house.mailbox("Sent"));
    house
        .append(&sent, b"x", flags(SystemFlags::empty(), &["other"]))
        .unwrap();
    house
        .append(&inbox, b"y", flags(SystemFlags::SEEN, &["a", "b"]))
        .unwrap();
    let copied = house
        .store
        .copy(inbox.id, &uids(&[1, 7]), sent.id, house.now())
        .unwrap();
    let pairs = vec![(uid(1), uid(2))];
    let uid_validity = sent.uid_validity;
    assert_eq!(
        copied,
        Copied {
            uid_validity,
            pairs
        }
    );
    let snapshot = house.store.snapshot().unwrap();
    let row = snapshot.rows(sent.id, uid(2), uid(2)).unwrap()[0];
    assert_eq!(row.flags.keywords, 0b110);
    let before = house.mailbox("INBOX").highest_modseq;
    house
        .store
        .move_messages(inbox.id, &uids(&[1]), sent.id, house.now())
        .unwrap();
    let snapshot = house.store.snapshot().unwrap();
    assert!(house.uids(inbox.id).is_empty());
    assert_eq!(house.uids(sent.id), [1, 2, 3]);
    let gone = snapshot.expunged_since(inbox.id, before);
    assert_eq!(gone, Ok(Some(uids(&[1]))));
}

#[test]
fn a_move_within_one_mailbox_gives_new_uids() {
    let house = House::new();
    let inbox = house.mailbox("INBOX");
    house.fill(&inbox, 3);
    house
        .store
        .move_messages(inbox.id, &uids(&[1, 2]), inbox.id, house.now())
        .unwrap();
    assert_eq!(house.uids(inbox.id), [3, 4, 5]);
    assert_eq!(house.mailbox("INBOX").messages, 3);
}

#[test]
fn expunge_takes_deleted_messages_only() {
    let house = House::new();
    let inbox = house.mailbox("INBOX");
    house.fill(&inbox, 4);
    let deleted = flags(SystemFlags::DELETED, &[]);
    house
        .store
        .update_flags(inbox.id, &uids(&[1, 2, 4]), FlagAction::Add, &deleted, None)
        .unwrap();
    let (gone, modseq) = house.store.expunge(inbox.id, Some(&uids(&[2, 3]))).unwrap();
    assert_eq!(gone, uids(&[2]));
    assert_eq!(
        house.store.expunge(inbox.id, None).unwrap().0,
        uids(&[1, 4])
    );
    assert_eq!(house.uids(inbox.id), [3]);
    let snapshot = house.store.snapshot().unwrap();
    assert_eq!(
        snapshot.expunged_since(inbox.id, modseq),
        Ok(Some(uids(&[1, 4])))
    );
}

#[test]
fn a_rename_takes_the_subtree_and_makes_parents() {
    let house = House::new();
    let create = |text| {
        let made = house
            .store
            .create_mailbox(house.account, &name(text), None, house.now());
        made.unwrap()
    };
    let deep = create("work/2026/may");
    house
        .store
        .set_subscribed(house.account, &name("work/2026/may"), true)
        .unwrap();
    let work = house.mailbox("work");
    let refused = house
        .store
        .rename_mailbox(work.id, &name("work/x"), house.now());
    assert!(matches!(refused, Err(Error::Refused(_))));
    let delete = house.store.delete_mailbox(work.id);
    assert!(matches!(delete, Err(Error::Refused(_))));
    house
        .store
        .rename_mailbox(work.id, &name("old/jobs"), house.now())
        .unwrap();
    let moved = house.mailbox("old/jobs/2026/may");
    assert_eq!((moved.id, moved.subscribed), (deep.id, true));
    assert_eq!(house.mailbox("old/jobs").id, work.id);
}

#[test]
fn renaming_inbox_moves_its_messages() {
    let house = House::new();
    let inbox = house.mailbox("INBOX");
    house.fill(&inbox, 2);
    house
        .store
        .rename_mailbox(inbox.id, &name("before"), house.now())
        .unwrap();
    assert!(house.uids(inbox.id).is_empty());
    assert_eq!(house.uids(house.mailbox("before").id), [1, 2]);
}

#[test]
fn a_name_made_again_has_a_higher_uid_validity() {
    let house = House::new();
    let make = || {
        let made = house
            .store
            .create_mailbox(house.account, &name("x"), None, house.now());
        made.unwrap()
    };
    let first = make();
    house.fill(&first, 250);
    house.store.delete_mailbox(first.id).unwrap();
    assert!(house.uids(first.id).is_empty());
    assert!(make().uid_validity > first.uid_validity);
    let usage = house.store.snapshot().unwrap().usage(house.account);
    assert_eq!(usage.unwrap().messages, 0);
}

#[test]
fn the_mail_that_fills_a_quota_is_taken_and_the_next_is_not() {
    let house = House::new();
    house.store.set_quota(house.account, Some(30)).unwrap();
    let inbox = house.mailbox("INBOX");
    for expected in [true, true, false] {
        let result = house.append(&inbox, b"12345", Flags::default());
        assert_eq!(result.is_ok(), expected, "{result:?}");
    }
    let copied = house
        .store
        .copy(inbox.id, &uids(&[1]), inbox.id, house.now());
    assert_eq!(copied, Err(Error::OverQuota));
    let moved = house.store.move_messages(
        inbox.id,
        &uids(&[1]),
        house.mailbox("Trash").id,
        house.now(),
    );
    assert!(moved.is_ok());
}
