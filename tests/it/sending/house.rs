//! A queue with its worker on a store in memory, in a world that is a zone and hosts on loopback. Time stands still until a
//! test moves it.

use std::time::Duration;

use heimpost::clock::{Clock, Wall};
use heimpost::delivery::route::Router;
use heimpost::dns::Resolver;
use heimpost::mail::address::{Address, Domain};
use heimpost::mail::ids::SpoolId;
use heimpost::mail::report::Notify;
use heimpost::mail::transport::{BodyType, HeaderType, Priority};
use heimpost::maillog::{Tallied, Tally};
use heimpost::net::Counters;
use heimpost::net::outbound::Outbound;
use heimpost::net::shutdown::{GRACE, Shutdown, Stopped};
use heimpost::queue::desk::{self, Desk};
use heimpost::queue::hosts::Finder;
use heimpost::queue::plan::{Limits, Policy};
use heimpost::queue::relay::Relay;
use heimpost::queue::routes::Routes;
use heimpost::queue::sts::Sts;
use heimpost::queue::worker::Worker;
use heimpost::store::spool::{NewSpool, NewSpoolRecipient, SpoolMail};
use heimpost::store::types::Language;
use heimpost::store::{Append, Options, Store};
use heimpost::trust::signing::Keyring;
use tokio::task::{spawn_blocking, yield_now};
use tokio::time::timeout;

/// Far more than anything takes.
const PATIENCE: Duration = Duration::from_mins(5);

/// What is sent unless a test says otherwise.
pub(super) const MESSAGE: &str =
    "From: anna@home.test\r\nSubject: hello\r\n\r\nIt works.\r\n.dot\r\n";

/// How a house differs from others.
pub(super) struct Plan {
    pub(super) zone: String,
    pub(super) port: u16,
    pub(super) relay: Relay,
    /// Authorities that it trusts.
    pub(super) authorities: String,
    /// Where MTA-STS policies are fetched.
    pub(super) policy_port: u16,
    /// Domains that it signs for.
    pub(super) signs: Vec<Domain>,
}

impl Plan {
    pub(super) fn new(zone: &str, port: u16) -> Self {
        Self {
            zone: zone.to_owned(),
            port,
            relay: Relay::default(),
            authorities: String::new(),
            policy_port: 1,
            signs: Vec::new(),
        }
    }
}

/// A house at work.
pub(super) struct House {
    pub(super) store: Store,
    pub(super) desk: Desk,
    pub(super) clock: Clock,
    tally: Tally,
    counters: Counters,
    shutdown: Shutdown,
}

/// A mail that is not spooled yet.
pub(super) fn mail(to: &[&str]) -> NewSpool {
    let recipient = |text: &&str| NewSpoolRecipient {
        address: address(text),
        notify: None,
        original: None,
    };
    NewSpool {
        prefix: b"Received: by home.test\r\n".to_vec(),
        sender: Some(address("anna@home.test")),
        account: None,
        priority: Priority::Mail,
        body: BodyType::SevenBit,
        header: HeaderType::Ascii,
        ret: None,
        envid: None,
        recipients: to.iter().map(recipient).collect(),
    }
}

/// One whose sender is elsewhere, so that reports are spooled for a domain that cannot be reached for now.
pub(super) fn of_stranger(to: &[&str]) -> NewSpool {
    NewSpool {
        sender: Some(address("bob@later.test")),
        ..mail(to)
    }
}

pub(super) fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

pub(super) fn notify_all(mut mail: NewSpool) -> NewSpool {
    for one in &mut mail.recipients {
        one.notify = Some(Notify {
            success: true,
            ..Notify::default()
        });
    }
    mail
}

impl House {
    pub(super) fn new(plan: Plan) -> Self {
        let store = Store::in_memory(&Options::default()).unwrap();
        let clock = Clock::virtual_at(Wall(1_800_000_000));
        Self::on(store, clock, plan)
    }

    /// On a store that another house may have left.
    pub(super) fn on(store: Store, clock: Clock, plan: Plan) -> Self {
        let hostname = Domain::parse("home.test").unwrap();
        let (tally, counters) = (Tally::default(), Counters::default());
        let routes = Routes::new(plan.relay);
        let settings = desk::Settings {
            policy: Policy::default(),
            limits: Limits::default(),
            hostname: hostname.clone(),
            language: Language::En,
            returned_bytes_max: 1 << 20,
            tally: tally.clone(),
        };
        let router = Router::new(hostname.clone(), [hostname.clone()]);
        let desk = Desk::open(&store, settings, routes.clone(), router, clock.now()).unwrap();
        let zone = format!("{}\nlater.test MX servfail\n", plan.zone);
        let resolver = Resolver::zone(&zone).unwrap();
        let outbound = Outbound::trusting(&plan.authorities).unwrap();
        let (names, sts) = (resolver.clone(), outbound.clone());
        let sts = Sts::new(names, sts, store.clone(), plan.policy_port).unwrap();
        let worker = Worker {
            desk: desk.clone(),
            store: store.clone(),
            finder: Finder::new(resolver, vec![hostname.clone()]).with_sts(sts),
            routes,
            outbound,
            keyring: Keyring::open(&store, &plan.signs),
            hostname,
            port: plan.port,
            language: Language::En,
            clock: clock.clone(),
            counters: counters.clone(),
        };
        let shutdown = Shutdown::new();
        tokio::spawn(worker.run(shutdown.token()));
        Self {
            store,
            desk,
            clock,
            tally,
            counters,
            shutdown,
        }
    }

    pub(super) async fn send(&self, new: NewSpool) {
        self.send_message(new, MESSAGE.as_bytes()).await;
    }

    pub(super) async fn send_message(&self, new: NewSpool, message: &[u8]) {
        let (store, now, message) = (self.store.clone(), self.clock.now(), message.to_vec());
        let work = move || {
            let mut blob = store.begin_blob(None).unwrap();
            blob.write(&message).unwrap();
            let append = Append {
                blob: blob.finish().unwrap(),
                summary: Vec::new(),
                filings: Vec::new(),
                spool: vec![new],
            };
            store.append(vec![append], now).unwrap();
        };
        spawn_blocking(work).await.unwrap();
    }

    pub(super) fn spool(&self) -> Vec<SpoolMail> {
        let snapshot = self.store.snapshot().unwrap();
        snapshot.spool(SpoolId(0), usize::MAX).unwrap()
    }

    /// Waits until the spool is as it should be.
    pub(super) async fn until(&self, is_so: impl Fn(&[SpoolMail]) -> bool) -> Vec<SpoolMail> {
        let waiting = async {
            loop {
                let store = self.store.clone();
                let look = move || store.snapshot().unwrap().spool(SpoolId(0), 10_000).unwrap();
                let spool = spawn_blocking(look).await.unwrap();
                if is_so(&spool) {
                    return spool;
                }
                yield_now().await;
            }
        };
        let waited = timeout(PATIENCE, waiting).await;
        waited.unwrap_or_else(|_| panic!("never came so: {:#?}", self.spool()))
    }

    /// Waits until all is gone.
    pub(super) async fn until_empty(&self) {
        self.until(<[SpoolMail]>::is_empty).await;
    }

    /// Waits until the first mail was tried so often; what came of it, as `STATUS HOST REPLY`.
    pub(super) async fn until_tried(&self, attempts: u32) -> String {
        let is_so = |spool: &[SpoolMail]| {
            let first = spool.first().and_then(|mail| mail.states.first());
            first.is_some_and(|state| state.attempts >= attempts && state.last.is_some())
        };
        let spool = self.until(is_so).await;
        let last = spool[0].states[0].last.clone().unwrap();
        let host = last.host.unwrap_or_else(|| "-".to_owned());
        format!("{} {host} {}", last.status, last.reply)
    }

    /// Waits for the report about a mail of a stranger; its text.
    pub(super) async fn until_report(&self) -> String {
        let is_report = |mail: &SpoolMail| mail.new.sender.is_none();
        let spool = self.until(|spool| spool.iter().any(is_report)).await;
        let report = spool.iter().find(|mail| is_report(mail)).unwrap();
        let mut text = Vec::new();
        let mut reader = self.store.read_spooled(report).unwrap();
        reader.read_at(0, 1 << 20, &mut text).unwrap();
        String::from_utf8_lossy(&text).into_owned()
    }

    /// The owner wants all that waits to be tried.
    pub(super) async fn wish_for_all(&self) {
        for mail in self.spool() {
            let (desk, now) = (self.desk.clone(), self.clock.now());
            let wish = move || desk.retry(mail.id, now);
            // What is under way may be gone by now.
            let _wished = spawn_blocking(wish).await.unwrap();
        }
    }

    pub(super) fn tallied(&self) -> Tallied {
        self.tally.read()
    }

    /// Stops; the store goes on.
    pub(super) async fn stop(self) -> (Store, Clock) {
        let stopped = self.shutdown.stop(GRACE, std::future::pending()).await;
        assert_eq!(stopped, Stopped::Clean);
        assert_eq!(self.counters.read().panics, 0);
        (self.store, self.clock)
    }
}
