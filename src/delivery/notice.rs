//! Mails that the box itself writes to its people.

use crate::clock::Now;
use crate::mail::address::Domain;
use crate::store::types::Account;
use crate::store::{self, Append, Store};

/// One such mail.
#[derive(Clone, Debug)]
pub struct Notice<'a> {
    /// Who gets it, in INBOX.
    pub to: &'a Account,
    /// Subject, any Unicode.
    pub subject: &'a str,
    /// Plain text; lines end with LF.
    pub text: &'a str,
}

/// Writes the mail into the store, not filed yet. It may use the card's reserve. From is `postmaster` of `domain`.
pub fn compose(
    store: &Store,
    domain: &Domain,
    notice: &Notice<'_>,
    now: Now,
) -> store::Result<Append> {
    todo!("{store:?} {domain:?} {notice:?} {now:?}")
}
