//! The rows of the ring and of the traffic, as `schema` lists them.

use redb::{ReadableTable, Table};

use super::{
    EVENT_BYTES_MAX, EVENTS_MAX, Event, Facts, Found, Kind, Query, SEARCHED_MAX, TRAFFIC_ROWS_MAX,
    Traffic,
};
use crate::clock::Wall;
use crate::store::codec::{Packer, Unpacker};
use crate::store::counters::Counters;
use crate::store::growth::GROWTH_DAYS_MAX;
use crate::store::schema::{Bytes, EVENTS, OF_EVENTS, TRAFFIC};
use crate::store::tx::{ReadRows, Tx};
use crate::store::types::Subject;
use crate::store::{Result, Snapshot};

/// Seconds of a row of the traffic.
const QUARTER: i64 = 900;

/// Bytes of a key, for the limit on bytes.
const KEY_BYTES: u64 = 9;

/// Most rows that are removed for their age in one commit.
const AGED_MAX: usize = 2_000;

/// The shares of the ring, as they are in keys: 0 the house's own, 1 strangers'.
const SHARES: [u8; 2] = [0, 1];

fn share(kind: Kind) -> u8 {
    u8::from(kind.is_strangers())
}

impl Event {
    fn pack(&self) -> Vec<u8> {
        let mut row = Packer::new();
        let facts = &self.facts;
        row.byte(self.kind as u8)
            .option(self.at, |row, at| {
                row.int(at.0);
            })
            .uint(self.times.into())
            .text(&facts.from)
            .uint(facts.to.len() as u64);
        for to in &facts.to {
            row.text(to);
        }
        row.uint(facts.more.into())
            .text(&facts.peer)
            .option(facts.bytes, |row, bytes| {
                row.uint(bytes);
            })
            .uint(facts.count)
            .text(&facts.code)
            .text(&facts.text)
            .text(&facts.mail);
        row.finish()
    }

    fn unpack(id: u64, row: &[u8]) -> Result<Self> {
        let mut row = Unpacker::new("events", row);
        let number = usize::from(row.byte()?);
        let kind = Kind::ALL.get(number).ok_or_else(|| row.damaged())?;
        let at = row.option(Unpacker::int)?.map(Wall);
        let times = row.u32()?;
        let from = row.text()?.to_owned();
        let names = row.len()?;
        let to = (0..names).map(|_| Ok(row.text()?.to_owned()));
        let to = to.collect::<Result<_>>()?;
        let facts = Facts {
            from,
            to,
            more: row.u32()?,
            peer: row.text()?.to_owned(),
            bytes: row.option(Unpacker::uint)?,
            count: row.uint()?,
            code: row.text()?.to_owned(),
            text: row.text()?.to_owned(),
            mail: row.text()?.to_owned(),
        };
        row.finish()?;
        Ok(Self {
            id,
            at,
            kind: *kind,
            times,
            facts,
        })
    }
}

/// What a share holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Held {
    rows: u64,
    bytes: u64,
}

/// The ring's row of counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::store) struct Ring {
    /// Identifier of the next event.
    next: u64,
    held: [Held; 2],
    traffic_rows: u64,
}

impl Counters for Ring {
    type Id = ();

    fn key((): ()) -> (u8, u32) {
        (OF_EVENTS, 0)
    }

    fn pack(&self, row: &mut Packer) {
        row.uint(self.next);
        for held in self.held {
            row.uint(held.rows).uint(held.bytes);
        }
        row.uint(self.traffic_rows);
    }

    fn unpack(row: &mut Unpacker<'_>) -> Result<Self> {
        let mut ring = Self {
            next: row.uint()?,
            ..Self::default()
        };
        for held in &mut ring.held {
            *held = Held {
                rows: row.uint()?,
                bytes: row.uint()?,
            };
        }
        ring.traffic_rows = row.uint()?;
        Ok(ring)
    }
}

type Events<'t> = Table<'t, (u8, u64), Bytes>;

impl Ring {
    fn load(rows: &impl ReadRows) -> Result<Self> {
        Ok(Self::find(rows, ())?.unwrap_or_default())
    }

    /// Identifier of the next event.
    pub(in crate::store) fn next(rows: &impl ReadRows) -> Result<u64> {
        Ok(Self::load(rows)?.next)
    }

    fn insert(&mut self, table: &mut Events<'_>, event: &Event) -> Result<()> {
        let row = event.pack();
        let of = share(event.kind);
        table.insert((of, event.id), row.as_slice())?;
        self.next = self.next.max(event.id + 1);
        if let Some(held) = self.held.get_mut(usize::from(of)) {
            held.rows += 1;
            held.bytes += row.len() as u64 + KEY_BYTES;
        }
        Ok(())
    }

    /// Removes the oldest of a share; `false` if there is none.
    fn remove_oldest(&mut self, table: &mut Events<'_>, of: u8) -> Result<bool> {
        let oldest = table.range((of, 0)..=(of, u64::MAX))?.next().transpose()?;
        let Some(key) = oldest.map(|(key, _)| key.value()) else {
            return Ok(false);
        };
        let removed = table.remove(key)?;
        let bytes = removed.map_or(0, |row| row.value().len() as u64) + KEY_BYTES;
        if let Some(held) = self.held.get_mut(usize::from(of)) {
            held.rows = held.rows.saturating_sub(1);
            held.bytes = held.bytes.saturating_sub(bytes);
        }
        Ok(true)
    }

    fn trim(&mut self, table: &mut Events<'_>) -> Result<()> {
        for of in SHARES {
            while self
                .held
                .get(usize::from(of))
                .is_some_and(|held| held.rows > EVENTS_MAX || held.bytes > EVENT_BYTES_MAX)
            {
                if !self.remove_oldest(table, of)? {
                    break;
                }
            }
        }
        Ok(())
    }
}

/// Writes events, removes what they push out, and counts the traffic.
pub(in crate::store) fn write(tx: &Tx<'_>, events: &[Event]) -> Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    let mut ring = Ring::load(tx)?;
    let mut table = tx.write(EVENTS)?;
    for event in events {
        ring.insert(&mut table, event)?;
    }
    ring.trim(&mut table)?;
    drop(table);
    count(tx, events, &mut ring)?;
    ring.save(tx, ())
}

/// Forgets events of days that lie behind the last ninety on which the box was on: a clock that jumps counts as one.
pub(in crate::store) fn age(tx: &Tx<'_>) -> Result<()> {
    let days = crate::store::growth::samples(tx, Subject::Card)?;
    let kept = usize::try_from(GROWTH_DAYS_MAX).unwrap_or(usize::MAX);
    let Some(first) = days.first().filter(|_| days.len() >= kept) else {
        return Ok(());
    };
    let mut ring = Ring::load(tx)?;
    let mut table = tx.write(EVENTS)?;
    for of in SHARES {
        for _ in 0..AGED_MAX {
            let oldest = oldest(&table, of)?;
            let is_old = |event: &Event| event.at.is_none_or(|at| at.day() < first.day.into());
            if !oldest.as_ref().is_some_and(is_old) {
                break;
            }
            ring.remove_oldest(&mut table, of)?;
        }
    }
    drop(table);
    ring.save(tx, ())
}

fn oldest(table: &Events<'_>, of: u8) -> Result<Option<Event>> {
    let first = table.range((of, 0)..=(of, u64::MAX))?.next().transpose()?;
    let event = first.map(|(key, row)| Event::unpack(key.value().1, row.value()));
    event.transpose()
}

fn count(tx: &Tx<'_>, events: &[Event], ring: &mut Ring) -> Result<()> {
    let mut table = tx.write(TRAFFIC)?;
    for event in events {
        let mut own = Traffic::default();
        own.count(event);
        let quarter = event
            .at
            .and_then(|at| u32::try_from(at.0.div_euclid(QUARTER)).ok());
        let Some(quarter) = quarter.filter(|_| own != Traffic::default()) else {
            continue;
        };
        let known = table.get(quarter)?.map(|row| Traffic::unpack(row.value()));
        let is_new = known.is_none();
        let mut sum = known.transpose()?.unwrap_or_default();
        sum.add(own);
        table.insert(quarter, sum.pack().as_slice())?;
        ring.traffic_rows += u64::from(is_new);
    }
    while ring.traffic_rows > TRAFFIC_ROWS_MAX && table.pop_first()?.is_some() {
        ring.traffic_rows -= 1;
    }
    Ok(())
}

impl Traffic {
    fn pack(&self) -> Vec<u8> {
        let mut row = Packer::new();
        row.uint(self.received)
            .uint(self.submitted)
            .uint(self.refused)
            .uint(self.deferred)
            .uint(self.sent)
            .uint(self.turned_away)
            .uint(self.logins_failed);
        row.finish()
    }

    fn unpack(row: &[u8]) -> Result<Self> {
        let mut row = Unpacker::new("traffic", row);
        let traffic = Self {
            received: row.uint()?,
            submitted: row.uint()?,
            refused: row.uint()?,
            deferred: row.uint()?,
            sent: row.uint()?,
            turned_away: row.uint()?,
            logins_failed: row.uint()?,
        };
        row.finish()?;
        Ok(traffic)
    }
}

/// The sum of what was written, and the identifier from which on events are not written yet.
pub(super) fn traffic(snapshot: &Snapshot, from: Wall, to: Wall) -> Result<(Traffic, u64)> {
    let quarter = |wall: Wall| u32::try_from(wall.0.max(0) / QUARTER).unwrap_or(u32::MAX);
    let end = quarter(Wall(to.0.saturating_add(QUARTER - 1)));
    let mut sum = Traffic::default();
    for entry in snapshot.read(TRAFFIC)?.range(quarter(from)..end)? {
        sum.add(Traffic::unpack(entry?.1.value())?);
    }
    Ok((sum, Ring::next(snapshot)?))
}

/// What fits, newest first: from those that wait, then from both shares at once.
pub(super) fn find(snapshot: &Snapshot, pending: Vec<Event>, query: &Query) -> Result<Found> {
    let before = query.before.unwrap_or(u64::MAX);
    let written = Ring::next(snapshot)?;
    let table = snapshot.read(EVENTS)?;
    let mut shares = Vec::new();
    for of in SHARES {
        shares.push(table.range((of, 0)..(of, before))?.rev().peekable());
    }
    let mut found = Found::default();
    let waiting = pending.into_iter().rev();
    let mut waiting = waiting.filter(|event| event.id >= written && event.id < before);
    for looked_at in 0.. {
        let event = match waiting.next() {
            Some(event) => event,
            None => match newest(&mut shares)? {
                Some(event) => event,
                None => return Ok(found),
            },
        };
        let id = event.id;
        if query.fits(&event) {
            found.events.push(event);
        }
        if found.events.len() >= query.limit || looked_at >= SEARCHED_MAX {
            found.next = Some(id);
            break;
        }
    }
    let has_more = waiting.next().is_some() || newest(&mut shares)?.is_some();
    found.next = found.next.filter(|_| has_more);
    Ok(found)
}

type Share<'a> = std::iter::Peekable<std::iter::Rev<redb::Range<'a, (u8, u64), Bytes>>>;

fn newest(shares: &mut [Share<'_>]) -> Result<Option<Event>> {
    let id = |share: &mut Share<'_>| match share.peek() {
        Some(Ok((key, _))) => Some(key.value().1),
        // A fault is met first.
        Some(Err(_)) => Some(u64::MAX),
        None => None,
    };
    let ids: Vec<Option<u64>> = shares.iter_mut().map(id).collect();
    let first = (0..ids.len()).max_by_key(|at| ids.get(*at).copied().flatten());
    let entry = first
        .and_then(|at| shares.get_mut(at)?.next())
        .transpose()?;
    let event = entry.map(|(key, row)| Event::unpack(key.value().1, row.value()));
    event.transpose()
}

/// Whether every row can be read, lies in its share below the next identifier, and is counted; says what is wrong.
pub(in crate::store) fn check(snapshot: &Snapshot) -> Result<Vec<String>> {
    let ring = Ring::load(snapshot)?;
    let mut counted = Ring {
        next: ring.next,
        ..Ring::default()
    };
    let mut wrong = Vec::new();
    for entry in snapshot.read(EVENTS)?.iter()? {
        let (key, row) = entry?;
        let (of, id) = key.value();
        let event = Event::unpack(id, row.value())?;
        if share(event.kind) != of || id >= ring.next {
            wrong.push(format!("event {id} is in a wrong place"));
        }
        if let Some(held) = counted.held.get_mut(usize::from(of)) {
            held.rows += 1;
            held.bytes += row.value().len() as u64 + KEY_BYTES;
        }
    }
    for entry in snapshot.read(TRAFFIC)?.iter()? {
        Traffic::unpack(entry?.1.value())?;
        counted.traffic_rows += 1;
    }
    if counted != ring {
        wrong.push(format!(
            "events are counted as {ring:?} and are {counted:?}"
        ));
    }
    Ok(wrong)
}
