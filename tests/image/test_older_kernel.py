"""Debian's stable kernel, which has both GPIO interfaces: the LED through linux-embedded-hal, the button through gpiocdev.

The chip is that of the emulated machine itself, seen and pressed from outside of it: the LED's line in its data register,
the button at its power key.
"""

import pl061
from board import ANNA, START_SECONDS, BoardCase, Led

QUOTA = 2 << 20


class OlderKernel(BoardCase):
    suite = "trixie"
    panel = f'chip = "{pl061.LABEL}"\nled = {pl061.LED}\nbutton = {pl061.BUTTON}\nbutton_active_low = false'

    def test_a_short_press_acknowledges(self):
        chip = pl061.Chip(self.guest)
        self.led = Led(chip.samples())
        since = self.start()
        self.guest.wait_for("LED on line 5 of 9030000.pl061 through linux-embedded-hal.*button.*gpiocdev", START_SECONDS, since)
        # Without an account the LED tells that the box can be set up.
        self.add_account(ANNA, QUOTA)
        self.led.shows("steady")
        self.send_until(lambda reply: self.used() * 100 >= 82 * QUOTA)
        self.led.shows(2, times=2)
        self.tell("the LED shows 2 flashes")
        chip.press()
        self.led.shows("dark")
        self.assert_pressed_once("acknowledged")
        self.tell("a short press: the LED is quiet, dark but for a tick")
        self.send_until(lambda reply: self.used() * 100 >= 96 * QUOTA)
        self.led.shows(3, times=2)
        self.tell("worse than what was acknowledged: the LED shows 3 flashes")
        self.guest.sh("kill -9 $(pidof heimpost)")
        self.heimpost("panel dark")
        self.led.shows("dark")
        self.tell(f"killed, and then told to be dark: it is. Measured: {self.led.reader.figures()}")
