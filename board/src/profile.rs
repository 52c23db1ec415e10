//! The boards that this is made for: where their header's GPIO chip is and which pins are taken by default.
//!
//! Pure. Chips are found by their label, since their numbers change with kernel and board; the offset of a line on such
//! a chip is its BCM number. The defaults keep clear of I2C (2, 3), 1-wire (4) and the serial console (14, 15), and the
//! LED and the button each lie beside a ground pin.

use std::fmt;

/// BCM number of the LED's pin: GPIO17, pin 11 of the header.
pub const LED: u32 = 17;
/// BCM number of the button's pin: GPIO27, pin 13 of the header.
pub const BUTTON: u32 = 27;

/// A family of boards with the same GPIO chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Raspberry Pi 5.
    Pi5,
    /// Raspberry Pi 4, 400 and Compute Module 4.
    Pi4,
    /// Raspberry Pi 3 and Zero 2 W.
    Pi3,
}

impl Profile {
    /// Every profile. No board has the chips of two.
    pub const ALL: [Self; 3] = [Self::Pi5, Self::Pi4, Self::Pi3];

    /// The label of the chip that drives the header.
    pub const fn chip_label(self) -> &'static str {
        match self {
            Self::Pi5 => "pinctrl-rp1",
            Self::Pi4 => "pinctrl-bcm2711",
            Self::Pi3 => "pinctrl-bcm2835",
        }
    }

    /// The profile of the board with such a chip.
    pub fn by_chip(label: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|profile| profile.chip_label() == label)
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pi5 => "Raspberry Pi 5",
            Self::Pi4 => "Raspberry Pi 4",
            Self::Pi3 => "Raspberry Pi 3 or Zero 2 W",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chip_names_one_profile() {
        for profile in Profile::ALL {
            assert_eq!(Profile::by_chip(profile.chip_label()), Some(profile));
        }
        for other in [
            "raspberrypi-exp-gpio",
            "gpio-brcmstb@107d508500",
            "9030000.pl061",
            "",
        ] {
            assert_eq!(Profile::by_chip(other), None);
        }
    }
}
