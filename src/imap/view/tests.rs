//! The view against a model: a client that believes what it is told ends up with what the store has.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::mail::flags::{FlagBits, SystemFlags};
use crate::mail::ids::Serial;

/// A mailbox as the store has it: UID to flags and mod-sequence.
#[derive(Debug)]
struct Mailbox {
    rows: BTreeMap<Uid, MessageRow>,
    uid_next: u32,
    highest: u64,
}

/// A client that believes what it is told.
#[derive(Debug, Default)]
struct Client {
    messages: Vec<(Uid, u8)>,
}

#[derive(Debug, Clone)]
enum Act {
    Deliver(u8),
    Expunge(usize),
    Flag(usize, u8),
    /// The session's own change, which it answers itself.
    OwnFlag(usize, u8),
    OwnExpunge(usize),
    Refresh(bool),
}

impl Mailbox {
    fn new() -> Self {
        Self {
            rows: BTreeMap::new(),
            uid_next: 1,
            highest: 1,
        }
    }

    fn highest(&self) -> ModSeq {
        ModSeq::new(self.highest).unwrap()
    }

    fn put(&mut self, uid: Uid, flags: u8) -> MessageRow {
        self.highest += 1;
        let row = MessageRow {
            uid,
            flags: FlagBits {
                system: SystemFlags::from_bits(flags),
                keywords: 0,
            },
            modseq: self.highest(),
            serial: Serial(u64::from(uid.get())),
        };
        self.rows.insert(uid, row);
        row
    }

    fn nth(&self, index: usize) -> Option<Uid> {
        let count = self.rows.len();
        let nth = |count| self.rows.keys().nth(index % count).copied();
        (count > 0).then_some(count).and_then(nth)
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::Deliver(flags) => {
                let uid = Uid::new(self.uid_next).unwrap();
                self.uid_next += 1;
                self.put(uid, *flags);
            }
            Act::Expunge(index) => {
                if let Some(uid) = self.nth(*index) {
                    self.rows.remove(&uid);
                    self.highest += 1;
                }
            }
            Act::Flag(index, flags) => {
                if let Some(uid) = self.nth(*index) {
                    self.put(uid, *flags);
                }
            }
            Act::OwnFlag(..) | Act::OwnExpunge(_) | Act::Refresh(_) => {}
        }
    }

    fn rows(&self, from: Uid, to: Uid) -> Vec<MessageRow> {
        self.rows.range(from..=to).map(|(_, row)| *row).collect()
    }
}

impl Client {
    fn hear(&mut self, changes: &Changes, mailbox: &Mailbox, view: &mut MailboxView) {
        for (seq, uid) in &changes.expunged {
            let (had, _) = self.messages.remove(*seq as usize - 1);
            assert_eq!(had, *uid);
        }
        for (seq, row) in &changes.flags {
            self.messages[*seq as usize - 1].1 = row.flags.system.bits();
        }
        if let Some(exists) = changes.exists {
            for seq in (1..=exists).skip(self.messages.len()) {
                let uid = view.uid(seq).unwrap();
                let row = mailbox.rows[&uid];
                view.know(uid, row.modseq);
                self.messages.push((uid, row.flags.system.bits()));
            }
        }
    }
}

/// Runs a pass; `between` happens between its steps.
fn refresh(
    view: &mut MailboxView,
    client: &mut Client,
    mailbox: &mut Mailbox,
    expunges: Expunges,
    between: &[Act],
) {
    if !view.is_behind(mailbox.highest(), expunges) {
        return;
    }
    let mut between = between.iter();
    let mut pass = view.begin(mailbox.highest(), expunges);
    while let Some((from, to)) = view.wanted(&pass) {
        let rows = mailbox.rows(from, to);
        let changes = view.step(&mut pass, &rows);
        client.hear(&changes, mailbox, view);
        if let Some(act) = between.next() {
            mailbox.act(act);
        }
    }
}

fn own_flag(
    view: &mut MailboxView,
    client: &mut Client,
    mailbox: &mut Mailbox,
    index: usize,
    flags: u8,
) {
    let index = index % client.messages.len().max(1);
    let Some((uid, _)) = client.messages.get(index).copied() else {
        return;
    };
    if mailbox.rows.contains_key(&uid) {
        let row = mailbox.put(uid, flags);
        view.know(uid, row.modseq);
        view.advance(row.modseq);
        client.messages[index].1 = flags & 0b1_1111;
    }
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => any::<u8>().prop_map(Act::Deliver),
        2 => any::<usize>().prop_map(Act::Expunge),
        2 => (any::<usize>(), any::<u8>()).prop_map(|(i, f)| Act::Flag(i, f)),
        2 => (any::<usize>(), any::<u8>()).prop_map(|(i, f)| Act::OwnFlag(i, f)),
        2 => any::<usize>().prop_map(Act::OwnExpunge),
        3 => any::<bool>().prop_map(Act::Refresh),
    ]
}

proptest! {
    /// After a last look, the client's picture is the mailbox, whatever happened before and during the looks.
    #[test]
    fn client_picture_equals_store(acts in prop::collection::vec((act(), act()), 0..60)) {
        let mut mailbox = Mailbox::new();
        let mut client = Client::default();
        let mut view = MailboxView::new(&[], mailbox.highest());
        for (act, during) in &acts {
            match act {
                Act::OwnFlag(index, flags) => {
                    own_flag(&mut view, &mut client, &mut mailbox, *index, *flags);
                }
                Act::OwnExpunge(index) => {
                    if let Some(uid) = mailbox.nth(*index) {
                        mailbox.act(&Act::Expunge(*index));
                        let changes = view.removed(&[uid], mailbox.highest(), 1);
                        client.hear(&changes.unwrap_or_default(), &mailbox, &mut view);
                    }
                }
                Act::Refresh(tell) => {
                    let expunges = if *tell { Expunges::Tell } else { Expunges::Withhold };
                    let during = std::slice::from_ref(during);
                    refresh(&mut view, &mut client, &mut mailbox, expunges, during);
                }
                Act::Deliver(_) | Act::Expunge(_) | Act::Flag(..) => mailbox.act(act),
            }
        }
        refresh(&mut view, &mut client, &mut mailbox, Expunges::Tell, &[]);
        let stored = mailbox.rows.values().map(|row| (row.uid, row.flags.system.bits()));
        prop_assert_eq!(client.messages, stored.collect::<Vec<_>>());
        prop_assert!(!view.is_behind(mailbox.highest(), Expunges::Tell));
    }
}

fn mailbox_of(count: u32) -> Mailbox {
    let mut mailbox = Mailbox::new();
    for _ in 0..count {
        mailbox.act(&Act::Deliver(0));
    }
    mailbox
}

#[test]
fn windows_cover_a_large_mailbox() {
    let mut mailbox = mailbox_of(2500);
    let mut view = MailboxView::new(&mailbox.rows(Uid::MIN, Uid::MAX), mailbox.highest());
    let mut client = Client {
        messages: mailbox.rows.keys().map(|uid| (*uid, 0)).collect(),
    };
    for index in [2499, 1999, 1000, 999, 500, 0] {
        mailbox.act(&Act::Expunge(index));
    }
    mailbox.act(&Act::Flag(2000, 1));
    mailbox.act(&Act::Deliver(2));
    refresh(&mut view, &mut client, &mut mailbox, Expunges::Tell, &[]);
    let stored = mailbox
        .rows
        .values()
        .map(|row| (row.uid, row.flags.system.bits()));
    assert_eq!(client.messages, stored.collect::<Vec<_>>());
    assert_eq!(view.exists(), 2495);
}

#[test]
fn expunges_are_withheld_and_told_later() {
    let mut mailbox = mailbox_of(3);
    let mut view = MailboxView::new(&mailbox.rows(Uid::MIN, Uid::MAX), mailbox.highest());
    mailbox.act(&Act::Expunge(1));
    let mut pass = view.begin(mailbox.highest(), Expunges::Withhold);
    while let Some((from, to)) = view.wanted(&pass) {
        assert_eq!(
            view.step(&mut pass, &mailbox.rows(from, to)),
            Changes::default()
        );
    }
    assert_eq!(view.exists(), 3);
    assert!(!view.is_behind(mailbox.highest(), Expunges::Withhold));
    assert!(view.is_behind(mailbox.highest(), Expunges::Tell));
    let mut pass = view.begin(mailbox.highest(), Expunges::Tell);
    let (from, to) = view.wanted(&pass).unwrap();
    let changes = view.step(&mut pass, &mailbox.rows(from, to));
    assert_eq!(changes.expunged, [(2, Uid::new(2).unwrap())]);
    assert_eq!(view.seq(Uid::new(3).unwrap()), Some(2));
}

#[test]
fn numbers_and_uids_map_both_ways() {
    let mut mailbox = mailbox_of(10);
    mailbox.act(&Act::Expunge(4));
    let view = MailboxView::new(&mailbox.rows(Uid::MIN, Uid::MAX), mailbox.highest());
    let uid = |value| Uid::new(value).unwrap();
    assert_eq!(view.seq(uid(5)), None);
    assert_eq!(view.seq(uid(6)), Some(5));
    assert_eq!(view.uid(5), Some(uid(6)));
    assert_eq!(view.uid(0), None);
    assert_eq!(view.uid(10), None);
    assert_eq!(view.seqs_of(uid(5), uid(7)), Some((5, 6)));
    assert_eq!(view.seqs_of(uid(5), uid(5)), None);
    assert_eq!(view.seqs_of(uid(8), Uid::MAX), Some((7, 9)));
    assert_eq!(view.uids_between(8, 50), [uid(9), uid(10)]);
    assert_eq!(view.uids_between(50, 60), []);
}

fn set(elements: &[(u32, u32)]) -> SequenceSet {
    use crate::imap::syntax::sequence::SequenceRange;
    use std::num::NonZeroU32;
    let number = |n| NonZeroU32::new(n).map_or(SequenceNumber::Largest, SequenceNumber::Number);
    let mut ranges = elements.iter().map(|(from, to)| SequenceRange {
        from: number(*from),
        to: number(*to),
    });
    let first = ranges.next().unwrap();
    SequenceSet::new(first, ranges.collect())
}

/// `0` stands for `*`.
fn check_resolve(elements: &[(u32, u32)], by: Numbering, expected: Result<&[(u32, u32)], Beyond>) {
    let mut mailbox = mailbox_of(10);
    mailbox.act(&Act::Expunge(4));
    let view = MailboxView::new(&mailbox.rows(Uid::MIN, Uid::MAX), mailbox.highest());
    let found = view.resolve(&set(elements), by);
    let found = found.map(|found| found.iter().map(|r| (r.from, r.to)).collect::<Vec<_>>());
    assert_eq!(found.as_deref(), expected.as_ref().map(|e| *e));
}

#[test]
fn sets_resolve_to_sequence_numbers() {
    check_resolve(&[(1, 3), (2, 4)], Numbering::Sequence, Ok(&[(1, 4)]));
    check_resolve(&[(0, 0)], Numbering::Sequence, Ok(&[(9, 9)]));
    check_resolve(&[(1, 10)], Numbering::Sequence, Err(Beyond { exists: 9 }));
    check_resolve(&[(5, 7)], Numbering::Uid, Ok(&[(5, 6)]));
    check_resolve(&[(5, 5)], Numbering::Uid, Ok(&[]));
    check_resolve(&[(20, 0)], Numbering::Uid, Ok(&[(9, 9)]));
    check_resolve(&[(20, 30)], Numbering::Uid, Ok(&[]));
}

#[test]
fn all_of_an_empty_mailbox_is_nothing() {
    let view = MailboxView::new(&[], ModSeq::MIN);
    assert_eq!(
        view.resolve(&set(&[(1, 0)]), Numbering::Sequence),
        Ok(vec![])
    );
    assert_eq!(view.resolve(&set(&[(1, 0)]), Numbering::Uid), Ok(vec![]));
    let beyond = Err(Beyond { exists: 0 });
    assert_eq!(view.resolve(&set(&[(1, 1)]), Numbering::Sequence), beyond);
}
