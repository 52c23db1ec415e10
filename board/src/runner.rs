//! The one thread that owns the pins, and the handle by which everybody else reaches it.
//!
//! The thread sleeps in `poll` until an edge, a command or the LED's next change, whichever comes first, and so costs
//! nothing while nothing happens. What it does then is [`engine`]'s matter. When it stops, and when it panics, the LED goes
//! dark. No call here blocks on hardware but [`Panel::stop`], which waits for the dark.

pub mod engine;

use std::fmt;
use std::io;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::time::{ClockId, clock_gettime};

use crate::backend::{Error, Hardware, Options, choice};
use crate::pattern::Pattern;
pub use crate::press::Event;
use crate::wake::Wake;
use engine::Engine;

/// Stack of the thread; it calls nothing deep.
const STACK_BYTES: usize = 256 << 10;
/// Changes that a watcher may be late by; what is beyond is lost to it.
const WATCHER_QUEUE: usize = 64;

/// What a watcher sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Whether the LED is lit.
    pub lit: bool,
    /// The pattern of which that is part.
    pub pattern: Pattern,
}

/// Takes what happens to the button, on the panel's thread: quickly, please.
pub type OnEvent = Box<dyn FnMut(Event) + Send>;

enum Command {
    Show(Pattern),
    Press(Duration),
    Watch(SyncSender<Shown>),
    Stop,
}

/// A running panel. Clones are the same panel; it stops with the last of them.
#[derive(Clone)]
pub struct Panel {
    inner: Arc<Inner>,
}

struct Inner {
    commands: Sender<Command>,
    wake: Wake,
    thread: Mutex<Option<JoinHandle<()>>>,
    how: Arc<Mutex<String>>,
}

impl fmt::Debug for Panel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Panel").field(&self.how()).finish()
    }
}

impl Panel {
    /// Starts the panel that `options` mean, dark. Hardware that is missing is no error: it is tried again.
    pub fn start(options: &Options, on_event: OnEvent) -> io::Result<Self> {
        Self::start_on(choice::hardware(options)?, on_event)
    }

    /// Starts a panel on given hardware.
    pub fn start_on(hardware: Box<dyn Hardware>, on_event: OnEvent) -> io::Result<Self> {
        let wake = Wake::new()?;
        let how = Arc::new(Mutex::new(String::new()));
        let (commands, received) = mpsc::channel();
        let thread_wake = wake.clone();
        let thread_how = Arc::clone(&how);
        let thread = Builder::new()
            .name("panel".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || {
                let engine = Engine::new(hardware, on_event, thread_how, monotonic());
                run(engine, &received, &thread_wake);
            })?;
        Ok(Self {
            inner: Arc::new(Inner {
                commands,
                wake,
                thread: Mutex::new(Some(thread)),
                how,
            }),
        })
    }

    /// Shows `pattern` until another one is set.
    pub fn show(&self, pattern: Pattern) {
        self.inner.send(Command::Show(pattern));
    }

    /// Presses the button for `hold`, as a finger would.
    pub fn press(&self, hold: Duration) {
        self.inner.send(Command::Press(hold));
    }

    /// Every change of the LED from now on, beginning with what it shows now. Ends with the panel.
    pub fn watch(&self) -> Receiver<Shown> {
        let (sender, receiver) = mpsc::sync_channel(WATCHER_QUEUE);
        self.inner.send(Command::Watch(sender));
        receiver
    }

    /// How LED and button are reached, in words; empty until they were first tried.
    pub fn how(&self) -> String {
        let how = self.inner.how.lock();
        how.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stops; the LED is dark when this returns.
    pub fn stop(&self) {
        self.inner.stop();
    }
}

impl Inner {
    fn send(&self, command: Command) {
        if self.commands.send(command).is_ok() {
            self.wake.ring();
        }
    }

    fn stop(&self) {
        self.send(Command::Stop);
        let thread = self.thread.lock();
        let thread = thread.unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the panel panicked");
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The monotonic clock, which also stamps the kernel's edges.
pub fn monotonic() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    let nanos = u64::try_from(now.tv_nsec).unwrap_or_default();
    Duration::from_secs(seconds) + Duration::from_nanos(nanos)
}

fn run(mut engine: Engine, commands: &Receiver<Command>, wake: &Wake) {
    loop {
        wake.answer();
        while let Ok(command) = commands.try_recv() {
            let now = monotonic();
            match command {
                Command::Show(pattern) => engine.show(pattern, now),
                Command::Press(hold) => engine.press(hold),
                Command::Watch(watcher) => engine.watch(watcher, now),
                Command::Stop => return,
            }
        }
        let now = monotonic();
        let next = engine.turn(now);
        if let Err(error) = wait(&engine, wake, next.map(|next| next.saturating_sub(now))) {
            engine.lose_button(&error, monotonic());
        }
    }
}

/// Waits for a command, an edge or the end of `timeout`. An error is the button's.
fn wait(engine: &Engine, wake: &Wake, timeout: Option<Duration>) -> Result<(), Error> {
    let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
    let mut fds = vec![PollFd::new(wake, PollFlags::IN)];
    if let Some(fd) = engine.button_fd() {
        fds.push(PollFd::from_borrowed_fd(fd, PollFlags::IN));
    }
    // Interrupted or not: the next turn looks at everything.
    poll(&mut fds, timeout.as_ref()).ok();
    let broken = PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL;
    match fds.get(1) {
        Some(button) if button.revents().intersects(broken) => {
            Err(Error::Pin("the line has gone".to_owned()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
