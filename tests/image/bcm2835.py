"""The GPIO chip of a Raspberry Pi 3, as QEMU has it, seen from outside: the levels of its lines."""

import line

LED = 17  # the box's default
LEVELS = 0x3F200034  # of lines 0 to 31


class Chip:
    def __init__(self, guest):
        self.guest = guest

    def samples(self):
        """The LED's line."""
        return line.samples(self.guest, f"/1wx {LEVELS:#x}", LED)
