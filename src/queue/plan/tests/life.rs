//! Random lives of a whole spool: mails come, hosts are slow, refuse or stay silent, the owner interferes, the box
//! restarts after minutes or a day. What is tried next is held against a model that looks at everything.

use super::*;

const DESTINATIONS: [&str; 3] = ["a.test", "b.test", "c.test"];

/// Longest attempt, in seconds.
const ATTEMPT_MAX: u64 = 600;

/// What comes from outside at a time.
#[derive(Clone, Debug)]
enum Deed {
    Spool(Mail),
    Hold(u64),
    Retry(u64),
    Remove(u64),
    /// Off for so many seconds.
    Restart(u64),
}

/// How the world answers.
#[derive(Clone, Debug)]
struct World {
    policy: Policy,
    limits: Limits,
    deeds: Vec<(u64, Deed)>,
    /// Taken in turn.
    answers: Vec<(Outcome, u64, u16)>,
}

fn notify() -> impl Strategy<Value = Notify> {
    any::<[bool; 3]>().prop_map(|[success, failure, delay]| Notify {
        success,
        failure,
        delay,
    })
}

fn spooled() -> impl Strategy<Value = Deed> {
    let recipients = prop::collection::vec((0..DESTINATIONS.len(), notify()), 1..5);
    let priority = prop::sample::select(vec![Priority::Notice, Priority::Mail, Priority::Bulk]);
    (recipients, priority, any::<bool>()).prop_map(|(recipients, priority, is_null)| {
        let recipients = recipients
            .into_iter()
            .map(|(to_which, notify)| Recipient::new(to(DESTINATIONS[to_which]), notify, at(0)));
        let reader = if is_null {
            Reader::Nobody
        } else {
            Reader::Sender
        };
        Deed::Spool(Mail {
            reader,
            priority,
            arrived: at(0),
            recipients: recipients.collect(),
        })
    })
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        6 => spooled(),
        1 => (1_u64..6).prop_map(Deed::Hold),
        1 => (1_u64..6).prop_map(Deed::Retry),
        1 => (1_u64..6).prop_map(Deed::Remove),
        1 => (0..=DAY).prop_map(Deed::Restart),
    ]
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        20 => Just(Outcome::Transient),
        1 => Just(Outcome::Permanent),
        1 => Just(Outcome::Relayed),
        1 => Just(Outcome::PassedOn),
    ]
}

fn world() -> impl Strategy<Value = World> {
    let policy = (1..120_u64, 60..4 * HOUR, 0..6 * DAY, 0..DAY);
    let policy = policy.prop_map(|(first, max, lifetime, notice)| Policy {
        retry_first: Duration::from_secs(first),
        retry_max: Duration::from_secs(max),
        lifetime: Duration::from_secs(lifetime),
        delay_notice_after: Duration::from_secs(notice),
    });
    let limits = (1..4_usize, 1..3_usize, 1..4_usize).prop_map(
        |(attempts_max, per_destination_max, recipients_max)| Limits {
            attempts_max,
            per_destination_max,
            recipients_max,
        },
    );
    let answer = (outcome(), 1..=ATTEMPT_MAX, any::<u16>());
    (
        policy,
        limits,
        prop::collection::vec((0..2 * DAY, deed()), 1..9),
        prop::collection::vec(answer, 1..40),
    )
        .prop_map(|(policy, limits, mut deeds, answers)| {
            deeds.sort_by_key(|(time, _)| *time);
            World {
                policy,
                limits,
                deeds,
                answers,
            }
        })
}

/// One life, and what was seen in it.
struct Life {
    world: World,
    plan: Plan,
    time: QueueTime,
    /// By the time of their end.
    under_way: Vec<(QueueTime, Attempt)>,
    answers: usize,
    mails: u64,
    told: BTreeMap<(SpoolId, usize), Vec<Event>>,
    /// When each recipient's last attempt ended.
    tried: BTreeMap<(SpoolId, usize), QueueTime>,
    ended: BTreeMap<SpoolId, (Mail, QueueTime)>,
    /// The owner interfered.
    touched: BTreeSet<SpoolId>,
    off: Duration,
    /// Destinations that could not be reached: until when they are closed, how often it was tried.
    closed: BTreeMap<Arc<Destination>, (Option<QueueTime>, u32)>,
}

impl Life {
    fn new(world: World) -> Self {
        Self {
            plan: Plan::new(world.policy, world.limits),
            world,
            time: at(0),
            under_way: Vec::new(),
            answers: 0,
            mails: 0,
            told: BTreeMap::new(),
            tried: BTreeMap::new(),
            ended: BTreeMap::new(),
            touched: BTreeSet::new(),
            off: Duration::ZERO,
            closed: BTreeMap::new(),
        }
    }

    fn answer(&mut self) -> (Outcome, u64, u16) {
        self.answers += 1;
        self.world.answers[self.answers % self.world.answers.len()]
    }

    fn note(&mut self, id: SpoolId, owed: Vec<Owed>) {
        for owed in owed {
            let told = self.told.entry((id, owed.recipient)).or_default();
            told.push(owed.event);
        }
    }

    /// What should be tried now: the best of all that may go, and its companions.
    fn expected(&self) -> Option<(SpoolId, Arc<Destination>, Vec<usize>)> {
        let limits = self.world.limits;
        if self.under_way.len() >= limits.attempts_max {
            return None;
        }
        let has_room = |to: &Destination| {
            let there = self
                .under_way
                .iter()
                .filter(|(_, one)| one.destination() == to);
            there.count() < limits.per_destination_max
        };
        let is_closed = |to: &Arc<Destination>| {
            self.closed
                .get(to)
                .is_some_and(|(until, _)| until.is_some())
        };
        let (mut due, mut with) = (Vec::new(), Vec::new());
        for (id, mail) in self.plan.mails() {
            for (index, one) in mail.recipients.iter().enumerate() {
                let Some(when) = one.due().filter(|when| *when <= self.time) else {
                    continue;
                };
                let to = Arc::clone(&one.destination);
                with.push((id, Arc::clone(&to), index));
                let may_go = !is_closed(&to) || self.cannot_wait(mail, one);
                if has_room(&to) && may_go {
                    due.push((when + mail.priority.behind(), when, id, index, to));
                }
            }
        }
        let (_, _, id, _, to) = due.iter().min()?.clone();
        with.retain(|one| (one.0, &one.1) == (id, &to));
        with.truncate(limits.recipients_max);
        let with = with.into_iter().map(|(_, _, index)| index).collect();
        Some((id, to, with))
    }

    /// Its sender is to be told, or it is to be given up.
    fn cannot_wait(&self, mail: &Mail, one: &Recipient) -> bool {
        let age = self.time.since(mail.arrived);
        let is_to_be_told = one.notify.delay && !one.delay_told;
        let is_late = age >= self.world.policy.delay_notice_after;
        age >= self.world.policy.lifetime || is_to_be_told && is_late
    }

    fn open_due(&mut self) {
        for (until, _) in self.closed.values_mut() {
            *until = until.filter(|until| *until > self.time);
        }
        self.forget_idle();
    }

    /// What is open and has nothing to do is as if it had never failed.
    fn forget_idle(&mut self) {
        let plan = &self.plan;
        self.closed.retain(|to, (until, _)| {
            let mut all = plan.mails().flat_map(|(_, mail)| &mail.recipients);
            let is_awaited = all.any(|one| {
                let is_open = matches!(one.state, State::Waiting { .. } | State::UnderWay { .. });
                one.destination == *to && is_open
            });
            until.is_some() || is_awaited
        });
    }

    /// What is known of a destination after an attempt.
    fn learn(&mut self, to: &Arc<Destination>, contact: Contact) {
        let known = self.closed.get(to).copied();
        match (contact, known) {
            (Contact::Reached, Some(_)) => {
                self.closed.remove(to);
                for (id, mail) in self.plan.mails() {
                    for (index, _) in mail.recipients.iter().enumerate() {
                        self.tried.remove(&(id, index));
                    }
                }
            }
            (Contact::Unreachable, None | Some((None, _))) => {
                let failures = known.map_or(0, |(_, failures)| failures) + 1;
                let policy = self.world.policy;
                let doubled = policy.retry_first * (1 << (failures - 1).min(20));
                let longest = policy.retry_max.min(Duration::from_mins(15));
                let until = self.time + doubled.min(longest);
                self.closed.insert(Arc::clone(to), (Some(until), failures));
            }
            (Contact::Reached, None) | (Contact::Unreachable, Some((Some(_), _))) => {}
        }
    }

    fn begin_all(&mut self) {
        self.open_due();
        loop {
            let expected = self.expected();
            let attempt = self.plan.next(self.time);
            let seen = attempt.as_ref().map(|one| {
                let recipients = one.recipients().to_vec();
                let to = Arc::new(one.destination().clone());
                (one.mail(), to, recipients)
            });
            assert_eq!(seen, expected);
            let Some(attempt) = attempt else {
                return;
            };
            let pause = self.world.policy.retry_first.mul_f32(0.74);
            let pause = pause.min(self.world.policy.retry_max.mul_f32(0.74));
            for index in attempt.recipients() {
                let last = self.tried.get(&(attempt.mail(), *index));
                let since = last.map(|last| self.time.since(*last));
                assert!(since.is_none_or(|since| since >= pause), "{since:?}");
            }
            let (_, seconds, _) = self.answer();
            self.under_way
                .push((self.time + Duration::from_secs(seconds), attempt));
        }
    }

    fn finish_due(&mut self) {
        self.under_way
            .sort_by_key(|(end, attempt)| (*end, attempt.mail()));
        while self
            .under_way
            .first()
            .is_some_and(|(end, _)| *end <= self.time)
        {
            let (_, attempt) = self.under_way.remove(0);
            let (id, recipients) = (attempt.mail(), attempt.recipients().to_vec());
            let before = self.plan.mail(id).unwrap().clone();
            let jitter = Jitter(self.answer().2);
            let outcomes = recipients.iter().map(|index| (*index, self.answer().0));
            let outcomes = outcomes.collect::<BTreeMap<_, _>>();
            let is_silent = outcomes.values().all(|one| *one == Outcome::Transient);
            let contact = match self.answer().1 {
                bits if is_silent && bits % 2 == 0 => Contact::Unreachable,
                _ => Contact::Reached,
            };
            self.learn(&Arc::new(attempt.destination().clone()), contact);
            let told = (contact, &outcomes);
            let owed = self.plan.finish(attempt, told, self.time, jitter);
            self.note(id, owed);
            for index in recipients {
                self.tried.insert((id, index), self.time);
                let (old, new) = (before.recipients[index].state, self.state(id, index));
                self.check_step(&before, old, new);
            }
            self.collect(id);
            self.forget_idle();
        }
    }

    fn state(&self, id: SpoolId, index: usize) -> State {
        self.plan.mail(id).unwrap().recipients[index].state
    }

    /// Given up only by an attempt that began too late; else due in time.
    fn check_step(&self, mail: &Mail, old: State, new: State) {
        let State::UnderWay { began, .. } = old else {
            panic!("{old:?}");
        };
        let end = mail.arrived + self.world.policy.lifetime;
        match new {
            State::Waiting { due } => {
                assert!(began < end && due > self.time);
                let longest = self.world.policy.retry_max.max(Duration::from_secs(1));
                assert!(due <= self.time + longest);
            }
            State::Expired => assert!(began >= end),
            State::UnderWay { .. } => panic!("still under way"),
            State::Held | State::Delivered | State::Failed | State::Removed => {}
        }
    }

    fn collect(&mut self, id: SpoolId) {
        if let Some(mail) = self.plan.take_ended(id) {
            let before = self.ended.insert(id, (mail, self.time));
            assert!(before.is_none(), "ended twice");
        }
    }

    fn act(&mut self, deed: Deed) {
        match deed {
            Deed::Spool(mut mail) => {
                self.mails += 1;
                mail.arrived = self.time;
                for one in &mut mail.recipients {
                    one.state = State::Waiting { due: self.time };
                }
                let id = SpoolId(self.mails);
                let owed = self.plan.add(id, mail, self.time, Jitter(0));
                assert_eq!(owed, []);
            }
            Deed::Hold(id) => {
                self.touched.insert(SpoolId(id));
                self.plan.hold(SpoolId(id));
            }
            Deed::Retry(id) => {
                self.tried.retain(|(mail, _), _| mail.0 != id);
                self.plan.retry(SpoolId(id), self.time);
                self.open_for(SpoolId(id));
            }
            Deed::Remove(id) => {
                self.plan.remove(SpoolId(id));
                self.collect(SpoolId(id));
            }
            Deed::Restart(seconds) => self.restart(Duration::from_secs(seconds)),
        }
    }

    /// The owner wants it tried now.
    fn open_for(&mut self, id: SpoolId) {
        let recipients = self.plan.mail(id).into_iter();
        let waiting = recipients.flat_map(|mail| &mail.recipients);
        for one in waiting.filter(|one| one.due().is_some()) {
            if let Some((until, _)) = self.closed.get_mut(&one.destination) {
                *until = None;
            }
        }
    }

    fn restart(&mut self, off: Duration) {
        self.closed.clear();
        self.under_way.clear();
        self.time = self.time + off;
        self.off += off;
        let saved: Vec<(SpoolId, Mail)> = self
            .plan
            .mails()
            .map(|(id, mail)| (id, mail.clone()))
            .collect();
        self.plan = Plan::new(self.world.policy, self.world.limits);
        for (id, mail) in saved {
            let before = mail.clone();
            let jitter = Jitter(self.answer().2);
            let owed = self.plan.add(id, mail, self.time, jitter);
            self.note(id, owed);
            for (index, one) in before.recipients.iter().enumerate() {
                let new = self.state(id, index);
                if matches!(one.state, State::UnderWay { .. }) {
                    self.check_step(&before, one.state, new);
                } else {
                    assert_eq!(new, one.state);
                }
            }
            self.collect(id);
        }
    }

    /// Lives until all has ended. Mail that is held is let go on once the world is done.
    fn run(mut self) -> Self {
        let mut deeds = std::mem::take(&mut self.world.deeds).into_iter().peekable();
        loop {
            self.finish_due();
            while let Some((_, deed)) = deeds.next_if(|(when, _)| at(*when) <= self.time) {
                self.act(deed);
                self.forget_idle();
            }
            self.begin_all();
            let ends = self.under_way.iter().map(|(end, _)| *end).min();
            let deed = deeds.peek().map(|(when, _)| at(*when));
            let next = [ends, deed, self.plan.next_due()]
                .into_iter()
                .flatten()
                .min();
            if let Some(next) = next {
                assert!(next > self.time, "the plan asks for a time that is past");
                self.time = next;
            } else if self.plan.mails().next().is_none() {
                return self;
            } else {
                for id in 1..=self.mails {
                    self.act(Deed::Retry(id));
                }
            }
        }
    }

    fn check(&self) {
        assert_eq!(self.ended.len() as u64, self.mails);
        let policy = self.world.policy;
        // Once to begin before the end, once after it: its turn, and one attempt each of all the others.
        let turn = Priority::Bulk.behind() + Duration::from_secs(40 * ATTEMPT_MAX);
        let bound = policy.lifetime + policy.retry_max + 2 * turn + self.off;
        for (id, (mail, when)) in &self.ended {
            if !self.touched.contains(id) {
                assert!(when.since(mail.arrived) <= bound, "{mail:?} at {when:?}");
            }
            for (index, one) in mail.recipients.iter().enumerate() {
                let told = self.told.get(&(*id, index));
                check_told(mail, one, told.map_or(&[], Vec::as_slice));
            }
        }
    }
}

/// At most one delay, then at most one end, and only what the sender wants to hear.
fn check_told(mail: &Mail, one: &Recipient, told: &[Event]) {
    if mail.reader == Reader::Nobody {
        assert_eq!(told, [], "the null sender");
        return;
    }
    let (delays, ends) = told.split_at(usize::from(told.first() == Some(&Event::Delayed)));
    assert!(delays.is_empty() || one.notify.delay && one.delay_told);
    let expected: &[&[Event]] = match one.state {
        State::Failed if one.notify.failure => &[&[Event::Failed]],
        State::Expired if one.notify.failure => &[&[Event::Expired]],
        State::Delivered if one.notify.success => &[&[Event::Relayed], &[]],
        State::Waiting { .. } | State::UnderWay { .. } | State::Held => panic!("no end"),
        State::Failed | State::Expired | State::Delivered | State::Removed => &[&[]],
    };
    assert!(expected.contains(&ends), "{one:?} {told:?}");
}

proptest! {
    #[test]
    fn every_recipient_ends_once_and_in_time(world in world()) {
        Life::new(world).run().check();
    }
}
