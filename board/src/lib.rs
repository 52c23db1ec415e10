//! The panel's hardware: one status LED and one button on a Raspberry Pi's header, or whatever stands in for them.
//!
//! Knows patterns, presses, boards and pins, and nothing of mail. [`pattern`], [`press`], [`profile`] and [`backoff`] are
//! pure: time is an argument, in the form of a `Duration` on the monotonic clock. [`backend`] reaches the pins through
//! embedded-hal's traits; [`runner`] is the one thread that owns them. Nothing here may stop the program: a missing
//! chip or a busy line is one line in the log, and is tried again. This is the only crate with pin numbers in it.

pub mod backend;
pub mod backoff;
pub mod pattern;
pub mod press;
pub mod profile;
pub mod runner;

mod wake;

pub use backend::choice::darken;
pub use backend::{Backend, Options};
pub use pattern::{Count, Pattern};
pub use press::{Hold, Press};
pub use runner::{Event, Panel, Shown};
