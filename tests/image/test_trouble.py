"""Mail never depends on the panel: a chip that is missing, taken by another or torn out costs one warning for each part.

Debian's newest kernel with a simulated chip, labelled as a Raspberry Pi 4's.
"""

import gpio_sim
from board import ANNA, BoardCase, Led

LABEL = "pinctrl-bcm2711"
WARN_SECONDS = 600
BACK_SECONDS = 600
MAILS = 3


class Trouble(BoardCase):
    suite = "trixie-backports"
    panel = f'chip = "{LABEL}"'

    def test_a_missing_a_busy_and_a_vanished_chip(self):
        since = self.start()
        self.add_account(ANNA, 5 << 20)
        self.warned_once("without a chip", f"no GPIO chip is labelled {LABEL}", since)

        self.chip = gpio_sim.Chip(self.guest, LABEL)
        self.chip.appear()
        self.chip.take()
        self.stop()
        since = self.start()
        self.warned_once("with the line taken", "busy", since)
        self.chip.give_back()
        self.is_steady("the line was given back")

        since = len(self.guest.console)
        self.chip.vanish()
        self.warned_once("with the chip torn out", "", since)
        self.chip.appear()
        self.is_steady("the chip is back")

        self.stop()
        self.led.shows("dark")
        self.tell("stopped: the LED is dark")
        self.needs_no_setting()

    def warned_once(self, when, why, since):
        """Mail is taken, and while LED and button are tried again and again, no second warning comes."""
        self.guest.wait_for(f"WARN.*panel: LED fails.*{why}", WARN_SECONDS, since)
        for _ in range(MAILS):
            self.assertIsNone(self.send(1), when)
        for part in ("LED", "button"):
            self.assertLessEqual(len(self.guest.lines(f"WARN.*{part} .*fails", since)), 1, when)
        self.tell(f"{when}: one warning, mail is taken")

    def is_steady(self, when):
        self.led = Led(self.chip.samples())
        seconds = self.led.shows("steady", seconds=BACK_SECONDS)
        self.tell(f"{when}: the LED is steady after {seconds:.0f} s")

    def needs_no_setting(self):
        """A chip with the label of a board's is found by `auto`."""
        self.panel = ""
        since = self.start()
        self.guest.wait_for(rf"LED on GPIO17 of {LABEL} \(Raspberry Pi 4\) through gpiocdev", WARN_SECONDS, since)
        self.led.shows("steady")
        self.tell("found without any setting, by its label")
