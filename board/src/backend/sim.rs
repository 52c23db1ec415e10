//! A panel without hardware, for desks and tests: its LED can be looked at, its button pressed, its wires pulled.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use embedded_hal::digital::{ErrorType, OutputPin};

use super::pin::PinLed;
use super::{Button, EdgeSource, Error, Hardware, Led, Opened};
use crate::press::Level;
use crate::wake::Wake;

#[derive(Debug)]
struct State {
    lit: bool,
    pressed: Level,
    edges: Vec<(Level, Duration)>,
    unplugged: bool,
    /// Changes of the LED, since the board was made.
    changes: u64,
}

/// A simulated board. Clones are the same board.
#[derive(Clone)]
pub struct Board {
    state: Arc<Mutex<State>>,
    wake: Wake,
}

impl fmt::Debug for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Board").field(&self.state).finish()
    }
}

impl Board {
    /// A board with a dark LED and a released button.
    pub fn new() -> std::io::Result<Self> {
        let state = State {
            lit: false,
            pressed: Level::Released,
            edges: Vec::new(),
            unplugged: false,
            changes: 0,
        };
        Ok(Self {
            state: Arc::new(Mutex::new(state)),
            wake: Wake::new()?,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the LED is lit.
    pub fn is_lit(&self) -> bool {
        self.state().lit
    }

    /// How often the LED has changed.
    pub fn changes(&self) -> u64 {
        self.state().changes
    }

    /// The contact has this level since `now`.
    pub fn contact(&self, level: Level, now: Duration) {
        let mut state = self.state();
        if state.pressed != level {
            state.pressed = level;
            state.edges.push((level, now));
        }
        drop(state);
        self.wake.ring();
    }

    /// Pulls the wires out; whoever uses them fails until [`Self::plug`].
    pub fn unplug(&self) {
        self.state().unplugged = true;
        self.wake.ring();
    }

    /// Puts the wires back.
    pub fn plug(&self) {
        let mut state = self.state();
        state.unplugged = false;
        state.lit = false;
    }

    fn check(&self) -> Result<MutexGuard<'_, State>, Error> {
        let state = self.state();
        if state.unplugged {
            return Err(Error::Pin("the simulated board is unplugged".to_owned()));
        }
        Ok(state)
    }

    fn light(&self, lit: bool) -> Result<(), Error> {
        let mut state = self.check()?;
        if state.lit != lit {
            state.lit = lit;
            state.changes += 1;
        }
        Ok(())
    }
}

impl ErrorType for Board {
    type Error = Error;
}

impl OutputPin for Board {
    fn set_low(&mut self) -> Result<(), Error> {
        self.light(false)
    }

    fn set_high(&mut self) -> Result<(), Error> {
        self.light(true)
    }
}

impl EdgeSource for Board {
    fn fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    fn level(&mut self) -> Result<Level, Error> {
        Ok(self.check()?.pressed)
    }

    fn next_edge(&mut self) -> Result<Option<(Level, Duration)>, Error> {
        self.wake.answer();
        let mut state = self.check()?;
        let first = (!state.edges.is_empty()).then(|| state.edges.remove(0));
        Ok(first)
    }
}

impl Hardware for Board {
    fn open_led(&mut self) -> Result<Opened<Box<dyn Led>>, Error> {
        let led = PinLed::new(self.clone(), false)?;
        Ok(Opened {
            part: Box::new(led),
            how: "LED simulated".to_owned(),
        })
    }

    fn open_button(&mut self) -> Result<Opened<Button>, Error> {
        self.check()?.edges.clear();
        Ok(Opened {
            part: Button::Edges(Box::new(self.clone())),
            how: "button simulated".to_owned(),
        })
    }
}
