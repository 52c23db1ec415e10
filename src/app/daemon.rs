//! The daemon over the restarts of its services: settings that the owner changes come into force without a new process.
//!
//! What outlives a restart: the ports (connections that come meanwhile wait and are not refused), the store unless its own
//! options change, who is logged in, and what the panel has been told. Settings with which the services do not start are
//! put aside and told about, and those before hold.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::spawn_blocking;

use super::open::open_store;
use super::panel::Started;
use super::{App, Error, MakeHandler, World, panel};
use crate::auth::Auth;
use crate::cli::Context;
use crate::cli::connect::store_options;
use crate::clock::Clock;
use crate::config::stored::{SETTING, Written};
use crate::config::{PanelSettings, Settings};
use crate::manage::settings::{InForce, in_force};
use crate::net::listener::Sockets;
use crate::net::shutdown::Stopped;
use crate::panel::{Policy, Remote};
use crate::queue::desk::Desk;
use crate::store::{self, Options, Store};
use crate::wake::Wake;
use crate::web::{Kept, Trouble};

/// How long the setup window is open after power-on while there is no account.
pub const POWER_ON_WINDOW: Duration = Duration::from_mins(15);

/// The store's setting that keeps a document with which the services did not start.
const REFUSED_SETTING: &str = "settings.toml.refused";

/// What services are started with besides settings.
#[derive(Clone, Debug)]
pub struct Lasting {
    pub(super) written: Written,
    pub(super) clock: Clock,
    pub(super) make_handler: MakeHandler,
    pub(super) kept: Kept,
    pub(super) sockets: Sockets,
    /// A world that a test made; else it is the real one.
    world: Option<World>,
    asked: Arc<Notify>,
}

impl Lasting {
    /// For services started with settings alone.
    pub(super) fn new(clock: Clock, make_handler: MakeHandler) -> Self {
        Self {
            written: Written::default(),
            clock,
            make_handler,
            kept: Kept::default(),
            sockets: Sockets::default(),
            world: None,
            asked: Arc::default(),
        }
    }

    /// What commands work with.
    pub(super) fn context(
        &self,
        store: &Store,
        auth: Auth,
        settings: &Settings,
        (panel, desk): (&Remote, &Desk),
    ) -> Context {
        Context {
            store: store.clone(),
            auth,
            settings: settings.clone(),
            clock: self.clock.clone(),
            panel: Some(panel.clone()),
            desk: Some(desk.clone()),
            recovery: Some((self.kept.recovery.clone(), self.restart())),
        }
    }

    /// Asks for a restart.
    pub(super) fn restart(&self) -> Wake {
        let asked = Arc::clone(&self.asked);
        Wake::new(move || asked.notify_one())
    }
}

/// Services that can be restarted.
#[derive(Debug)]
pub struct Daemon {
    running: Running,
    lasting: Lasting,
}

/// The services, and what they run with.
#[derive(Debug)]
struct Running {
    app: App,
    settings: Settings,
    /// The owner's document that the settings come from.
    document: Option<Vec<u8>>,
    options: Options,
}

/// What services can be started from.
struct Idle {
    store: Store,
    options: Options,
    panel: Before,
}

/// The panel before the services start.
enum Before {
    /// It shows already that the box starts, with these settings.
    Shows(PanelSettings, Started),
    /// There was one, that knew this.
    Was(Policy),
}

/// What is wanted of a start.
struct Wanted {
    settings: Settings,
    document: Option<Vec<u8>>,
}

/// What holds if that cannot be.
enum Otherwise {
    /// The file alone, until somebody looks at it.
    Alone(Settings),
    /// What was before, which the store gets back.
    Former(Wanted),
}

impl Daemon {
    /// Starts everything, with the owner's settings laid under what was written. A `world` is for tests.
    pub async fn start(
        written: Written,
        world: Option<World>,
        clock: Clock,
        make_handler: MakeHandler,
    ) -> Result<Self, Error> {
        let lasting = Lasting {
            written,
            world,
            ..Lasting::new(clock, make_handler)
        };
        let daemon = Box::pin(Self::start_with(lasting, None)).await?;
        daemon.open_doors().await;
        Ok(daemon)
    }

    /// Opens the store and starts everything; `before` is what a panel before knew.
    async fn start_with(lasting: Lasting, before: Option<Policy>) -> Result<Self, Error> {
        let alone = lasting.written.alone()?;
        // The LED tells from the first moment that the box is busy.
        let shown = panel::start(&alone.panel, before.as_ref())?;
        let panel = Before::Shows(alone.panel.clone(), shown);
        let store = open_store(&alone, &lasting.clock).await?;
        let options = store_options(&alone);
        let wanted = lasting.read(&alone, &store).await?;
        let idle = Idle {
            store,
            options,
            panel,
        };
        let begun = lasting.begin(wanted, Otherwise::Alone(alone), idle);
        let running = Box::pin(begun).await?;
        Ok(Self { running, lasting })
    }

    /// The services as they run.
    pub fn app(&self) -> &App {
        &self.running.app
    }

    /// The settings that they run with.
    pub fn settings(&self) -> &Settings {
        &self.running.settings
    }

    /// Waits until a restart is asked for.
    pub async fn asked(&self) {
        self.lasting.asked.notified().await;
    }

    /// Stops the services and starts them with the settings as they are now, or with those before.
    pub async fn restart(self) -> Result<Self, Error> {
        let Self { running, lasting } = self;
        tracing::info!("restarting the services with new settings");
        let data = running.settings.data.clone();
        let former = Otherwise::Former(Wanted {
            settings: running.settings,
            document: running.document,
        });
        let (stopped, store, policy) = running.app.rest(std::future::pending()).await;
        tracing::info!(?stopped, "the services have stopped");
        if Store::is_replaced(&data) {
            tracing::info!("what was restored takes the place of the store");
            close(store).await;
            lasting.kept.recovery.note_over();
            return Box::pin(Self::start_with(lasting, Some(policy))).await;
        }
        let idle = Idle {
            store,
            options: running.options,
            panel: Before::Was(policy),
        };
        let alone = lasting.written.alone()?;
        let wanted = lasting.read(&alone, &idle.store).await?;
        let running = Box::pin(lasting.begin(wanted, former, idle)).await?;
        Ok(Self { running, lasting })
    }

    /// Opens what is open to whoever has just put the plug in, or can read the card.
    async fn open_doors(&self) {
        let (access, clock) = (self.lasting.kept.setup.clone(), self.lasting.clock.clone());
        let (store, file) = (self.app().store.clone(), self.settings().code_file());
        let panel = self.app().panel.clone();
        let work = move || {
            access.keep_code(&file);
            let accounts = store.snapshot().and_then(|snapshot| snapshot.accounts());
            if accounts.is_ok_and(|accounts| accounts.is_empty()) {
                let now = clock.now().mono;
                access.note_power_on(panel.change(|policy| {
                    policy.open_setup(now + POWER_ON_WINDOW);
                    policy.setup_window(now)
                }));
            }
        };
        if spawn_blocking(work).await.is_err() {
            tracing::error!("opening the setup window panicked");
        }
    }

    /// Stops in order. `hurry` cuts the grace period short.
    pub async fn stop(self, hurry: impl Future<Output = ()>) -> Stopped {
        self.lasting.kept.jobs.interrupt();
        drop(self.lasting);
        self.running.app.stop(hurry).await
    }
}

impl Lasting {
    /// What holds from now on.
    async fn read(&self, alone: &Settings, store: &Store) -> Result<Wanted, Error> {
        let (written, alone, store) = (self.written.clone(), alone.clone(), store.clone());
        let path = alone.data.clone();
        let read = blocking(move || in_force(&written, &alone, &store)).await;
        let InForce {
            settings,
            document,
            trouble,
        } = read.map_err(|cause| Error::Store { path, cause })?;
        self.kept
            .note_settings_trouble(trouble.map(|error| Trouble::Ignored(error.to_string())));
        Ok(Wanted { settings, document })
    }

    /// Starts the services as wanted, or otherwise if that cannot be.
    async fn begin(
        &self,
        wanted: Wanted,
        otherwise: Otherwise,
        idle: Idle,
    ) -> Result<Running, Error> {
        let (store, options) = self
            .reopened(idle.store, idle.options, &wanted.settings)
            .await?;
        let panel = restarted(idle.panel, &wanted.settings.panel).await?;
        let remote = panel.remote();
        let error = match self.try_begin(&wanted.settings, &store, panel).await {
            Ok(app) => return Ok(running(app, wanted, options)),
            Err(error) if wanted.document.is_none() => return Err(error),
            Err(error) => error,
        };
        tracing::error!(%error, "the services do not start with the settings made on the page");
        let cause = error.to_string();
        self.kept.note_settings_trouble(Some(match otherwise {
            Otherwise::Alone(_) => Trouble::Ignored(cause),
            Otherwise::Former(_) => Trouble::TakenBack(cause),
        }));
        let instead = otherwise.holds(&store, wanted.document).await?;
        let (store, options) = self.reopened(store, options, &instead.settings).await?;
        let panel = panel::start(&instead.settings.panel, Some(&remote.remember()))?;
        let app = self.try_begin(&instead.settings, &store, panel).await?;
        Ok(running(app, instead, options))
    }

    async fn try_begin(
        &self,
        settings: &Settings,
        store: &Store,
        panel: Started,
    ) -> Result<App, Error> {
        let remote = panel.remote();
        let app = self.assembled(settings, store, panel).await;
        if app.is_err() {
            remote.close();
            panel::darken(remote).await;
        }
        app
    }

    async fn assembled(
        &self,
        settings: &Settings,
        store: &Store,
        panel: Started,
    ) -> Result<App, Error> {
        let world = match &self.world {
            Some(world) => world.clone(),
            None => World::of(settings).await?,
        };
        Box::pin(App::assemble(world, settings, store.clone(), panel, self)).await
    }

    /// The store with the options that settings mean.
    async fn reopened(
        &self,
        store: Store,
        options: Options,
        settings: &Settings,
    ) -> Result<(Store, Options), Error> {
        let wanted = store_options(settings);
        if wanted == options {
            return Ok((store, options));
        }
        close(store).await;
        Ok((open_store(settings, &self.clock).await?, wanted))
    }
}

fn running(app: App, wanted: Wanted, options: Options) -> Running {
    Running {
        app,
        settings: wanted.settings,
        document: wanted.document,
        options,
    }
}

impl Otherwise {
    /// What holds now; a refused document makes way for the one before.
    async fn holds(self, store: &Store, refused: Option<Vec<u8>>) -> Result<Wanted, Error> {
        let former = match self {
            Self::Alone(mut settings) => {
                settings.provisional = true;
                return Ok(Wanted {
                    settings,
                    document: None,
                });
            }
            Self::Former(former) => former,
        };
        let (store, document) = (store.clone(), former.document.clone());
        let work = move || put_aside(&store, refused.as_deref(), document.as_deref());
        let path = former.settings.data.clone();
        let done = blocking(work).await;
        done.map_err(|cause| Error::Store { path, cause })?;
        Ok(former)
    }
}

fn put_aside(store: &Store, refused: Option<&[u8]>, before: Option<&[u8]>) -> store::Result<()> {
    if let Some(refused) = refused {
        store.set_setting(REFUSED_SETTING, refused)?;
    }
    match before {
        Some(before) => store.set_setting(SETTING, before),
        None => store.remove_setting(SETTING),
    }
}

/// A panel with these settings that knows what the one before knew.
async fn restarted(before: Before, settings: &PanelSettings) -> io::Result<Started> {
    match before {
        Before::Shows(shown, started) if shown == *settings => Ok(started),
        Before::Shows(_, started) => {
            started.close().await;
            panel::start(settings, None)
        }
        Before::Was(policy) => panel::start(settings, Some(&policy)),
    }
}

/// Closes the store, unless somebody else has it.
pub(super) async fn close(store: Store) {
    if spawn_blocking(move || drop(store)).await.is_err() {
        tracing::error!("closing the store panicked");
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> store::Result<T> + Send + 'static,
) -> store::Result<T> {
    let done = spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(store::Error::Fault(error.to_string())))
}
