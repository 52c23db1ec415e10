//! A LED that the kernel has a driver for, under `/sys/class/leds`: the board's own ACT LED where nothing is wired.
//!
//! The kernel's trigger (on a Pi it shows card access) is taken off and stays off: a trigger goes on blinking when the
//! program behind it is dead, and so would lie.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use embedded_hal::digital::{ErrorType, OutputPin};

use super::Error;

/// Where the kernel shows its LEDs.
pub const DIRECTORY: &str = "/sys/class/leds";
/// The LED that every Pi before the 5 has on its board.
pub const ACT: &str = "ACT";

/// A LED of the kernel's as an output pin; high is lit.
#[derive(Debug)]
pub struct ClassLed {
    name: String,
    brightness: File,
    brightest: Vec<u8>,
}

impl ClassLed {
    /// Takes over the LED with this name in `directory`.
    pub fn open(directory: &Path, name: &str) -> Result<Self, Error> {
        let failed = |cause| Error::Led {
            name: name.to_owned(),
            cause,
        };
        take(&directory.join(name), name).map_err(failed)
    }

    fn write(&self, value: &[u8]) -> Result<(), Error> {
        self.brightness
            .write_all_at(value, 0)
            .map_err(|cause| Error::Led {
                name: self.name.clone(),
                cause,
            })
    }
}

fn take(path: &Path, name: &str) -> io::Result<ClassLed> {
    let write = |file: &str| OpenOptions::new().write(true).open(path.join(file));
    write("trigger")?.write_all_at(b"none", 0)?;
    let mut brightest = fs::read(path.join("max_brightness"))?;
    brightest.retain(u8::is_ascii_digit);
    Ok(ClassLed {
        name: name.to_owned(),
        brightness: write("brightness")?,
        brightest,
    })
}

/// Whether there is such a LED.
pub fn exists(directory: &Path, name: &str) -> bool {
    let path: PathBuf = directory.join(name);
    path.join("brightness").exists()
}

impl ErrorType for ClassLed {
    type Error = Error;
}

impl OutputPin for ClassLed {
    fn set_low(&mut self) -> Result<(), Error> {
        self.write(b"0")
    }

    fn set_high(&mut self) -> Result<(), Error> {
        self.write(&self.brightest)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Led;
    use super::super::pin::PinLed;
    use super::*;

    fn led(name: &str) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(name);
        fs::create_dir(&path).unwrap();
        fs::write(path.join("trigger"), "mmc0").unwrap();
        fs::write(path.join("max_brightness"), "7\n").unwrap();
        fs::write(path.join("brightness"), "5").unwrap();
        directory
    }

    fn read(directory: &tempfile::TempDir, file: &str) -> String {
        fs::read_to_string(directory.path().join(ACT).join(file)).unwrap()
    }

    #[test]
    fn is_taken_from_its_trigger_and_driven() {
        let directory = led(ACT);
        assert!(exists(directory.path(), ACT));
        let pin = ClassLed::open(directory.path(), ACT).unwrap();
        let mut led = PinLed::new(pin, false).unwrap();
        assert_eq!(read(&directory, "trigger"), "none");
        assert_eq!(read(&directory, "brightness"), "0");
        led.set(true).unwrap();
        assert_eq!(read(&directory, "brightness"), "7");
        drop(led);
        assert_eq!(read(&directory, "brightness"), "0");
    }

    #[test]
    fn a_missing_led_is_an_error_with_its_name() {
        let directory = led("green");
        assert!(!exists(directory.path(), ACT));
        let error = ClassLed::open(directory.path(), ACT).unwrap_err();
        assert!(error.to_string().starts_with("LED ACT: "), "{error}");
    }
}
