//! Picks the backend: what the options name, or with `auto` what this board and kernel have.
//!
//! `auto` looks for the header's chip by its label. On it, the LED goes through linux-embedded-hal where the kernel
//! speaks uAPI v1 and through gpiocdev where it does not; the button goes through gpiocdev wherever there is uAPI v2, for its
//! edges and its pull-up. Without such a chip the board's ACT LED is taken, and without that there is no panel; only a
//! Raspberry Pi is asked again, since its chip may come late.

use std::io;
use std::path::{Path, PathBuf};

use super::cdev::{self, FoundChip};
use super::leds_class::{self, ClassLed};
use super::off::Off;
use super::pin::PinLed;
use super::{Backend, Button, Error, Hardware, Led, Opened, Options, is_busy, linux_hal, sim};
use crate::profile::{self, Profile};

/// Where a board with a device tree tells its name; `/proc/device-tree` leads there, and is hidden from a service.
const MODEL: &str = "/sys/firmware/devicetree/base/model";

/// The hardware that `options` mean.
pub fn hardware(options: &Options) -> io::Result<Box<dyn Hardware>> {
    Ok(match options.backend {
        Backend::Sim => Box::new(sim::Board::new()?),
        Backend::Off => Box::new(Off {
            why: "switched off".to_owned(),
        }),
        Backend::Auto | Backend::LinuxEmbeddedHal | Backend::Gpiocdev | Backend::LedsClass => {
            Box::new(Choice::new(options.clone()))
        }
    })
}

/// Makes the LED dark, whoever lit it, and lets go of it: for the time after a daemon that was killed.
pub fn darken(options: &Options) -> Result<(), Error> {
    let hardware = hardware(options).map_err(|error| Error::Pin(error.to_string()));
    let led = hardware?.open_led()?;
    drop(led);
    Ok(())
}

/// Opens what the options name.
#[derive(Clone, Debug)]
struct Choice {
    options: Options,
    leds: PathBuf,
    is_pi: bool,
}

/// The chip that the pins are on.
#[derive(Clone, Debug)]
struct Place {
    chip: FoundChip,
    profile: Option<Profile>,
}

impl Place {
    fn path(&self) -> &Path {
        &self.chip.path
    }

    /// A line of the chip, as people call it.
    fn name(&self, offset: u32) -> String {
        let label = &self.chip.label;
        match self.profile {
            Some(profile) => format!("GPIO{offset} of {label} ({profile})"),
            None => format!("line {offset} of {label}"),
        }
    }
}

type Found<T> = Result<Opened<T>, Error>;

impl Choice {
    fn new(options: Options) -> Self {
        let model = std::fs::read_to_string(MODEL).unwrap_or_default();
        Self {
            options,
            leds: PathBuf::from(leds_class::DIRECTORY),
            is_pi: model.starts_with("Raspberry Pi"),
        }
    }

    fn led_offset(&self) -> u32 {
        self.options.led.unwrap_or(profile::LED)
    }

    fn button_offset(&self) -> u32 {
        self.options.button.unwrap_or(profile::BUTTON)
    }

    /// The chip that the options name, or that a board known to us has.
    fn place(&self) -> Result<Place, Error> {
        let chips = cdev::chips();
        let found = match &self.options.chip {
            Some(label) => chips.iter().find(|chip| chip.label == *label),
            None => chips
                .iter()
                .find(|chip| Profile::by_chip(&chip.label).is_some()),
        };
        let Some(chip) = found else {
            return Err(Error::NoChip {
                label: self.labels(),
                found: in_words(&chips),
            });
        };
        Ok(Place {
            profile: Profile::by_chip(&chip.label),
            chip: chip.clone(),
        })
    }

    fn labels(&self) -> String {
        let known = Profile::ALL.map(Profile::chip_label).join(" or ");
        self.options.chip.clone().unwrap_or(known)
    }

    /// What there is without a chip; an error where one may still come.
    fn without_chip(&self, missing: Error) -> Found<Box<dyn Led>> {
        if self.options.chip.is_none() && leds_class::exists(&self.leds, leds_class::ACT) {
            return self.class_led(leds_class::ACT, &format!(", since {missing}"));
        }
        if self.options.chip.is_some() || self.is_pi {
            return Err(missing);
        }
        Off {
            why: "this is no board with a known GPIO chip".to_owned(),
        }
        .open_led()
    }

    fn class_led(&self, name: &str, why: &str) -> Found<Box<dyn Led>> {
        let led = ClassLed::open(&self.leds, name)?;
        Ok(Opened {
            part: Box::new(PinLed::new(led, self.options.led_active_low)?),
            how: format!("LED {name} of the board through leds-class{why}"),
        })
    }

    fn v1_led(&self, place: &Place, why: &str) -> Found<Box<dyn Led>> {
        let offset = self.led_offset();
        let led = linux_hal::open_led(place.path(), offset, self.options.led_active_low)?;
        Ok(Opened {
            part: Box::new(led),
            how: format!(
                "LED on {} through linux-embedded-hal{why}",
                place.name(offset)
            ),
        })
    }

    fn v2_led(&self, place: &Place, why: &str) -> Found<Box<dyn Led>> {
        let offset = self.led_offset();
        let led = cdev::open_led(place.path(), offset, self.options.led_active_low)?;
        Ok(Opened {
            part: Box::new(led),
            how: format!("LED on {} through gpiocdev{why}", place.name(offset)),
        })
    }

    fn auto_led(&self) -> Found<Box<dyn Led>> {
        let place = match self.place() {
            Ok(place) => place,
            Err(missing) => return self.without_chip(missing),
        };
        match self.v1_led(&place, ", since the kernel speaks uAPI v1") {
            Err(error) if !is_busy(&error) => {
                tracing::debug!(%error, "no uAPI v1");
                self.v2_led(&place, ", since the kernel refuses uAPI v1")
            }
            opened => opened,
        }
    }

    fn v1_button(&self, place: &Place, why: &str) -> Found<Button> {
        let offset = self.button_offset();
        let low = self.options.button_active_low;
        let contact = linux_hal::open_contact(place.path(), offset, low)?;
        Ok(Opened {
            part: Button::Polled(Box::new(contact)),
            how: format!(
                "button on {} through linux-embedded-hal (polled, no pull){why}",
                place.name(offset)
            ),
        })
    }

    fn v2_button(&self, place: &Place) -> Found<Button> {
        let offset = self.button_offset();
        let low = self.options.button_active_low;
        let (part, abilities) = cdev::open_button(place.path(), offset, low)?;
        Ok(Opened {
            part,
            how: format!(
                "button on {} through gpiocdev ({abilities})",
                place.name(offset)
            ),
        })
    }

    fn auto_button(&self) -> Found<Button> {
        let place = match self.place() {
            Ok(place) => place,
            Err(missing) if self.options.chip.is_some() || self.is_pi => return Err(missing),
            Err(_) => return Ok(no_button()),
        };
        if cdev::speaks_v2(place.path()) {
            self.v2_button(&place)
        } else {
            self.v1_button(&place, ", since the kernel has no uAPI v2")
        }
    }
}

impl Hardware for Choice {
    fn open_led(&mut self) -> Found<Box<dyn Led>> {
        match self.options.backend {
            Backend::Auto => self.auto_led(),
            Backend::LinuxEmbeddedHal => self.v1_led(&self.place()?, ""),
            Backend::Gpiocdev => self.v2_led(&self.place()?, ""),
            Backend::LedsClass => {
                let name = self.options.chip.as_deref();
                self.class_led(name.unwrap_or(leds_class::ACT), "")
            }
            Backend::Sim | Backend::Off => hardware(&self.options)
                .map_err(|error| Error::Pin(error.to_string()))?
                .open_led(),
        }
    }

    fn open_button(&mut self) -> Found<Button> {
        match self.options.backend {
            Backend::Auto => self.auto_button(),
            Backend::LinuxEmbeddedHal => self.v1_button(&self.place()?, ""),
            Backend::Gpiocdev => self.v2_button(&self.place()?),
            Backend::LedsClass | Backend::Sim | Backend::Off => Ok(no_button()),
        }
    }
}

fn no_button() -> Opened<Button> {
    Opened {
        part: Button::None,
        how: "no button".to_owned(),
    }
}

fn in_words(chips: &[FoundChip]) -> String {
    let labels: Vec<&str> = chips.iter().map(|chip| chip.label.as_str()).collect();
    match labels.as_slice() {
        [] => "there is none that can be opened".to_owned(),
        _ => format!("there is {}", labels.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(options: Options) -> Choice {
        Choice {
            options,
            leds: PathBuf::from("/nonexistent"),
            is_pi: false,
        }
    }

    fn unknown_chip(backend: Backend) -> Options {
        Options {
            backend,
            chip: Some("no such chip".to_owned()),
            ..Options::default()
        }
    }

    #[test]
    fn a_named_chip_that_is_missing_is_an_error_to_try_again() {
        for backend in [Backend::Auto, Backend::LinuxEmbeddedHal, Backend::Gpiocdev] {
            let mut choice = choice(unknown_chip(backend));
            for error in [choice.open_led().err(), choice.open_button().err()] {
                let text = error.unwrap().to_string();
                assert!(
                    text.starts_with("no GPIO chip is labelled no such chip"),
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn without_a_chip_auto_takes_the_act_led() {
        let leds = tempfile::tempdir().unwrap();
        let act = leds.path().join("ACT");
        std::fs::create_dir(&act).unwrap();
        for (file, text) in [
            ("trigger", "mmc0"),
            ("brightness", "1"),
            ("max_brightness", "1"),
        ] {
            std::fs::write(act.join(file), text).unwrap();
        }
        let mut choice = choice(Options::default());
        choice.leds = leds.path().to_owned();
        let missing = Error::NoChip {
            label: choice.labels(),
            found: in_words(&[]),
        };
        let led = choice.without_chip(missing).unwrap();
        assert!(
            led.how
                .starts_with("LED ACT of the board through leds-class, since no GPIO chip")
        );
    }

    #[test]
    fn where_there_is_nothing_the_panel_is_off_but_a_pi_is_asked_again() {
        let missing = || Error::NoChip {
            label: String::new(),
            found: String::new(),
        };
        let mut choice = choice(Options::default());
        assert!(
            choice
                .without_chip(missing())
                .unwrap()
                .how
                .starts_with("no LED")
        );
        choice.is_pi = true;
        assert!(choice.without_chip(missing()).is_err());
    }

    #[test]
    fn sim_and_off_always_open() {
        for (backend, how) in [
            (Backend::Sim, "LED simulated"),
            (Backend::Off, "no LED: switched off"),
        ] {
            let options = Options {
                backend,
                ..Options::default()
            };
            assert_eq!(hardware(&options).unwrap().open_led().unwrap().how, how);
            darken(&options).unwrap();
        }
    }
}
