//! A person's mailboxes as people see them: those with a use first, by a name in the visitor's language, then the others
//! with what lies below them.

use std::collections::BTreeMap;

use super::places;
use crate::mail::flags::SpecialUse;
use crate::mail::mailbox_name::SEPARATOR;
use crate::store::types::Mailbox;
use crate::web::words::Lang;

/// A mailbox in the list.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    /// The mailbox.
    pub(super) mailbox: Mailbox,
    /// What it is called.
    pub(super) label: String,
    /// How many of those above it in the list hold it.
    pub(super) depth: usize,
}

/// What a mailbox is called, without those that it lies in: its name, but for those that every account has, which have
/// one in each language.
pub(super) fn label(mailbox: &Mailbox, lang: Lang) -> String {
    let whole = places::label(lang, mailbox);
    if whole != mailbox.name.as_str() {
        return whole;
    }
    whole.rsplit(SEPARATOR).next().unwrap_or(&whole).to_owned()
}

fn rank(mailbox: &Mailbox) -> u8 {
    match (mailbox.name.is_inbox(), mailbox.special_use) {
        (true, _) => 0,
        (_, Some(SpecialUse::Drafts)) => 1,
        (_, Some(SpecialUse::Sent)) => 2,
        (_, Some(SpecialUse::Junk)) => 3,
        (_, Some(SpecialUse::Trash)) => 4,
        (_, Some(SpecialUse::Archive)) => 5,
        (_, Some(SpecialUse::All | SpecialUse::Flagged) | None) => 6,
    }
}

/// The mailboxes in the order of the list.
pub(super) fn tree(mailboxes: Vec<Mailbox>, lang: Lang) -> Vec<Folder> {
    let mut below: BTreeMap<String, Vec<Mailbox>> = BTreeMap::new();
    for mailbox in mailboxes {
        // One with a use is found at once, wherever it lies.
        let above = mailbox.name.parent().filter(|_| rank(&mailbox) > 5);
        let above = above.map(|name| name.as_str().to_owned());
        below
            .entry(above.unwrap_or_default())
            .or_default()
            .push(mailbox);
    }
    for siblings in below.values_mut() {
        siblings.sort_by_key(|mailbox| (rank(mailbox), label(mailbox, lang).to_lowercase()));
    }
    let mut list = Vec::new();
    hang(&mut below, "", 0, lang, &mut list);
    list
}

/// Levels are bounded by `MAILBOX_LEVELS_MAX`.
fn hang(
    below: &mut BTreeMap<String, Vec<Mailbox>>,
    above: &str,
    depth: usize,
    lang: Lang,
    list: &mut Vec<Folder>,
) {
    for mailbox in below.remove(above).unwrap_or_default() {
        let name = mailbox.name.as_str().to_owned();
        list.push(Folder {
            label: label(&mailbox, lang),
            mailbox,
            depth,
        });
        hang(below, &name, depth + 1, lang, list);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::ids::{AccountId, MailboxId, ModSeq, Uid, UidValidity};
    use crate::mail::mailbox_name::MailboxName;
    use crate::store::types::Language;

    fn mailbox(name: &str, special_use: Option<SpecialUse>) -> Mailbox {
        Mailbox {
            id: MailboxId(1),
            account: AccountId(1),
            name: MailboxName::parse(name).unwrap(),
            special_use,
            subscribed: true,
            uid_validity: UidValidity(1.try_into().unwrap()),
            uid_next: Uid::MIN,
            highest_modseq: ModSeq::MIN,
            messages: 0,
            unseen: 0,
            deleted: 0,
            bytes: 0,
            keywords: Vec::new(),
        }
    }

    #[test]
    fn those_with_a_use_come_first_and_others_hang_below_theirs() {
        let all = vec![
            mailbox("Archive", Some(SpecialUse::Archive)),
            mailbox("Archive/2025", None),
            mailbox("INBOX", None),
            mailbox("INBOX/Bahn", None),
            mailbox("INBOX/Sent", Some(SpecialUse::Sent)),
            mailbox("Verein", None),
            mailbox("Verein/Chor", None),
            mailbox("alt", None),
        ];
        let list = tree(all, Lang(Language::De));
        let lines: Vec<String> = list
            .iter()
            .map(|folder| format!("{}{}", "-".repeat(folder.depth), folder.label))
            .collect();
        assert_eq!(
            lines,
            [
                "Posteingang",
                "-Bahn",
                "Sent",
                "Archiv",
                "-2025",
                "alt",
                "Verein",
                "-Chor"
            ]
        );
    }
}
