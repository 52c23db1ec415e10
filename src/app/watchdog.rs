//! Tells the service manager that the daemon works, after having seen that it does.
//!
//! A daemon whose threads are stuck may well have a timer that goes on. So what is told of is work: the store was read,
//! and a connection to a port of ours was taken in, both in time. Without that nothing is told, and the service manager
//! starts the daemon anew. While the services restart, the time given goes by untold: a restart that hangs is ended too.

use std::pin::Pin;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{Sleep, sleep};

use crate::net::listener::Sockets;
use crate::store::Store;

/// From a look in vain to the next.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Why the daemon does not count as working.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Stuck {
    /// The store does not give what it should.
    #[error("the store cannot be read: {0}")]
    Store(String),
    /// No port took the connection.
    #[error("no port takes connections")]
    Ports,
    /// It took too long.
    #[error("neither store nor ports answered in time")]
    Late,
}

/// What has to work.
#[derive(Clone, Debug)]
pub(super) struct Work {
    pub(super) store: Store,
    pub(super) sockets: Sockets,
}

impl Work {
    /// Sees whether it works before `deadline` ends.
    pub(super) async fn prove(self, deadline: impl Future<Output = ()>) -> Result<(), Stuck> {
        tokio::select! {
            // What is known counts, also at the last moment.
            biased;
            done = self.try_once() => done,
            () = deadline => Err(Stuck::Late),
        }
    }

    async fn try_once(self) -> Result<(), Stuck> {
        let Self { store, sockets } = self;
        let read = spawn_blocking(move || store.snapshot()?.owner().map(drop));
        match read.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(Stuck::Store(error.to_string())),
            Err(error) => return Err(Stuck::Store(error.to_string())),
        }
        let is_served = sockets.accept_some().await;
        is_served.then_some(()).ok_or(Stuck::Ports)
    }
}

/// The service manager's watchdog.
#[derive(Debug)]
pub(super) struct Watchdog {
    /// It bites after this time without news; `None` if there is none.
    bites_after: Option<Duration>,
    due: Pin<Box<Sleep>>,
}

impl Watchdog {
    /// One that bites after that time, as the service manager wants it.
    pub(super) fn new(bites_after: Option<Duration>) -> Self {
        let due = Box::pin(sleep(bites_after.unwrap_or_default() / 2));
        Self { bites_after, due }
    }

    /// At half of the time, sees whether the work is done and tells by `tell`; waits for ever if there is no watchdog.
    /// Can be dropped at any point: a look that was cut short is due at once.
    pub(super) async fn turn(&mut self, work: impl Fn() -> Work, tell: impl FnOnce()) {
        let Some(bites_after) = self.bites_after else {
            return std::future::pending().await;
        };
        self.due.as_mut().await;
        let next = match work().prove(sleep(bites_after / 4)).await {
            Ok(()) => {
                tell();
                bites_after / 2
            }
            Err(error) => {
                tracing::error!(%error, "the daemon does not work as it should");
                AGAIN_AFTER
            }
        };
        self.due = Box::pin(sleep(next));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::tests::{app, listening};
    use super::*;
    use crate::net::listener;
    use crate::store::Options;

    /// A watchdog that wants news now and gives an hour for it.
    fn due_watchdog() -> Watchdog {
        Watchdog {
            bites_after: Some(Duration::from_hours(1)),
            due: Box::pin(sleep(Duration::ZERO)),
        }
    }

    /// Bound ports at which nobody accepts, as if that task were gone.
    fn deserted(store: &Store) -> (Work, listener::Bound) {
        let (store, sockets) = (store.clone(), Sockets::default());
        let service = listener::Service {
            name: "deserted",
            tls: listener::TlsMode::OnRequest,
            addresses: vec!["127.0.0.1:0".parse().unwrap()],
            refusal: "",
            talk: listener::Talk::Carried(Arc::new(|_, _, _| Box::pin(async {}))),
        };
        let bound = listener::bind_again(vec![service], &sockets).unwrap();
        (Work { store, sockets }, bound)
    }

    fn empty_store() -> (Store, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let now = crate::clock::Clock::virtual_at(crate::clock::Wall::FLOOR).now();
        let store = Store::open(dir.path(), &Options::default(), now).unwrap();
        (store, dir)
    }

    #[tokio::test]
    async fn work_that_is_done_is_told_and_counts_for_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let app = app(&listening(dir.path())).await;
        let before = app.counted();
        let mut told = false;
        due_watchdog().turn(|| app.work(), || told = true).await;
        assert!(told);
        assert_eq!(app.counted(), before);
        app.stop(std::future::pending()).await;
    }

    #[tokio::test]
    async fn a_daemon_that_takes_no_connections_is_stuck() {
        let (store, _dir) = empty_store();
        let (work, _bound) = deserted(&store);
        let deadline = sleep(Duration::from_millis(20));
        assert_eq!(work.prove(deadline).await, Err(Stuck::Late));
    }

    #[tokio::test]
    async fn without_ports_the_store_is_all_there_is() {
        let (store, _dir) = empty_store();
        let sockets = Sockets::default();
        let work = Work { store, sockets };
        assert_eq!(work.prove(std::future::pending()).await, Ok(()));
    }

    #[tokio::test]
    async fn a_look_that_was_cut_short_is_due_at_once() {
        let (store, _dir) = empty_store();
        let (work, _bound) = deserted(&store);
        let mut watchdog = due_watchdog();
        watchdog.due.as_mut().await;
        tokio::select! {
            biased;
            () = watchdog.turn(|| work.clone(), || panic!("nothing was done")) => {}
            () = std::future::ready(()) => {}
        }
        let sockets = Sockets::default();
        let mut told = false;
        let store = store.clone();
        let idle = || Work {
            store: store.clone(),
            sockets: sockets.clone(),
        };
        watchdog.turn(idle, || told = true).await;
        assert!(told);
    }
}
