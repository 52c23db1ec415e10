//! Random operations against a model of plain maps.

mod fullness;
mod spooled;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use fullness::{Fullness, QUOTAS};
use spooled::{SpoolOp, Spooled};

use super::*;
use crate::mail::flags::FlagBits;
use crate::mail::ids::Serial;

/// What an operation is, with numbers that are taken modulo what there is.
#[derive(Clone, Debug)]
enum Op {
    Append {
        to: usize,
        flags: u8,
        keyword: usize,
    },
    Update {
        of: usize,
        first: usize,
        count: usize,
        action: u8,
        flags: u8,
        keyword: usize,
    },
    Copy {
        from: usize,
        first: usize,
        count: usize,
        to: usize,
    },
    Move {
        from: usize,
        first: usize,
        count: usize,
        to: usize,
    },
    Expunge {
        of: usize,
    },
    Create {
        name: usize,
    },
    Delete {
        of: usize,
    },
    SetQuota {
        quota: usize,
    },
    Spool(SpoolOp),
    Recount,
    Reopen,
    Rename {
        of: usize,
        name: usize,
    },
}

const KEYWORDS: [&str; 4] = ["$Later", "red", "blue", "$Forwarded"];
const NAMES: [&str; 6] = ["one", "two", "one/deep", "one/deep/er", "two/deep", "three"];

fn op() -> impl Strategy<Value = Op> {
    let mailbox = 0..9_usize;
    let (first, count) = (0..6_usize, 1..4_usize);
    let (flags, keyword) = (0..32_u8, 0..5_usize);
    prop_oneof![
        6 => (mailbox.clone(), flags.clone(), keyword.clone())
            .prop_map(|(to, flags, keyword)| Op::Append { to, flags, keyword }),
        4 => (mailbox.clone(), first.clone(), count.clone(), 0..3_u8, flags, keyword).prop_map(
            |(of, first, count, action, flags, keyword)| {
                Op::Update { of, first, count, action, flags, keyword }
            }
        ),
        2 => (mailbox.clone(), first.clone(), count.clone(), mailbox.clone())
            .prop_map(|(from, first, count, to)| Op::Copy { from, first, count, to }),
        2 => (mailbox.clone(), first, count, mailbox.clone())
            .prop_map(|(from, first, count, to)| Op::Move { from, first, count, to }),
        2 => mailbox.clone().prop_map(|of| Op::Expunge { of }),
        1 => (0..NAMES.len()).prop_map(|name| Op::Create { name }),
        1 => mailbox.clone().prop_map(|of| Op::Delete { of }),
        1 => (mailbox, 0..NAMES.len()).prop_map(|(of, name)| Op::Rename { of, name }),
        2 => (0..QUOTAS.len()).prop_map(|quota| Op::SetQuota { quota }),
        4 => spooled::op().prop_map(Op::Spool),
        1 => Just(Op::Recount),
        1 => Just(Op::Reopen),
    ]
}

/// A message as the model knows it: what it says, its system flags, its keywords.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Message {
    body: String,
    system: u8,
    keywords: BTreeSet<&'static str>,
}

impl Message {
    /// As the store counts it, with the prefix that `filing` gives.
    fn bytes(&self) -> u64 {
        16 + self.body.len() as u64
    }
}

#[derive(Clone, Debug, Default)]
struct Model {
    /// By name: next UID and messages by UID.
    mailboxes: BTreeMap<String, (u32, BTreeMap<u32, Message>)>,
    appended: u32,
    fullness: Fullness,
    spooled: Spooled,
}

impl Model {
    fn name(&self, number: usize) -> String {
        self.mailboxes
            .keys()
            .nth(number % self.mailboxes.len())
            .unwrap()
            .clone()
    }

    fn pick(&self, mailbox: &str, first: usize, count: usize) -> Vec<u32> {
        self.mailboxes[mailbox]
            .1
            .keys()
            .skip(first)
            .take(count)
            .copied()
            .collect()
    }

    fn put(&mut self, mailbox: &str, message: Message) -> u32 {
        let (next, messages) = self.mailboxes.get_mut(mailbox).unwrap();
        let uid = *next;
        messages.insert(uid, message);
        *next += 1;
        uid
    }

    fn remove(&mut self, mailbox: &str, uid: u32) -> Message {
        let messages = &mut self.mailboxes.get_mut(mailbox).unwrap().1;
        messages.remove(&uid).unwrap()
    }

    fn used(&self) -> u64 {
        let all = self.mailboxes.values();
        let messages = all.flat_map(|(_, messages)| messages.values());
        messages.map(Message::bytes).sum()
    }

    fn has_below(&self, name: &str) -> bool {
        let below = format!("{name}/");
        self.mailboxes.keys().any(|other| other.starts_with(&below))
    }

    /// The name and its missing ancestors.
    fn create(&mut self, name: &str) {
        let ends = name.match_indices('/').map(|(end, _)| end);
        for end in ends.chain([name.len()]) {
            let level = name.get(..end).unwrap().to_owned();
            self.mailboxes.entry(level).or_insert((1, BTreeMap::new()));
        }
    }
}

fn keywords(number: usize) -> BTreeSet<&'static str> {
    KEYWORDS.get(number).copied().into_iter().collect()
}

fn given(system: u8, keyword: usize) -> Flags {
    let keywords: Vec<&str> = keywords(keyword).into_iter().collect();
    flags(SystemFlags::from_bits(system), &keywords)
}

struct Run {
    house: House,
    model: Model,
}

impl Run {
    fn new() -> Self {
        let mut model = Model::default();
        for name in ["Archive", "Drafts", "INBOX", "Junk", "Sent", "Trash"] {
            model.create(name);
        }
        Self {
            house: House::new(),
            model,
        }
    }

    fn reopen(mut self) -> Self {
        self.house = self.house.reopen();
        self
    }

    fn step(mut self, op: &Op) -> Self {
        match *op {
            Op::Append { to, flags, keyword } => self.append(to, flags, keyword),
            Op::Update {
                of,
                first,
                count,
                action,
                flags,
                keyword,
            } => {
                let of = self.model.name(of);
                let uids = self.model.pick(&of, first, count);
                self.update(&of, &uids, action, (flags, keyword));
            }
            Op::Copy {
                from,
                first,
                count,
                to,
            } => self.copy(from, (first, count), to),
            Op::Move {
                from,
                first,
                count,
                to,
            } => self.shift(from, (first, count), to),
            Op::Expunge { of } => self.expunge(of),
            Op::Create { name } => self.create(NAMES[name]),
            Op::Delete { of } => self.delete(of),
            Op::Rename { of, name } => self.rename(of, NAMES[name]),
            Op::SetQuota { quota } => {
                self.model.fullness.quota = QUOTAS[quota];
                let set = self
                    .house
                    .store
                    .set_quota(self.house.account, QUOTAS[quota]);
                set.unwrap();
            }
            Op::Spool(ref op) => self.spool(op),
            Op::Recount => assert_eq!(self.house.store.recount(), Ok(Vec::new())),
            Op::Reopen => return self.reopen(),
        }
        self.compare_level();
        self
    }

    fn append(&mut self, to: usize, system: u8, keyword: usize) {
        let to = self.model.name(to);
        self.model.appended += 1;
        let body = format!("body {}", self.model.appended);
        let mailbox = self.house.mailbox(&to);
        let filed = self
            .house
            .append(&mailbox, body.as_bytes(), given(system, keyword));
        let message = Message {
            body,
            system,
            keywords: keywords(keyword),
        };
        if !self.takes(&mailbox, &[message.bytes()]) {
            assert_eq!(filed, Err(Error::OverQuota));
            return;
        }
        assert_eq!(filed.unwrap().uid.get(), self.model.put(&to, message));
    }

    fn update(&mut self, of: &str, picked: &[u32], action: u8, (system, keyword): (u8, usize)) {
        let mailbox = self.house.mailbox(of);
        let verb = [FlagAction::Replace, FlagAction::Add, FlagAction::Remove][usize::from(action)];
        let flags = given(system, keyword);
        let update = self
            .house
            .store
            .update_flags(mailbox.id, &uids(picked), verb, &flags, None);
        let changed: Vec<u32> = update
            .unwrap()
            .changed
            .iter()
            .map(|row| row.uid.get())
            .collect();
        let mut expected = Vec::new();
        for uid in picked {
            let messages = &mut self.model.mailboxes.get_mut(of).unwrap().1;
            let message = messages.get_mut(uid).unwrap();
            let before = message.clone();
            let named = keywords(keyword);
            match verb {
                FlagAction::Replace => (message.system, message.keywords) = (system, named),
                FlagAction::Add => {
                    message.system |= system;
                    message.keywords.extend(named);
                }
                FlagAction::Remove => {
                    message.system &= !system;
                    message.keywords.retain(|keyword| !named.contains(keyword));
                }
            }
            expected.extend((before != *message).then_some(*uid));
        }
        assert_eq!(changed, expected);
    }

    fn copy(&mut self, from: usize, (first, count): (usize, usize), to: usize) {
        let (from, to) = (self.model.name(from), self.model.name(to));
        let picked = self.model.pick(&from, first, count);
        let (source, target) = (self.house.mailbox(&from), self.house.mailbox(&to));
        let copied = self
            .house
            .store
            .copy(source.id, &uids(&picked), target.id, self.house.now());
        let copies: Vec<Message> = picked
            .iter()
            .map(|uid| self.model.mailboxes[&from].1[uid].clone())
            .collect();
        let sizes: Vec<u64> = copies.iter().map(Message::bytes).collect();
        if !self.takes(&target, &sizes) {
            assert_eq!(copied, Err(Error::OverQuota));
            return;
        }
        let expected: Vec<(u32, u32)> = picked
            .iter()
            .zip(copies)
            .map(|(uid, message)| (*uid, self.model.put(&to, message)))
            .collect();
        assert_eq!(plain(&copied.unwrap()), expected);
    }

    fn shift(&mut self, from: usize, (first, count): (usize, usize), to: usize) {
        let (from, to) = (self.model.name(from), self.model.name(to));
        let picked = self.model.pick(&from, first, count);
        let (source, target) = (self.house.mailbox(&from), self.house.mailbox(&to));
        let now = self.house.now();
        let moved = self
            .house
            .store
            .move_messages(source.id, &uids(&picked), target.id, now);
        let mut expected = Vec::new();
        for uid in picked {
            let message = self.model.remove(&from, uid);
            expected.push((uid, self.model.put(&to, message)));
        }
        assert_eq!(plain(&moved.unwrap()), expected);
        let gone = self.house.store.snapshot().unwrap();
        let gone = gone.expunged_since(source.id, source.highest_modseq);
        let left: Vec<Uid> = expected.iter().map(|(uid, _)| super::uid(*uid)).collect();
        assert_eq!(gone, Ok(Some(left)));
    }

    fn expunge(&mut self, of: usize) {
        let of = self.model.name(of);
        let deleted = SystemFlags::DELETED.bits();
        let messages = &mut self.model.mailboxes.get_mut(&of).unwrap().1;
        let expected: Vec<u32> = messages
            .iter()
            .filter(|(_, message)| message.system & deleted != 0)
            .map(|(uid, _)| *uid)
            .collect();
        messages.retain(|uid, _| !expected.contains(uid));
        let gone = self.house.store.expunge(self.house.mailbox(&of).id, None);
        assert_eq!(gone.unwrap().0, uids(&expected));
    }

    fn create(&mut self, text: &str) {
        let house = &self.house;
        let created = house
            .store
            .create_mailbox(house.account, &name(text), None, house.now());
        assert_eq!(created.is_ok(), !self.model.mailboxes.contains_key(text));
        self.model.create(text);
    }

    fn delete(&mut self, of: usize) {
        let of = self.model.name(of);
        let deleted = self.house.store.delete_mailbox(self.house.mailbox(&of).id);
        let expected = of != "INBOX" && !self.model.has_below(&of);
        assert_eq!(deleted.is_ok(), expected);
        if expected {
            self.model.mailboxes.remove(&of);
        }
    }

    fn rename(&mut self, of: usize, to: &str) {
        let of = self.model.name(of);
        let id = self.house.mailbox(&of).id;
        let renamed = self
            .house
            .store
            .rename_mailbox(id, &name(to), self.house.now());
        let inside = to.starts_with(&format!("{of}/"));
        let expected = !self.model.mailboxes.contains_key(to) && (of == "INBOX" || !inside);
        assert_eq!(renamed.is_ok(), expected, "{renamed:?}");
        if !expected {
            return;
        }
        self.model.create(to);
        let below = format!("{of}/");
        let moving: Vec<String> = self
            .model
            .mailboxes
            .keys()
            .filter(|name| **name == of || (of != "INBOX" && name.starts_with(&below)))
            .cloned()
            .collect();
        for old in moving {
            let content = self.model.mailboxes.remove(&old).unwrap();
            let new = old.replacen(&of, to, 1);
            if of == "INBOX" {
                self.renumber_inbox(to, content);
            } else {
                self.model.mailboxes.insert(new, content);
            }
        }
    }

    fn renumber_inbox(&mut self, to: &str, (next, messages): (u32, BTreeMap<u32, Message>)) {
        self.model
            .mailboxes
            .insert("INBOX".to_owned(), (next, BTreeMap::new()));
        for message in messages.into_values() {
            self.model.put(to, message);
        }
    }

    /// The store says what the model says.
    fn compare(&self) {
        self.compare_spool();
        let snapshot = self.house.store.snapshot().unwrap();
        let mailboxes = snapshot.mailboxes(self.house.account).unwrap();
        let names: Vec<&str> = mailboxes.iter().map(|m| m.name.as_str()).collect();
        let expected: Vec<&String> = self.model.mailboxes.keys().collect();
        assert_eq!(names, expected);
        for (mailbox, (next, messages)) in mailboxes.iter().zip(self.model.mailboxes.values()) {
            assert_eq!(mailbox.uid_next.get(), *next);
            let rows = snapshot.rows(mailbox.id, Uid::MIN, Uid::MAX).unwrap();
            let stored: BTreeMap<u32, Message> = rows
                .iter()
                .map(|row| (row.uid.get(), self.read(mailbox, row.flags, row.serial)))
                .collect();
            assert_eq!(stored, *messages);
        }
    }

    fn read(&self, mailbox: &Mailbox, bits: FlagBits, serial: Serial) -> Message {
        let snapshot = self.house.store.snapshot().unwrap();
        let record = snapshot.record(serial).unwrap().unwrap();
        let mut body = Vec::new();
        let mut reader = self.house.store.blob(record.blob).unwrap();
        while reader.read_at(body.len() as u64, 1000, &mut body).unwrap() > 0 {}
        let named = mailbox.keywords.iter().enumerate();
        let set = named.filter(|(bit, _)| bits.keywords & 1 << bit != 0);
        let find = |keyword: &Keyword| {
            let same = |known: &&&str| keyword.as_str() == **known;
            *KEYWORDS.iter().find(same).unwrap()
        };
        Message {
            body: String::from_utf8(body).unwrap(),
            system: bits.system.bits(),
            keywords: set.map(|(_, keyword)| find(keyword)).collect(),
        }
    }
}

fn plain(copied: &Copied) -> Vec<(u32, u32)> {
    let pairs = copied.pairs.iter();
    pairs.map(|(old, new)| (old.get(), new.get())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 40,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_store_does_what_plain_maps_do(ops in prop::collection::vec(op(), 1..60)) {
        let mut run = Run::new();
        for op in &ops {
            run = run.step(op);
        }
        run.compare();
    }
}
