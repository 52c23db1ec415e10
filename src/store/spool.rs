//! The spool: mail that waits to be sent to other hosts, with its recipients and what was tried last.
//!
//! A spooled mail refers to its blob as a record does, so that local copies, the copy in Sent and the spool share it.
//! It counts in nobody's quota, and goes out even when the account that submitted it is gone. A mail enters with
//! [`crate::store::Append`], in the commit that files its local copies; changes and the reports that they cause are one
//! commit ([`Store::update_spool`]). When things are due is the queue's matter: its times are stored as it gives them.

mod reader;
mod rows;

use std::time::Duration;

use redb::ReadableTableMetadata;

use super::append::Ready;
use super::blob;
use super::schema::SPOOL;
use super::space::Room;
use super::tx::{Kind, ReadRows, Tx};
use super::types::QuotaRule;
use super::{Append, Error, Result, Snapshot, Store};
use crate::clock::{Now, Wall};
use crate::mail::address::{Address, ReversePath};
use crate::mail::ids::{AccountId, BlobId, SpoolId};
use crate::mail::report::{Notify, Return};
use crate::mail::transport::{BodyType, HeaderType, Priority};
use crate::wake::Wake;

pub use reader::SpoolReader;
pub(super) use rows::{ClockRow, MailRow, RecipientRow};

/// Most mails in the spool; beyond it none is taken ([`super::Error::Limit`]) but what the house itself writes.
pub const SPOOL_MAILS_MAX: u64 = 100_000;

/// Most recipients of a spooled mail.
pub const SPOOL_RECIPIENTS_MAX: usize = 10_000;

/// A mail that is to be spooled; the message is the append's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSpool {
    /// Header fields in front of the blob, with CRLF line ends.
    pub prefix: Vec<u8>,
    /// Reverse-path.
    pub sender: ReversePath,
    /// Who submitted it; `None` for the box itself and for what an alias forwards.
    pub account: Option<AccountId>,
    /// Who goes first.
    pub priority: Priority,
    /// What its body has in it.
    pub body: BodyType,
    /// What its header has in it.
    pub header: HeaderType,
    /// `RET=`
    pub ret: Option<Return>,
    /// `ENVID=`, decoded.
    pub envid: Option<String>,
    /// Its recipients, at least one; known by their index.
    pub recipients: Vec<NewSpoolRecipient>,
}

/// A recipient of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSpoolRecipient {
    /// Forward-path.
    pub address: Address,
    /// `NOTIFY=`
    pub notify: Option<Notify>,
    /// `ORCPT=`: address type and decoded address.
    pub original: Option<(String, String)>,
}

/// A spooled mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpoolMail {
    /// Its number.
    pub id: SpoolId,
    /// What it was spooled with; its recipients too.
    pub new: NewSpool,
    /// Its bytes without the prefix.
    pub blob: BlobId,
    /// Bytes of prefix and blob together.
    pub bytes: u64,
    /// When it came, by the wall clock as far as that is known.
    pub spooled: Wall,
    /// When it came, by the queue's clock; `None` until the queue has taken it in.
    pub arrived: Option<Duration>,
    /// Where each recipient stands.
    pub states: Vec<SpoolState>,
}

/// Where a recipient stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpoolState {
    /// Its place in its life.
    pub stage: SpoolStage,
    /// How often it was tried.
    pub attempts: u32,
    /// Whether its sender knows that it is late.
    pub delay_told: bool,
    /// What came of the last attempt.
    pub last: Option<LastTry>,
}

/// Its place in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpoolStage {
    /// For its next attempt, not before this time of the queue's clock.
    Waiting(Duration),
    /// Kept back by the owner.
    Held,
    /// The next host has it.
    Delivered,
    /// Refused for good.
    Failed,
    /// Given up.
    Expired,
    /// Taken out by the owner.
    Removed,
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastTry {
    /// When, if the clock was set.
    pub at: Option<Wall>,
    /// The host that was asked, or none was reached.
    pub host: Option<String>,
    /// Enhanced status code (RFC 3463).
    pub status: String,
    /// The host's words, or ours: code, enhanced code and text.
    pub reply: String,
}

/// The reading of the queue's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpoolClock {
    /// What it shows.
    pub time: Duration,
    /// The wall clock then, if it was set.
    pub wall: Option<Wall>,
}

/// What changed of a spooled mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpoolUpdate {
    /// Which.
    pub mail: SpoolId,
    /// When it came, by the queue's clock.
    pub arrived: Duration,
    /// New states, by the index of their recipients.
    pub states: Vec<(usize, SpoolState)>,
    /// Whether all is done: mail and blob's reference go.
    pub is_over: bool,
}

/// Whether these mails may enter, whose message was taken for `room`.
pub(super) fn admit(rows: &impl ReadRows, new: &[NewSpool], room: Room) -> Result<()> {
    for mail in new {
        match mail.recipients.len() {
            0 => return Err(Error::Refused("a mail to nobody cannot be spooled")),
            1..=SPOOL_RECIPIENTS_MAX => {}
            _ => return Err(Error::Limit("recipients of a spooled mail")),
        }
    }
    let mails = rows.read(SPOOL)?.len()?.saturating_add(new.len() as u64);
    if room == Room::Mail && mails > SPOOL_MAILS_MAX {
        return Err(Error::Limit("mails in the spool"));
    }
    Ok(())
}

/// Spools a mail whose blob's reference the caller has counted.
pub(super) fn enter(
    tx: &mut Tx<'_>,
    new: &NewSpool,
    (blob, blob_bytes): (BlobId, u64),
    now: Now,
) -> Result<()> {
    let id = SpoolId(tx.next_id(Kind::Spool)?);
    let row = MailRow {
        new: NewSpool {
            recipients: Vec::new(),
            ..new.clone()
        },
        blob,
        bytes: blob_bytes.saturating_add(new.prefix.len() as u64),
        spooled: now.stamp(),
        arrived: None,
    };
    row.save(tx, id)?;
    for (index, recipient) in (0..).zip(&new.recipients) {
        let row = RecipientRow {
            recipient: recipient.clone(),
            state: SpoolState::new(),
        };
        row.save(tx, (id, index))?;
    }
    tx.note_spooled();
    Ok(())
}

impl SpoolState {
    /// That of a recipient of a new mail.
    fn new() -> Self {
        Self {
            stage: SpoolStage::Waiting(Duration::ZERO),
            attempts: 0,
            delay_told: false,
            last: None,
        }
    }
}

fn update(tx: &mut Tx<'_>, update: &SpoolUpdate) -> Result<()> {
    let id = update.mail;
    let Some(mut mail) = MailRow::find(tx, id)? else {
        return Ok(());
    };
    if update.is_over {
        return remove(tx, id, mail.blob);
    }
    if mail.arrived != Some(update.arrived) {
        mail.arrived = Some(update.arrived);
        mail.save(tx, id)?;
    }
    for (index, state) in &update.states {
        let index = u32::try_from(*index).unwrap_or(u32::MAX);
        let recipient = RecipientRow::find(tx, (id, index))?;
        let mut recipient = recipient.ok_or(Error::NotFound("the spooled mail's recipient"))?;
        if recipient.state != *state {
            recipient.state = state.clone();
            recipient.save(tx, (id, index))?;
        }
    }
    Ok(())
}

fn remove(tx: &mut Tx<'_>, id: SpoolId, blob: BlobId) -> Result<()> {
    RecipientRow::remove_all(tx, id)?;
    MailRow::remove(tx, id)?;
    blob::release(tx, blob)
}

fn file_report(tx: &mut Tx<'_>, report: &Ready) -> Result<()> {
    let mut blob = None;
    let filed = report.carry_out_with(tx, &mut blob)?;
    let is_refused_everywhere = !filed.is_empty() && filed.iter().all(Result::is_err);
    for filed in filed {
        match filed {
            Ok(_) | Err(Error::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    // Readers elsewhere get theirs, whoever of the house is gone.
    if is_refused_everywhere {
        report.spool(tx, &mut blob)?;
    }
    Ok(())
}

/// Keeps back all that waits.
pub(super) fn hold_all(tx: &Tx<'_>) -> Result<()> {
    for (key, mut row) in RecipientRow::all(tx)? {
        if matches!(row.state.stage, SpoolStage::Waiting(_)) {
            row.state.stage = SpoolStage::Held;
            row.save(tx, key)?;
        }
    }
    Ok(())
}

fn assemble(rows: &impl ReadRows, id: SpoolId, row: MailRow) -> Result<SpoolMail> {
    let MailRow {
        mut new,
        blob,
        bytes,
        spooled,
        arrived,
    } = row;
    let mut states = Vec::new();
    for row in RecipientRow::of_mail(rows, id)? {
        new.recipients.push(row.recipient);
        states.push(row.state);
    }
    Ok(SpoolMail {
        id,
        new,
        blob,
        bytes,
        spooled,
        arrived,
        states,
    })
}

impl Store {
    /// Saves the clock's reading, changes of spooled mails, and what they cause (reports to senders), in one commit, all
    /// or none. An update of a mail that is gone is passed over, and so is a report's filing whose mailbox is.
    ///
    /// Reports go beyond quotas and use the card's reserve if they were begun with [`Store::begin_own_blob`]: without
    /// any, this works on a full card as deletes do. [`Error::NotFound`] if a mail has no recipient of that index.
    pub fn update_spool(
        &self,
        clock: SpoolClock,
        updates: Vec<SpoolUpdate>,
        mut reports: Vec<Append>,
        now: Now,
    ) -> Result<()> {
        for filing in reports.iter_mut().flat_map(|report| &mut report.filings) {
            filing.quota = QuotaRule::Exceed;
        }
        self.0.core.space.make_way()?;
        let ready = self.ready(reports, now)?;
        self.0.commit(move |tx| {
            ClockRow::write(tx, clock)?;
            for one in &updates {
                update(tx, one)?;
            }
            for report in &ready {
                file_report(tx, report)?;
            }
            Ok(())
        })
    }

    /// Calls `wake` after every commit that spooled a mail, for as long as the store is open.
    pub fn on_spool(&self, wake: Wake) {
        self.0.index.on_spool(wake);
    }

    /// Opens a spooled mail for reading, prefix and blob as one. [`Error::NotFound`] if it is gone.
    pub fn read_spooled(&self, mail: &SpoolMail) -> Result<SpoolReader> {
        Ok(SpoolReader::new(
            mail.new.prefix.clone(),
            self.blob(mail.blob)?,
        ))
    }
}

impl Snapshot {
    /// The reading of the queue's clock that was saved last.
    pub fn spool_clock(&self) -> Result<SpoolClock> {
        ClockRow::read(self)
    }

    /// Up to `limit` spooled mails from number `from` on, ascending.
    pub fn spool(&self, from: SpoolId, limit: usize) -> Result<Vec<SpoolMail>> {
        let rows = self.spool_rows(from, limit)?.into_iter();
        rows.map(|(_, mail)| mail).collect()
    }

    /// The same, with each that cannot be read by its number and its error.
    pub fn spool_rows(
        &self,
        from: SpoolId,
        limit: usize,
    ) -> Result<Vec<(SpoolId, Result<SpoolMail>)>> {
        let rows = MailRow::each(self, from, limit)?.into_iter();
        let mails = rows.map(|(id, row)| (id, row.and_then(|row| assemble(self, id, row))));
        Ok(mails.collect())
    }

    /// One spooled mail; `None` if it is gone.
    pub fn spool_mail(&self, id: SpoolId) -> Result<Option<SpoolMail>> {
        let row = MailRow::find(self, id)?;
        row.map(|row| assemble(self, id, row)).transpose()
    }

    /// Number of spooled mails.
    pub fn spool_len(&self) -> Result<u64> {
        Ok(self.read(SPOOL)?.len()?)
    }
}
