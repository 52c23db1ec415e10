//! Filing one message into the INBOX of each account that its recipients stand for, and spooling it for the rest.
//!
//! One blob for all. Each account gets it once, however many recipients lead to it, with trace fields of its own in
//! front: Return-Path, Delivered-To and what the protocol put together (Received). All filings and spool entries are one
//! commit, all or none: a peer hears one answer for all recipients, and an error makes it send to all of them again.

use std::collections::BTreeMap;

use super::outbound::{self, Leaving};
use super::route::Targets;
use super::sent;
use crate::clock::Now;
use crate::mail::address::{Address, ReversePath};
use crate::mail::flags::{Flags, SpecialUse};
use crate::mail::ids::AccountId;
use crate::mail::mailbox_name::MailboxName;
use crate::mail::report::{Notify, Return};
use crate::mail::trace;
use crate::store::sent::SentCopy;
use crate::store::types::{Filed, Filing, Mailbox, QuotaRule};
use crate::store::{self, Append, NewBlob, Store};

/// Who sent a message and who shall get it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Reverse-path.
    pub from: ReversePath,
    /// Recipients that were accepted, in their order.
    pub to: Vec<Recipient>,
    /// `RET=`
    pub ret: Option<Return>,
    /// `ENVID=`, decoded.
    pub envid: Option<String>,
}

impl Envelope {
    /// One without wishes for reports.
    pub fn new(from: ReversePath, to: impl IntoIterator<Item = Recipient>) -> Self {
        Self {
            from,
            to: to.into_iter().collect(),
            ret: None,
            envid: None,
        }
    }
}

/// One recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// As the peer named it.
    pub address: Address,
    /// What it stands for; itself, if it is another host's.
    pub targets: Targets,
    /// `NOTIFY=`
    pub notify: Option<Notify>,
    /// `ORCPT=`: address type and decoded address.
    pub original: Option<(String, String)>,
}

impl Recipient {
    /// One that stands for nothing yet and has no wishes.
    pub fn new(address: Address) -> Self {
        Self {
            address,
            targets: Targets::default(),
            notify: None,
            original: None,
        }
    }

    /// Whether it is another host's, not an alias of ours.
    pub fn is_elsewhere(&self) -> bool {
        self.targets.remote.contains(&self.address)
    }
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
    /// Where in accounts it belongs.
    pub place: Place,
    /// What of it is for other hosts, should there be recipients of theirs.
    pub leaving: Leaving,
    /// The copy in its author's Sent, if there shall be one.
    pub copy: Option<SentCopy>,
    /// Reports to its sender, filed and spooled in the same commit.
    pub reports: Vec<Append>,
}

/// Where a message belongs in an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// INBOX.
    #[default]
    Inbox,
    /// The mailbox for `\Junk`; INBOX if there is none. It is not forwarded.
    Junk,
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// Its copies in accounts.
    pub filed: Vec<Filed>,
    /// Addresses of other hosts that it was spooled for.
    pub spooled: usize,
}

/// Whether `recipient` can take a message of `bytes` now; an unknown size is 0. If it stands for several accounts, one
/// with room is enough, and so is an address elsewhere: who is full does not keep mail from the others.
///
/// Errors: `OverQuota`, `Full`, `NotFound` if all accounts are gone, `Fault`.
pub fn admit(store: &Store, recipient: &Recipient, bytes: u64) -> store::Result<()> {
    let recipient = std::slice::from_ref(recipient);
    quota_rule(store, recipient, Place::Inbox, bytes).map(|_| ())
}

/// Files and spools `message` for all recipients of `envelope`.
///
/// Quotas were asked about at each recipient, perhaps without knowing the size. If by now none of the accounts has
/// room, nothing is filed (`OverQuota`). If one has, or there are recipients elsewhere, the message goes beyond the quota
/// of the others: to refuse it for all would keep it from those as long as the sender tries.
pub fn deliver(
    store: &Store,
    envelope: &Envelope,
    message: Message,
    now: Now,
) -> store::Result<Delivered> {
    let quota = quota_rule(store, &envelope.to, message.place, message.blob.bytes())?;
    let spool = outbound::spool(envelope, &message.leaving, message.place);
    let spooled = spool.iter().map(|entry| entry.recipients.len()).sum();
    let append = Append {
        filings: filings(store, envelope, &message, quota, now)?,
        blob: message.blob,
        summary: message.summary,
        spool,
    };
    let filed = commit(store, append, message.reports, message.copy, now)?;
    Ok(Delivered { filed, spooled })
}

fn commit(
    store: &Store,
    append: Append,
    reports: Vec<Append>,
    copy: Option<SentCopy>,
    now: Now,
) -> store::Result<Vec<Filed>> {
    if let Some(copy) = copy {
        return sent::file(store, append, reports, copy, now);
    }
    let all = std::iter::once(append).chain(reports);
    let filed = store.append_all(all.collect(), now)?;
    Ok(filed.into_iter().next().unwrap_or_default())
}

fn filings(
    store: &Store,
    envelope: &Envelope,
    message: &Message,
    quota: QuotaRule,
    now: Now,
) -> store::Result<Vec<Filing>> {
    let accounts = first_recipients(&envelope.to).into_iter();
    let filing = |(account, recipient)| {
        Ok(Filing {
            mailbox: mailbox(store, account, message.place)?.id,
            flags: Flags::default(),
            internal_date: now.stamp(),
            prefix: prefix(&envelope.from, recipient, &message.head),
            quota,
        })
    };
    accounts.map(filing).collect()
}

/// Each account with the first recipient that leads to it.
fn first_recipients(recipients: &[Recipient]) -> BTreeMap<AccountId, &Address> {
    let mut first = BTreeMap::new();
    for recipient in recipients {
        for account in &recipient.targets.accounts {
            first.entry(*account).or_insert(&recipient.address);
        }
    }
    first
}

fn quota_rule(
    store: &Store,
    to: &[Recipient],
    place: Place,
    bytes: u64,
) -> store::Result<QuotaRule> {
    // Junk goes nowhere else.
    let leaves = place == Place::Inbox && to.iter().any(|to| !to.targets.remote.is_empty());
    let mut refusal = None;
    for account in to.iter().flat_map(|to| &to.targets.accounts) {
        match store.admit(*account, bytes) {
            Ok(()) => return Ok(QuotaRule::Exceed),
            Err(error) => refusal = Some(error),
        }
    }
    match refusal {
        Some(store::Error::OverQuota) if leaves => Ok(QuotaRule::Exceed),
        Some(refusal) => Err(refusal),
        None => Ok(QuotaRule::Enforce),
    }
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
    use crate::delivery::outbound::Claim;
    use crate::mail::ids::Uid;
    use crate::mail::transport::{BodyType, HeaderType};
    use crate::store::types::{Language, MessageRow};
    use crate::store::{NewAccount, Options};

    const NAMES: [&str; 2] = ["anna@home.test", "ben@home.test"];

    fn recipient(address: Address, accounts: impl IntoIterator<Item = AccountId>) -> Recipient {
        let mut recipient = Recipient::new(address);
        recipient.targets.accounts.extend(accounts);
        recipient
    }

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
            recipient(address, [account.id])
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
                leaving: Leaving {
                    head: b"Z: y\r\n".to_vec(),
                    account: None,
                    body: BodyType::SevenBit,
                    header: HeaderType::Ascii,
                    claim: Claim::Others,
                },
                copy: None,
                reports: Vec::new(),
            };
            let envelope = Envelope::new(None, to.to_vec());
            let done = deliver(&self.store, &envelope, message, self.now)?;
            Ok(done.filed.len())
        }

        /// The fields in front of the messages of each account.
        fn prefixes(&self) -> Vec<Vec<String>> {
            let snapshot = self.store.snapshot().unwrap();
            let of = |recipient: &Recipient| {
                let account = *recipient.targets.accounts.first().unwrap();
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
        let accounts = [anna, ben].map(|one| *one.targets.accounts.first().unwrap());
        let both = recipient(Address::parse("both@home.test").unwrap(), accounts);
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
