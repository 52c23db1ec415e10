//! Pins of the GPIO character device through gpiocdev, which speaks its second interface (uAPI v2): edges with their
//! time, bias, and debouncing by the kernel.
//!
//! Not every driver can do all of it. What a chip refuses is left out, one thing after the other, and the log says so:
//! the bias (the wiring must pull then), the edges (the button is polled then).

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use embedded_hal::digital::{ErrorType, InputPin, OutputPin};
use gpiocdev::line::{Bias, EdgeDetection, EdgeKind, Value};
use gpiocdev::request::{Builder, Request};

use super::pin::{PinContact, PinLed};
use super::{Button, CONSUMER, EdgeSource, Error, is_busy};
use crate::press::Level;

/// The kernel swallows bounces up to this; the classifier takes care of the rest.
const KERNEL_DEBOUNCE: Duration = Duration::from_millis(5);
/// Edges that one read takes.
const EDGES_PER_READ: usize = 16;

/// A GPIO chip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundChip {
    /// Its device.
    pub path: PathBuf,
    /// Its label.
    pub label: String,
}

/// Every GPIO chip, in the order of their numbers. One that cannot be opened is left out.
pub fn chips() -> Vec<FoundChip> {
    let paths = gpiocdev::chip::chips().unwrap_or_default();
    let found = paths.into_iter().filter_map(|path| {
        let info = gpiocdev::Chip::from_path(&path).and_then(|chip| chip.info());
        match info {
            Ok(info) => Some(FoundChip {
                path,
                label: info.label,
            }),
            Err(error) => {
                tracing::debug!(path = %path.display(), %error, "a GPIO chip cannot be opened");
                None
            }
        }
    });
    found.collect()
}

/// Whether the kernel speaks uAPI v2 for the chip at `path`.
pub fn speaks_v2(path: &Path) -> bool {
    let chip = gpiocdev::Chip::from_path(path);
    chip.is_ok_and(|chip| chip.supports_abi_version(gpiocdev::AbiVersion::V2).is_ok())
}

/// The LED on the line `offset` of the chip at `path`, dark.
pub fn open_led(path: &Path, offset: u32, active_low: bool) -> Result<PinLed<CdevPin>, Error> {
    let dark = Value::from(active_low);
    let request = builder(path, offset).as_output(dark).request();
    let request = request.map_err(|error| failed(path, offset, &error))?;
    PinLed::new(CdevPin { request, offset }, active_low)
}

/// The button on the line `offset` of the chip at `path`, and in a few words what it can do.
pub fn open_button(
    path: &Path,
    offset: u32,
    active_low: bool,
) -> Result<(Button, &'static str), Error> {
    let (bias, pull) = if active_low {
        (Bias::PullUp, "edges, pull-up")
    } else {
        (Bias::PullDown, "edges, pull-down")
    };
    let refused = match edges(path, offset, Some(bias)) {
        Ok(request) => return Ok((watched(request, offset, active_low), pull)),
        Err(error) if is_busy(&error) => return Err(failed(path, offset, &error)),
        Err(error) => error,
    };
    if let Ok(request) = edges(path, offset, None) {
        tracing::info!(offset, error = %refused, "the chip has no bias; the button's wiring must pull");
        return Ok((watched(request, offset, active_low), "edges, no pull"));
    }
    let request = builder(path, offset).as_input().request();
    let request = request.map_err(|error| failed(path, offset, &error))?;
    tracing::info!(offset, error = %refused, "the chip tells no edges; the button is polled");
    let contact = PinContact::new(CdevPin { request, offset }, active_low)?;
    Ok((Button::Polled(Box::new(contact)), "polled, no pull"))
}

fn builder(path: &Path, offset: u32) -> Builder {
    let mut builder = Request::builder();
    builder
        .on_chip(path)
        .with_consumer(CONSUMER)
        .with_line(offset);
    builder
}

fn edges(path: &Path, offset: u32, bias: Option<Bias>) -> gpiocdev::Result<Request> {
    builder(path, offset)
        .as_input()
        .with_bias(bias)
        .with_edge_detection(EdgeDetection::BothEdges)
        .with_debounce_period(KERNEL_DEBOUNCE)
        .request()
}

fn watched(request: Request, offset: u32, active_low: bool) -> Button {
    Button::Edges(Box::new(CdevButton {
        request,
        offset,
        active_low,
        read: VecDeque::new(),
    }))
}

fn failed(path: &Path, offset: u32, cause: &gpiocdev::Error) -> Error {
    Error::Line {
        chip: path.display().to_string(),
        offset,
        cause: format!("{cause} (uAPI v2)"),
    }
}

/// A line as a pin of embedded-hal.
#[derive(Debug)]
pub struct CdevPin {
    request: Request,
    offset: u32,
}

impl CdevPin {
    fn set(&self, value: Value) -> Result<(), Error> {
        let set = self.request.set_value(self.offset, value);
        set.map_err(|error| Error::Pin(error.to_string()))
    }

    fn is(&self, value: Value) -> Result<bool, Error> {
        let read = self.request.value(self.offset);
        read.map(|read| read == value)
            .map_err(|error| Error::Pin(error.to_string()))
    }
}

impl ErrorType for CdevPin {
    type Error = Error;
}

// Without the active-low flag, active is high.
impl OutputPin for CdevPin {
    fn set_low(&mut self) -> Result<(), Error> {
        self.set(Value::Inactive)
    }

    fn set_high(&mut self) -> Result<(), Error> {
        self.set(Value::Active)
    }
}

impl InputPin for CdevPin {
    fn is_high(&mut self) -> Result<bool, Error> {
        self.is(Value::Active)
    }

    fn is_low(&mut self) -> Result<bool, Error> {
        self.is(Value::Inactive)
    }
}

/// A line that tells its edges.
#[derive(Debug)]
struct CdevButton {
    request: Request,
    offset: u32,
    active_low: bool,
    /// Edges that the kernel handed over and nobody took yet.
    read: VecDeque<(Level, Duration)>,
}

impl CdevButton {
    fn closed(&self, high: bool) -> Level {
        Level::from(high != self.active_low)
    }

    /// Takes what the kernel has. `Request::read_edge_event` will not do: it reads as many edges as fit and gives one.
    fn read_more(&mut self) -> gpiocdev::Result<()> {
        let mut edges = self.request.new_edge_event_buffer(EDGES_PER_READ);
        while edges.has_event()? {
            let edge = edges.read_event()?;
            let level = self.closed(edge.kind == EdgeKind::Rising);
            self.read
                .push_back((level, Duration::from_nanos(edge.timestamp_ns)));
        }
        Ok(())
    }
}

impl EdgeSource for CdevButton {
    fn fd(&self) -> BorrowedFd<'_> {
        self.request.as_fd()
    }

    fn level(&mut self) -> Result<Level, Error> {
        let value = self.request.value(self.offset);
        let value = value.map_err(|error| Error::Pin(error.to_string()))?;
        Ok(self.closed(value == Value::Active))
    }

    fn next_edge(&mut self) -> Result<Option<(Level, Duration)>, Error> {
        if self.read.is_empty() {
            self.read_more()
                .map_err(|error| Error::Pin(error.to_string()))?;
        }
        Ok(self.read.pop_front())
    }
}
