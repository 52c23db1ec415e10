//! Jobs that panic: each ends alone, and its mail is tried again.

use super::*;
use crate::clock::Wall;
use crate::delivery::route::Router;
use crate::dns::Resolver;
use crate::mail::address::Address;
use crate::mail::ids::SpoolId;
use crate::mail::report::Status;
use crate::mail::transport::{BodyType, HeaderType, Priority};
use crate::maillog::Tally;
use crate::net::shutdown::Shutdown;
use crate::queue::desk::Settings;
use crate::queue::plan::{Destination, Limits, Outcome, Policy};
use crate::queue::relay::Relay;
use crate::store::spool::{NewSpool, NewSpoolRecipient, SpoolMail, SpoolStage};
use crate::store::{Append, Options};

/// A worker without a network.
struct House {
    running: Running,
    clock: Clock,
    _shutdown: Shutdown,
}

fn house() -> House {
    let store = Store::in_memory(&Options::default()).unwrap();
    let clock = Clock::virtual_at(Wall(1_800_000_000));
    let hostname = Domain::parse("home.test").unwrap();
    let routes = Routes::new(Relay::default());
    let settings = Settings {
        policy: Policy::default(),
        limits: Limits::default(),
        hostname: hostname.clone(),
        language: Language::En,
        returned_bytes_max: 1 << 20,
        tally: Tally::default(),
    };
    let router = Router::new(hostname.clone(), []);
    let desk = Desk::open(&store, settings, routes.clone(), router, clock.now()).unwrap();
    let worker = Worker {
        desk,
        finder: Finder::new(Resolver::zone("").unwrap(), vec![hostname.clone()]),
        routes,
        outbound: Outbound::trusting("").unwrap(),
        keyring: Keyring::open(&store, &[]),
        store,
        hostname,
        port: 25,
        language: Language::En,
        clock: clock.clone(),
        counters: Counters::default(),
    };
    let shutdown = Shutdown::new();
    let running = Running::new((worker, shutdown.token()), Arc::default());
    House {
        running,
        clock,
        _shutdown: shutdown,
    }
}

fn delivered(job: &Job) -> BTreeMap<usize, Tried> {
    let tried = Tried {
        outcome: Outcome::Delivered,
        host: None,
        status: Status::parse("2.0.0").unwrap(),
        reply: "250 ok".to_owned(),
    };
    let recipients = job.attempt.recipients().iter();
    recipients.map(|index| (*index, tried.clone())).collect()
}

impl House {
    fn worker(&self) -> &Worker {
        &self.running.tools.worker
    }

    fn send(&self, to: &[&str]) {
        let store = &self.worker().store;
        let mut blob = store.begin_blob(None).unwrap();
        blob.write(b"Subject: a\r\n\r\nb\r\n").unwrap();
        let recipient = |text: &&str| NewSpoolRecipient {
            address: Address::parse(text).unwrap(),
            notify: None,
            original: None,
        };
        let new = NewSpool {
            prefix: Vec::new(),
            sender: Address::parse("anna@home.test").ok(),
            account: None,
            priority: Priority::Mail,
            body: BodyType::SevenBit,
            header: HeaderType::Ascii,
            ret: None,
            envid: None,
            recipients: to.iter().map(recipient).collect(),
        };
        let append = Append {
            blob: blob.finish().unwrap(),
            summary: Vec::new(),
            filings: Vec::new(),
            spool: vec![new],
        };
        store.append(vec![append], self.clock.now()).unwrap();
    }

    /// Carries out what is due until nothing is: attempts for `broken` panic, others deliver. Gives how many were made.
    async fn work(&mut self, broken: &str) -> usize {
        let mut attempts = 0;
        loop {
            let (jobs, _) = due(&self.worker().desk, self.clock.now()).unwrap();
            if jobs.is_empty() {
                return attempts;
            }
            attempts += jobs.len();
            for job in jobs {
                let is_broken = matches!(
                    job.attempt.destination(),
                    Destination::Domain(domain) if domain.as_str() == broken
                );
                let tried = delivered(&job);
                let attempt = async move {
                    assert!(!is_broken, "a bug in this attempt");
                    Some(tried)
                };
                let tools = Arc::clone(&self.running.tools);
                self.running.jobs.spawn(bring_back(tools, job, attempt));
            }
            while let Some(done) = self.running.jobs.join_next().await {
                done.unwrap();
            }
        }
    }

    fn spool(&self) -> Vec<SpoolMail> {
        let snapshot = self.worker().store.snapshot().unwrap();
        snapshot.spool(SpoolId(0), 100).unwrap()
    }

    fn panics(&self) -> u64 {
        self.worker().counters.read().panics
    }
}

#[tokio::test]
async fn an_attempt_that_panics_ends_alone() {
    let mut house = house();
    house.send(&["a@broken.test", "b@broken.test", "c@far.test"]);
    house.send(&["d@far.test"]);
    assert_eq!(house.work("broken.test").await, 3);
    assert_eq!(house.panics(), 1);
    let spool = house.spool();
    let [mail] = spool.as_slice() else {
        panic!("one mail waits: {spool:#?}");
    };
    let stages = mail.states.iter().map(|state| state.stage);
    let stages: Vec<SpoolStage> = stages.collect();
    assert!(
        matches!(
            stages.as_slice(),
            [
                SpoolStage::Waiting(_),
                SpoolStage::Waiting(_),
                SpoolStage::Delivered
            ]
        ),
        "{stages:?}"
    );
    // It is tried again after its time, and that time grows.
    for attempts in 1..=3 {
        let state = &house.spool()[0].states[0];
        assert_eq!(state.attempts, attempts);
        let last = state.last.as_ref().unwrap();
        assert_eq!(last.status, "4.4.2");
        let (_, next) = due(&house.worker().desk, house.clock.now()).unwrap();
        let next = next.unwrap();
        let most = Duration::from_mins(1 << (attempts - 1));
        assert!(next <= most && next * 4 >= most * 3, "{attempts}: {next:?}");
        house.clock.advance(next + Duration::from_millis(1));
        assert_eq!(house.work("broken.test").await, 1);
    }
    assert_eq!(house.panics(), 4);
    // The bug is gone: so is the mail.
    house.clock.advance(Duration::from_hours(1));
    assert_eq!(house.work("").await, 1);
    assert_eq!(house.spool(), []);
}

#[tokio::test]
async fn attempts_that_panic_give_their_places_back() {
    let mut house = house();
    let limits = Limits::default();
    let mails = limits.attempts_max + limits.per_destination_max + 1;
    for _ in 0..mails {
        house.send(&["a@broken.test"]);
    }
    assert_eq!(house.work("broken.test").await, mails);
    assert_eq!(house.panics(), mails as u64);
    assert!(
        house
            .spool()
            .iter()
            .all(|mail| mail.states[0].attempts == 1)
    );
    house.clock.advance(Duration::from_mins(2));
    assert_eq!(house.work("").await, mails);
    assert_eq!(house.spool(), []);
}
