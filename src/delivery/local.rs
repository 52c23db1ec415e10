//! Filing one message into the INBOX of each account that its recipients stand for.
//!
//! One blob for all. Each account gets it once, however many recipients lead to it, with trace fields of its own in
//! front: Return-Path, Delivered-To and what the protocol put together (Received). All filings are one commit, all or
//! none: a peer hears one answer for all recipients, and an error makes it send to all of them again.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Now;
use crate::mail::address::{Address, ReversePath};
use crate::mail::flags::Flags;
use crate::mail::ids::{AccountId, MailboxId};
use crate::mail::mailbox_name::MailboxName;
use crate::mail::trace;
use crate::store::types::{Filed, Filing, QuotaRule};
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
}

/// Whether `account` can take a message of `bytes` now; an unknown size is 0.
///
/// Errors: `OverQuota`, `Full`, `NotFound` if the account is gone, `Fault`.
pub fn admit(store: &Store, recipient: &Recipient, bytes: u64) -> store::Result<()> {
    let mut accounts = recipient.accounts.iter();
    accounts.try_for_each(|account| store.admit(*account, bytes))
}

/// Files `message` for all recipients of `envelope`.
///
/// Quotas were asked about at each recipient, perhaps without knowing the size. If by now none of the accounts has
/// room, nothing is filed (`OverQuota`). If one has, the message goes beyond the quota of the others: to refuse it for
/// all would keep it from that one as long as the sender tries, and to refuse it for some would take a DSN, which
/// cannot be sent yet. Each account can be taken beyond its quota by one message at a time only.
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
            mailbox: inbox(store, *account)?,
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

fn inbox(store: &Store, account: AccountId) -> store::Result<MailboxId> {
    let found = store
        .snapshot()?
        .mailbox_by_name(account, &MailboxName::inbox())?;
    let mailbox = found.ok_or(store::Error::NotFound("the account's INBOX"))?;
    Ok(mailbox.id)
}

/// RFC 5321 4.4: the return path comes first. Delivered-To (RFC 9228) tells the owner of many addresses which one the
/// mail was for; nobody else sees this copy.
fn prefix(from: &ReversePath, recipient: &Address, head: &[u8]) -> Vec<u8> {
    let mut prefix = trace::return_path(from).into_bytes();
    prefix.extend(trace::delivered_to(recipient).into_bytes());
    prefix.extend_from_slice(head);
    prefix
}
