//! What happens to mail that waits to be sent, at random.

use std::time::Duration;

use heimpost::mail::address::Address;
use heimpost::mail::flags::{Flags, SystemFlags};
use heimpost::mail::ids::SpoolId;
use heimpost::mail::transport::{BodyType, HeaderType, Priority};
use heimpost::store::sent::{Kept, SentCopy};
use heimpost::store::spool::{
    LastTry, NewSpool, NewSpoolRecipient, SpoolClock, SpoolStage, SpoolState, SpoolUpdate,
};
use heimpost::store::types::{Filing, QuotaRule};
use heimpost::store::{Append, Result, Store};

use super::model::{Model, Spooled, Target};
use super::now;
use super::workload::{Content, Dice, find, random_content};

/// A step of mail that waits.
#[derive(Clone, Debug)]
pub(super) enum Sending {
    /// To so many elsewhere, and to these here.
    Enter(Content, usize, Vec<Target>),
    /// By a person: with a copy in the Sent of that account.
    Submit(Content, usize, usize),
    /// A mail's recipient is tried, at that time of the queue's clock.
    Try(usize, usize, SpoolState, Duration),
    /// A mail is over, and a report of it is filed.
    End(usize, Option<(Content, Target)>),
    /// A mail is over, and a report of it is spooled.
    EndElsewhere(usize, Content),
}

impl Sending {
    pub(super) fn random(dice: &mut Dice, model: &Model, some: Target) -> Self {
        let bytes_max = [1_000, 20_000, 150_000][dice.below(3)];
        let content = random_content(dice, bytes_max);
        let mail = dice.below(model.spool.len());
        if model.spool.is_empty() || dice.below(5) < 2 {
            let recipients = 1 + dice.below(3);
            return match dice.below(3) {
                0 => Self::Enter(content, recipients, Vec::new()),
                1 => Self::Enter(content, recipients, vec![some]),
                _ => Self::Submit(content, recipients, some.0),
            };
        }
        match dice.below(5) {
            0 => Self::End(mail, None),
            1 => Self::End(mail, Some((content, some))),
            2 => Self::EndElsewhere(mail, content),
            _ => {
                let recipient = dice.below(model.spool[mail].states.len());
                let time = Duration::from_millis(dice.next() % 1_000_000);
                Self::Try(mail, recipient, random_state(dice), time)
            }
        }
    }

    pub(super) fn try_out(&self, store: &Store) -> Result<()> {
        match self {
            Self::Enter(content, recipients, to) => {
                let append = prepare(store, *content, *recipients, to)?;
                store.append_all(vec![append], now()).map(drop)
            }
            Self::Submit(content, recipients, account) => {
                let append = prepare(store, *content, *recipients, &[])?;
                let copy = copy(store, *account, 0, &append)?;
                let (_, kept) = store.submit(append, Vec::new(), copy, now())?;
                assert!(matches!(kept, Kept::Filed(_)), "{kept:?}");
                Ok(())
            }
            Self::Try(mail, recipient, state, time) => {
                let update = SpoolUpdate {
                    states: vec![(*recipient, state.clone())],
                    is_over: false,
                    ..over(store, *mail)?
                };
                store.update_spool(clock(*time), vec![update], Vec::new(), now())
            }
            Self::End(mail, report) => {
                let mut reports = Vec::new();
                if let Some((content, to)) = report {
                    let mut report = prepare(store, *content, 1, std::slice::from_ref(to))?;
                    report.spool.clear();
                    reports.push(report);
                }
                let over = over(store, *mail)?;
                store.update_spool(SpoolClock::default(), vec![over], reports, now())
            }
            Self::EndElsewhere(mail, content) => {
                let report = prepare(store, *content, 1, &[])?;
                let over = over(store, *mail)?;
                store.update_spool(SpoolClock::default(), vec![over], vec![report], now())
            }
        }
    }

    pub(super) fn predict(&self, model: &mut Model) {
        let message = |content: &Content, flags| content.message(flags);
        let seen = SystemFlags::SEEN;
        match self {
            Self::Enter(content, recipients, to) => {
                model.spool.push(spooled(*content, *recipients));
                for target in to {
                    let message = message(content, SystemFlags::default());
                    model.mailboxes.get_mut(target).unwrap().add(message);
                }
            }
            Self::Submit(content, recipients, account) => {
                model.spool.push(spooled(*content, *recipients));
                let sent = (*account, "Sent".to_owned());
                let sent = model.mailboxes.get_mut(&sent).unwrap();
                sent.add(message(content, seen));
            }
            Self::Try(mail, recipient, state, time) => {
                model.spool[*mail].states[*recipient] = state.clone();
                model.clock = clock(*time);
            }
            Self::End(mail, report) => {
                model.spool.remove(*mail);
                model.clock = SpoolClock::default();
                if let Some((content, to)) = report {
                    let message = message(content, SystemFlags::default());
                    model.mailboxes.get_mut(to).unwrap().add(message);
                }
            }
            Self::EndElsewhere(mail, content) => {
                model.spool.remove(*mail);
                model.clock = SpoolClock::default();
                model.spool.push(spooled(*content, 1));
            }
        }
    }
}

fn clock(time: Duration) -> SpoolClock {
    SpoolClock {
        time,
        wall: now().wall,
    }
}

fn random_state(dice: &mut Dice) -> SpoolState {
    let due = Duration::from_millis(dice.next() % 1_000_000);
    let stages = [
        SpoolStage::Waiting(due),
        SpoolStage::Held,
        SpoolStage::Delivered,
        SpoolStage::Failed,
    ];
    SpoolState {
        stage: dice.pick(&stages).unwrap(),
        attempts: 1 + u32::try_from(dice.below(9)).unwrap(),
        delay_told: dice.below(2) == 0,
        last: Some(LastTry {
            at: now().wall,
            host: Some("mx.example.net".to_owned()),
            status: "4.0.0".to_owned(),
            reply: "x".repeat(dice.below(400)),
        }),
    }
}

fn spooled(content: Content, recipients: usize) -> Spooled {
    let message = content.message(SystemFlags::default());
    let waiting = SpoolState {
        stage: SpoolStage::Waiting(Duration::ZERO),
        attempts: 0,
        delay_told: false,
        last: None,
    };
    Spooled {
        digest: message.digest,
        bytes: message.bytes,
        states: vec![waiting; recipients],
    }
}

/// A mail to so many elsewhere, and to these here.
fn prepare(store: &Store, content: Content, recipients: usize, to: &[Target]) -> Result<Append> {
    let address = |number| Address::parse(&format!("person{number}@example.net")).unwrap();
    let recipient = |number| NewSpoolRecipient {
        address: address(number),
        notify: None,
        original: None,
    };
    let new = NewSpool {
        prefix: Vec::new(),
        sender: Some(address(0)),
        account: None,
        priority: Priority::Mail,
        body: BodyType::EightBitMime,
        header: HeaderType::Ascii,
        ret: None,
        envid: None,
        recipients: (0..recipients).map(recipient).collect(),
    };
    let mut filings = Vec::new();
    for target in to {
        filings.push(filing(store, target)?);
    }
    Ok(Append {
        blob: content.store(store)?,
        summary: b"a summary".to_vec(),
        filings,
        spool: vec![new],
    })
}

fn filing(store: &Store, to: &Target) -> Result<Filing> {
    Ok(Filing {
        mailbox: find(store, to)?,
        flags: Flags::default(),
        internal_date: now().stamp(),
        prefix: Vec::new(),
        quota: QuotaRule::Enforce,
    })
}

fn over(store: &Store, mail: usize) -> Result<SpoolUpdate> {
    let mails = store.snapshot()?.spool(SpoolId(0), usize::MAX)?;
    Ok(SpoolUpdate {
        mail: mails[mail].id,
        arrived: Duration::from_secs(1),
        states: Vec::new(),
        is_over: true,
    })
}

fn message_id(seed: u64) -> Vec<u8> {
    format!("<{seed}@example.org>").into_bytes()
}

fn copy(store: &Store, account: usize, seed: u64, append: &Append) -> Result<SentCopy> {
    Ok(SentCopy {
        account: store.snapshot()?.accounts()?[account].id,
        prefix: Vec::new(),
        message_id: message_id(seed),
        summary: append.summary.clone(),
    })
}

/// The first account sends a mail.
pub(super) fn submit(store: &Store, seed: u64, bytes: usize) {
    let append = prepare(store, Content::new(seed, bytes), 1, &[]).unwrap();
    let copy = copy(store, 0, seed, &append).unwrap();
    let (_, kept) = store.submit(append, Vec::new(), copy, now()).unwrap();
    assert!(matches!(kept, Kept::Filed(_)), "{kept:?}");
}

/// Its program appends its own copy, of other bytes.
pub(super) fn append_own(store: &Store, seed: u64, bytes: usize) {
    let sent = (0, "Sent".to_owned());
    let append = Append {
        blob: Content::new(seed + 1, bytes + 100).store(store).unwrap(),
        summary: b"a summary".to_vec(),
        filings: vec![filing(store, &sent).unwrap()],
        spool: Vec::new(),
    };
    let filed = store.append_own(append, &message_id(seed), now()).unwrap();
    assert_eq!(filed.len(), 1);
}
