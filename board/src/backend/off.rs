//! No hardware: a pin that goes nowhere.

use std::convert::Infallible;

use embedded_hal::digital::{ErrorType, OutputPin};

use super::pin::PinLed;
use super::{Button, Error, Hardware, Led, Opened};

/// An output pin without effect.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nowhere;

impl ErrorType for Nowhere {
    type Error = Infallible;
}

impl OutputPin for Nowhere {
    fn set_low(&mut self) -> Result<(), Infallible> {
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// A panel that is not there.
#[derive(Clone, Debug)]
pub struct Off {
    /// Why not, in words.
    pub why: String,
}

impl Hardware for Off {
    fn open_led(&mut self) -> Result<Opened<Box<dyn Led>>, Error> {
        Ok(Opened {
            part: Box::new(PinLed::new(Nowhere, false)?),
            how: format!("no LED: {}", self.why),
        })
    }

    fn open_button(&mut self) -> Result<Opened<Button>, Error> {
        Ok(Opened {
            part: Button::None,
            how: "no button".to_owned(),
        })
    }
}
