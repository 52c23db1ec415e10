//! The spool: mail that waits to be sent to other hosts, with its recipients and what was tried last.
//!
//! A spooled mail refers to its blob as a record does, so that local copies, the copy in Sent and the spool share it.
//! It counts in nobody's quota. A mail enters with [`crate::store::Append`], in the commit that files its local copies;
//! changes and the reports that they cause are one commit ([`Store::update_spool`]). When things are due is the queue's
//! matter: its times are stored as it gives them.

use std::time::Duration;

use super::{Append, Result, Snapshot, Store};
use crate::clock::{Now, Wall};
use crate::mail::address::{Address, ReversePath};
use crate::mail::ids::{AccountId, BlobId, SpoolId};
use crate::mail::report::{Notify, Return};
use crate::mail::transport::{BodyType, HeaderType, Priority};
use crate::wake::Wake;

/// Most mails in the spool; beyond it none is taken ([`super::Error::Limit`]).
pub const SPOOL_MAILS_MAX: u64 = 100_000;

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

impl Store {
    /// Saves the clock's reading, changes of spooled mails, and what they cause (reports to senders), in one commit, all
    /// or none. An update of a mail that is gone is passed over.
    pub fn update_spool(
        &self,
        clock: SpoolClock,
        updates: Vec<SpoolUpdate>,
        reports: Vec<Append>,
        now: Now,
    ) -> Result<()> {
        let _ = (clock, updates, reports, now);
        todo!()
    }

    /// Calls `wake` after every commit that spooled a mail.
    pub fn on_spool(&self, wake: Wake) {
        let _ = wake;
        todo!()
    }
}

impl Snapshot {
    /// The reading of the queue's clock that was saved last.
    pub fn spool_clock(&self) -> Result<SpoolClock> {
        todo!()
    }

    /// Up to `limit` spooled mails from number `from` on, ascending.
    pub fn spool(&self, from: SpoolId, limit: usize) -> Result<Vec<SpoolMail>> {
        let _ = (from, limit);
        todo!()
    }

    /// One spooled mail; `None` if it is gone.
    pub fn spool_mail(&self, id: SpoolId) -> Result<Option<SpoolMail>> {
        let _ = id;
        todo!()
    }

    /// Number of spooled mails.
    pub fn spool_len(&self) -> Result<u64> {
        todo!()
    }
}
