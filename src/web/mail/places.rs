//! Mailboxes of a special use, made when they are missing, and what people call mailboxes.

use crate::clock::Now;
use crate::mail::flags::SpecialUse;
use crate::mail::ids::AccountId;
use crate::mail::mailbox_name::MailboxName;
use crate::store::types::Mailbox;
use crate::store::{self, Snapshot, Store};
use crate::web::problem::Problem;
use crate::web::words::Lang;

/// The mailbox of that special use, if there is one.
pub(super) fn find(
    snapshot: &Snapshot,
    account: AccountId,
    special_use: SpecialUse,
) -> store::Result<Option<Mailbox>> {
    let mut all = snapshot.mailboxes(account)?.into_iter();
    Ok(all.find(|mailbox| mailbox.special_use == Some(special_use)))
}

/// The mailbox of that special use; else the one that has its usual name; else a new one.
pub(super) fn find_or_make(
    store: &Store,
    account: AccountId,
    special_use: SpecialUse,
    now: Now,
) -> Result<Mailbox, Problem> {
    let name = MailboxName::parse(usual_name(special_use)).map_err(|_| Problem::Broken)?;
    let snapshot = store.snapshot()?;
    if let Some(found) = find(&snapshot, account, special_use)? {
        return Ok(found);
    }
    if let Some(found) = snapshot.mailbox_by_name(account, &name)? {
        return Ok(found);
    }
    let made = store.create_mailbox(account, &name, Some(special_use), now)?;
    store.set_subscribed(account, &name, true)?;
    Ok(made)
}

fn usual_name(special_use: SpecialUse) -> &'static str {
    match special_use {
        SpecialUse::All => "All",
        SpecialUse::Archive => "Archive",
        SpecialUse::Drafts => "Drafts",
        SpecialUse::Flagged => "Flagged",
        SpecialUse::Junk => "Junk",
        SpecialUse::Sent => "Sent",
        SpecialUse::Trash => "Trash",
    }
}

/// What people call it: its name, but for those that every account has, which have one in each language.
pub(in crate::web) fn label(lang: Lang, mailbox: &Mailbox) -> String {
    let name = mailbox.name.as_str();
    if mailbox.name.is_inbox() {
        return lang.t("Posteingang", "Inbox").to_owned();
    }
    let special = mailbox
        .special_use
        .filter(|special| usual_name(*special) == name);
    match special {
        Some(SpecialUse::Archive) => lang.t("Archiv", "Archive").to_owned(),
        Some(SpecialUse::Drafts) => lang.t("Entwürfe", "Drafts").to_owned(),
        Some(SpecialUse::Junk) => lang.t("Spam", "Junk").to_owned(),
        Some(SpecialUse::Sent) => lang.t("Gesendet", "Sent").to_owned(),
        Some(SpecialUse::Trash) => lang.t("Papierkorb", "Trash").to_owned(),
        Some(SpecialUse::All | SpecialUse::Flagged) | None => name.to_owned(),
    }
}
