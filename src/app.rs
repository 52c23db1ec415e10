//! Wires the daemon together: starts everything in order, and stops it in the opposite order.
//!
//! Start: the data directory, the store, the certificate, all ports, the control socket; only then is the daemon
//! ready. A start that fails half-way leaves nothing behind. Stop: nothing new, sessions say goodbye, and when the
//! last one has gone, the store settles and closes.
//! Sized for a board with 512 MB: two async threads, and blocking threads that come and go with the work.

mod acme;
pub mod daemon;
mod notices;
mod open;
mod panel;
mod rescue;
mod sending;
mod services;
mod stick;
mod upkeep;
mod watchdog;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::runtime::{Builder, Runtime};
use tokio::task::spawn_blocking;

use crate::auth::Auth;
use crate::cli::Context;
use crate::clock::Clock;
use crate::config::stored::Written;
use crate::config::{self, Settings};
use crate::dns::Resolver;
use crate::maillog::{self, Log, Tally};
use crate::manage::account::hashing;
use crate::net::control::{Control, Handler};
use crate::net::driver::{Deadlines, Shared};
use crate::net::gate::Gate;
use crate::net::limits::Limiter;
use crate::net::listener::{self, BindError, Sockets};
use crate::net::outbound::Outbound;
use crate::net::shutdown::{Asked, GRACE, Shutdown, Signals, Stopped};
use crate::net::tls;
use crate::net::{Counted, Counters};
use crate::panel::{Policy, Remote};
use crate::store::{self, Store};
use crate::web::Sources;
use crate::web::change::Changer;
use daemon::{Daemon, Lasting};
use open::{judge, limits, open_resolver, open_store, open_tls, take_queue};
use watchdog::{Watchdog, Work};

/// Threads that run async work; it never blocks, so more would only wait for the same cores.
const WORKERS: usize = 2;

/// Threads that sessions and commands may block on the store with. Those who wait for a commit share it, so this bounds
/// how many deliveries one commit can carry.
const BLOCKING_THREADS_MAX: usize = 64;

/// A blocking thread without work ends after this.
const BLOCKING_KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Stack of every thread; only what is touched takes memory.
const STACK_BYTES: usize = 1 << 20;

/// How long blocking work may go on after everything else has ended.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// Why the daemon did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The data directory cannot be had.
    #[error("data directory {path}: {cause}")]
    Data {
        /// Which one.
        path: PathBuf,
        /// Why not.
        cause: io::Error,
    },
    /// The store does not open.
    #[error("the store in {path} does not open: {cause}")]
    Store {
        /// Where.
        path: PathBuf,
        /// Why not.
        cause: store::Error,
    },
    /// There is no certificate.
    #[error("TLS: {0}")]
    Tls(#[from] tls::Error),
    /// A port cannot be had.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The control socket cannot be made.
    #[error("control socket in {path}: {cause}")]
    Control {
        /// Which directory.
        path: PathBuf,
        /// Why not.
        cause: io::Error,
    },
    /// The configuration says something that cannot be.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// The system refused threads or signals.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}

/// A service's name and one address that it listens on.
pub type Address = (&'static str, SocketAddr);

/// A running daemon.
#[derive(Debug)]
pub struct App {
    shutdown: Shutdown,
    store: Store,
    shared: Shared,
    addresses: Vec<Address>,
    sockets: Sockets,
    panel: Remote,
}

/// What lies beyond the box: names and other hosts.
#[derive(Clone, Debug)]
pub struct World {
    /// Names; `None` if nothing can be asked.
    pub resolver: Option<Resolver>,
    /// Other hosts.
    pub outbound: Outbound,
}

impl World {
    /// The real one.
    pub async fn of(settings: &Settings) -> io::Result<Self> {
        let opened = spawn_blocking(Outbound::new).await;
        Ok(Self {
            resolver: open_resolver(settings),
            outbound: opened.map_err(io::Error::other)??,
        })
    }
}

/// Makes the control socket's handler for an open store and its queue.
pub type MakeHandler = fn(Context) -> Handler;

/// Runs the daemon until a signal stops it. `ready` is told the addresses once every port is bound.
pub fn run(
    written: Written,
    make_handler: MakeHandler,
    ready: impl FnOnce(&[Address]),
) -> Result<Stopped, Error> {
    // Whatever the daemon writes is its owner's business only.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let runtime = runtime()?;
    let stopped = runtime.block_on(Box::pin(serve(written, make_handler, ready)));
    runtime.shutdown_timeout(LAST_WAIT);
    stopped
}

/// Shows that the box cannot get at its mail, until a signal comes: in place of the daemon where its data are missing.
/// `file` is the configuration, which says which LED it is; what cannot be read of it does not matter.
pub fn rescue(file: Option<&Path>) -> Result<(), Error> {
    runtime()?.block_on(rescue::until_stopped(file))
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .thread_keep_alive(BLOCKING_KEEP_ALIVE)
        .thread_stack_size(STACK_BYTES)
        .thread_name("heimpost")
        .enable_all()
        .build()
}

async fn serve(
    written: Written,
    make_handler: MakeHandler,
    ready: impl FnOnce(&[Address]),
) -> Result<Stopped, Error> {
    let mut signals = Signals::listen()?;
    let started = Daemon::start(written.clone(), None, Clock::system(), make_handler);
    let mut daemon = match Box::pin(started).await {
        Ok(daemon) => daemon,
        Err(error) => return Err(rescue::told(error, &written, &mut signals).await),
    };
    ready(daemon.app().addresses());
    tell_init(&[NotifyState::Ready]);
    let mut watchdog = Watchdog::new(sd_notify::watchdog_enabled());
    loop {
        tokio::select! {
            () = watchdog.turn(|| daemon.app().work(), || tell_init(&[NotifyState::Watchdog])) => {}
            asked = signals.next() => match asked {
                Asked::Reload => daemon.app().reload(),
                Asked::Stop => break,
            },
            () = daemon.asked() => {
                tell_reloading();
                tell_init(&[NotifyState::Watchdog]);
                daemon = match Box::pin(daemon.restart()).await {
                    Ok(daemon) => daemon,
                    Err(error) => return Err(rescue::told(error, &written, &mut signals).await),
                };
                tell_init(&[NotifyState::Ready]);
            }
        }
    }
    tell_init(&[NotifyState::Stopping]);
    tracing::info!("stopping");
    let stopped = daemon.stop(signals.stop()).await;
    tracing::info!(?stopped, "stopped");
    Ok(stopped)
}

impl App {
    /// Starts everything; when it returns, every port accepts.
    pub async fn start(
        settings: &Settings,
        clock: Clock,
        make_handler: MakeHandler,
    ) -> Result<Self, Error> {
        let world = World::of(settings).await?;
        Self::start_in(world, settings, clock, make_handler).await
    }

    /// As [`App::start`], in a world that a test may have made.
    pub async fn start_in(
        world: World,
        settings: &Settings,
        clock: Clock,
        make_handler: MakeHandler,
    ) -> Result<Self, Error> {
        let panel = panel::start(&settings.panel, None)?;
        let store = open_store(settings, &clock).await?;
        let lasting = Lasting::new(clock, make_handler);
        Self::assemble(world, settings, store, panel, &lasting).await
    }

    /// Starts the services on an open store.
    async fn assemble(
        world: World,
        settings: &Settings,
        store: Store,
        panel: panel::Started,
        lasting: &Lasting,
    ) -> Result<Self, Error> {
        let (counters, clock) = (Counters::default(), lasting.clock.clone());
        let tally = Tally::default();
        let desk = take_queue(&store, settings, &tally, &clock).await?;
        let tls = Arc::new(open_tls(settings, &clock, &counters).await?);
        let auth = Auth::with_hashing(store.clone(), hashing(settings));
        let limiter = Limiter::new(limits(settings));
        let gate = Gate::new(auth.clone(), clock.clone(), counters.clone());
        let sources = Sources {
            store: store.clone(),
            clock: clock.clone(),
            counters: counters.clone(),
            tally: tally.clone(),
            desk: desk.clone(),
            limiter: limiter.clone(),
            services: Vec::new(),
            tls: Arc::clone(&tls),
            auth: auth.clone(),
            gate: gate.clone(),
            panel: panel.remote(),
            resolver: world.resolver.clone(),
            outbound: world.outbound.clone(),
            settings: Arc::new(settings.clone()),
            changer: Changer::new(lasting.written.clone(), store.clone(), lasting.restart()),
            kept: lasting.kept.clone(),
        };
        let services = services::services(settings, &auth, sources);
        let bound = listener::bind_again(services, &lasting.sockets)?;
        let control = Control::bind(&settings.data).map_err(|cause| Error::Control {
            path: settings.data.clone(),
            cause,
        })?;
        let shared = Shared {
            gate,
            judge: judge(world.resolver.as_ref(), settings, &clock),
            clock,
            tls,
            counters: counters.clone(),
            deadlines: Deadlines::default(),
        };
        let shutdown = Shutdown::new();
        let addresses = bound.addresses();
        let panel = panel.follow((&store, &desk), settings, &shared, &shutdown);
        let context = lasting.context(&store, auth, settings, (&panel, &desk));
        let handler = (lasting.make_handler)(context);
        tokio::spawn(control.serve(handler, counters, shutdown.token()));
        maillog::started(Log(&store, shared.clock.now()), env!("CARGO_PKG_VERSION"));
        upkeep::start(&store, settings, &shared, &shutdown);
        if let Some(resolver) = world.resolver.clone() {
            upkeep::follow_keys(resolver, &store, settings, &shared, &shutdown);
        }
        let resolver = world.resolver.clone();
        sending::start(world, &desk, settings, (&store, &shared), &shutdown);
        bound.accept(&shared, &limiter, &shutdown.token());
        acme::start(settings, resolver, &shared, &shutdown);
        Ok(Self {
            shutdown,
            store,
            shared,
            addresses,
            sockets: lasting.sockets.clone(),
            panel,
        })
    }

    /// Where it listens.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// LED and button.
    pub fn panel(&self) -> &Remote {
        &self.panel
    }

    /// What the network side has counted.
    pub fn counted(&self) -> Counted {
        self.shared.counters.read()
    }

    /// What has to work for the daemon to count as working.
    fn work(&self) -> Work {
        Work {
            store: self.store.clone(),
            sockets: self.sockets.clone(),
        }
    }

    /// Looks at the certificate files now.
    pub fn reload(&self) {
        let (tls, clock) = (Arc::clone(&self.shared.tls), self.shared.clock.clone());
        drop(spawn_blocking(move || tls.refresh(clock.now())));
    }

    /// Stops in order. `hurry` cuts the grace period short.
    pub async fn stop(self, hurry: impl Future<Output = ()>) -> Stopped {
        let (stopped, store, _) = self.rest(hurry).await;
        daemon::close(store).await;
        stopped
    }

    /// As [`App::stop`]; gives the store, settled, and what the panel knew.
    async fn rest(self, hurry: impl Future<Output = ()>) -> (Stopped, Store, Policy) {
        let stopped = self.shutdown.stop(GRACE, hurry).await;
        let (store, shared, panel) = (self.store, self.shared, self.panel);
        let (settling, remote) = (store.clone(), panel.clone());
        let closed = spawn_blocking(move || {
            if let Err(error) = settling.save_waiting(shared.clock.now()) {
                tracing::warn!(%error, "whose mail waits was not saved");
            }
            drop(shared);
            // Dropping the last handle settles too, but a task that is stuck may hold another.
            let settled = settling.settle();
            remote.darken();
            settled
        });
        match closed.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the store did not settle"),
            Err(_) => tracing::error!("closing the store panicked"),
        }
        (stopped, store, panel.remember())
    }
}

/// The services stop and start again within the process.
fn tell_reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell_init(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "cannot tell the service manager"),
    }
}

fn tell_init(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "cannot tell the service manager");
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::cli::connect;
    use crate::clock::Wall;

    /// Settings with data there and one port of the system's choice.
    pub(super) fn listening(data: &Path) -> Settings {
        const TEXT: &str = "
            listen = { smtp = ['127.0.0.1:0'], submission = [], submissions = [], imap = [], imaps = [], pop3 = [],
                pop3s = [], web = [], web_tls = [] }
            panel.backend = 'off'";
        let mut settings = config::parse("none", TEXT).unwrap();
        data.clone_into(&mut settings.data);
        settings
    }

    pub(super) async fn app(settings: &Settings) -> App {
        let started = App::start(settings, Clock::virtual_at(Wall::FLOOR), connect::handler);
        Box::pin(started).await.unwrap()
    }
}
