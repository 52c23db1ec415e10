//! Reports to senders on their way: one is filed in the INBOX of a sender of the house, or spooled to one elsewhere.
//!
//! The text is `dsn`'s. A report uses the card's reserve and goes beyond quotas. It has the null sender, and there is none
//! about mail that had it.

use super::dsn::Dsn;
use super::route::Router;
use crate::clock::Now;
use crate::store::{self, Append, Store};

/// Writes the report's bytes into the store, not filed yet. `original` gives the pieces of the message that it is about.
/// `None` if its reader is of our domains and does not exist (any more).
pub fn compose(
    store: &Store,
    router: &Router,
    report: &Dsn<'_>,
    original: &mut dyn Iterator<Item = store::Result<Vec<u8>>>,
    now: Now,
) -> store::Result<Option<Append>> {
    let _ = (store, router, report, original, now);
    todo!()
}
