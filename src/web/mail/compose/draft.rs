//! Drafts: messages with `\Draft` in Drafts, which every mail program sees and can go on with. A new one takes the place
//! of the one before, and what is not a draft is never touched.

use super::attached;
use super::build::Built;
use crate::clock::Now;
use crate::mail::compose::{self, DRAFT_FIELD, Line, recipients};
use crate::mail::flags::{Flags, SpecialUse, SystemFlags};
use crate::mail::ids::{AccountId, Serial};
use crate::mail::mime::text::decode_words;
use crate::mail::mime::{Summary, address_list, header};
use crate::store::types::{Filing, FlagAction, QuotaRule};
use crate::store::{self, Append, Store};
use crate::web::mail::writing::Typed;
use crate::web::mail::{access, places};
use crate::web::problem::Problem;

/// What of a form does not fit into the draft's own fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
pub(super) struct Note {
    /// Fields of addresses as they were typed, where they are no addresses yet.
    #[serde(default)]
    pub(super) to: String,
    #[serde(default)]
    pub(super) cc: String,
    #[serde(default)]
    pub(super) bcc: String,
    /// What it answers or forwards.
    #[serde(default)]
    pub(super) answers: String,
}

impl Note {
    fn of(typed: &Typed) -> Self {
        let unread = |text: &String| match recipients::parse(text) {
            Ok(_) => String::new(),
            Err(_) => text.clone(),
        };
        Self {
            to: unread(&typed.to),
            cc: unread(&typed.cc),
            bcc: unread(&typed.bcc),
            answers: typed.answers.clone(),
        }
    }

    fn field(&self) -> Vec<u8> {
        let text = serde_urlencoded::to_string(self).unwrap_or_default();
        // Cut, it would say something else.
        if *self == Self::default() || text.len() > compose::LINE_BYTES_MAX {
            return Vec::new();
        }
        compose::extra(DRAFT_FIELD, &Line::new(&text))
    }

    /// As a draft has it.
    pub(super) fn read(prefix: &[u8]) -> Self {
        let field = header::find(prefix, DRAFT_FIELD).unwrap_or_default();
        serde_urlencoded::from_str(&decode_words(&field)).unwrap_or_default()
    }
}

/// Files the message as a draft in place of `old`; its serial, and the names of its attachments.
pub(super) fn save(
    store: &Store,
    account: AccountId,
    typed: &Typed,
    built: Built,
    old: Option<Serial>,
    now: Now,
) -> Result<(Serial, Vec<String>), Problem> {
    let drafts = places::find_or_make(store, account, SpecialUse::Drafts, now)?;
    let bcc = compose::bcc(&built.plan.bcc);
    let summary = Summary::decode(&built.received.summary);
    let mut summary = summary.map_err(|error| store::Error::Fault(error.to_string()))?;
    if let Some(bcc) = header::find(&bcc, "Bcc") {
        summary.envelope.bcc = address_list::parse(&bcc);
    }
    let append = Append {
        blob: built.received.blob,
        summary: summary.encode(),
        filings: vec![Filing {
            mailbox: drafts.id,
            flags: Flags {
                system: SystemFlags::DRAFT.union(SystemFlags::SEEN),
                keywords: Vec::new(),
            },
            internal_date: now.stamp(),
            prefix: [bcc, Note::of(typed).field()].concat(),
            quota: QuotaRule::Enforce,
        }],
        spool: Vec::new(),
    };
    let filed = store.append_all(vec![append], now)?;
    let filed = filed.into_iter().flatten().next().ok_or(Problem::Broken)?;
    remove(store, account, old)?;
    Ok((filed.serial, attached::all_of(filed.serial, &summary)))
}

/// Removes a draft for good; nothing that is none.
pub(super) fn remove(
    store: &Store,
    account: AccountId,
    draft: Option<Serial>,
) -> Result<(), Problem> {
    let Some(serial) = draft else {
        return Ok(());
    };
    let opened = match access::message(&store.snapshot()?, account, serial) {
        Ok(opened) => opened,
        Err(Problem::NotFound) => return Ok(()),
        Err(problem) => return Err(problem),
    };
    if !opened.row.flags.system.contains(SystemFlags::DRAFT) {
        return Ok(());
    }
    let deleted = Flags {
        system: SystemFlags::DELETED,
        keywords: Vec::new(),
    };
    let (mailbox, uids) = (opened.mailbox.id, [opened.row.uid]);
    store.update_flags(mailbox, &uids, FlagAction::Add, &deleted, None)?;
    store.expunge(mailbox, Some(&uids))?;
    Ok(())
}
