//! Filing one message into the INBOX of each account that its recipients stand for.
//!
//! One blob for all. Each account gets it once, however many recipients lead to it, with trace fields of its own in
//! front: Return-Path, Delivered-To and what the protocol put together (Received). All filings are one commit, all or
//! none: a peer hears one answer for all recipients, and an error makes it send to all of them again.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Now;
use crate::mail::address::{Address, ReversePath};
use crate::mail::flags::{Flags, SpecialUse};
use crate::mail::ids::AccountId;
use crate::mail::mailbox_name::MailboxName;
use crate::mail::trace;
use crate::store::types::{Filed, Filing, Mailbox, QuotaRule};
use crate::store::{self, Append, NewBlob, Store};

/// Who sent a message and who shall get it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Reverse-path.
    pub from: ReversePath,
    /// Recipients that were accepted, in their order.
    pub to: Vec<Recipient>,
}

/// One recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// As the peer named it.
    pub address: Address,
    /// The accounts that it stands for.
    pub accounts: BTreeSet<AccountId>,
}

/// A complete message, not filed yet.
#[derive(Debug)]
pub struct Message {
    /// Its bytes.
    pub blob: NewBlob,
    /// `mail::mime::Summary::encode` of it.
    pub summary: Vec<u8>,
    /// Header fields in front of it, the same for all: Received, and what submission adds.
    pub head: Vec<u8>,
    /// Where it belongs.
    pub place: Place,
}

/// Where a message belongs in an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// INBOX.
    #[default]
    Inbox,
    /// The mailbox for `\Junk`; INBOX if there is none.
    Junk,
}

/// Whether `recipient` can take a message of `bytes` now; an unknown size is 0. If it stands for several accounts, one
/// with room is enough: who is full does not keep mail from the others.
///
/// Errors: `OverQuota`, `Full`, `NotFound` if all accounts are gone, `Fault`.
pub fn admit(store: &Store, recipient: &Recipient, bytes: u64) -> store::Result<()> {
    quota_rule(store, recipient.accounts.iter(), bytes).map(|_| ())
}

/// Files `message` for all recipients of `envelope`.
///
/// Quotas were asked about at each recipient, perhaps without knowing the size. If by now none of the accounts has
/// room, nothing is filed (`OverQuota`). If one has, the message goes beyond the quota of the others: to refuse it for
/// all would keep it from that one as long as the sender tries, and to refuse it for some would take a DSN, which
/// cannot be sent yet.
pub fn deliver(
    store: &Store,
    envelope: &Envelope,
    message: Message,
    now: Now,
) -> store::Result<Vec<Filed>> {
    let accounts = first_recipients(&envelope.to);
    let quota = quota_rule(store, accounts.keys(), message.blob.bytes())?;
    let mut filings = Vec::with_capacity(accounts.len());
    for (account, recipient) in &accounts {
        filings.push(Filing {
            mailbox: mailbox(store, *account, message.place)?.id,
            flags: Flags::default(),
            internal_date: now.stamp(),
            prefix: prefix(&envelope.from, recipient, &message.head),
            quota,
        });
    }
    let append = Append {
        blob: message.blob,
        summary: message.summary,
        filings,
        spool: Vec::new(),
    };
    Ok(store
        .append_all(vec![append], now)?
        .into_iter()
        .flatten()
        .collect())
}

/// Each account with the first recipient that leads to it.
fn first_recipients(recipients: &[Recipient]) -> BTreeMap<AccountId, &Address> {
    let mut first = BTreeMap::new();
    for recipient in recipients {
        for account in &recipient.accounts {
            first.entry(*account).or_insert(&recipient.address);
        }
    }
    first
}

fn quota_rule<'a>(
    store: &Store,
    accounts: impl Iterator<Item = &'a AccountId>,
    bytes: u64,
) -> store::Result<QuotaRule> {
    let mut refusal = None;
    for account in accounts {
        match store.admit(*account, bytes) {
            Ok(()) => return Ok(QuotaRule::Exceed),
            Err(error) => refusal = Some(error),
        }
    }
    refusal.map_or(Ok(QuotaRule::Enforce), Err)
}

fn mailbox(store: &Store, account: AccountId, place: Place) -> store::Result<Mailbox> {
    if place == Place::Junk {
        let mut all = store.snapshot()?.mailboxes(account)?.into_iter();
        if let Some(junk) = all.find(|one| one.special_use == Some(SpecialUse::Junk)) {
            return Ok(junk);
        }
    }
    inbox(store, account)
}

pub(super) fn inbox(store: &Store, account: AccountId) -> store::Result<Mailbox> {
    let found = store
        .snapshot()?
        .mailbox_by_name(account, &MailboxName::inbox())?;
    found.ok_or(store::Error::NotFound("the account's INBOX"))
}

/// RFC 5321 4.4: the return path comes first. Delivered-To (RFC 9228) tells the owner of many addresses which one the
/// mail was for; nobody else sees this copy.
fn prefix(from: &ReversePath, recipient: &Address, head: &[u8]) -> Vec<u8> {
    let mut prefix = trace::return_path(from).into_bytes();
    prefix.extend(trace::delivered_to(recipient).into_bytes());
    prefix.extend_from_slice(head);
    prefix
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, Wall};
    use crate::delivery::intake::Intake;
    use crate::mail::ids::Uid;
    use crate::store::types::{Language, MessageRow};
    use crate::store::{NewAccount, Options};

    const NAMES: [&str; 2] = ["anna@home.test", "ben@home.test"];

    struct House {
        store: Store,
        now: Now,
        recipients: Vec<Recipient>,
    }

    fn house(quotas: [Option<u64>; 2]) -> House {
        let now = Clock::virtual_at(Wall(1_800_000_000)).now();
        let store = Store::in_memory(&Options::default()).unwrap();
        let add = |(name, quota_bytes)| {
            let address = Address::parse(name).unwrap();
            let new = NewAccount {
                address: address.clone(),
                owner: false,
                language: Language::En,
                quota_bytes,
            };
            let account = store.add_account(&new, now).unwrap();
            Recipient {
                address,
                accounts: BTreeSet::from([account.id]),
            }
        };
        let recipients = NAMES.into_iter().zip(quotas).map(add).collect();
        House {
            store,
            now,
            recipients,
        }
    }

    impl House {
        fn deliver(&self, to: &[Recipient]) -> store::Result<usize> {
            let mut intake = Intake::begin(&self.store, None)?;
            intake.write(b"Subject: a\r\n\r\nb\r\n")?;
            let received = intake.finish()?;
            let message = Message {
                blob: received.blob,
                summary: received.summary,
                head: b"X: y\r\n".to_vec(),
                place: Place::Inbox,
            };
            let envelope = Envelope {
                from: None,
                to: to.to_vec(),
            };
            deliver(&self.store, &envelope, message, self.now).map(|filed| filed.len())
        }

        /// The fields in front of the messages of each account.
        fn prefixes(&self) -> Vec<Vec<String>> {
            let snapshot = self.store.snapshot().unwrap();
            let of = |recipient: &Recipient| {
                let account = *recipient.accounts.first().unwrap();
                let inbox = inbox(&self.store, account).unwrap().id;
                let rows = snapshot.rows(inbox, Uid::MIN, Uid::MAX).unwrap();
                let prefix = |serial| snapshot.record(serial).unwrap().unwrap().prefix;
                let text = |row: MessageRow| String::from_utf8(prefix(row.serial)).unwrap();
                rows.into_iter().map(text).collect()
            };
            self.recipients.iter().map(of).collect()
        }
    }

    #[test]
    fn each_account_gets_one_copy() {
        let house = house([None, None]);
        let [anna, ben] = house.recipients.as_slice() else {
            panic!("two recipients");
        };
        let both = Recipient {
            address: Address::parse("both@home.test").unwrap(),
            accounts: anna.accounts.union(&ben.accounts).copied().collect(),
        };
        assert_eq!(house.deliver(&[ben.clone(), both, anna.clone()]), Ok(2));
        let front = |to| format!("Return-Path: <>\r\nDelivered-To: {to}\r\nX: y\r\n");
        let expected = [vec![front("both@home.test")], vec![front("ben@home.test")]];
        assert_eq!(house.prefixes(), expected);
    }

    #[test]
    fn quota_reached_on_the_way_refuses_all_or_none() {
        let house = house([Some(1), None]);
        let [anna, _] = house.recipients.as_slice() else {
            panic!("two recipients");
        };
        assert_eq!(house.deliver(std::slice::from_ref(anna)), Ok(1));
        assert_eq!(admit(&house.store, anna, 0), Err(store::Error::OverQuota));
        let refused = house.deliver(std::slice::from_ref(anna));
        assert_eq!(refused, Err(store::Error::OverQuota));
        assert_eq!(house.deliver(&house.recipients), Ok(2));
        let counts: Vec<usize> = house.prefixes().iter().map(Vec::len).collect();
        assert_eq!(counts, [2, 1]);
    }
}
