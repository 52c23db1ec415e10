//! The part of the daemon that sends: who carries the queue's mail, and with what.

use std::time::Duration;

use tokio::time::{interval, sleep};

use super::World;
use super::upkeep::every;
use crate::clock::Clock;
use crate::config::Settings;
use crate::net::driver::Shared;
use crate::net::https;
use crate::net::shutdown::{Phase, Shutdown, Token};
use crate::queue::desk::Desk;
use crate::queue::hosts::Finder;
use crate::queue::routes::Routes;
use crate::queue::sts::Sts;
use crate::queue::worker::Worker;
use crate::store::Store;
use crate::trust::signing::Keyring;

/// How often it is looked whether the queue's clock has to be saved.
const CLOCK_INTERVAL: Duration = Duration::from_mins(5);

/// How often it is looked whether a policy of MTA-STS is to be fetched again.
const POLICIES_INTERVAL: Duration = Duration::from_hours(1);

/// How often it is looked whether the clock can be relied on.
const SETTLED_INTERVAL: Duration = Duration::from_secs(5);

/// Starts it, which waits for the clock: certificates of others would look wrong to one that is behind. Without anybody to
/// ask for names, mail waits.
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
    let mut finder = Finder::new(resolver.clone(), vec![settings.hostname.clone()]);
    match Sts::new(resolver, world.outbound.clone(), store.clone(), https::PORT) {
        Ok(sts) => {
            finder = finder.with_sts(sts.clone());
            refresh_policies(sts, shared, shutdown);
        }
        Err(error) => tracing::error!(%error, "MTA-STS policies are not heeded"),
    }
    let worker = Worker {
        desk: desk.clone(),
        store: store.clone(),
        finder,
        routes: Routes::new(settings.relay.clone()),
        outbound: world.outbound,
        keyring: Keyring::open(store, &settings.domains),
        hostname: settings.hostname.clone(),
        port: settings.queue.port,
        language: settings.language,
        clock: shared.clock.clone(),
        counters: shared.counters.clone(),
    };
    let mut token = shutdown.token();
    tokio::spawn(async move {
        if !worker.clock.is_settled() {
            tracing::info!("sending waits until a time server has confirmed the clock");
        }
        if settled(&worker.clock, &mut token).await == Phase::Running {
            worker.run(token).await;
        }
    });
    let desk = desk.clone();
    every(CLOCK_INTERVAL, shared, shutdown, move |now| {
        if let Err(error) = desk.keep_clock(now) {
            tracing::warn!(%error, "the queue's clock was not saved");
        }
    });
}

/// RFC 8461 10.2: policies that are kept stay fresh, also while no mail goes there.
fn refresh_policies(sts: Sts, shared: &Shared, shutdown: &Shutdown) {
    let (clock, mut token) = (shared.clock.clone(), shutdown.token());
    tokio::spawn(async move {
        settled(&clock, &mut token).await;
        let mut ticks = interval(POLICIES_INTERVAL);
        loop {
            let refresh = async {
                ticks.tick().await;
                sts.refresh(clock.now()).await;
            };
            tokio::select! {
                () = token.reached(Phase::Draining) => return,
                () = refresh => {}
            }
        }
    });
}

/// Waits until the clock can be relied on or the daemon stops.
async fn settled(clock: &Clock, token: &mut Token) -> Phase {
    while !clock.is_settled() {
        tokio::select! {
            () = token.reached(Phase::Draining) => break,
            () = sleep(SETTLED_INTERVAL) => {}
        }
    }
    token.phase()
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use super::*;
    use crate::clock::Wall;

    /// Whether sending begins at once, and in which phase.
    async fn at_once(clock: &Clock, token: &mut Token) -> Option<Phase> {
        tokio::select! {
            biased;
            phase = settled(clock, token) => Some(phase),
            () = ready(()) => None,
        }
    }

    #[tokio::test]
    async fn sending_waits_for_the_clock_or_the_end() {
        let shutdown = Shutdown::new();
        let mut token = shutdown.token();
        let clock = Clock::unconfirmed_at(Wall::FLOOR);
        assert_eq!(at_once(&clock, &mut token).await, None);
        clock.confirm();
        assert_eq!(at_once(&clock, &mut token).await, Some(Phase::Running));

        let clock = Clock::unconfirmed_at(Wall::FLOOR);
        let stopped = tokio::spawn(shutdown.stop(Duration::ZERO, ready(())));
        assert_ne!(settled(&clock, &mut token).await, Phase::Running);
        drop(token);
        stopped.await.unwrap();
    }
}
