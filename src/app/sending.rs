//! The part of the daemon that sends: who carries the queue's mail, and with what.

use std::time::Duration;

use super::World;
use super::upkeep::every;
use crate::config::Settings;
use crate::net::driver::Shared;
use crate::net::shutdown::Shutdown;
use crate::queue::desk::Desk;
use crate::queue::hosts::Finder;
use crate::queue::routes::Routes;
use crate::queue::worker::Worker;
use crate::store::Store;
use crate::trust::signing::Keyring;

/// How often it is looked whether the queue's clock has to be saved.
const CLOCK_INTERVAL: Duration = Duration::from_mins(5);

/// Starts it. Without anybody to ask for names, mail waits.
pub(super) fn start(
    world: World,
    desk: &Desk,
    settings: &Settings,
    (store, shared): (&Store, &Shared),
    shutdown: &Shutdown,
) {
    let Some(resolver) = world.resolver else {
        return;
    };
    let worker = Worker {
        desk: desk.clone(),
        store: store.clone(),
        finder: Finder::new(resolver, vec![settings.hostname.clone()]),
        routes: Routes::new(settings.relay.clone()),
        outbound: world.outbound,
        keyring: Keyring::open(store, &settings.domains),
        hostname: settings.hostname.clone(),
        port: settings.queue.port,
        language: settings.language,
        clock: shared.clock.clone(),
        counters: shared.counters.clone(),
    };
    tokio::spawn(worker.run(shutdown.token()));
    let desk = desk.clone();
    every(CLOCK_INTERVAL, shared, shutdown, move |now| {
        if let Err(error) = desk.keep_clock(now) {
            tracing::warn!(%error, "the queue's clock was not saved");
        }
    });
}
