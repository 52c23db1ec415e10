//! Ways to reach the LED and the button, behind embedded-hal's traits.
//!
//! Polarity is ours: pins are driven and read by their physical level, never with the kernel's active-low flag, with which
//! the backends disagree about what high means. Every LED is an [`OutputPin`] in a [`Led`]; a button is read as an
//! [`InputPin`] or tells its edges ([`EdgeSource`]). [`Hardware`] opens them, again and again if need be.

pub mod cdev;
pub mod choice;
pub mod leds_class;
pub mod linux_hal;
pub mod off;
pub mod pin;
pub mod sim;

use std::fmt;
use std::os::fd::BorrowedFd;
use std::time::Duration;

pub use embedded_hal::digital::{InputPin, OutputPin};

use crate::press::Level;

/// Name under which lines are taken, as `gpioinfo` shows it.
pub const CONSUMER: &str = "heimpost";

/// How LED and button are reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    /// Whatever this board and kernel have.
    #[default]
    Auto,
    /// The GPIO character device's first interface (uAPI v1), by linux-embedded-hal.
    LinuxEmbeddedHal,
    /// Its second interface (uAPI v2), by gpiocdev.
    Gpiocdev,
    /// A LED of the kernel's under `/sys/class/leds`; no button.
    LedsClass,
    /// Neither pin; the level is there to be watched and the button to be pressed by commands.
    Sim,
    /// Nothing.
    Off,
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::LinuxEmbeddedHal => "linux-embedded-hal",
            Self::Gpiocdev => "gpiocdev",
            Self::LedsClass => "leds-class",
            Self::Sim => "sim",
            Self::Off => "off",
        })
    }
}

/// Which pins, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How to reach them.
    pub backend: Backend,
    /// Label of the GPIO chip, or name of the LED with [`Backend::LedsClass`]; the board's if there is none.
    pub chip: Option<String>,
    /// Offset of the LED's line; the board's if there is none.
    pub led: Option<u32>,
    /// Offset of the button's line; the board's if there is none.
    pub button: Option<u32>,
    /// Whether the LED is lit by a low level.
    pub led_active_low: bool,
    /// Whether the pressed button gives a low level, as one to ground does.
    pub button_active_low: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            backend: Backend::Auto,
            chip: None,
            led: None,
            button: None,
            led_active_low: false,
            button_active_low: true,
        }
    }
}

/// Why a pin cannot be had, or no longer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No chip has the label.
    #[error("no GPIO chip is labelled {label} ({found})")]
    NoChip {
        /// The label.
        label: String,
        /// What was found instead, in words.
        found: String,
    },
    /// A line cannot be had or used.
    #[error("line {offset} of {chip}: {cause}")]
    Line {
        /// Label of the chip.
        chip: String,
        /// Which line.
        offset: u32,
        /// What the kernel said.
        cause: String,
    },
    /// A LED of the kernel's cannot be used.
    #[error("LED {name}: {cause}")]
    Led {
        /// Its name in `/sys/class/leds`.
        name: String,
        /// Why not.
        cause: std::io::Error,
    },
    /// A pin that worked fails.
    #[error("{0}")]
    Pin(String),
}

impl embedded_hal::digital::Error for Error {
    fn kind(&self) -> embedded_hal::digital::ErrorKind {
        embedded_hal::digital::ErrorKind::Other
    }
}

/// A LED that can be lit. Dark again when it is dropped.
pub trait Led: Send {
    /// Lights it, or not.
    fn set(&mut self, lit: bool) -> Result<(), Error>;
}

/// A button that is asked.
pub trait Contact: Send {
    /// Its level now.
    fn level(&mut self) -> Result<Level, Error>;
}

/// A button that tells its edges.
pub trait EdgeSource: Send {
    /// Readable when there are edges.
    fn fd(&self) -> BorrowedFd<'_>;

    /// Its level now.
    fn level(&mut self) -> Result<Level, Error>;

    /// The next edge that has happened, with its time on the monotonic clock, never blocking; `None` if there is none.
    fn next_edge(&mut self) -> Result<Option<(Level, Duration)>, Error>;
}

/// A button, by the best that its backend can do.
pub enum Button {
    /// There is none.
    None,
    /// To be asked.
    Polled(Box<dyn Contact>),
    /// Tells its edges.
    Edges(Box<dyn EdgeSource>),
}

impl fmt::Debug for Button {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Polled(_) => "Polled",
            Self::Edges(_) => "Edges",
        })
    }
}

/// Whether another program holds the line, so that asking for it in another way does not help.
fn is_busy(error: &impl fmt::Display) -> bool {
    error.to_string().contains("busy")
}

/// Something that was opened, and in a few words how and why so.
#[derive(Debug)]
pub struct Opened<T> {
    /// The part.
    pub part: T,
    /// For example `LED on GPIO17 of pinctrl-bcm2711 through linux-embedded-hal (uAPI v1 works)`.
    pub how: String,
}

/// Opens LED and button; asked again after failures.
pub trait Hardware: Send {
    /// The LED, dark.
    fn open_led(&mut self) -> Result<Opened<Box<dyn Led>>, Error>;

    /// The button.
    fn open_button(&mut self) -> Result<Opened<Button>, Error>;
}
