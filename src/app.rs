//! Wires the daemon together: starts everything in order, and stops it in the opposite order.
//!
//! Start: the data directory, the store, the certificate, all ports, the control socket; only then is the daemon
//! ready. A start that fails half-way leaves nothing behind. Stop: nothing new, sessions say goodbye, and when the
//! last one has gone, the store settles and closes.
//! Sized for a board with 512 MB: two async threads, and blocking threads that come and go with the work.

mod acme;
mod notices;
mod panel;
mod sending;
mod services;
mod upkeep;

use std::fs::DirBuilder;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::runtime::{Builder, Runtime};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::auth::Auth;
use crate::cli::Context;
use crate::cli::connect::{open_desk, store_options};
use crate::clock::Clock;
use crate::config::stored::Written;
use crate::config::{Settings, TlsSource};
use crate::dns::Resolver;
use crate::maillog::Tally;
use crate::net::control::{Control, Handler};
use crate::net::driver::{Deadlines, Shared};
use crate::net::gate::Gate;
use crate::net::limits::{Limiter, Limits};
use crate::net::listener::{self, BindError};
use crate::net::outbound::Outbound;
use crate::net::shutdown::{Asked, GRACE, Shutdown, Signals, Stopped};
use crate::net::tls::{self, Certificate, Tls};
use crate::net::{Counted, Counters};
use crate::panel::Remote;
use crate::queue::desk::Desk;
use crate::store::{self, Store};
use crate::trust::verify::Judge;
use crate::wake::Wake;
use crate::web::change::Changer;
use crate::web::{Kept, Sources};

/// Threads that run async work; it never blocks, so more would only wait for the same cores.
const WORKERS: usize = 2;

/// Threads that sessions and commands may block on the store with. Those who wait for a commit share it, so this bounds
/// how many deliveries one commit can carry.
const BLOCKING_THREADS_MAX: usize = 64;

/// A blocking thread without work ends after this.
const BLOCKING_KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Stack of every thread; only what is touched takes memory.
const STACK_BYTES: usize = 1 << 20;

/// How long a start waits for a command that has the store open, and how often it looks.
const STORE_WAIT: Duration = Duration::from_secs(5);
const STORE_RETRY: Duration = Duration::from_millis(100);

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
    settings: &Settings,
    make_handler: MakeHandler,
    ready: impl FnOnce(&[Address]),
) -> Result<Stopped, Error> {
    // Whatever the daemon writes is its owner's business only.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let runtime = runtime()?;
    let stopped = runtime.block_on(Box::pin(serve(settings, make_handler, ready)));
    runtime.shutdown_timeout(LAST_WAIT);
    stopped
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
    settings: &Settings,
    make_handler: MakeHandler,
    ready: impl FnOnce(&[Address]),
) -> Result<Stopped, Error> {
    let mut signals = Signals::listen()?;
    let app = App::start(settings, Clock::system(), make_handler).await?;
    ready(app.addresses());
    tell_init(NotifyState::Ready);
    while signals.next().await == Asked::Reload {
        app.reload();
    }
    tell_init(NotifyState::Stopping);
    tracing::info!("stopping");
    let stopped = app.stop(signals.stop()).await;
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
        let counters = Counters::default();
        let panel = panel::start(&settings.panel)?;
        let store = open_store(settings, &clock).await?;
        let tally = Tally::default();
        let desk = take_queue(&store, settings, &tally, &clock).await?;
        let tls = Arc::new(open_tls(settings, &clock, &counters).await?);
        let auth = Auth::new(store.clone());
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
            changer: Changer::new(Written::default(), store.clone(), Wake::none()),
            kept: Kept::default(),
        };
        let bound = listener::bind(services::services(settings, &auth, sources))?;
        let control = Control::bind(&settings.data).map_err(|cause| Error::Control {
            path: settings.data.clone(),
            cause,
        })?;
        let shared = Shared {
            gate,
            judge: judge(world.resolver.as_ref(), settings),
            clock: clock.clone(),
            tls,
            counters: counters.clone(),
            deadlines: Deadlines::default(),
        };
        let shutdown = Shutdown::new();
        let addresses = bound.addresses();
        let panel = panel.follow((&store, &desk), settings, &shared, &shutdown);
        let handler = make_handler(Context {
            store: store.clone(),
            auth: Auth::new(store.clone()),
            settings: settings.clone(),
            clock,
            panel: Some(panel.clone()),
            desk: Some(desk.clone()),
        });
        tokio::spawn(control.serve(handler, counters, shutdown.token()));
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
            panel,
        })
    }

    /// Where it listens.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// What the network side has counted.
    pub fn counted(&self) -> Counted {
        self.shared.counters.read()
    }

    /// Looks at the certificate files now.
    pub fn reload(&self) {
        let (tls, clock) = (Arc::clone(&self.shared.tls), self.shared.clock.clone());
        drop(spawn_blocking(move || tls.refresh(clock.now())));
    }

    /// Stops in order. `hurry` cuts the grace period short.
    pub async fn stop(self, hurry: impl Future<Output = ()>) -> Stopped {
        let stopped = self.shutdown.stop(GRACE, hurry).await;
        let (store, shared, panel) = (self.store, self.shared, self.panel);
        let closed = spawn_blocking(move || {
            if let Err(error) = store.save_waiting(shared.clock.now()) {
                tracing::warn!(%error, "whose mail waits was not saved");
            }
            drop(shared);
            // Dropping the last handle settles too, but a task that is stuck may hold another.
            let settled = store.settle();
            panel.darken();
            settled
        });
        match closed.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the store did not settle"),
            Err(_) => tracing::error!("closing the store panicked"),
        }
        stopped
    }
}

fn limits(settings: &Settings) -> Limits {
    let count = |max: u32| usize::try_from(max).unwrap_or(usize::MAX);
    Limits {
        connections_max: count(settings.limits.connections_max),
        per_address_max: count(settings.limits.connections_per_address_max),
    }
}

/// Opens the store, waiting a little for a command that has it open.
async fn open_store(settings: &Settings, clock: &Clock) -> Result<Store, Error> {
    make_private(&settings.data).map_err(|cause| Error::Data {
        path: settings.data.clone(),
        cause,
    })?;
    let begun = clock.now().mono;
    loop {
        match try_open(settings, clock).await {
            Err(store::Error::InUse) if clock.now().mono.since(begun) < STORE_WAIT => {
                sleep(STORE_RETRY).await;
            }
            Ok(store) => return Ok(store),
            Err(cause) => {
                return Err(Error::Store {
                    path: settings.data.clone(),
                    cause,
                });
            }
        }
    }
}

async fn try_open(settings: &Settings, clock: &Clock) -> store::Result<Store> {
    let options = store_options(settings);
    let (data, now) = (settings.data.clone(), clock.now());
    let opened = spawn_blocking(move || Store::open(&data, &options, now));
    opened
        .await
        .unwrap_or_else(|error| Err(store::Error::Fault(error.to_string())))
}

/// Mail between the box's own mailboxes needs no name servers, so that the box starts without them.
fn open_resolver(settings: &Settings) -> Option<Resolver> {
    let opened = Resolver::new(&settings.dns);
    let tell = |error| tracing::error!(%error, "nothing can be asked of DNS until the next start");
    opened.map_err(tell).ok()
}

fn judge(resolver: Option<&Resolver>, settings: &Settings) -> Judge {
    let hostname = settings.hostname.clone();
    match resolver {
        Some(resolver) => Judge::new(resolver.clone(), hostname),
        None => Judge::without_dns(hostname),
    }
}

/// Opens the queue.
async fn take_queue(
    store: &Store,
    settings: &Settings,
    tally: &Tally,
    clock: &Clock,
) -> Result<Desk, Error> {
    let (store, settings, tally) = (store.clone(), settings.clone(), tally.clone());
    let (path, now) = (settings.data.clone(), clock.now());
    let opened = spawn_blocking(move || open_desk(&store, &settings, &tally, now));
    let opened = opened.await.map_err(io::Error::other)?;
    opened.map_err(|cause| Error::Store { path, cause })
}

/// Directory of authority, keys and certificates.
fn tls_directory(settings: &Settings) -> PathBuf {
    settings.data.join("tls")
}

async fn open_tls(settings: &Settings, clock: &Clock, counters: &Counters) -> Result<Tls, Error> {
    let directory = tls_directory(settings);
    let subject = services::subject(settings);
    let certificate = match &settings.tls {
        TlsSource::SelfMade => {
            make_private(&directory).map_err(|cause| Error::Data {
                path: directory.clone(),
                cause,
            })?;
            match acme::kept(settings) {
                Some(kept) => Certificate::Known {
                    directory,
                    subject,
                    certificate: kept.certificate_path(),
                    key: kept.key_path(),
                },
                None => Certificate::Made { directory, subject },
            }
        }
        TlsSource::Files { certificate, key } => Certificate::Given {
            certificate: certificate.clone(),
            key: key.clone(),
        },
    };
    let (now, counters) = (clock.now(), counters.clone());
    let opened = spawn_blocking(move || Tls::open(certificate, now, counters));
    Ok(opened.await.map_err(io::Error::other)??)
}

/// A directory for its owner only, made if it is missing.
fn make_private(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn tell_init(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "cannot tell the service manager");
    }
}
