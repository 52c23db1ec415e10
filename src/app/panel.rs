//! The panel in the daemon: shows the state of the house, and does what the button asks for.
//!
//! The LED is busy from before the store is opened until after it is closed, and dark then. The state is looked at
//! whenever a level changed and every [`LOOK_INTERVAL`]. Hardware that fails is the board's matter and no reason not to
//! start.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use heimpost_board::{Event, Press};
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::upkeep::outward;
use crate::clock::{Clock, Mono, Now};
use crate::config::{BackupSettings, PanelSettings, Settings};
use crate::maillog::{self, Log};
use crate::manage::room::hook;
use crate::net::Counters;
use crate::net::driver::Shared;
use crate::net::shutdown::{Phase, Shutdown, Token};
use crate::net::tls::Tls;
use crate::panel::remote::{Happening, Told};
use crate::panel::{Action, Manner, Policy, Remote, Trouble};
use crate::queue::desk::{Desk, Diagnosis};
use crate::room;
use crate::space;
use crate::stick::Standing;
use crate::store::types::{Language, Level};
use crate::store::{Result, Store};
use crate::wake::Wake;

/// How often the state is looked at when nothing tells of a change.
const LOOK_INTERVAL: Duration = Duration::from_secs(30);

/// A panel that shows that the box is starting.
pub(super) struct Started {
    remote: Remote,
    events: UnboundedReceiver<Event>,
}

/// Starts LED and button; `before` is what the panel before this one knew.
pub(super) fn start(settings: &PanelSettings, before: Option<&Policy>) -> io::Result<Started> {
    let (sender, events) = unbounded_channel();
    let on_event = Box::new(move |event| {
        if sender.send(event).is_err() {
            tracing::debug!("nobody hears the button any more");
        }
    });
    let board = heimpost_board::Panel::start(&settings.board, on_event)?;
    let manner = if settings.quiet {
        Manner::Quiet
    } else {
        Manner::Plain
    };
    let policy = before.map_or_else(|| Policy::new(manner), |before| before.again(manner));
    Ok(Started {
        remote: Remote::new(board, policy),
        events,
    })
}

impl Started {
    /// How pages and commands reach it.
    pub(super) fn remote(&self) -> Remote {
        self.remote.clone()
    }

    /// Makes it dark before it has shown anything but that.
    pub(super) async fn close(self) {
        self.remote.close();
        darken(self.remote).await;
    }

    /// Shows the state of this store from now on, until the daemon stops.
    pub(super) fn follow(
        self,
        (store, desk): (&Store, &Desk),
        settings: &Settings,
        shared: &Shared,
        shutdown: &Shutdown,
    ) -> Remote {
        let changed = Arc::new(Notify::new());
        let notify = Arc::clone(&changed);
        store.on_level(Wake::new(move || notify.notify_one()));
        let follower = Follower {
            remote: self.remote.clone(),
            hook: hook(store, settings, &shared.clock),
            store: store.clone(),
            desk: desk.clone(),
            clock: shared.clock.clone(),
            counters: shared.counters.clone(),
            tls: Arc::clone(&shared.tls),
            backup: settings.backup.clone(),
            reaches_out: settings.reaches_out(),
            token: shutdown.token(),
            changed,
            down: None,
        };
        tokio::spawn(follower.run(self.events));
        self.remote
    }
}

/// Makes the LED dark.
pub(super) async fn darken(remote: Remote) {
    if spawn_blocking(move || remote.darken()).await.is_err() {
        tracing::error!("making the LED dark panicked");
    }
}

struct Follower {
    remote: Remote,
    hook: room::Hook,
    store: Store,
    desk: Desk,
    clock: Clock,
    counters: Counters,
    tls: Arc<Tls>,
    backup: BackupSettings,
    reaches_out: bool,
    token: Token,
    changed: Arc<Notify>,
    /// Since when the button has been down.
    down: Option<Mono>,
}

impl Follower {
    async fn run(mut self, mut events: UnboundedReceiver<Event>) {
        self.look().await;
        self.remote.change(Policy::end_turning);
        loop {
            let delay = self.delay();
            tokio::select! {
                () = self.token.reached(Phase::Draining) => break,
                Some(event) = events.recv() => self.handle_event(event),
                () = self.changed.notified() => self.look().await,
                () = sleep(delay) => self.look().await,
            }
        }
        self.remote.close();
    }

    /// Time until something is due.
    fn delay(&self) -> Duration {
        let due = self.remote.change(|policy| policy.poll_timeout());
        let now = self.clock.now().mono;
        due.map_or(LOOK_INTERVAL, |due| due.since(now).min(LOOK_INTERVAL))
    }

    /// Looks at the state of the house and shows it.
    async fn look(&self) {
        let (store, desk, now) = (self.store.clone(), self.desk.clone(), self.clock.now());
        let backup = self.backup.clone();
        let look = move || {
            let trouble = sending_trouble(&desk, now).max(backup_trouble(&store, &backup, now));
            (level(&store, now), trouble)
        };
        let (level, looked) = spawn_blocking(look).await.unwrap_or_else(|_| {
            self.counters.panicked();
            tracing::error!("looking at the state panicked");
            (Level::Fault, None)
        });
        let trouble = self.trouble(now).max(looked);
        self.remote
            .change(|policy| policy.handle_state(level, trouble, now.mono));
    }

    fn trouble(&self, now: Now) -> Option<Trouble> {
        if self.clock.is_in_trouble(self.reaches_out) {
            return Some(Trouble::Clock);
        }
        self.tls.is_in_trouble(now).then_some(Trouble::Certificate)
    }

    fn handle_event(&mut self, event: Event) {
        let at = self.clock.now();
        let now = at.mono;
        match event {
            Event::Down => self.down = Some(now),
            Event::Threshold(_) | Event::Freed => {}
            Event::Press(press) => {
                let held = self
                    .down
                    .take()
                    .map_or(Duration::ZERO, |down| now.since(down));
                self.handle_press(press, held);
            }
            Event::Stuck => {
                self.down = None;
                let log = Log(&self.store, at);
                maillog::panel_trouble(log, "the button is down from the start or for too long");
                self.remote.tell(&Happening::Stuck);
            }
        }
    }

    fn handle_press(&self, press: Press, held: Duration) {
        let at = self.clock.now();
        let now = at.mono;
        let action = self.remote.change(|policy| policy.handle_press(press, now));
        let told = in_words(action);
        maillog::button_pressed(Log(&self.store, at), held, &told.en);
        self.remote.tell(&Happening::Pressed(press));
        if action == Action::MakeRoom {
            self.make_room();
        } else {
            self.remote.tell(&Happening::Done(told));
        }
    }

    /// Runs the hook beside everything else, and tells when it is done.
    fn make_room(&self) {
        let (hook, now) = (self.hook.clone(), self.clock.now());
        let (remote, counters) = (self.remote.clone(), self.counters.clone());
        let (changed, token) = (Arc::clone(&self.changed), self.token.clone());
        tokio::spawn(async move {
            let busy = remote.making_room();
            let made = spawn_blocking(move || make_room(&hook, now)).await;
            drop(busy);
            changed.notify_one();
            remote.tell(&match made {
                Ok(Ok(receipt)) => Happening::Done(receipt),
                Ok(Err(error)) => {
                    tracing::error!(%error, "no room was made");
                    Happening::Failed(Told {
                        de: format!("Es wurde kein Platz geschaffen: {error}"),
                        en: format!("no room was made: {error}"),
                    })
                }
                Err(_) => {
                    counters.panicked();
                    tracing::error!("making room panicked");
                    Happening::Failed(Told {
                        de: "Es wurde kein Platz geschaffen; das Protokoll sagt mehr.".to_owned(),
                        en: "no room was made; the log says more".to_owned(),
                    })
                }
            });
            drop(token);
        });
    }
}

fn level(store: &Store, now: Now) -> Level {
    match space::house(store, now) {
        Ok(house) => house.level(),
        Err(error) => {
            tracing::error!(%error, "the state of the house cannot be read");
            Level::Fault
        }
    }
}

/// What is wrong with sending. Without a way out of the house, that is the cause of all else.
fn sending_trouble(desk: &Desk, now: Now) -> Option<Trouble> {
    let diagnosis = desk.figures(now).diagnosis?;
    Some(match diagnosis {
        Diagnosis::Login(_) => Trouble::Delivery,
        _ if outward().is_none() => Trouble::Network,
        Diagnosis::Names => Trouble::Dns,
        Diagnosis::Port25 | Diagnosis::Smarthost(_) | Diagnosis::Stuck => Trouble::Delivery,
    })
}

fn backup_trouble(store: &Store, settings: &BackupSettings, now: Now) -> Option<Trouble> {
    let standing = store
        .snapshot()
        .and_then(|snapshot| Standing::load(&snapshot, settings));
    match standing {
        Ok(standing) => standing?.is_overdue(now).then_some(Trouble::Backup),
        // That is the level's matter.
        Err(_) => None,
    }
}

fn in_words(action: Action) -> Told {
    let (de, en) = match action {
        Action::Quieted => (
            "Zur Kenntnis genommen: Die LED ist 24 Stunden lang ruhig, oder bis es schlimmer wird.",
            "acknowledged: the LED is quiet for 24 hours, or until it gets worse",
        ),
        Action::NotQuieted => (
            "Nichts: Bei einem Fehler wird die LED nicht ruhig.",
            "nothing: a fault is not made quiet",
        ),
        Action::MakeRoom => ("Es wird Platz geschaffen.", "making room"),
        Action::AlreadyBusy => (
            "Nichts: Die Box ist schon beschäftigt.",
            "nothing: the box is busy already",
        ),
        Action::SetupOpened => (
            "Die Einrichtung ist 10 Minuten lang offen.",
            "the setup window is open for 10 minutes",
        ),
    };
    Told {
        de: de.to_owned(),
        en: en.to_owned(),
    }
}

/// Makes room; the receipt in words.
fn make_room(hook: &room::Hook, now: Now) -> Result<Told> {
    let receipt = room::press(hook, now)?;
    let house = space::house(&hook.store, hook.clock.now())?;
    let text = |language| room::words::text(&receipt, &hook.policy, &house, language);
    Ok(Told {
        de: text(Language::De),
        en: text(Language::En),
    })
}
