//! Pins of the GPIO character device through linux-embedded-hal, which speaks its first interface (uAPI v1).
//!
//! Newer kernels may leave that interface out (Debian's 7.3 does); a request then fails with EINVAL. It has neither edges
//! nor bias in linux-embedded-hal, so a button here is polled and needs a pull-up resistor of its own, except on pins
//! that pull up when the board is powered.

use std::path::Path;

use linux_embedded_hal::CdevPin;
use linux_embedded_hal::gpio_cdev::{Chip, LineHandle, LineRequestFlags, errors};

use super::pin::{PinContact, PinLed};
use super::{CONSUMER, Error};

/// The LED on the line `offset` of the chip at `path`, dark.
pub fn open_led(path: &Path, offset: u32, active_low: bool) -> Result<PinLed<CdevPin>, Error> {
    let dark = u8::from(active_low);
    let pin = request(path, offset, LineRequestFlags::OUTPUT, dark);
    PinLed::new(pin.map_err(failed(path, offset))?, active_low)
}

/// The button on the line `offset` of the chip at `path`.
pub fn open_contact(
    path: &Path,
    offset: u32,
    active_low: bool,
) -> Result<PinContact<CdevPin>, Error> {
    let pin = request(path, offset, LineRequestFlags::INPUT, 0);
    PinContact::new(pin.map_err(failed(path, offset))?, active_low)
}

fn request(
    path: &Path,
    offset: u32,
    flags: LineRequestFlags,
    value: u8,
) -> Result<CdevPin, errors::Error> {
    let line = Chip::new(path)?.get_line(offset)?;
    let handle: LineHandle = line.request(flags, value, CONSUMER)?;
    CdevPin::new(handle)
}

fn failed(path: &Path, offset: u32) -> impl Fn(errors::Error) -> Error {
    move |cause| Error::Line {
        chip: path.display().to_string(),
        offset,
        cause: format!("{cause} (uAPI v1)"),
    }
}
