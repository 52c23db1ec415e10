//! The format version: a new store gets the current one, an older one is brought up step by step, a newer one is left
//! alone with a clear error.

use redb::ReadableTable;

use super::codec::{Packer, Unpacker};
use super::schema::{self, FORMAT_VERSION, META, META_FORMAT};
use super::tx::{ReadRows, Tx};
use super::{Error, Result};

/// Brings a store from the version before to this one.
type Step = fn(&mut Tx<'_>) -> Result<()>;

/// The n-th step leads from version n to version n + 1.
const STEPS: &[Step] = &[begin];

/// Version 0 is an empty store.
fn begin(tx: &mut Tx<'_>) -> Result<()> {
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
