"""The GPIO chip of QEMU's `virt` machine, seen and pressed from outside: its data register and its power key."""

import line

LABEL = "9030000.pl061"
LED = 5
BUTTON = 3  # the power key is wired to it, and is high while it is pressed (100 ms, always)
DATA_REGISTER = 0x9030000 + 0x3FC


class Chip:
    def __init__(self, guest):
        self.guest = guest

    def samples(self):
        """The LED's line."""
        return line.samples(self.guest, f"/1bx {DATA_REGISTER:#x}", LED)

    def press(self):
        self.guest.qmp("system_powerdown")
