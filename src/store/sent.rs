//! Copies in Sent that the server files of what it was given to send, and how the client's own copy takes their place.
//!
//! Most clients append a copy themselves, after they have sent. So the server's copy is remembered by its Message-ID
//! (`sent_copies`) and gives way to what the client appends to the same mailbox: the client's form holds, with a new UID,
//! and what people did to the copy meanwhile is kept. Only copies that the server filed ever give way, and for some days
//! only. A copy that was moved or removed is no longer known.

use redb::ReadableTable;
use ring::digest::{SHA256, digest};

use super::account::AccountRow;
use super::append::Ready;
use super::expunge::remove_rows;
use super::level::Allowance;
use super::mailbox::{self, by_name, by_special_use};
use super::message::Ledger;
use super::record::{Stored, Text, find_flags, unpack_flags};
use super::schema::{FLAGS, SENT_COPIES};
use super::tx::{ReadRows, Tx};
use super::types::{Filed, Filing, MessageRow, QuotaRule};
use super::{Append, Error, Result, Store};
use crate::clock::Now;
use crate::mail::flags::{Flags, SpecialUse, SystemFlags};
use crate::mail::ids::{AccountId, BlobId, MailboxId, Serial};
use crate::mail::mailbox_name::MailboxName;
use crate::mail::mime::Summary;

/// How many of the newest messages in Sent are looked at for one that the client has appended before it sent.
pub const SENT_LOOKED_AT_MAX: usize = 20;

/// Days, by the slow clock, for which the server's copy gives way to the client's.
pub const SENT_COPY_DAYS_MAX: u32 = 7;

/// Most copies of an account that are remembered; the oldest are forgotten first.
pub const SENT_COPIES_MAX: usize = 1000;

/// What a mailbox for sent mail is called if there is none.
const SENT: &str = "Sent";

/// A copy that shall be filed in an account's Sent, of the message that it is submitted with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentCopy {
    /// Who submitted it.
    pub account: AccountId,
    /// Header fields to put in front: what submission adds, and no more.
    pub prefix: Vec<u8>,
    /// Its Message-ID, as it stands in the header or in `prefix`.
    pub message_id: Vec<u8>,
    /// `mail::mime::Summary::encode` of it, with what is in `prefix`.
    pub summary: Vec<u8>,
}

/// What became of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is in Sent.
    Filed(Filed),
    /// Sent has the mail already.
    There,
    /// It could not be filed: the account is full, has too many mailboxes, or is gone.
    Refused(Error),
}

/// The bare identifier: what is between angle brackets, with them. `None` if there is none.
fn bare(message_id: &[u8]) -> Option<&[u8]> {
    let start = message_id.iter().position(|byte| *byte == b'<');
    let bare = message_id.get(start.unwrap_or(0)..)?;
    let end = bare.iter().position(|byte| *byte == b'>');
    let bare = end.and_then(|end| bare.get(..=end)).unwrap_or(bare);
    Some(bare.trim_ascii()).filter(|bare| !bare.is_empty())
}

/// The key that a Message-ID has in `sent_copies`.
fn hash(message_id: &[u8]) -> u128 {
    let digest = digest(&SHA256, message_id);
    let bytes = digest.as_ref().iter().take(16);
    bytes.fold(0, |hash, byte| hash << 8 | u128::from(*byte))
}

/// Where an account's sent mail goes, if there is a mailbox for it.
fn sent_mailbox(rows: &impl ReadRows, account: AccountId) -> Result<Option<MailboxId>> {
    match by_special_use(rows, account, SpecialUse::Sent)? {
        Some(mailbox) => Ok(Some(mailbox)),
        None => by_name(rows, account, &sent_name()?),
    }
}

fn sent_name() -> Result<MailboxName> {
    MailboxName::parse(SENT).map_err(Error::io)
}

/// Whether one of the newest messages of a mailbox has that Message-ID.
fn has_lately(rows: &impl ReadRows, mailbox: MailboxId, message_id: &[u8]) -> Result<bool> {
    for message in newest(rows, mailbox)? {
        let record = Stored::load(rows, message.serial)?.expand()?;
        let Ok(summary) = Summary::decode(&record.summary) else {
            continue;
        };
        let own = summary.envelope.message_id.unwrap_or_default();
        if bare(&own) == Some(message_id) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn newest(rows: &impl ReadRows, mailbox: MailboxId) -> Result<Vec<MessageRow>> {
    let table = rows.read(FLAGS)?;
    let all = table.range((mailbox.0, 0)..=(mailbox.0, u32::MAX))?;
    let mut newest = Vec::new();
    for entry in all.rev().take(SENT_LOOKED_AT_MAX) {
        let (key, row) = entry?;
        newest.push(unpack_flags(key.value().1, row.value())?);
    }
    Ok(newest)
}

/// A copy that is ready to be filed with its message.
struct ReadyCopy {
    copy: SentCopy,
    text: Text,
    now: Now,
    /// Copies with serials below are forgotten.
    oldest: Serial,
}

impl ReadyCopy {
    /// Files the copy of `message`, whose blob is filed already unless this is the first to refer to it.
    fn keep(&self, tx: &mut Tx<'_>, message: &Ready, blob: &mut Option<BlobId>) -> Result<Kept> {
        match self.try_keep(tx, message, blob) {
            Err(Error::Fault(fault)) => Err(Error::Fault(fault)),
            Err(refusal) => Ok(Kept::Refused(refusal)),
            Ok(kept) => Ok(kept),
        }
    }

    /// A refusal has changed nothing.
    fn try_keep(
        &self,
        tx: &mut Tx<'_>,
        message: &Ready,
        blob: &mut Option<BlobId>,
    ) -> Result<Kept> {
        let account = self.copy.account;
        AccountRow::load(tx, account)?;
        let message_id = bare(&self.copy.message_id);
        let mailbox = sent_mailbox(tx, account)?;
        if let (Some(mailbox), Some(message_id)) = (mailbox, message_id)
            && has_lately(tx, mailbox, message_id)?
        {
            return Ok(Kept::There);
        }
        Allowance::of_account(tx, account)?.take(0)?;
        let mailbox = match mailbox {
            Some(mailbox) => mailbox,
            None => self.create_sent(tx)?,
        };
        let filed = message.file_at(tx, (&self.filing(mailbox), &self.text), blob)??;
        if let Some(message_id) = message_id {
            self.remember(tx, message_id, filed.serial)?;
        }
        Ok(Kept::Filed(filed))
    }

    fn create_sent(&self, tx: &mut Tx<'_>) -> Result<MailboxId> {
        let special_use = Some(SpecialUse::Sent);
        mailbox::create_again(tx, self.copy.account, &sent_name()?, special_use, self.now)
    }

    fn filing(&self, mailbox: MailboxId) -> Filing {
        Filing {
            mailbox,
            flags: Flags {
                system: SystemFlags::SEEN,
                keywords: Vec::new(),
            },
            internal_date: self.now.stamp(),
            prefix: self.copy.prefix.clone(),
            quota: QuotaRule::Enforce,
        }
    }

    /// Notes the copy, and forgets what is old.
    fn remember(&self, tx: &Tx<'_>, message_id: &[u8], serial: Serial) -> Result<()> {
        let account = self.copy.account;
        let mut table = tx.write(SENT_COPIES)?;
        table.retain_in(of_account(account), |_, serial| serial >= self.oldest.0)?;
        let mut known = Vec::new();
        for entry in table.range(of_account(account))? {
            let (key, serial) = entry?;
            known.push((serial.value(), key.value()));
        }
        if known.len() >= SENT_COPIES_MAX
            && let Some((_, oldest)) = known.iter().min()
        {
            table.remove(*oldest)?;
        }
        table.insert((account.0, hash(message_id)), serial.0)?;
        Ok(())
    }
}

/// Keys of an account's rows.
fn of_account(account: AccountId) -> std::ops::RangeInclusive<(u32, u128)> {
    (account.0, 0)..=(account.0, u128::MAX)
}

/// Removes an account's rows.
pub(super) fn remove_account(tx: &Tx<'_>, account: AccountId) -> Result<()> {
    let mut table = tx.write(SENT_COPIES)?;
    table.retain_in(of_account(account), |_, _| false)?;
    Ok(())
}

/// The server's copy in that mailbox of the mail with that Message-ID; taken out of what is remembered.
fn take_copy(
    tx: &Tx<'_>,
    (mailbox, account): (MailboxId, AccountId),
    message_id: &[u8],
) -> Result<Option<MessageRow>> {
    let key = (account.0, hash(message_id));
    let serial = tx.read(SENT_COPIES)?.get(key)?.map(|row| row.value());
    let Some(serial) = serial else {
        return Ok(None);
    };
    let Some(record) = Stored::find(tx, Serial(serial))? else {
        return Ok(None);
    };
    if record.mailbox != mailbox {
        return Ok(None);
    }
    tx.write(SENT_COPIES)?.remove(key)?;
    find_flags(tx, mailbox, record.uid)
}

/// The flags that a client's copy gets: its own, and what people did to the server's copy meanwhile.
fn joined(ledger: &Ledger, own: &Flags, copy: &MessageRow) -> Flags {
    let done = SystemFlags::ANSWERED.union(SystemFlags::FLAGGED);
    let others = SystemFlags::from_bits(!done.bits());
    let mut joined = Flags {
        system: own.system.union(copy.flags.system.difference(others)),
        keywords: own.keywords.clone(),
    };
    for keyword in ledger.keywords_of(copy.flags.keywords) {
        if !joined.keywords.contains(&keyword) {
            joined.keywords.push(keyword);
        }
    }
    joined
}

/// Files a client's own mail; the server's copy of it makes way first.
fn append_own(tx: &mut Tx<'_>, ready: &Ready, message_id: &[u8]) -> Result<Vec<Filed>> {
    let mut filed = Vec::new();
    let mut blob = None;
    for (filing, text) in ready.filings() {
        let mut filing = filing.clone();
        let ledger = Ledger::open(tx, filing.mailbox)?;
        let place = (filing.mailbox, ledger.row.account);
        if let Some(copy) = take_copy(tx, place, message_id)? {
            filing.flags = joined(&ledger, &filing.flags, &copy);
            remove_rows(tx, filing.mailbox, &[copy])?;
        }
        filed.push(ready.file_at(tx, (&filing, text), &mut blob)??);
    }
    ready.spool(tx, &mut blob)?;
    Ok(filed)
}

impl Store {
    /// Files and spools a submitted message as [`Store::append_all`] does, and in the same commit a copy, read already, in
    /// the submitter's Sent: the mailbox of that special use, else the one called `Sent`, which is made if need be.
    ///
    /// `along` is filed and spooled in the same commit (reports to the sender).
    ///
    /// The copy counts in the account's quota. That it cannot be filed stops nothing: see [`Kept`]. If one of the newest
    /// [`SENT_LOOKED_AT_MAX`] messages there has its Message-ID, none is filed.
    pub fn submit(
        &self,
        append: Append,
        along: Vec<Append>,
        copy: SentCopy,
        now: Now,
    ) -> Result<(Vec<Filed>, Kept)> {
        let copy = ReadyCopy {
            text: Text::pack(&copy.prefix, &copy.summary),
            oldest: self.lain_for(SENT_COPY_DAYS_MAX, now)?.unwrap_or(Serial(0)),
            copy,
            now,
        };
        let message = self.ready(vec![append], now)?;
        let along = self.ready(along, now)?;
        self.0.commit(move |tx| {
            let mut filed = Vec::new();
            let mut kept = Kept::There;
            for message in &message {
                let mut blob = None;
                let results = message.carry_out_with(tx, &mut blob)?;
                filed = results.into_iter().collect::<Result<_>>()?;
                kept = copy.keep(tx, message, &mut blob)?;
            }
            for message in &along {
                message
                    .carry_out(tx)?
                    .into_iter()
                    .collect::<Result<Vec<_>>>()?;
            }
            Ok((filed, kept))
        })
    }

    /// Files a mail that a client puts into one of its own mailboxes, all filings or none. If that mailbox holds a copy of
    /// the same mail that the server filed ([`Store::submit`]), the mail takes its place in the same commit: the copy is
    /// expunged, and its `\Answered`, `\Flagged` and keywords go over to the mail, which has a new UID.
    pub fn append_own(&self, append: Append, message_id: &[u8], now: Now) -> Result<Vec<Filed>> {
        let Some(message_id) = bare(message_id).map(<[u8]>::to_vec) else {
            let filed = self.append_all(vec![append], now)?;
            return Ok(filed.into_iter().flatten().collect());
        };
        let ready = self.ready(vec![append], now)?;
        self.0.commit(move |tx| {
            let mut filed = Vec::new();
            for message in &ready {
                filed.extend(append_own(tx, message, &message_id)?);
            }
            Ok(filed)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_ids_are_compared_bare() {
        for (text, expected) in [
            ("<a@b>", Some("<a@b>")),
            (" <a@b> (old)", Some("<a@b>")),
            ("a@b\t", Some("a@b")),
            ("<a@b", Some("<a@b")),
            ("", None),
            (" \t", None),
        ] {
            assert_eq!(
                bare(text.as_bytes()),
                expected.map(str::as_bytes),
                "{text:?}"
            );
        }
    }
}
