//! The desk through days of virtual time: hosts that take, refuse or are silent, an owner who interferes, commits that
//! fail, and a box that stops at any moment.

mod unread;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::clock::{Clock, Wall};
use crate::delivery::intake::Intake;
use crate::mail::address::Address;
use crate::mail::ids::Uid;
use crate::mail::mailbox_name::MailboxName;
use crate::mail::report::{Notify, Return};
use crate::mail::transport::{BodyType, HeaderType, Priority};
use crate::queue::relay::Relay;
use crate::store::faulty::{Failure, FaultyDisk};
use crate::store::spool::{NewSpool, NewSpoolRecipient, SpoolStage};
use crate::store::{Append, NewAccount, Options, Upkeep};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// A box on a disk that can fail, with anna@home.test; her mails go out to hosts that answer by their names.
struct House {
    disk: FaultyDisk,
    clock: Clock,
    store: Store,
    desk: Desk,
    /// More of the mails' text.
    more: Vec<u8>,
    ret: Option<Return>,
    /// Recipients whose end was saved.
    ended: BTreeSet<(SpoolId, usize)>,
    /// Attempts by recipient's address.
    tries: BTreeMap<String, u32>,
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn options() -> Options {
    Options {
        upkeep: Upkeep::Inline,
        ..Options::default()
    }
}

fn open_desk(store: &Store, clock: &Clock) -> Desk {
    let domain = |text| Domain::parse(text).unwrap();
    let settings = Settings {
        policy: Policy::default(),
        limits: Limits::default(),
        hostname: domain("mail.home.test"),
        language: Language::En,
        returned_bytes_max: 1 << 20,
        tally: Tally::default(),
    };
    let routes = Routes::new(Relay::default());
    let router = Router::new(domain("home.test"), []);
    Desk::open(store, settings, routes, router, clock.now()).unwrap()
}

fn house() -> House {
    house_on(FaultyDisk::default(), &options())
}

fn house_on(disk: FaultyDisk, options: &Options) -> House {
    let clock = Clock::virtual_at(Wall(1_800_000_000));
    let store = Store::open_on(Arc::new(disk.clone()), options, clock.now()).unwrap();
    let new = NewAccount {
        address: address("anna@home.test"),
        owner: true,
        language: Language::En,
        quota_bytes: None,
    };
    store.add_account(&new, clock.now()).unwrap();
    let desk = open_desk(&store, &clock);
    House {
        disk,
        clock,
        store,
        desk,
        more: Vec::new(),
        ret: None,
        ended: BTreeSet::new(),
        tries: BTreeMap::new(),
    }
}

/// Success is told, and nothing else.
const SUCCESS: Notify = Notify {
    success: true,
    failure: false,
    delay: false,
};

impl House {
    fn now(&self) -> Now {
        self.clock.now()
    }

    fn spool(&self, sender: Option<&str>, to: &[(&str, Option<Notify>)]) {
        self.spool_with("Received: by us\r\n", sender, to);
    }

    fn spool_with(&self, prefix: &str, sender: Option<&str>, to: &[(&str, Option<Notify>)]) {
        let recipient = |(to, notify): &(&str, Option<Notify>)| NewSpoolRecipient {
            address: address(to),
            notify: *notify,
            original: None,
        };
        let mut intake = Intake::begin(&self.store, None).unwrap();
        intake
            .write(b"Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\n\r\nHallo\r\n")
            .unwrap();
        intake.write(&self.more).unwrap();
        let received = intake.finish().unwrap();
        let spooled = NewSpool {
            prefix: prefix.as_bytes().to_vec(),
            sender: sender.map(address),
            account: None,
            priority: Priority::Mail,
            body: BodyType::SevenBit,
            header: HeaderType::Ascii,
            ret: self.ret,
            envid: Some("e7".to_owned()),
            recipients: to.iter().map(recipient).collect(),
        };
        let append = Append {
            blob: received.blob,
            summary: received.summary,
            filings: Vec::new(),
            spool: vec![spooled],
        };
        self.store.append(vec![append], self.now()).unwrap();
        self.desk.refresh(self.now()).unwrap();
    }

    /// From anna.
    fn send(&self, to: &[&str]) {
        let to: Vec<_> = to.iter().map(|to| (*to, None)).collect();
        self.spool(Some("anna@home.test"), &to);
    }

    /// What the hosts say to a job. None that was saved as done is sent again.
    fn carry_out(&mut self, job: &Job) -> BTreeMap<usize, Tried> {
        let mut tried = BTreeMap::new();
        for index in job.attempt.recipients() {
            let to = &job.mail.new.recipients[*index].address;
            let key = (job.mail.id, *index);
            assert!(!self.ended.contains(&key), "{to} is sent to again");
            *self.tries.entry(to.to_string()).or_default() += 1;
            tried.extend(answer(to).map(|answer| (*index, answer)));
        }
        tried
    }

    fn note_ended(&mut self, id: SpoolId, recipients: &[usize], tried: &BTreeMap<usize, Tried>) {
        for index in recipients {
            let outcome = tried.get(index).map(|tried| tried.outcome);
            if outcome.is_some_and(|outcome| outcome != Outcome::Transient) {
                self.ended.insert((id, *index));
            }
        }
    }

    fn next(&self) -> Option<Job> {
        self.desk.refresh(self.now()).unwrap();
        self.desk.next(self.now()).unwrap()
    }

    /// Takes a job through to its end.
    fn work(&mut self, job: Job) {
        let tried = self.carry_out(&job);
        let (id, recipients) = (job.mail.id, job.attempt.recipients().to_vec());
        self.desk.finish(job, tried.clone(), self.now()).unwrap();
        self.note_ended(id, &recipients, &tried);
    }

    /// Works until nothing is left, or for so long.
    fn run(&mut self, span: Duration) {
        let end = self.now().mono + span;
        loop {
            while let Some(job) = self.next() {
                self.work(job);
            }
            let Some(due) = self.desk.next_due(self.now()) else {
                return;
            };
            if self.now().mono + due > end {
                let left = end.since(self.now().mono);
                self.clock.advance(left);
                return;
            }
            self.clock.advance(due + Duration::from_millis(1));
        }
    }

    /// All that was in memory is gone.
    fn restart(&mut self) {
        self.desk = open_desk(&self.store, &self.clock);
    }

    fn is_empty(&self) -> bool {
        self.store.snapshot().unwrap().spool_len().unwrap() == 0
    }

    /// What anna was told: address and action, how often.
    fn told(&self) -> BTreeMap<String, u32> {
        let mut told = BTreeMap::new();
        for mail in self.inbox() {
            let fields = mail.replace("\r\n ", " ");
            let mut address = "";
            for line in fields.split("\r\n") {
                if let Some(of) = line.strip_prefix("Final-Recipient: rfc822; ") {
                    address = of;
                }
                if let Some(action) = line.strip_prefix("Action: ") {
                    *told.entry(format!("{address} {action}")).or_default() += 1;
                }
            }
        }
        told
    }

    fn inbox(&self) -> Vec<String> {
        let snapshot = self.store.snapshot().unwrap();
        let anna = snapshot.account_by_key("anna@home.test").unwrap().unwrap();
        let inbox = snapshot.mailbox_by_name(anna.id, &MailboxName::inbox());
        let rows = snapshot.rows(inbox.unwrap().unwrap().id, Uid::MIN, Uid::MAX);
        let text = |serial| {
            let record = snapshot.record(serial).unwrap().unwrap();
            let mut bytes = Vec::new();
            let mut reader = self.store.blob(record.blob).unwrap();
            reader.read_at(0, 1 << 20, &mut bytes).unwrap();
            String::from_utf8(bytes).unwrap()
        };
        rows.unwrap().iter().map(|row| text(row.serial)).collect()
    }

    fn check_told(&self, expected: &[(&str, u32)]) {
        let expected = expected
            .iter()
            .map(|(told, times)| ((*told).to_owned(), *times));
        assert_eq!(self.told(), expected.collect());
    }
}

/// What a host says, by its name; `None` if the connection breaks.
fn answer(to: &Address) -> Option<Tried> {
    let host = format!("mx.{}", to.domain());
    let (outcome, status, host, reply) = match to.domain().as_str() {
        "no.test" => (
            Outcome::Permanent,
            "5.1.1",
            Some(host),
            "550 5.1.1 no such user",
        ),
        "full.test" => (Outcome::Transient, "4.2.2", Some(host), "452 4.2.2 full"),
        "dead.test" => (Outcome::Transient, "4.4.1", None, "no answer"),
        "cut.test" => return None,
        _ => (Outcome::Relayed, "2.0.0", Some(host), "250 2.0.0 taken"),
    };
    Some(Tried {
        outcome,
        host,
        status: Status::parse(status)?,
        reply: reply.to_owned(),
    })
}

#[test]
fn a_mail_to_many_goes_in_few_jobs_and_leaves_the_spool() {
    let mut house = house();
    let to: Vec<String> = (0..250)
        .map(|n| format!("r{n}@{}.test", ["a", "b", "c"][n % 3]))
        .collect();
    house.send(&to.iter().map(String::as_str).collect::<Vec<_>>());
    let jobs: Vec<Job> = std::iter::from_fn(|| house.next()).collect();
    let sizes: Vec<usize> = jobs
        .iter()
        .map(|job| job.attempt.recipients().len())
        .collect();
    assert_eq!(sizes, [84, 83, 83]);
    for job in jobs {
        assert!(!house.is_empty());
        house.work(job);
    }
    assert!(house.is_empty());
    assert_eq!(house.tries.len(), 250);
    house.check_told(&[]);
}

#[test]
fn a_dead_host_yields_a_delayed_and_then_a_failed_report() {
    let mut house = house();
    house.send(&["eve@dead.test"]);
    house.run(Duration::from_secs(4 * 3600 - 1));
    house.check_told(&[]);
    house.run(Duration::from_mins(1));
    house.check_told(&[("eve@dead.test delayed", 1)]);
    let report = house.inbox().remove(0);
    for part in [
        "Subject: Your mail has not arrived yet\r\n",
        "Original-Envelope-Id: e7\r\n",
        "Status: 4.4.1\r\n",
        "Will-Retry-Until: Wed, 20 Jan 2027 08:00:00 +0000\r\n",
        "Received: by us\r\nSubject: =?utf-8?Q?Gr",
    ] {
        assert!(report.contains(part), "{part:?} is missing in {report}");
    }
    house.run(Duration::from_hours(115));
    house.check_told(&[("eve@dead.test delayed", 1)]);
    house.run(DAY);
    house.check_told(&[("eve@dead.test delayed", 1), ("eve@dead.test failed", 1)]);
    assert!(house.is_empty());
}

#[test]
fn senders_are_told_what_they_want() {
    let mut house = house();
    let to = [
        ("a@no.test", None),
        ("b@no.test", Some(Notify::NEVER)),
        ("c@good.test", Some(SUCCESS)),
        ("d@good.test", None),
        ("e@dead.test", Some(Notify::NEVER)),
        ("f@full.test", Some(SUCCESS)),
    ];
    house.spool(Some("anna@home.test"), &to);
    house.run(DAY * 6);
    assert!(house.is_empty());
    house.check_told(&[("a@no.test failed", 1), ("c@good.test relayed", 1)]);
    // The null sender hears nothing, and nobody who does not exist (any more).
    for sender in [None, Some("gone@home.test")] {
        house.spool(sender, &[("a@no.test", None), ("e@dead.test", None)]);
        house.run(DAY * 6);
        assert!(house.is_empty(), "{sender:?}");
    }
    assert_eq!(house.inbox().len(), 2);
}

#[test]
fn one_report_tells_of_all_that_a_job_brought() {
    let mut house = house();
    house.send(&["a@no.test", "b@no.test", "c@good.test"]);
    house.run(HOUR);
    assert_eq!(house.inbox().len(), 1);
    house.check_told(&[("a@no.test failed", 1), ("b@no.test failed", 1)]);
}

#[test]
fn a_sender_elsewhere_is_sent_his_report() {
    let mut house = house();
    house.spool(Some("otto@else.test"), &[("a@no.test", None)]);
    house.run(HOUR);
    assert!(house.is_empty());
    assert_eq!(house.tries["otto@else.test"], 1);
}

#[test]
fn the_clock_goes_on_over_restarts_and_is_saved() {
    let mut house = house();
    house.send(&["eve@dead.test"]);
    house.run(HOUR);
    let before = house.store.snapshot().unwrap().spool_clock().unwrap();
    house.desk.keep_clock(house.now()).unwrap();
    assert_eq!(
        house.store.snapshot().unwrap().spool_clock().unwrap(),
        before
    );
    house.clock.advance(HOUR);
    house.desk.keep_clock(house.now()).unwrap();
    let saved = house.store.snapshot().unwrap().spool_clock().unwrap();
    assert!(saved.time >= HOUR * 2, "{saved:?}");
    for _ in 0..4 {
        house.restart();
        house.run(DAY);
        house.clock.advance(Duration::from_mins(1));
    }
    house.check_told(&[("eve@dead.test delayed", 1)]);
    house.restart();
    house.run(DAY + HOUR);
    house.check_told(&[("eve@dead.test delayed", 1), ("eve@dead.test failed", 1)]);
}

#[test]
fn the_owner_holds_retries_and_removes_over_restarts() {
    let mut house = house();
    house.send(&["eve@dead.test", "eve@good.test"]);
    let id = house.desk.list(SpoolId(0), 9, house.now()).unwrap()[0]
        .mail
        .id;
    house.desk.hold(id, house.now()).unwrap();
    house.restart();
    assert!(house.next().is_none());
    let figures = house.desk.figures(house.now());
    assert_eq!((figures.waiting, figures.held), (0, 1));
    house.desk.retry(id, house.now()).unwrap();
    let first = house.next().unwrap();
    let second = house.next().unwrap();
    // What is under way is as the owner wants it, even if the box stops now.
    house.desk.hold(id, house.now()).unwrap();
    drop((first, second));
    house.restart();
    assert!(house.next().is_none());
    house.desk.retry(id, house.now()).unwrap();
    house.run(Duration::from_secs(1));
    let listed = house
        .desk
        .list(SpoolId(0), 9, house.now())
        .unwrap()
        .remove(0);
    let turns: Vec<Turn> = listed.recipients.iter().map(|one| one.turn).collect();
    assert!(matches!(turns[..], [Turn::In(_), Turn::Over]), "{turns:?}");
    assert_eq!(listed.recipients[0].destination, "dead.test");
    let last = listed.mail.states[0].last.clone().unwrap();
    assert_eq!((last.host, last.reply.as_str()), (None, "no answer"));
    assert_eq!(
        house.desk.subject(&listed.mail).unwrap().as_deref(),
        Some("Grüße")
    );
    house.desk.hold(id, house.now()).unwrap();
    let kept = house.desk.mail(id).unwrap();
    assert_eq!(kept.states[0].stage, SpoolStage::Held);
    assert!(kept.states[0].last.is_some(), "what came of it stays");
    house.desk.remove(id, house.now()).unwrap();
    assert!(house.is_empty());
    assert_eq!(house.desk.remove(id, house.now()), Err(GONE));
    house.run(DAY * 6);
    house.check_told(&[]);
}

#[test]
fn the_owner_s_wishes_wake_the_worker() {
    let house = house();
    let calls = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&calls);
    house
        .desk
        .on_work(Wake::new(move || *counted.lock().unwrap() += 1));
    house.send(&["eve@dead.test"]);
    assert_eq!(*calls.lock().unwrap(), 1);
    let id = house.desk.list(SpoolId(0), 9, house.now()).unwrap()[0]
        .mail
        .id;
    house.desk.retry(id, house.now()).unwrap();
    assert_eq!(*calls.lock().unwrap(), 2);
}

#[test]
fn what_is_wrong_is_told() {
    let mut house = house();
    house.send(&["a@full.test"]);
    house.run(HOUR * 3);
    assert_eq!(house.desk.figures(house.now()).diagnosis, None);
    house.run(HOUR * 2);
    let figures = house.desk.figures(house.now());
    assert_eq!(figures.diagnosis, Some(Diagnosis::Stuck));
    assert_eq!((figures.waiting, figures.recipients), (1, 1));
    house.send(&["b@good.test"]);
    house.run(Duration::from_secs(1));
    assert_eq!(house.desk.figures(house.now()).diagnosis, None);
}

/// Lets a commit fail at its `skip`th operation, and heals the disk. Nothing new is given meanwhile.
fn fail_once(skip: u64, restarts: bool) {
    let mut house = house();
    house.send(&["a@no.test", "b@good.test"]);
    house.send(&["c@good.test"]);
    let job = house.next().unwrap();
    let tried = house.carry_out(&job);
    let (id, recipients) = (job.mail.id, job.attempt.recipients().to_vec());
    house.disk.fail(skip, 1000, Failure::Io);
    let finished = house.desk.finish(job, tried.clone(), house.now());
    if finished.is_err() {
        assert!(house.desk.next(house.now()).is_err(), "at {skip}");
        assert!(house.desk.next_due(house.now()).is_some());
    }
    house.disk.heal();
    if finished.is_ok() {
        house.note_ended(id, &recipients, &tried);
    }
    house.store.probe().unwrap();
    if restarts {
        house.restart();
    } else {
        let job = house.next();
        // Saved by now, whatever it was before.
        house.note_ended(id, &recipients, &tried);
        house.work(job.unwrap());
    }
    house.run(DAY);
    assert!(house.is_empty(), "at {skip}");
    house.check_told(&[("a@no.test failed", 1)]);
}

#[test]
fn a_commit_that_fails_is_made_up_for() {
    for skip in 0..24 {
        fail_once(skip, false);
        fail_once(skip, true);
    }
}

/// The owner holds a mail while it is not known whether its delay was saved as told.
#[test]
fn a_delay_is_told_once_whatever_the_owner_does_meanwhile() {
    for skip in 0..24 {
        let mut house = house();
        house.send(&["eve@dead.test"]);
        house.run(Duration::from_secs(4 * 3600 - 1));
        let due = house.desk.next_due(house.now()).unwrap();
        house.clock.advance(due + Duration::from_millis(1));
        let job = house.next().unwrap();
        let tried = house.carry_out(&job);
        let id = job.mail.id;
        house.disk.fail(skip, 1, Failure::Io);
        let finished = house.desk.finish(job, tried, house.now());
        house.disk.heal();
        if finished.is_err() {
            house.desk.hold(id, house.now()).unwrap();
        }
        house.run(HOUR);
        house.check_told(&[("eve@dead.test delayed", 1)]);
    }
}

/// Bytes that no compression makes fewer, in lines of text.
fn noise(bytes: usize) -> Vec<u8> {
    let mut dice = Dice(77);
    let mut text = Vec::with_capacity(bytes);
    while text.len() < bytes {
        let line = (0..9).map(|_| format!("{:016x}", dice.roll(u64::MAX)));
        text.extend(line.collect::<String>().into_bytes());
        text.extend(b"\r\n");
    }
    text
}

#[test]
fn a_report_goes_with_the_header_alone_where_there_is_no_room_for_more() {
    const MIB: u64 = 1 << 20;
    for (left, is_whole) in [(20 * MIB, true), (4 * MIB + 200_000, false)] {
        let options = Options {
            reserve_bytes: 8 * MIB,
            ..options()
        };
        let mut house = house_on(FaultyDisk::with_bytes(60 * MIB), &options);
        house.more = noise(900_000);
        house.ret = Some(Return::Full);
        house.send(&["a@no.test"]);
        house.send(&["b@good.test"]);
        house.disk.leave_free(left);
        house.run(HOUR);
        assert!(house.is_empty(), "{left} bytes left");
        house.check_told(&[("a@no.test failed", 1)]);
        let report = house.inbox().remove(0);
        assert_eq!(report.contains("Hallo"), is_whole);
        assert!(report.contains("Received: by us\r\nSubject: "), "{report}");
    }
}

/// xorshift64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// Days in which the box stops at any moment: with jobs under way, before and after what came of them was saved.
fn life(seed: u64) {
    let mut house = house();
    let mut dice = Dice(seed);
    let all = [
        "a@no.test",
        "b@good.test",
        "c@dead.test",
        "d@full.test",
        "e@good.test",
        "f@cut.test",
    ];
    house.send(&all);
    house.send(&["g@dead.test", "h@no.test", "i@good.test"]);
    house.spool(None, &[("j@no.test", None), ("k@dead.test", None)]);
    let mut under_way: Vec<Job> = Vec::new();
    while !house.is_empty() {
        if dice.roll(12) == 0 {
            under_way.clear();
            house.restart();
        }
        if let Some(job) = house.next() {
            under_way.push(job);
        } else if under_way.is_empty() {
            let due = house.desk.next_due(house.now()).unwrap();
            house.clock.advance(due + Duration::from_millis(1));
        }
        if !under_way.is_empty() && dice.roll(2) == 0 {
            let at = usize::try_from(dice.roll(under_way.len() as u64)).unwrap();
            house.work(under_way.remove(at));
            house.clock.advance(Duration::from_secs(dice.roll(30)));
        }
    }
    house.check_told(&[
        ("a@no.test failed", 1),
        ("c@dead.test delayed", 1),
        ("c@dead.test failed", 1),
        ("d@full.test delayed", 1),
        ("d@full.test failed", 1),
        ("f@cut.test delayed", 1),
        ("f@cut.test failed", 1),
        ("g@dead.test delayed", 1),
        ("g@dead.test failed", 1),
        ("h@no.test failed", 1),
    ]);
    let ended = house.ended.len();
    assert_eq!(ended, 6, "those that a host decided about");
}

#[test]
fn nothing_is_lost_or_told_twice_whenever_the_box_stops() {
    for seed in 1..=20 {
        life(seed * 0x9e37_79b9);
    }
}

#[test]
fn jobs_end_at_the_same_time() {
    let mut house = house();
    for n in 0..8 {
        house.send(&[
            &format!("a{n}@x{n}.test"),
            &format!("b{n}@no.test"),
            &format!("c{n}@y{n}.test"),
        ]);
    }
    while !house.is_empty() {
        let jobs: Vec<Job> = std::iter::from_fn(|| house.next()).collect();
        assert!(!jobs.is_empty());
        let work: Vec<_> = jobs
            .into_iter()
            .map(|job| {
                let tried = house.carry_out(&job);
                (job, tried)
            })
            .collect();
        let (desk, now) = (&house.desk, house.now());
        std::thread::scope(|scope| {
            for (job, tried) in work {
                scope.spawn(move || desk.finish(job, tried, now).unwrap());
            }
        });
    }
    assert_eq!(house.told().len(), 8);
    assert!(
        house.tries.values().all(|tries| *tries == 1),
        "{:?}",
        house.tries
    );
}

#[test]
fn a_job_has_its_place_until_it_is_saved() {
    let mut house = house();
    let to: Vec<String> = (0..30).map(|n| format!("b@x{n}.test")).collect();
    let to = to.iter().map(|to| (to.as_str(), None));
    let to: Vec<_> = std::iter::once(("a@no.test", None)).chain(to).collect();
    house.spool(Some("otto@else.test"), &to);
    let mut jobs: Vec<Job> = std::iter::from_fn(|| house.next()).collect();
    assert_eq!(jobs.len(), Limits::default().attempts_max);
    // The commit wakes, since it spools the report to otto.
    let given = Arc::new(Mutex::new(Vec::new()));
    let (desk, now, during) = (house.desk.clone(), house.now(), Arc::clone(&given));
    let ask = move || {
        let job = desk.next(now).unwrap();
        during.lock().unwrap().push(job.is_some());
    };
    house.desk.on_work(Wake::new(ask));
    house.work(jobs.remove(0));
    assert_eq!(*given.lock().unwrap(), [false]);
    assert!(house.next().is_some());
    assert!(house.next().is_none());
}

#[test]
fn a_clock_that_is_set_makes_mail_due_soon() {
    let house = house();
    house.send(&["a@silent.test"]);
    for _ in 0..6 {
        let job = house.next().unwrap();
        house
            .desk
            .finish(job, BTreeMap::new(), house.now())
            .unwrap();
        let wait = house.desk.next_due(house.now()).unwrap();
        let undated = Now {
            wall: None,
            ..house.now()
        };
        assert!(house.desk.next_due(undated).unwrap() <= UNDATED_WAIT);
        house.clock.advance(wait + Duration::from_secs(1));
    }
}
