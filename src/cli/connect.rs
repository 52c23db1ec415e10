//! Where an operation runs: in the daemon over its control socket, or here with the store opened by this process.
//!
//! On the socket the command writes one JSON line (the [`Operation`]) and reads [`Frame`]s, one per line, until one says
//! that it is over. [`handler`] is the daemon's end of it.

use std::ops::ControlFlow;
use std::time::Duration;

use super::{Context, Failure, Frame, Operation, Output, Progress, Result, execute};
use crate::auth::Auth;
use crate::clock::{Clock, Now};
use crate::config::Settings;
use crate::config::stored::Written;
use crate::delivery::route::Router;
use crate::maillog::Tally;
use crate::manage::owner::become_owner;
use crate::manage::settings::in_force;
use crate::net::control::{self, Connection, Handler, Replies};
use crate::queue::desk::{self, Desk};
use crate::queue::routes::Routes;
use crate::store::{Error, Options, Store};

/// Above this size only the header of a message comes back with a report of failure.
const RETURNED_BYTES_MAX: u64 = 1 << 20;
/// How long a command waits for another process to let go of the store.
const STORE_LOCK_WAIT: Duration = Duration::from_secs(5);
/// How long it waits between two tries.
const STORE_LOCK_RETRY: Duration = Duration::from_millis(50);

/// Runs `operation` where the store is, with these settings.
pub fn run(
    operation: &Operation,
    settings: &Settings,
    clock: &Clock,
    output: &mut dyn Output,
) -> Result<()> {
    run_with(operation, (settings, None), clock, output)
}

/// Runs `operation` where the store is, with the owner's settings laid under what was written.
pub fn run_written(
    operation: &Operation,
    written: &Written,
    clock: &Clock,
    output: &mut dyn Output,
) -> Result<()> {
    let alone = written.alone();
    let alone = alone.map_err(|error| Failure::Usage(error.to_string()))?;
    run_with(operation, (&alone, Some(written)), clock, output)
}

fn run_with(
    operation: &Operation,
    (settings, written): (&Settings, Option<&Written>),
    clock: &Clock,
    output: &mut dyn Output,
) -> Result<()> {
    become_owner(&settings.data).map_err(|e| Failure::failed(e.to_string()))?;
    let daemon = control::connect(&settings.data);
    let place = |e| {
        Failure::failed(format!(
            "control socket in {}: {e}",
            settings.data.display()
        ))
    };
    if let Some(connection) = daemon.map_err(place)? {
        return ask(connection, operation, output);
    }
    if operation.needs_daemon() {
        return Err(Failure::failed(format!(
            "no daemon serves {}; `heimpost serve` is one",
            settings.data.display()
        )));
    }
    let context = open(operation, (settings, written), clock)?;
    execute(operation, &context, output)
}

/// The daemon's end: runs each request on the open store and sends back what it says.
pub fn handler(context: Context) -> Handler {
    control::handler(move |request, replies| answer(request, &context, replies))
}

fn answer(request: &str, context: &Context, replies: &mut Replies) {
    let result = match serde_json::from_str::<Operation>(request) {
        Ok(operation) => execute(&operation, context, &mut Sender(replies)),
        Err(error) => Err(Failure::Usage(format!(
            "no operation of this version: {error}"
        ))),
    };
    let last = match result {
        Ok(()) => Frame::Done,
        Err(Failure::Failed(problem)) => Frame::Failed(problem),
        Err(Failure::Usage(problem)) => Frame::Usage(problem),
    };
    if send(replies, &last).is_err() {
        tracing::debug!("a command left before it was told how it ended");
    }
}

/// What an operation says, on its way to a command.
struct Sender<'a>(&'a mut Replies);

impl Output for Sender<'_> {
    fn line(&mut self, text: &str) -> std::io::Result<()> {
        send(self.0, &Frame::Line(text.to_owned()))
    }

    fn progress(&mut self, progress: &Progress) -> std::io::Result<()> {
        send(self.0, &Frame::Progress(progress.clone()))
    }

    fn live(&mut self, text: &str) -> std::io::Result<()> {
        send(self.0, &Frame::Live(text.to_owned()))
    }

    fn still_there(&mut self) -> std::io::Result<()> {
        send(self.0, &Frame::StillThere)
    }
}

fn send(replies: &mut Replies, frame: &Frame) -> std::io::Result<()> {
    let line = serde_json::to_string(frame)?;
    replies.send(line).map_err(std::io::Error::other)
}

/// The store options that settings mean.
pub fn store_options(settings: &Settings) -> Options {
    Options {
        capacity_bytes_max: settings.storage.capacity_max,
        reserve_bytes: settings.storage.reserve,
        quota_default_bytes: Some(settings.account.quota_default),
        thresholds: settings.storage.thresholds,
        ..Options::default()
    }
}

/// Opens the queue of a store as settings have it.
pub fn open_desk(
    store: &Store,
    settings: &Settings,
    tally: &Tally,
    now: Now,
) -> crate::store::Result<Desk> {
    let domains = settings.domains.iter();
    let primary = settings.domains.first().unwrap_or(&settings.hostname);
    let router = Router::new(primary.clone(), domains.cloned());
    let of_desk = desk::Settings {
        policy: settings.queue.policy,
        limits: settings.queue.limits,
        hostname: settings.hostname.clone(),
        language: settings.language,
        returned_bytes_max: RETURNED_BYTES_MAX,
        tally: tally.clone(),
    };
    let routes = Routes::new(settings.relay.clone());
    Desk::open(store, of_desk, routes, router, now)
}

fn ask(connection: Connection, operation: &Operation, output: &mut dyn Output) -> Result<()> {
    let request = serde_json::to_string(operation).map_err(|e| Failure::failed(e.to_string()))?;
    let mut result = Err(Failure::failed(
        "the daemon ended the connection before the command was done",
    ));
    connection.call(&request, |line| match take(line, output) {
        Some(end) => {
            result = end;
            ControlFlow::Break(())
        }
        None => ControlFlow::Continue(()),
    })?;
    result
}

/// Acts on one frame; `Some` when it was the last.
fn take(line: &str, output: &mut dyn Output) -> Option<Result<()>> {
    let said = match serde_json::from_str(line) {
        Ok(Frame::Line(text)) => output.line(&text),
        Ok(Frame::Progress(progress)) => output.progress(&progress),
        Ok(Frame::Live(text)) => output.live(&text),
        Ok(Frame::StillThere) => output.still_there(),
        Ok(Frame::Done) => return Some(Ok(())),
        Ok(Frame::Failed(problem)) => return Some(Err(Failure::Failed(problem))),
        Ok(Frame::Usage(problem)) => return Some(Err(Failure::Usage(problem))),
        Err(error) => {
            return Some(Err(Failure::failed(format!(
                "the daemon answers strangely: {error}"
            ))));
        }
    };
    said.err().map(|error| Err(error.into()))
}

fn open(
    operation: &Operation,
    (settings, written): (&Settings, Option<&Written>),
    clock: &Clock,
) -> Result<Context> {
    if !operation.creates_store() && !Store::exists(&settings.data) {
        return Err(Failure::failed(format!(
            "there is no store in {}; `heimpost serve` or `heimpost account add` makes one",
            settings.data.display()
        )));
    }
    let mut store = open_waiting(settings, clock)?;
    let mut settings = settings.clone();
    if let Some(written) = written {
        let alone = store_options(&settings);
        settings = in_force(written, &settings, &store)?.settings;
        if store_options(&settings) != alone {
            drop(store);
            store = open_waiting(&settings, clock)?;
        }
    }
    let auth = Auth::new(store.clone());
    Ok(Context {
        store,
        auth,
        settings,
        clock: clock.clone(),
        panel: None,
        desk: None,
        recovery: None,
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "a command waits for another process, which tells nobody"
)]
pub(super) fn open_waiting(settings: &Settings, clock: &Clock) -> Result<Store> {
    let until = clock.now().mono + STORE_LOCK_WAIT;
    loop {
        match Store::open(&settings.data, &store_options(settings), clock.now()) {
            Err(Error::InUse) if clock.now().mono < until => std::thread::sleep(STORE_LOCK_RETRY),
            Err(error) => {
                return Err(Failure::failed(format!(
                    "{}: {error}",
                    settings.data.display()
                )));
            }
            Ok(store) => return Ok(store),
        }
    }
}
