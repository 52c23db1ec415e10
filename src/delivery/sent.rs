//! The copy of a submitted mail in its author's Sent, filed in the commit that takes the mail.
//!
//! It is the mail as its author wrote it, with the fields that submission added and without trace fields. A client that
//! appends a copy of its own gets that one instead: [`Store::append_own`]. Sending never fails for want of a copy.

use crate::clock::Now;
use crate::mail::ids::AccountId;
use crate::mail::mime::{Summary, address_list, header};
use crate::maillog::{self, Log};
use crate::store::sent::{Kept, SentCopy};
use crate::store::types::Filed;
use crate::store::{self, Append, Store};

/// The copy for `account` of the mail that `summary` describes; `added` are the header fields that submission put in front
/// ([`super::submission::complete`], to be called first, for it gives the envelope its Message-ID). `bcc` is a field that
/// only this copy has.
pub fn copy(account: AccountId, bcc: &[u8], added: &[u8], summary: &Summary) -> SentCopy {
    let mut summary = summary.clone();
    if let Some(bcc) = header::find(bcc, "Bcc") {
        summary.envelope.bcc = address_list::parse(&bcc);
    }
    SentCopy {
        account,
        prefix: [bcc, added].concat(),
        message_id: summary.envelope.message_id.clone().unwrap_or_default(),
        summary: summary.encode(),
    }
}

/// As [`Store::append_all`] with `append`, the copy and what goes `along` in the same commit. That a copy is missing (the
/// account is full) is logged and no error.
pub fn file(
    store: &Store,
    append: Append,
    along: Vec<Append>,
    copy: SentCopy,
    now: Now,
) -> store::Result<Vec<Filed>> {
    let account = copy.account;
    let (filed, kept) = store.submit(append, along, copy, now)?;
    if let Kept::Refused(error) = kept {
        maillog::sent_not_kept(Log(store, now), account, &error.to_string());
    }
    Ok(filed)
}
