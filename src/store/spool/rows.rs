//! How the rows of the spool are packed, found and written.
//!
//! A recipient has a row of its own, so that an attempt for one destination does not write those of the others anew.

use std::time::Duration;

use redb::ReadableTable;

use super::{LastTry, NewSpool, NewSpoolRecipient, SpoolClock, SpoolStage, SpoolState};
use crate::clock::Wall;
use crate::mail::address::Address;
use crate::mail::ids::{AccountId, BlobId, SpoolId};
use crate::mail::report::{Notify, Return};
use crate::mail::transport::{BodyType, HeaderType, Priority};
use crate::store::Result;
use crate::store::codec::{Packer, Unpacker};
use crate::store::counters::Counters;
use crate::store::schema::{OF_SPOOL_CLOCK, SPOOL, SPOOL_RECIPIENTS};
use crate::store::tx::{ReadRows, Tx};

// The place in its list is what stands in a row: they may only grow at their ends.
const PRIORITIES: [Priority; 3] = [Priority::Notice, Priority::Mail, Priority::Bulk];
const BODIES: [BodyType; 3] = [BodyType::SevenBit, BodyType::EightBitMime, BodyType::Binary];
const HEADERS: [HeaderType; 2] = [HeaderType::Ascii, HeaderType::Utf8];
const RETURNS: [Return; 2] = [Return::Headers, Return::Full];
const ENDS: [SpoolStage; 5] = [
    SpoolStage::Held,
    SpoolStage::Delivered,
    SpoolStage::Failed,
    SpoolStage::Expired,
    SpoolStage::Removed,
];

/// What stands in a row for [`SpoolStage::Waiting`]; those of [`ENDS`] follow.
const WAITING: u8 = 0;

fn put_one<T: PartialEq>(row: &mut Packer, all: &[T], value: &T) {
    let place = all.iter().position(|one| one == value);
    row.byte(
        place
            .and_then(|at| u8::try_from(at).ok())
            .unwrap_or(u8::MAX),
    );
}

fn take_one<T: Copy>(row: &mut Unpacker<'_>, all: &[T]) -> Result<T> {
    let place = usize::from(row.byte()?);
    all.get(place).copied().ok_or_else(|| row.damaged())
}

fn put_time(row: &mut Packer, time: Duration) {
    row.uint(time.as_secs()).uint(time.subsec_nanos().into());
}

fn take_time(row: &mut Unpacker<'_>) -> Result<Duration> {
    let (seconds, nanos) = (row.uint()?, row.u32()?);
    if nanos >= 1_000_000_000 {
        return Err(row.damaged());
    }
    Ok(Duration::new(seconds, nanos))
}

fn put_wall(row: &mut Packer, wall: Wall) {
    row.int(wall.0);
}

fn take_address(row: &mut Unpacker<'_>) -> Result<Address> {
    Address::parse(row.text()?).map_err(|_| row.damaged())
}

fn take_text(row: &mut Unpacker<'_>) -> Result<String> {
    row.text().map(str::to_owned)
}

/// A row of `spool`: prefix bytes, sender text option (none: null sender), account uint option, priority byte (0 notice, 1
/// mail, 2 bulk), body byte (0 7bit, 1 8bit, 2 binary), header byte (0 ASCII, 1 UTF-8), RET byte option (0 header, 1
/// full), ENVID text option, blob uint, bytes uint, spooled int, arrived time option. A time is seconds uint, nanoseconds
/// uint.
#[derive(Clone, Debug)]
pub(in crate::store) struct MailRow {
    /// Without its recipients, which have rows of their own.
    pub(super) new: NewSpool,
    pub(in crate::store) blob: BlobId,
    pub(super) bytes: u64,
    pub(super) spooled: Wall,
    pub(super) arrived: Option<Duration>,
}

impl MailRow {
    fn pack(&self) -> Vec<u8> {
        let new = &self.new;
        let mut row = Packer::new();
        row.bytes(&new.prefix)
            .option(new.sender.as_ref(), |row, sender| {
                row.text(&sender.to_string());
            })
            .option(new.account, |row, account| {
                row.uint(account.0.into());
            });
        put_one(&mut row, &PRIORITIES, &new.priority);
        put_one(&mut row, &BODIES, &new.body);
        put_one(&mut row, &HEADERS, &new.header);
        row.option(new.ret, |row, ret| put_one(row, &RETURNS, &ret))
            .option(new.envid.as_ref(), |row, envid| {
                row.text(envid);
            })
            .uint(self.blob.0)
            .uint(self.bytes)
            .int(self.spooled.0)
            .option(self.arrived, put_time);
        row.finish()
    }

    pub(in crate::store) fn unpack(row: &[u8]) -> Result<Self> {
        let mut row = Unpacker::new("spool", row);
        let new = NewSpool {
            prefix: row.bytes()?.to_vec(),
            sender: row.option(take_address)?,
            account: row.option(|row| row.u32().map(AccountId))?,
            priority: take_one(&mut row, &PRIORITIES)?,
            body: take_one(&mut row, &BODIES)?,
            header: take_one(&mut row, &HEADERS)?,
            ret: row.option(|row| take_one(row, &RETURNS))?,
            envid: row.option(take_text)?,
            recipients: Vec::new(),
        };
        let unpacked = Self {
            new,
            blob: BlobId(row.uint()?),
            bytes: row.uint()?,
            spooled: Wall(row.int()?),
            arrived: row.option(take_time)?,
        };
        row.finish()?;
        Ok(unpacked)
    }

    /// `None` if the mail is gone.
    pub(in crate::store) fn find(rows: &impl ReadRows, id: SpoolId) -> Result<Option<Self>> {
        let table = rows.read(SPOOL)?;
        let row = table.get(id.0)?;
        row.map(|row| Self::unpack(row.value())).transpose()
    }

    /// Up to `limit` of them from a number on, ascending; each may be damaged.
    pub(super) fn each(
        rows: &impl ReadRows,
        from: SpoolId,
        limit: usize,
    ) -> Result<Vec<(SpoolId, Result<Self>)>> {
        let table = rows.read(SPOOL)?;
        let mut found = Vec::new();
        for entry in table.range(from.0..)?.take(limit) {
            let (id, row) = entry?;
            found.push((SpoolId(id.value()), Self::unpack(row.value())));
        }
        Ok(found)
    }

    pub(in crate::store) fn save(&self, tx: &Tx<'_>, id: SpoolId) -> Result<()> {
        let mut table = tx.write(SPOOL)?;
        table.insert(id.0, self.pack().as_slice())?;
        Ok(())
    }

    pub(super) fn remove(tx: &Tx<'_>, id: SpoolId) -> Result<()> {
        tx.write(SPOOL)?.remove(id.0)?;
        Ok(())
    }
}

/// A row of `spool_recipients`: address text, NOTIFY bits option (1 success, 2 failure, 4 delay), ORCPT option of two
/// texts, stage byte (0 waiting and a time, 1 held, 2 delivered, 3 failed, 4 expired, 5 removed), attempts uint, bit told
/// of delay, last try option: wall int option, host text option, status text, reply text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) struct RecipientRow {
    pub(super) recipient: NewSpoolRecipient,
    pub(super) state: SpoolState,
}

/// Key of a row: mail and index.
type Key = (SpoolId, u32);

impl RecipientRow {
    fn pack(&self) -> Vec<u8> {
        let mut row = Packer::new();
        row.text(&self.recipient.address.to_string())
            .option(self.recipient.notify, |row, notify| {
                row.byte(notify_bits(notify));
            })
            .option(self.recipient.original.as_ref(), |row, (kind, text)| {
                row.text(kind).text(text);
            });
        self.state.pack(&mut row);
        row.finish()
    }

    pub(in crate::store) fn unpack(row: &[u8]) -> Result<Self> {
        let mut row = Unpacker::new("spool_recipients", row);
        let unpacked = Self {
            recipient: NewSpoolRecipient {
                address: take_address(&mut row)?,
                notify: row.option(take_notify)?,
                original: row.option(|row| Ok((take_text(row)?, take_text(row)?)))?,
            },
            state: SpoolState::unpack(&mut row)?,
        };
        row.finish()?;
        Ok(unpacked)
    }

    pub(super) fn find(rows: &impl ReadRows, (id, index): Key) -> Result<Option<Self>> {
        let table = rows.read(SPOOL_RECIPIENTS)?;
        let row = table.get((id.0, index))?;
        row.map(|row| Self::unpack(row.value())).transpose()
    }

    /// Those of one mail, in their order.
    pub(super) fn of_mail(rows: &impl ReadRows, id: SpoolId) -> Result<Vec<Self>> {
        let table = rows.read(SPOOL_RECIPIENTS)?;
        let mut found = Vec::new();
        for entry in table.range((id.0, 0)..=(id.0, u32::MAX))? {
            found.push(Self::unpack(entry?.1.value())?);
        }
        Ok(found)
    }

    /// All there are.
    pub(super) fn all(rows: &impl ReadRows) -> Result<Vec<(Key, Self)>> {
        let table = rows.read(SPOOL_RECIPIENTS)?;
        let mut found = Vec::new();
        for entry in table.iter()? {
            let (key, row) = entry?;
            let (id, index) = key.value();
            found.push(((SpoolId(id), index), Self::unpack(row.value())?));
        }
        Ok(found)
    }

    pub(super) fn save(&self, tx: &Tx<'_>, (id, index): Key) -> Result<()> {
        let mut table = tx.write(SPOOL_RECIPIENTS)?;
        table.insert((id.0, index), self.pack().as_slice())?;
        Ok(())
    }

    pub(super) fn remove_all(tx: &Tx<'_>, id: SpoolId) -> Result<()> {
        let mut table = tx.write(SPOOL_RECIPIENTS)?;
        table.retain_in((id.0, 0)..=(id.0, u32::MAX), |_, _| false)?;
        Ok(())
    }
}

impl SpoolState {
    fn pack(&self, row: &mut Packer) {
        if let SpoolStage::Waiting(due) = self.stage {
            put_time(row.byte(WAITING), due);
        } else {
            let place = ENDS.iter().position(|stage| *stage == self.stage);
            let place = place.and_then(|at| u8::try_from(at + 1).ok());
            row.byte(place.unwrap_or(u8::MAX));
        }
        row.uint(self.attempts.into())
            .byte(self.delay_told.into())
            .option(self.last.as_ref(), |row, last| last.pack(row));
    }

    fn unpack(row: &mut Unpacker<'_>) -> Result<Self> {
        let stage = match row.byte()? {
            WAITING => SpoolStage::Waiting(take_time(row)?),
            place => {
                let stage = ENDS.get(usize::from(place) - 1).copied();
                stage.ok_or_else(|| row.damaged())?
            }
        };
        Ok(Self {
            stage,
            attempts: row.u32()?,
            delay_told: row.byte()? != 0,
            last: row.option(LastTry::unpack)?,
        })
    }
}

impl LastTry {
    fn pack(&self, row: &mut Packer) {
        row.option(self.at, put_wall)
            .option(self.host.as_ref(), |row, host| {
                row.text(host);
            })
            .text(&self.status)
            .text(&self.reply);
    }

    fn unpack(row: &mut Unpacker<'_>) -> Result<Self> {
        Ok(Self {
            at: row.option(|row| row.int().map(Wall))?,
            host: row.option(take_text)?,
            status: take_text(row)?,
            reply: take_text(row)?,
        })
    }
}

fn notify_bits(notify: Notify) -> u8 {
    let Notify {
        success,
        failure,
        delay,
    } = notify;
    u8::from(success) | u8::from(failure) << 1 | u8::from(delay) << 2
}

fn take_notify(row: &mut Unpacker<'_>) -> Result<Notify> {
    let bits = row.byte()?;
    Ok(Notify {
        success: bits & 1 != 0,
        failure: bits & 2 != 0,
        delay: bits & 4 != 0,
    })
}

/// The row of the queue's clock: time as in `spool`, wall int option.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::store) struct ClockRow(SpoolClock);

impl ClockRow {
    pub(super) fn read(rows: &impl ReadRows) -> Result<SpoolClock> {
        Ok(Self::find(rows, ())?.unwrap_or_default().0)
    }

    pub(super) fn write(tx: &Tx<'_>, clock: SpoolClock) -> Result<()> {
        Self(clock).save(tx, ())
    }
}

impl Counters for ClockRow {
    type Id = ();

    fn key((): ()) -> (u8, u32) {
        (OF_SPOOL_CLOCK, 0)
    }

    fn pack(&self, row: &mut Packer) {
        put_time(row, self.0.time);
        row.option(self.0.wall, put_wall);
    }

    fn unpack(row: &mut Unpacker<'_>) -> Result<Self> {
        Ok(Self(SpoolClock {
            time: take_time(row)?,
            wall: row.option(|row| row.int().map(Wall))?,
        }))
    }
}

#[cfg(test)]
impl crate::store::Store {
    /// Puts these bytes where a mail's row is; gives those before.
    pub(crate) fn swap_spool_row(&self, id: SpoolId, bytes: Vec<u8>) -> Vec<u8> {
        let swapped = self.0.commit(move |tx| {
            let mut table = tx.write(SPOOL)?;
            let before = table.insert(id.0, bytes.as_slice())?;
            Ok(before.map(|row| row.value().to_vec()))
        });
        swapped.unwrap().unwrap_or_default()
    }
}
