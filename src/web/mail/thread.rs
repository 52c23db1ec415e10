//! The conversation that a message belongs to: what it answers, what answers it, one's own answers in Sent included.
//!
//! Found by Message-ID, In-Reply-To and References (RFC 5322 3.6.4) among the messages that came at about the same time,
//! in the mailboxes where conversations lie. How many are looked at is bounded, so that it costs the same in an account of
//! any size; what lies further away is found by searching.

use std::collections::{BTreeMap, BTreeSet};

use super::access::{self, Opened};
use super::{folders, people};
use crate::clock::Wall;
use crate::mail::flags::{SpecialUse, SystemFlags};
use crate::mail::ids::{AccountId, Serial, Uid};
use crate::mail::mime::{Envelope, header};
use crate::store::types::{Mailbox, MessageRow};
use crate::store::{Snapshot, Store};
use crate::web::problem::Problem;
use crate::web::words::Lang;

/// Messages looked at on either side of the one that is read, in its own mailbox.
const NEAR_MAX: usize = 150;

/// Messages looked at on either side of its time, in each of the others.
const NEAR_ELSEWHERE_MAX: usize = 75;

/// Other mailboxes looked at.
const MAILBOXES_MAX: usize = 8;

/// Message-IDs followed, and rounds of following them.
const IDS_MAX: usize = 200;
const ROUNDS_MAX: usize = 10;

/// Messages shown.
const TURNS_MAX: usize = 40;

/// Bytes of the header that is read for its References.
const HEADER_BYTES_MAX: usize = 64 << 10;

/// A message of the conversation.
#[derive(Clone, Debug)]
pub(super) struct Turn {
    pub(super) serial: Serial,
    pub(super) who: String,
    pub(super) subject: String,
    pub(super) date: Wall,
    pub(super) lies_in: String,
    pub(super) is_unread: bool,
}

/// A message that may belong to it.
struct Candidate {
    turn: Turn,
    id: Option<String>,
    answers: Vec<String>,
}

/// The conversation, oldest first, the message itself included; nothing if it stands alone.
pub(super) fn conversation(
    store: &Store,
    account: AccountId,
    opened: &Opened,
    lang: Lang,
) -> Result<Vec<Turn>, Problem> {
    let references = references(store, opened)?;
    let snapshot = store.snapshot()?;
    let mut candidates = Vec::new();
    for (mailbox, rows) in near(&snapshot, account, opened)? {
        for row in rows {
            candidates.extend(candidate(&snapshot, &row, &mailbox, lang)?);
        }
    }
    Ok(pick(
        candidates,
        &opened.summary.envelope,
        references,
        opened.row.serial,
    ))
}

/// Message-IDs of a field: what stands in angle brackets.
fn ids(field: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(field);
    let after = text.split('<').skip(1);
    let ids = after.filter_map(|rest| rest.split_once('>'));
    let ids = ids.map(|(id, _)| id.trim().to_owned());
    ids.filter(|id| !id.is_empty()).take(IDS_MAX).collect()
}

fn references(store: &Store, opened: &Opened) -> Result<Vec<String>, Problem> {
    let mut reader = store.blob(opened.record.blob)?;
    let end = usize::try_from(opened.summary.body.body_start).unwrap_or(usize::MAX);
    let mut block = Vec::new();
    while block.len() < end.min(HEADER_BYTES_MAX) {
        let left = end.min(HEADER_BYTES_MAX) - block.len();
        if reader.read_at(block.len() as u64, left, &mut block)? == 0 {
            break;
        }
    }
    Ok(header::find(&block, "References").map_or_else(Vec::new, |field| ids(&field)))
}

/// The rows to look at, by mailbox.
fn near(
    snapshot: &Snapshot,
    account: AccountId,
    opened: &Opened,
) -> Result<Vec<(Mailbox, Vec<MessageRow>)>, Problem> {
    let own = opened.mailbox.id;
    let mut found = vec![(
        opened.mailbox.clone(),
        around(snapshot, &opened.mailbox, opened.row.uid, NEAR_MAX)?,
    )];
    let mut others = snapshot.mailboxes(account)?;
    others.retain(|mailbox| {
        let is_thrown_away = matches!(
            mailbox.special_use,
            Some(SpecialUse::Junk | SpecialUse::Trash)
        );
        mailbox.id != own && mailbox.messages > 0 && !is_thrown_away
    });
    others.sort_by_key(|mailbox| {
        let is_likely = mailbox.name.is_inbox() || mailbox.special_use.is_some();
        (!is_likely, std::cmp::Reverse(mailbox.messages))
    });
    for mailbox in others.into_iter().take(MAILBOXES_MAX) {
        let at = place_of(snapshot, &mailbox, opened.record.internal_date)?;
        let rows = around(snapshot, &mailbox, at, NEAR_ELSEWHERE_MAX)?;
        found.push((mailbox, rows));
    }
    Ok(found)
}

fn around(
    snapshot: &Snapshot,
    mailbox: &Mailbox,
    at: Uid,
    count: usize,
) -> Result<Vec<MessageRow>, Problem> {
    let above = Uid::new(at.get().saturating_add(1)).unwrap_or(Uid::MAX);
    let mut rows = snapshot.rows_before(mailbox.id, above, count + 1)?;
    rows.extend(snapshot.rows_after(mailbox.id, at, count)?);
    Ok(rows)
}

/// The UID in a mailbox about where a message of that time would lie.
fn place_of(snapshot: &Snapshot, mailbox: &Mailbox, date: Wall) -> Result<Uid, Problem> {
    let (mut low, mut high) = (0, mailbox.uid_next.get());
    while low < high {
        let middle = low + (high - low) / 2;
        let after = Uid::new(middle).unwrap_or(Uid::MIN);
        let row = snapshot.rows_after(mailbox.id, after, 1)?.first().copied();
        let facts = row
            .map(|row| snapshot.facts(row.serial))
            .transpose()?
            .flatten();
        match facts {
            Some(facts) if facts.internal_date < date => low = middle + 1,
            _ => high = middle,
        }
    }
    Ok(Uid::new(low).unwrap_or(Uid::MIN))
}

fn candidate(
    snapshot: &Snapshot,
    row: &MessageRow,
    mailbox: &Mailbox,
    lang: Lang,
) -> Result<Option<Candidate>, Problem> {
    let Some(record) = snapshot.record(row.serial)? else {
        return Ok(None);
    };
    let Ok(summary) = access::summary(&record) else {
        return Ok(None);
    };
    let envelope = &summary.envelope;
    let first = |field: &Option<Vec<u8>>| field.as_deref().map(ids).unwrap_or_default();
    Ok(Some(Candidate {
        id: first(&envelope.message_id).into_iter().next(),
        answers: first(&envelope.in_reply_to),
        turn: Turn {
            serial: row.serial,
            who: people::several(&envelope.from, 1),
            subject: people::subject(envelope, lang),
            date: record.internal_date,
            lies_in: folders::label(mailbox, lang),
            is_unread: !row.flags.system.contains(SystemFlags::SEEN),
        },
    }))
}

/// Those that belong together: each names another one or is named by it.
fn pick(
    candidates: Vec<Candidate>,
    envelope: &Envelope,
    references: Vec<String>,
    own: Serial,
) -> Vec<Turn> {
    let first = |field: &Option<Vec<u8>>| field.as_deref().map(ids).unwrap_or_default();
    let mut known: BTreeSet<String> = references.into_iter().collect();
    known.extend(first(&envelope.message_id));
    known.extend(first(&envelope.in_reply_to));
    // The same message may lie in several mailboxes: the one that is read counts, else the first.
    let mut taken: BTreeMap<String, Turn> = BTreeMap::new();
    let mut rest = candidates;
    for _ in 0..ROUNDS_MAX {
        let belongs = |candidate: &Candidate| {
            let mut names = candidate.id.iter().chain(&candidate.answers);
            candidate.turn.serial == own || names.any(|name| known.contains(name))
        };
        let (found, others): (Vec<_>, Vec<_>) = rest.into_iter().partition(belongs);
        rest = others;
        if found.is_empty() {
            break;
        }
        for candidate in found {
            if known.len() < IDS_MAX {
                known.extend(candidate.id.iter().chain(&candidate.answers).cloned());
            }
            let key = candidate
                .id
                .unwrap_or_else(|| candidate.turn.serial.to_string());
            let is_own = candidate.turn.serial == own;
            if is_own || !taken.contains_key(&key) {
                taken.insert(key, candidate.turn);
            }
        }
    }
    let mut turns: Vec<Turn> = taken.into_values().collect();
    turns.sort_by_key(|turn| (turn.date, turn.serial));
    shorten(turns, own)
}

/// Those nearest to the one that is read, if there are too many; none if it stands alone.
fn shorten(turns: Vec<Turn>, own: Serial) -> Vec<Turn> {
    if turns.len() <= 1 {
        return Vec::new();
    }
    let at = turns
        .iter()
        .position(|turn| turn.serial == own)
        .unwrap_or_default();
    let last = turns.len().saturating_sub(TURNS_MAX);
    let skipped = at.saturating_sub(TURNS_MAX / 2).min(last);
    turns.into_iter().skip(skipped).take(TURNS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_stand_in_brackets() {
        assert_eq!(ids(b"<a@x> (c)\r\n <b@x>,<c>"), ["a@x", "b@x", "c"]);
        assert_eq!(ids(b"a@x < > <open"), [""; 0]);
    }

    fn candidate(serial: u64, id: &str, answers: &str) -> Candidate {
        Candidate {
            turn: Turn {
                serial: Serial(serial),
                who: String::new(),
                subject: String::new(),
                date: Wall(i64::try_from(serial).unwrap()),
                lies_in: String::new(),
                is_unread: false,
            },
            id: ids(id.as_bytes()).into_iter().next(),
            answers: ids(answers.as_bytes()),
        }
    }

    fn check(candidates: Vec<Candidate>, own: u64, references: &str, expected: &[u64]) {
        let of_own = candidates
            .iter()
            .find(|c| c.turn.serial == Serial(own))
            .unwrap();
        let bracketed = |id: &String| Some(format!("<{id}>").into_bytes());
        let envelope = Envelope {
            message_id: of_own.id.as_ref().and_then(bracketed),
            in_reply_to: of_own.answers.first().and_then(bracketed),
            ..Envelope::default()
        };
        let turns = pick(
            candidates,
            &envelope,
            ids(references.as_bytes()),
            Serial(own),
        );
        let serials: Vec<u64> = turns.iter().map(|turn| turn.serial.0).collect();
        assert_eq!(serials, expected);
    }

    #[test]
    fn answers_are_followed_both_ways() {
        let mails = || {
            vec![
                candidate(1, "<a>", ""),
                candidate(2, "<b>", "<a>"),
                candidate(3, "<c>", "<b>"),
                candidate(4, "<d>", "<a>"),
                candidate(5, "<e>", "<x>"),
                candidate(6, "<b>", "<a>"),
                candidate(7, "", ""),
            ]
        };
        check(mails(), 3, "", &[1, 2, 3, 4]);
        check(mails(), 6, "", &[1, 3, 4, 6]);
        check(mails(), 5, "", &[]);
        check(mails(), 5, "<d>", &[1, 2, 3, 4, 5]);
        check(mails(), 7, "", &[]);
    }
}
