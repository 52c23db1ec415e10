//! The format version: a new store gets the current one, an older one is brought up step by step, a newer one is left
//! alone with a clear error.

use redb::ReadableTable;

use super::codec::{Packer, Unpacker};
use super::schema::{self, COUNTERS, FORMAT_VERSION, META, META_FORMAT, OF_ACCOUNT};
use super::tx::{ReadRows, Tx};
use super::types::Level;
use super::{Error, Result};

/// Brings a store from the version before to this one.
type Step = fn(&mut Tx<'_>) -> Result<()>;

/// The n-th step leads from version n to version n + 1.
const STEPS: &[Step] = &[begin, add_levels, add_spool, add_pages];

/// Version 0 is an empty store.
fn begin(tx: &mut Tx<'_>) -> Result<()> {
    schema::create_tables(tx)
}

/// Version 2: accounts have levels. Opening steps them.
fn add_levels(tx: &mut Tx<'_>) -> Result<()> {
    schema::create_tables(tx)?;
    let mut counters = tx.write(COUNTERS)?;
    let mut accounts = Vec::new();
    for entry in counters.range((OF_ACCOUNT, 0)..=(OF_ACCOUNT, u32::MAX))? {
        let (key, row) = entry?;
        accounts.push((key.value(), row.value().to_vec()));
    }
    for (key, before) in accounts {
        let mut row = Packer::new();
        row.raw(&before);
        Level::Ok.pack(&mut row);
        counters.insert(key, row.finish().as_slice())?;
    }
    Ok(())
}

/// Version 3: mail can wait to be sent.
fn add_spool(tx: &mut Tx<'_>) -> Result<()> {
    schema::create_tables(tx)
}

/// Version 4: logins and what happened are remembered, for the pages to show.
fn add_pages(tx: &mut Tx<'_>) -> Result<()> {
    schema::create_tables(tx)
}

/// Makes the rows of a store readable by this program, in the transaction that opens it.
pub(super) fn prepare(tx: &mut Tx<'_>) -> Result<()> {
    let version = version(tx)?;
    if version == FORMAT_VERSION {
        return Ok(());
    }
    let done = usize::try_from(version).unwrap_or(usize::MAX);
    let Some(steps) = STEPS.get(done..) else {
        return Err(Error::Fault(format!(
            "the store has format version {version}, this program knows up to {FORMAT_VERSION}: \
             use a newer heimpost"
        )));
    };
    for step in steps {
        step(tx)?;
    }
    save_version(tx, FORMAT_VERSION)
}

fn version(rows: &impl ReadRows) -> Result<u64> {
    let meta = rows.read(META)?;
    let Some(row) = meta.get(META_FORMAT)? else {
        return Ok(0);
    };
    Unpacker::new("meta", row.value()).uint()
}

fn save_version(tx: &Tx<'_>, version: u64) -> Result<()> {
    let mut row = Packer::new();
    row.uint(version);
    let mut meta = tx.write(META)?;
    meta.insert(META_FORMAT, row.finish().as_slice())?;
    Ok(())
}
