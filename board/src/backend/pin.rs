//! LED and button as pins of embedded-hal, with the polarity that their wiring has.

use super::{Contact, Error, InputPin, Led, OutputPin};
use crate::press::Level;

/// A LED on an output pin. Dark when it is dropped, also by a panic.
#[derive(Debug)]
pub struct PinLed<P: OutputPin> {
    pin: P,
    active_low: bool,
}

impl<P: OutputPin> PinLed<P> {
    /// Makes the LED dark.
    pub fn new(pin: P, active_low: bool) -> Result<Self, Error> {
        let mut led = Self { pin, active_low };
        led.drive(false)?;
        Ok(led)
    }

    fn drive(&mut self, lit: bool) -> Result<(), Error> {
        let driven = if lit == self.active_low {
            self.pin.set_low()
        } else {
            self.pin.set_high()
        };
        driven.map_err(|error| Error::Pin(format!("{error:?}")))
    }
}

impl<P: OutputPin + Send> Led for PinLed<P> {
    fn set(&mut self, lit: bool) -> Result<(), Error> {
        self.drive(lit)
    }
}

impl<P: OutputPin> Drop for PinLed<P> {
    fn drop(&mut self) {
        if let Err(error) = self.drive(false) {
            tracing::debug!(%error, "the LED is not dark");
        }
    }
}

/// A button on an input pin.
#[derive(Debug)]
pub struct PinContact<P> {
    pin: P,
    active_low: bool,
}

impl<P: InputPin> PinContact<P> {
    /// Reads the pin once, so that one that cannot be read is found at once.
    pub fn new(pin: P, active_low: bool) -> Result<Self, Error> {
        let mut contact = Self { pin, active_low };
        contact.read()?;
        Ok(contact)
    }

    fn read(&mut self) -> Result<Level, Error> {
        let high = self.pin.is_high();
        let high = high.map_err(|error| Error::Pin(format!("{error:?}")))?;
        Ok(Level::from(high != self.active_low))
    }
}

impl<P: InputPin + Send> Contact for PinContact<P> {
    fn level(&mut self) -> Result<Level, Error> {
        self.read()
    }
}

#[cfg(test)]
mod tests {
    use embedded_hal_mock::eh1::MockError;
    use embedded_hal_mock::eh1::digital::{Mock, State, Transaction};

    use super::*;

    /// Lights a LED twice and drops it: the pin must see exactly `expected`.
    fn check(active_low: bool, expected: &[State]) {
        let transactions: Vec<_> = expected
            .iter()
            .map(|state| Transaction::set(*state))
            .collect();
        let mut pin = Mock::new(&transactions);
        let mut led = PinLed::new(pin.clone(), active_low).unwrap();
        led.set(true).unwrap();
        led.set(false).unwrap();
        led.set(true).unwrap();
        drop(led);
        pin.done();
    }

    #[test]
    fn a_led_is_dark_first_and_last() {
        let (low, high) = (State::Low, State::High);
        check(false, &[low, high, low, high, low]);
        check(true, &[high, low, high, low, high]);
    }

    #[test]
    fn a_led_goes_dark_when_its_owner_panics() {
        let transactions = [State::Low, State::High, State::Low].map(Transaction::set);
        let mut pin = Mock::new(&transactions);
        let mut led = PinLed::new(pin.clone(), false).unwrap();
        let thread = std::thread::spawn(move || {
            led.set(true).unwrap();
            panic!("expected by the test");
        });
        assert!(thread.join().is_err());
        pin.done();
    }

    #[test]
    fn a_pin_that_fails_is_an_error() {
        let failure = MockError::Io(std::io::ErrorKind::NotConnected);
        let transactions = [
            Transaction::set(State::Low),
            Transaction::set(State::High).with_error(failure),
            Transaction::set(State::Low),
        ];
        let mut pin = Mock::new(&transactions);
        let mut led = PinLed::new(pin.clone(), false).unwrap();
        assert!(matches!(led.set(true), Err(Error::Pin(_))));
        drop(led);
        pin.done();
    }

    #[test]
    fn a_button_has_the_polarity_of_its_wiring() {
        for (active_low, state, level) in [
            (true, State::Low, Level::Pressed),
            (true, State::High, Level::Released),
            (false, State::High, Level::Pressed),
            (false, State::Low, Level::Released),
        ] {
            let mut pin = Mock::new(&[Transaction::get(state), Transaction::get(state)]);
            let mut contact = PinContact::new(pin.clone(), active_low).unwrap();
            assert_eq!(contact.level().unwrap(), level);
            pin.done();
        }
    }
}
