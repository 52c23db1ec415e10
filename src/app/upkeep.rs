//! What the daemon does of its own accord: certificates, due deletions, notes for forecasts, mails about the storage
//! state.
//!
//! Each job runs on a blocking thread, one at a time, and a failure is logged and tried again at the next turn.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

use super::notices::Notices;
use super::stick::Watch;
use crate::clock::Now;
use crate::config::{Listen, Settings};
use crate::dns::Resolver;
use crate::maillog::{self, Log};
use crate::net::driver::Shared;
use crate::net::shutdown::{Phase, Shutdown};
use crate::net::tls::Tls;
use crate::store::Store;
use crate::trust::publish;
use crate::trust::signing::Keyring;
use crate::wake::Wake;

/// How often certificates are looked at: the files' times, the days left, and our addresses.
const TLS_INTERVAL: Duration = Duration::from_mins(1);

/// How often due deletions of POP3 devices are carried out; their policies count in days.
const POP3_DUE_INTERVAL: Duration = Duration::from_hours(1);

/// How often it is looked whether the card needs the space of what was set aside.
const RELEASE_INTERVAL: Duration = Duration::from_mins(1);

/// How often what is in use is noted; one note a day is kept.
const GROWTH_INTERVAL: Duration = Duration::from_hours(1);

/// How often it is saved whose mail waits outside: what a crash may forget.
const WAITING_INTERVAL: Duration = Duration::from_mins(5);

/// How often it is looked whether events have waited for long enough to be written.
const EVENTS_INTERVAL: Duration = Duration::from_secs(5);

/// How often it is looked whether DNS has new keys for signatures, while there are some.
const KEYS_INTERVAL: Duration = Duration::from_mins(30);

/// How often it is looked how old the backup on the stick is.
const STICK_INTERVAL: Duration = Duration::from_mins(3);

/// How often a store that could not write is tried again.
const PROBE_INTERVAL: Duration = Duration::from_secs(30);

/// How often levels are compared with what was told, besides whenever one changes: for mails that could not be written.
const NOTICES_INTERVAL: Duration = Duration::from_mins(3);

/// Starts the jobs.
pub(super) fn start(store: &Store, settings: &Settings, shared: &Shared, shutdown: &Shutdown) {
    let listen = settings.listen.clone();
    let tls = Arc::clone(&shared.tls);
    every(TLS_INTERVAL, shared, shutdown, move |now| {
        refresh(&tls, &listen, now);
    });
    let due = store.clone();
    every(POP3_DUE_INTERVAL, shared, shutdown, move |now| {
        if let Err(error) = due.keep_age(now).and_then(|()| due.pop3_due(now)) {
            tracing::warn!(%error, "due deletions were not carried out");
        }
    });
    let aside = store.clone();
    every(RELEASE_INTERVAL, shared, shutdown, move |now| {
        match aside.release_aside(now) {
            Ok(gone) if gone.messages > 0 => {
                maillog::room_released(Log(&aside, now), gone.messages, gone.bytes);
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "what was set aside was not released"),
        }
    });
    let stick = Watch::new(store, settings);
    every(STICK_INTERVAL, shared, shutdown, move |now| stick.look(now));
    start_storage(store, shared, shutdown);
    start_notices(store, settings, shared, shutdown);
}

/// Lets new keys for signatures take over once DNS has them.
pub(super) fn follow_keys(
    resolver: Resolver,
    store: &Store,
    settings: &Settings,
    shared: &Shared,
    shutdown: &Shutdown,
) {
    let keyring = Keyring::open(store, &settings.domains);
    every(
        KEYS_INTERVAL,
        shared,
        shutdown,
        move |now| match publish::follow(&keyring, &resolver, now) {
            Ok(switched) => {
                for domain in switched {
                    tracing::info!(%domain, "new keys sign from now on");
                }
            }
            Err(error) => tracing::warn!(%error, "new keys were not looked after"),
        },
    );
}

/// What the storage state lives on.
fn start_storage(store: &Store, shared: &Shared, shutdown: &Shutdown) {
    let growing = store.clone();
    every(GROWTH_INTERVAL, shared, shutdown, move |now| {
        if let Err(error) = growing.note_growth(now) {
            tracing::warn!(%error, "what is in use was not noted");
        }
    });
    let waiting = store.clone();
    every(WAITING_INTERVAL, shared, shutdown, move |now| {
        if let Err(error) = waiting.save_waiting(now) {
            tracing::warn!(%error, "whose mail waits was not saved");
        }
    });
    let happened = store.clone();
    every(EVENTS_INTERVAL, shared, shutdown, move |now| {
        if let Err(error) = happened.save_events(now) {
            tracing::warn!(%error, "what has happened was not saved");
        }
    });
    let failing = store.clone();
    every(PROBE_INTERVAL, shared, shutdown, move |_| {
        if failing.health().failing
            && let Err(error) = failing.probe()
        {
            tracing::warn!(%error, "the store still cannot write");
        }
    });
}

fn start_notices(store: &Store, settings: &Settings, shared: &Shared, shutdown: &Shutdown) {
    let notices = Notices::new(store, settings);
    let changed = Arc::new(Notify::new());
    let asked = Arc::clone(&changed);
    store.on_level(Wake::new(move || asked.notify_one()));
    whenever(changed, NOTICES_INTERVAL, shared, shutdown, move |now| {
        notices.write_due(now);
    });
}

/// Runs `job` on a blocking thread now and then, until the daemon stops.
pub(super) fn every(
    period: Duration,
    shared: &Shared,
    shutdown: &Shutdown,
    job: impl Fn(Now) + Send + Sync + 'static,
) {
    whenever(Arc::new(Notify::new()), period, shared, shutdown, job);
}

/// As [`every`], and also whenever it is asked for.
fn whenever(
    asked: Arc<Notify>,
    period: Duration,
    shared: &Shared,
    shutdown: &Shutdown,
    job: impl Fn(Now) + Send + Sync + 'static,
) {
    let mut token = shutdown.token();
    let (clock, counters) = (shared.clock.clone(), shared.counters.clone());
    let job = Arc::new(job);
    tokio::spawn(async move {
        let mut ticks = interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = token.reached(Phase::Draining) => return,
                _ = ticks.tick() => {}
                () = asked.notified() => {}
            }
            let (job, now) = (Arc::clone(&job), clock.now());
            if spawn_blocking(move || job(now))
                .await
                .is_err_and(|error| error.is_panic())
            {
                counters.panicked();
                tracing::error!("a job of the daemon panicked");
            }
        }
    });
}

/// An address that has changed makes a new leaf; while the network is away, the old one stays.
fn refresh(tls: &Tls, listen: &Listen, now: Now) {
    let addresses = addresses(listen);
    if addresses.iter().any(|address| !address.is_loopback()) {
        tls.set_addresses(addresses);
    }
    tls.refresh(now);
}

/// The addresses that clients on this network may know us by.
pub(super) fn addresses(listen: &Listen) -> BTreeSet<IpAddr> {
    let loopback = ["127.0.0.1:0", "[::1]:0"];
    let mut addresses: BTreeSet<IpAddr> = loopback
        .iter()
        .filter_map(|text| text.parse().ok())
        .map(|a: SocketAddr| a.ip())
        .collect();
    let listed = listen.services();
    let listed = listed
        .iter()
        .flat_map(|(_, addresses)| addresses.iter().map(SocketAddr::ip));
    for address in listed {
        if address.is_unspecified() {
            addresses.extend(outward());
        } else {
            addresses.insert(address);
        }
    }
    addresses
}

/// Our address on the way out. Connecting a datagram socket only looks up the route; nothing is sent. IPv6 addresses
/// change by the day for privacy and are left out.
pub(super) fn outward() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // RFC 5737: an address of nobody.
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_unspecified()).then_some(address)
}
