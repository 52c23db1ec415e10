//! The schedule through days of virtual time: tables, and random lives held against a model that scans everything.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::mail::report::Notify;

mod life;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

fn at(seconds: u64) -> QueueTime {
    QueueTime(Duration::from_secs(seconds))
}

fn to(name: &str) -> Arc<Destination> {
    Arc::new(Destination::Domain(Domain::parse(name).unwrap()))
}

/// A mail spooled at zero, one recipient per destination named.
fn mail(priority: Priority, destinations: &[&str]) -> Mail {
    let recipient = |name: &&str| Recipient::new(to(name), Notify::default(), at(0));
    Mail {
        reader: Reader::Sender,
        priority,
        arrived: at(0),
        recipients: destinations.iter().map(recipient).collect(),
    }
}

fn plan(mails: &[(u64, Mail)]) -> Plan {
    let mut plan = Plan::new(Policy::default(), Limits::default());
    for (id, mail) in mails {
        let owed = plan.add(SpoolId(*id), mail.clone(), at(0), Jitter(0));
        assert_eq!(owed, []);
    }
    plan
}

/// Ends an attempt with the same outcome for all of its recipients.
fn finish(plan: &mut Plan, attempt: Attempt, outcome: Outcome, time: QueueTime) -> Vec<Owed> {
    let outcomes = attempt.recipients().iter().map(|index| (*index, outcome));
    let outcomes = outcomes.collect();
    plan.finish(attempt, (Contact::Reached, &outcomes), time, Jitter(0))
}

fn states(plan: &Plan, id: u64) -> Vec<State> {
    let mail = plan.mail(SpoolId(id)).unwrap();
    mail.recipients.iter().map(|one| one.state).collect()
}

fn owed(recipient: usize, event: Event) -> Owed {
    Owed { recipient, event }
}

/// Each attempt takes ten seconds.
fn days_of_silence(jitter: Jitter, contact: Contact) -> Vec<String> {
    let mut plan = plan(&[(1, mail(Priority::Mail, &["dead.test"]))]);
    let mut log = Vec::new();
    let mut time = at(0);
    loop {
        let attempt = plan.next(time).unwrap();
        assert_eq!(plan.next(time), None);
        let told = plan.finish(
            attempt,
            (contact, &BTreeMap::new()),
            time + Duration::from_secs(10),
            jitter,
        );
        let told = told.iter().map(|owed| format!(" {:?}", owed.event));
        log.push(format!("{}{}", time.0.as_secs(), told.collect::<String>()));
        let Some(due) = plan.next_due() else {
            return log;
        };
        assert!(due > time);
        time = due;
    }
}

#[test]
fn a_dead_destination_is_tried_for_five_days() {
    let log = days_of_silence(Jitter(0), Contact::Reached);
    insta::assert_snapshot!(log[..12].join(", "), @"0, 70, 200, 450, 940, 1910, 3840, 7690, 14400 Delayed, 21610, 28820, 36030");
    insta::assert_snapshot!(log[log.len() - 3..].join(", "), @"418160, 425370, 432000 Expired");
    insta::assert_snapshot!(log.len(), @"67");
}

#[test]
fn chance_makes_it_sooner_only() {
    let log = days_of_silence(Jitter(u16::MAX), Contact::Reached);
    insta::assert_snapshot!(log[..12].join(", "), @"0, 55, 155, 345, 715, 1445, 2895, 5785, 11195, 14400 Delayed, 19810, 25220");
    insta::assert_snapshot!(log[log.len() - 3..].join(", "), @"425562, 430972, 432000 Expired");
}

#[test]
fn one_mail_alone_is_tried_no_less_while_nothing_is_reached() {
    let log = days_of_silence(Jitter(0), Contact::Unreachable);
    assert_eq!(log, days_of_silence(Jitter(0), Contact::Reached));
}

/// Three mails to one destination that cannot be reached, one a minute; the times of all attempts, until `time`.
fn silence_for_three(until: u64) -> (Plan, Vec<String>) {
    let mut plan = Plan::new(Policy::default(), Limits::default());
    let mut log = Vec::new();
    let mut mails = [(0, 1), (30, 2), (60, 3)].into_iter().peekable();
    let mut time = at(0);
    while time < at(until) {
        while let Some((when, id)) = mails.next_if(|(when, _)| at(*when) <= time) {
            let mut mail = mail(Priority::Mail, &["dead.test"]);
            mail.arrived = at(when);
            mail.recipients[0].state = State::Waiting { due: at(when) };
            plan.add(SpoolId(id), mail, time, Jitter(0));
        }
        while let Some(attempt) = plan.next(time) {
            let id = attempt.mail();
            let told = (Contact::Unreachable, &BTreeMap::new());
            let owed = plan.finish(attempt, told, time, Jitter(0));
            let owed = owed.iter().map(|owed| format!(" {:?}", owed.event));
            log.push(format!(
                "{}:{id}{}",
                time.0.as_secs(),
                owed.collect::<String>()
            ));
        }
        let mail = mails.peek().map(|(when, _)| at(*when));
        match [mail, plan.next_due()].into_iter().flatten().min() {
            Some(next) => time = next,
            None => break,
        }
    }
    (plan, log)
}

#[test]
fn one_attempt_tells_for_all_that_cannot_be_reached() {
    let (_, log) = silence_for_three(2 * HOUR);
    insta::assert_snapshot!(log.join(", "), @"0:1, 60:2, 180:1, 420:3, 900:2, 1800:1, 2700:3, 3600:2, 4500:1, 5400:3, 6300:2");
}

#[test]
fn each_sender_hears_of_the_delay_and_the_end() {
    let (_, log) = silence_for_three(6 * DAY - 1);
    let told: Vec<&str> = log
        .iter()
        .map(String::as_str)
        .filter(|line| line.contains(' '))
        .collect();
    insta::assert_snapshot!(told.join(", "), @"14400:1 Delayed, 14460:2 Delayed, 14460:3 Delayed, 432000:1 Expired, 432030:2 Expired, 432060:3 Expired");
}

#[test]
fn all_goes_when_a_host_is_reached_again() {
    let (mut plan, _) = silence_for_three(12 * HOUR);
    let time = plan.next_due().unwrap();
    let first = plan.next(time).unwrap();
    assert_eq!(plan.next(time), None);
    finish(&mut plan, first, Outcome::Relayed, time);
    let others: Vec<u64> = std::iter::from_fn(|| plan.next(time))
        .map(|attempt| attempt.mail().0)
        .collect();
    assert_eq!(others.len(), 2, "{others:?}");
}

#[test]
fn the_owner_may_try_what_cannot_be_reached() {
    let (mut plan, _) = silence_for_three(HOUR);
    let time = plan.next_due().unwrap();
    let before = QueueTime(time.0.saturating_sub(Duration::from_secs(1)));
    assert_eq!(plan.next(before), None);
    plan.retry(SpoolId(2), before);
    assert_eq!(plan.next(before).unwrap().mail(), SpoolId(2));
}

#[test]
fn what_could_not_begin_is_as_before() {
    let mut plan = plan(&[(1, mail(Priority::Mail, &["a.test"]))]);
    let attempt = plan.next(at(0)).unwrap();
    plan.put_back(attempt);
    assert_eq!(plan.mail(SpoolId(1)).unwrap().recipients[0].attempts, 0);
    let attempt = plan.next(at(0)).unwrap();
    plan.hold(SpoolId(1));
    plan.put_back(attempt);
    assert_eq!(states(&plan, 1), [State::Held]);
}

#[test]
fn recipients_of_one_destination_go_together() {
    let mut plan = plan(&[(1, mail(Priority::Mail, &["a.test", "b.test", "a.test"]))]);
    let a = plan.next(at(0)).unwrap();
    let b = plan.next(at(0)).unwrap();
    assert_eq!(
        (a.destination(), a.recipients()),
        (&*to("a.test"), &[0, 2][..])
    );
    assert_eq!(
        (b.destination(), b.recipients()),
        (&*to("b.test"), &[1][..])
    );
    assert_eq!(plan.next(at(0)), None);
    let outcomes = BTreeMap::from([(0, Outcome::Permanent), (2, Outcome::Relayed)]);
    let told = plan.finish(a, (Contact::Reached, &outcomes), at(5), Jitter(0));
    assert_eq!(told, [owed(0, Event::Failed)]);
    assert_eq!(plan.take_ended(SpoolId(1)), None);
    assert_eq!(finish(&mut plan, b, Outcome::Relayed, at(6)), []);
    let ended = plan.take_ended(SpoolId(1)).unwrap();
    let states = ended.recipients.iter().map(|one| one.state);
    let expected = [State::Failed, State::Delivered, State::Delivered];
    assert_eq!(states.collect::<Vec<_>>(), expected);
    assert_eq!(plan.mails().count(), 0);
}

#[test]
fn many_recipients_go_in_several_attempts() {
    let mut plan = plan(&[(1, mail(Priority::Mail, &["a.test"; 250]))]);
    let attempts: Vec<Attempt> = std::iter::from_fn(|| plan.next(at(0))).collect();
    let sizes: Vec<usize> = attempts.iter().map(|one| one.recipients().len()).collect();
    assert_eq!(sizes, [100, 100, 50]);
}

#[test]
fn notices_go_before_mail_and_bulk() {
    let bulk = mail(Priority::Bulk, &["a.test"]);
    let usual = mail(Priority::Mail, &["b.test"]);
    let notice = mail(Priority::Notice, &["c.test"]);
    let mut plan = plan(&[(1, bulk), (2, usual.clone()), (3, notice), (4, usual)]);
    let order = std::iter::from_fn(|| plan.next(at(0))).map(|attempt| attempt.mail().0);
    assert_eq!(order.collect::<Vec<_>>(), [3, 2, 4, 1]);
}

#[test]
fn bulk_waits_for_a_day_at_most() {
    for (later, expected) in [(DAY - 1, 2), (DAY + 1, 1)] {
        let mut notice = mail(Priority::Notice, &["a.test"]);
        notice.recipients[0].state = State::Waiting { due: at(later) };
        let mut plan = plan(&[(1, mail(Priority::Bulk, &["a.test"])), (2, notice)]);
        assert_eq!(plan.next(at(DAY + 1)).unwrap().mail(), SpoolId(expected));
    }
}

#[test]
fn a_destination_has_a_limit_that_others_do_not_feel() {
    let mut mails: Vec<_> = (1..=6)
        .map(|id| (id, mail(Priority::Mail, &["a.test"])))
        .collect();
    mails.push((7, mail(Priority::Bulk, &["b.test"])));
    let mut plan = plan(&mails);
    let mut attempts: Vec<Attempt> = std::iter::from_fn(|| plan.next(at(0))).collect();
    let order: Vec<u64> = attempts.iter().map(|attempt| attempt.mail().0).collect();
    assert_eq!(order, [1, 2, 3, 4, 7]);
    finish(&mut plan, attempts.remove(1), Outcome::Relayed, at(1));
    assert_eq!(plan.next(at(1)).unwrap().mail(), SpoolId(5));
    assert_eq!(plan.next(at(1)), None);
}

#[test]
fn the_box_has_a_limit() {
    let limits = Limits {
        attempts_max: 2,
        ..Limits::default()
    };
    let mut plan = Plan::new(Policy::default(), limits);
    let all = mail(Priority::Mail, &["a.test", "b.test", "c.test"]);
    plan.add(SpoolId(1), all, at(0), Jitter(0));
    let first = plan.next(at(0)).unwrap();
    assert!(plan.next(at(0)).is_some());
    assert_eq!(plan.next(at(0)), None);
    finish(&mut plan, first, Outcome::Transient, at(1));
    assert_eq!(plan.next(at(1)).unwrap().destination(), &*to("c.test"));
}

#[test]
fn success_is_told_on_request_and_never_twice() {
    let success = Notify {
        success: true,
        ..Notify::NEVER
    };
    for (outcome, notify, expected) in [
        (Outcome::Delivered, success, Some(Event::Delivered)),
        (Outcome::Relayed, success, Some(Event::Relayed)),
        (Outcome::PassedOn, success, None),
        (Outcome::Permanent, success, None),
        (Outcome::Relayed, Notify::default(), None),
        (Outcome::Permanent, Notify::default(), Some(Event::Failed)),
        (Outcome::Permanent, Notify::NEVER, None),
    ] {
        for is_null in [false, true] {
            let mut one = mail(Priority::Mail, &["a.test"]);
            one.recipients[0].notify = notify;
            if is_null {
                one.reader = Reader::Nobody;
            }
            let mut plan = plan(&[(1, one)]);
            let attempt = plan.next(at(0)).unwrap();
            let told = finish(&mut plan, attempt, outcome, at(1));
            let told = told.first().map(|owed| owed.event);
            assert_eq!(
                told,
                expected.filter(|_| !is_null),
                "{outcome:?} {notify:?}"
            );
        }
    }
}

#[test]
fn the_owner_holds_retries_and_removes() {
    let mut plan = plan(&[(1, mail(Priority::Mail, &["a.test", "b.test"]))]);
    let id = SpoolId(1);
    let a = plan.next(at(0)).unwrap();
    plan.hold(id);
    assert_eq!(plan.next(at(0)), None);
    finish(&mut plan, a, Outcome::Transient, at(1));
    assert_eq!(states(&plan, 1), [State::Held, State::Held]);
    assert_eq!((plan.next(at(9 * DAY)), plan.next_due()), (None, None));

    // Too old by now, yet it has another attempt; the last.
    plan.retry(id, at(9 * DAY));
    let a = plan.next(at(9 * DAY)).unwrap();
    let told = finish(&mut plan, a, Outcome::Transient, at(9 * DAY + 1));
    assert_eq!(told, [owed(0, Event::Expired)]);

    let b = plan.next(at(9 * DAY + 1)).unwrap();
    plan.remove(id);
    assert_eq!(states(&plan, 1)[0], State::Expired);
    assert_eq!(
        finish(&mut plan, b, Outcome::Transient, at(9 * DAY + 2)),
        []
    );
    assert_eq!(states(&plan, 1), [State::Expired, State::Removed]);
    assert!(plan.take_ended(id).is_some());
}

#[test]
fn retrying_makes_waiting_mail_due_at_once() {
    let mut plan = plan(&[(1, mail(Priority::Mail, &["a.test"]))]);
    let attempt = plan.next(at(0)).unwrap();
    finish(&mut plan, attempt, Outcome::Transient, at(1));
    assert_eq!(plan.next(at(60)), None);
    assert_eq!(plan.next_due(), Some(at(61)));
    plan.retry(SpoolId(1), at(5));
    assert!(plan.next(at(5)).is_some());
}

#[test]
fn removed_while_under_way_a_mail_may_still_arrive() {
    for (outcome, state) in [
        (Outcome::Relayed, State::Delivered),
        (Outcome::Permanent, State::Failed),
        (Outcome::Transient, State::Removed),
    ] {
        let mut plan = plan(&[(1, mail(Priority::Mail, &["a.test"]))]);
        let attempt = plan.next(at(0)).unwrap();
        plan.remove(SpoolId(1));
        finish(&mut plan, attempt, outcome, at(1));
        assert_eq!(states(&plan, 1), [state]);
    }
}

/// The plan as a restart finds it.
fn restarted(before: &Plan, time: QueueTime) -> (Plan, Vec<Owed>) {
    let mut plan = Plan::new(before.policy, before.limits);
    let mut told = Vec::new();
    for (id, mail) in before.mails() {
        told.extend(plan.add(id, mail.clone(), time, Jitter(0)));
    }
    (plan, told)
}

#[test]
fn an_attempt_that_a_restart_cuts_is_transient() {
    let mut first = plan(&[(1, mail(Priority::Mail, &["a.test"]))]);
    first.next(at(0)).unwrap();
    let (second, told) = restarted(&first, at(100));
    assert_eq!(told, []);
    assert_eq!(second.mail(SpoolId(1)).unwrap().recipients[0].attempts, 1);
    assert_eq!(states(&second, 1), [State::Waiting { due: at(160) }]);

    // Days later: nothing is given up for the time that the box was off.
    let (mut third, told) = restarted(&first, at(9 * DAY));
    assert_eq!(told, [owed(0, Event::Delayed)]);
    assert_eq!(third.next(at(9 * DAY)), None);
    let last = third.next(at(9 * DAY + 60)).unwrap();
    assert_eq!(third.mail(SpoolId(1)).unwrap().recipients[0].attempts, 2);
    let (fourth, told) = restarted(&third, at(10 * DAY));
    assert_eq!(
        told,
        [owed(0, Event::Expired)],
        "one that crashes us ends too"
    );
    assert_eq!(states(&fourth, 1), [State::Expired]);
    assert_eq!(last.recipients(), [0]);
}

#[test]
fn a_mail_is_taken_in_once() {
    let mut plan = plan(&[(1, mail(Priority::Mail, &["a.test"]))]);
    let attempt = plan.next(at(0)).unwrap();
    plan.add(
        SpoolId(1),
        mail(Priority::Mail, &["a.test"]),
        at(0),
        Jitter(0),
    );
    assert_eq!(plan.next(at(0)), None);
    finish(&mut plan, attempt, Outcome::Relayed, at(1));
    assert!(plan.take_ended(SpoolId(1)).is_some());
}
