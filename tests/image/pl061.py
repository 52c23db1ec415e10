"""The GPIO chip of QEMU's `virt` machine, seen and pressed from outside: its data register and its power key."""

import time

LABEL = "9030000.pl061"
LED = 5
BUTTON = 3  # the power key is wired to it, and is high while it is pressed (100 ms, always)
DATA_REGISTER = 0x9030000 + 0x3FC
LOOK_SECONDS = 0.01


class Chip:
    def __init__(self, guest):
        self.guest = guest

    def samples(self):
        """The LED's line as (seconds, level, seconds unseen before), until the machine is off."""
        before = time.monotonic()
        while True:
            try:
                answer = self.guest.monitor(f"xp /1bx {DATA_REGISTER:#x}")
            except (OSError, ValueError):
                return
            now = time.monotonic()
            yield now, int(answer.split()[-1], 16) >> LED & 1, now - before
            before = now
            time.sleep(LOOK_SECONDS)

    def press(self):
        self.guest.qmp("system_powerdown")
