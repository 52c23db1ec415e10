//! Making room: the owner's policy for what may go when the letterbox is full.
//!
//! Old mail in Trash, Junk and "Fetched" is set aside, old mail of INBOX moves to Archive/YYYY if the owner wants that.
//! Never touches INBOX otherwise, nor other mailboxes. The button, the command and the page do the same.

use std::path::PathBuf;

use crate::clock::Now;
use crate::mail::address::Domain;
use crate::store::{Result, Store};

/// What may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Days in Trash.
    pub trash_days: u32,
    /// Days in Junk.
    pub junk_days: u32,
    /// Days in "Fetched".
    pub fetched_days: u32,
    /// Months in INBOX until mail moves to Archive/YYYY.
    pub archive_months: Option<u32>,
}

/// What the hook works with.
#[derive(Clone, Debug)]
pub struct Hook {
    /// The open store.
    pub store: Store,
    /// What may go.
    pub policy: Policy,
    /// Directory of the owner's programs.
    pub programs: PathBuf,
    /// Domain that the receipt comes from.
    pub domain: Domain,
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Messages set aside.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// The storage-full hook, whole: the policy, then the owner's programs, then a receipt by mail.
pub fn press(hook: &Hook, now: Now) -> Result<Receipt> {
    todo!("{hook:?} {now:?}")
}
