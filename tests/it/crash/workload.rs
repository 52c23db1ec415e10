//! What people do to their mail, at random: each step on the store and on the model.

use heimpost::mail::address::Address;
use heimpost::mail::flags::{Flags, SystemFlags};
use heimpost::mail::ids::{MailboxId, Uid};
use heimpost::mail::mailbox_name::MailboxName;
use heimpost::store::types::{Filing, FlagAction, Language, QuotaRule};
use heimpost::store::{Append, NewAccount, NewBlob, Result, Store};
use ring::digest::{SHA256, digest};

use super::model::{Mailbox, Message, Model, Target};
use super::now;
use super::sending::Sending;

/// xorshift64: the same steps for the same seed.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).unwrap()
    }

    pub(super) fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        from.get(self.below(from.len())).cloned()
    }
}

/// A message's bytes, given by what they are made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Content {
    seed: u64,
    bytes: usize,
}

impl Content {
    pub(super) fn new(seed: u64, bytes: usize) -> Self {
        Self { seed, bytes }
    }

    /// Half noise, half text, so that compression has something to do.
    fn make(self) -> Vec<u8> {
        let mut dice = Dice::new(self.seed);
        let mut bytes = b"Subject: random\r\n\r\n".to_vec();
        while bytes.len() < self.bytes {
            bytes.extend_from_slice(&dice.next().to_le_bytes());
            bytes.extend_from_slice(b"as usual");
        }
        bytes.truncate(self.bytes);
        bytes
    }

    pub(super) fn message(self, flags: SystemFlags) -> Message {
        let bytes = self.make();
        Message {
            digest: digest(&SHA256, &bytes).as_ref()[..16].try_into().unwrap(),
            bytes: bytes.len() as u64,
            flags,
        }
    }

    pub(super) fn store(self, store: &Store) -> Result<NewBlob> {
        let mut writer = store.begin_blob(Some(self.bytes as u64))?;
        for piece in self.make().chunks(30_000) {
            writer.write(piece)?;
        }
        writer.finish()
    }
}

#[derive(Clone, Debug)]
pub(super) enum Op {
    AddAccount(usize),
    /// Each content goes to all targets, all in one commit.
    Deliver(Vec<Content>, Vec<Target>, SystemFlags),
    /// A message that is given up before it is whole (`true`) or before it is filed.
    GiveUp(Content, bool),
    Flag(Target, Vec<u32>, FlagAction, SystemFlags),
    Copy(Target, Vec<u32>, Target),
    Move(Target, Vec<u32>, Target),
    Expunge(Target),
    Create(Target),
    Rename(Target, Target),
    Delete(Target),
    /// A run of its own.
    SetAside(Target, Vec<u32>),
    /// Undoes the last run that has something left.
    Undo,
    /// Mail that waits to be sent.
    Sending(Sending),
    Settle,
    MakeRoom,
}

fn mailbox_name(name: &str) -> MailboxName {
    MailboxName::parse(name).unwrap()
}

fn uids(numbers: &[u32]) -> Vec<Uid> {
    numbers.iter().copied().filter_map(Uid::new).collect()
}

const FLAGS: [SystemFlags; 3] = [
    SystemFlags::SEEN,
    SystemFlags::FLAGGED,
    SystemFlags::DELETED,
];

impl Op {
    pub(super) fn deliver_to(target: Target, bytes: usize) -> Self {
        Self::deliver_seeded(target, bytes, 77)
    }

    pub(super) fn deliver_seeded(target: Target, bytes: usize, seed: u64) -> Self {
        let content = Content { seed, bytes };
        Self::Deliver(vec![content], vec![target], SystemFlags::default())
    }

    /// What somebody might do next.
    pub(super) fn random(dice: &mut Dice, model: &Model) -> Self {
        let targets = model.targets();
        let filled: Vec<Target> = targets
            .iter()
            .filter(|target| !model.mailboxes[*target].messages.is_empty())
            .cloned()
            .collect();
        let some = dice.pick(&targets).unwrap();
        let full = dice.pick(&filled).unwrap_or_else(|| some.clone());
        match dice.below(32) {
            0..9 => Self::random_delivery(dice, &targets),
            9 => Self::GiveUp(random_content(dice, 300_000), dice.below(2) == 0),
            10..13 => Self::Flag(
                full.clone(),
                random_uids(dice, &model.mailboxes[&full]),
                dice.pick(&[FlagAction::Add, FlagAction::Remove, FlagAction::Replace])
                    .unwrap(),
                dice.pick(&FLAGS).unwrap(),
            ),
            13 => Self::Flag(
                full.clone(),
                random_uids(dice, &model.mailboxes[&full]),
                FlagAction::Add,
                SystemFlags::DELETED,
            ),
            14..17 => Self::Copy(
                full.clone(),
                random_uids(dice, &model.mailboxes[&full]),
                neighbour(dice, &targets, full.0),
            ),
            17..19 => Self::Move(
                full.clone(),
                random_uids(dice, &model.mailboxes[&full]),
                neighbour(dice, &targets, full.0),
            ),
            19 | 20 => Self::Expunge(full),
            21 => Self::random_mailbox(dice, &targets, &some),
            24 | 25 => Self::random_aside(dice, model, &filled, &some),
            26 if !model.aside.is_empty() => Self::Undo,
            27..32 => Self::Sending(Sending::random(dice, model, some)),
            22 => Self::Create((some.0, format!("Box{}", dice.next() % 1_000_000))),
            _ if dice.below(2) == 0 => Self::MakeRoom,
            _ => Self::Settle,
        }
    }

    /// Some messages of a mailbox that nobody renames or deletes, so that they come back there.
    fn random_aside(dice: &mut Dice, model: &Model, filled: &[Target], some: &Target) -> Self {
        let standing: Vec<Target> = filled
            .iter()
            .filter(|(_, name)| !name.starts_with("Box"))
            .cloned()
            .collect();
        let Some(from) = dice.pick(&standing) else {
            return Self::deliver_to(some.clone(), 2_000);
        };
        let uids = random_uids(dice, &model.mailboxes[&from]);
        Self::SetAside(from, uids)
    }

    fn random_delivery(dice: &mut Dice, targets: &[Target]) -> Self {
        let bytes_max = [1_000, 6_000, 6_000, 40_000, 150_000, 300_000][dice.below(6)];
        let count = 1 + dice.below(3);
        let contents = (0..count)
            .map(|_| random_content(dice, bytes_max))
            .collect();
        let mut to: Vec<Target> = (0..=dice.below(3))
            .filter_map(|_| dice.pick(targets))
            .collect();
        to.sort();
        to.dedup();
        Self::Deliver(contents, to, SystemFlags::default())
    }

    /// Renames or deletes a mailbox that may be renamed or deleted.
    fn random_mailbox(dice: &mut Dice, targets: &[Target], some: &Target) -> Self {
        let own: Vec<Target> = targets
            .iter()
            .filter(|(_, name)| name.starts_with("Box"))
            .cloned()
            .collect();
        let name = format!("Box{}", dice.next() % 1_000_000);
        match dice.pick(&own) {
            Some(target) if dice.below(2) == 0 => Self::Rename(target.clone(), (target.0, name)),
            Some(target) => Self::Delete(target),
            None => Self::Create((some.0, name)),
        }
    }

    /// Does it, and returns what the model foretells.
    pub(super) fn run(&self, store: &Store, model: &Model) -> Result<Model> {
        self.try_out(store)?;
        Ok(self.predict(model))
    }

    pub(super) fn carry_out(&self, store: &Store) {
        self.try_out(store).unwrap();
    }

    fn try_out(&self, store: &Store) -> Result<()> {
        let id = |target: &Target| find(store, target);
        match self {
            Self::AddAccount(number) => add_account(store, *number),
            Self::Deliver(contents, targets, flags) => deliver(store, contents, targets, *flags),
            Self::GiveUp(content, early) => give_up(store, *content, *early),
            Self::Flag(target, numbers, action, flag) => {
                let flags = Flags {
                    system: *flag,
                    keywords: Vec::new(),
                };
                let uids = uids(numbers);
                store
                    .update_flags(id(target)?, &uids, *action, &flags, None)
                    .map(drop)
            }
            Self::Copy(from, numbers, to) => {
                let uids = uids(numbers);
                store.copy(id(from)?, &uids, id(to)?, now()).map(drop)
            }
            Self::Move(from, numbers, to) => {
                let uids = uids(numbers);
                let (from, to) = (id(from)?, id(to)?);
                store.move_messages(from, &uids, to, now()).map(drop)
            }
            Self::Expunge(target) => store.expunge(id(target)?, None).map(drop),
            Self::Create((number, name)) => {
                let account = store.snapshot()?.accounts()?[*number].id;
                let name = mailbox_name(name);
                store.create_mailbox(account, &name, None, now()).map(drop)
            }
            Self::Rename(from, to) => store.rename_mailbox(id(from)?, &mailbox_name(&to.1), now()),
            Self::Delete(target) => store.delete_mailbox(id(target)?),
            Self::SetAside(target, numbers) => {
                let run = store.begin_run("crash", now())?;
                store.set_aside(run, id(target)?, &uids(numbers)).map(drop)
            }
            Self::Undo => {
                let runs = store.snapshot()?.runs()?;
                store.undo_run(runs.last().unwrap().id, now()).map(drop)
            }
            Self::Sending(sending) => sending.try_out(store),
            Self::Settle => store.settle(),
            Self::MakeRoom => store.make_room(),
        }
    }

    /// What the model is afterwards.
    pub(super) fn predict(&self, before: &Model) -> Model {
        let mut model = before.clone();
        let boxes = &mut model.mailboxes;
        match self {
            Self::AddAccount(number) => {
                model.accounts += 1;
                for name in ["INBOX", "Sent", "Drafts", "Trash", "Junk", "Archive"] {
                    boxes.insert((*number, name.to_owned()), new_mailbox());
                }
            }
            Self::Deliver(contents, targets, flags) => {
                for content in contents {
                    let message = content.message(*flags);
                    for target in targets {
                        boxes.get_mut(target).unwrap().add(message);
                    }
                }
            }
            Self::GiveUp(..) | Self::Settle | Self::MakeRoom => {}
            Self::Flag(target, numbers, action, flag) => {
                let messages = &mut boxes.get_mut(target).unwrap().messages;
                for number in numbers {
                    let flags = &mut messages.get_mut(number).unwrap().flags;
                    *flags = changed(*flags, *action, *flag);
                }
            }
            Self::Copy(from, numbers, to) => {
                for number in numbers {
                    let message = boxes[from].messages[number];
                    boxes.get_mut(to).unwrap().add(message);
                }
            }
            Self::Move(from, numbers, to) => {
                for number in numbers {
                    let message = boxes
                        .get_mut(from)
                        .unwrap()
                        .messages
                        .remove(number)
                        .unwrap();
                    boxes.get_mut(to).unwrap().add(message);
                }
            }
            Self::Expunge(target) => {
                let messages = &mut boxes.get_mut(target).unwrap().messages;
                messages.retain(|_, message| !message.flags.contains(SystemFlags::DELETED));
            }
            Self::SetAside(target, numbers) => model.set_aside(target, numbers),
            Self::Undo => model.undo(),
            Self::Sending(sending) => sending.predict(&mut model),
            Self::Create(target) => {
                boxes.insert(target.clone(), new_mailbox());
            }
            Self::Rename(from, to) => {
                let mailbox = boxes.remove(from).unwrap();
                boxes.insert(to.clone(), mailbox);
            }
            Self::Delete(target) => {
                boxes.remove(target);
            }
        }
        model
    }
}

fn new_mailbox() -> Mailbox {
    Mailbox {
        uid_next: 1,
        ..Mailbox::default()
    }
}

fn changed(flags: SystemFlags, action: FlagAction, flag: SystemFlags) -> SystemFlags {
    let bits = match action {
        FlagAction::Add => flags.bits() | flag.bits(),
        FlagAction::Remove => flags.bits() & !flag.bits(),
        FlagAction::Replace => flag.bits(),
    };
    SystemFlags::from_bits(bits)
}

pub(super) fn random_content(dice: &mut Dice, bytes_max: usize) -> Content {
    Content {
        seed: dice.next() % 1_000,
        bytes: 20 + dice.below(bytes_max),
    }
}

/// Some of a mailbox's UIDs, ascending.
fn random_uids(dice: &mut Dice, mailbox: &Mailbox) -> Vec<u32> {
    let all = mailbox.messages.keys().copied();
    all.filter(|_| dice.below(3) > 0).collect()
}

/// A mailbox of the same account.
fn neighbour(dice: &mut Dice, targets: &[Target], account: usize) -> Target {
    let own: Vec<Target> = targets
        .iter()
        .filter(|target| target.0 == account)
        .cloned()
        .collect();
    dice.pick(&own).unwrap()
}

pub(super) fn find(store: &Store, (number, name): &Target) -> Result<MailboxId> {
    let snapshot = store.snapshot()?;
    let account = snapshot.accounts()?[*number].id;
    let mailbox = snapshot.mailbox_by_name(account, &mailbox_name(name))?;
    Ok(mailbox.unwrap().id)
}

fn add_account(store: &Store, number: usize) -> Result<()> {
    let new = NewAccount {
        address: Address::parse(&format!("person{number}@example.org")).unwrap(),
        owner: number == 0,
        language: Language::En,
        quota_bytes: None,
    };
    store.add_account(&new, now()).map(drop)
}

fn deliver(
    store: &Store,
    contents: &[Content],
    targets: &[Target],
    flags: SystemFlags,
) -> Result<()> {
    let mut appends = Vec::new();
    for content in contents {
        let mut filings = Vec::new();
        for target in targets {
            filings.push(Filing {
                mailbox: find(store, target)?,
                flags: Flags {
                    system: flags,
                    keywords: Vec::new(),
                },
                internal_date: now().stamp(),
                prefix: Vec::new(),
                quota: QuotaRule::Enforce,
            });
        }
        appends.push(Append {
            blob: content.store(store)?,
            summary: b"a summary".to_vec(),
            filings,
            spool: Vec::new(),
        });
    }
    store.append_all(appends, now()).map(drop)
}

fn give_up(store: &Store, content: Content, early: bool) -> Result<()> {
    if !early {
        return content.store(store).map(drop);
    }
    let mut writer = store.begin_blob(None)?;
    writer.write(&content.make())
}
