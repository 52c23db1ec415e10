"""Reads a blinking line as a person does: how many flashes come together, or steady, even or dark.

A pattern is judged by counts and by gaps, not by exact times, because an emulated board is at times slow. `Reader` takes
(seconds, level) as they come and keeps the list of what it recognised, each with the time when it was clear. `samples` looks
at a line of an emulated chip from outside.
"""

import statistics
import time

GROUP_GAP_SECONDS = 0.8  # a longer dark time ends a group of flashes (0.3 s inside a group, 1 s or more between two)
STILL_SECONDS = 3.5  # no change for so long is steady light or darkness
LOOK_SECONDS = 0.01
EVEN_FLASHES = 8  # so many without a gap are no count but an even blinking


class Reader:
    def __init__(self):
        self.seen = []  # (seconds, what): "dark", "steady", "even" or the number of flashes
        self.on, self.off, self.gaps = [], [], []  # lengths, for the figures
        self._level = None
        self._since = 0.0
        self._group = 0  # flashes since the last long dark time; None until there was one
        self._said = False

    def level(self, now, level):
        if level == self._level:
            self._still(now)
            return
        if self._level is None:
            self._level, self._since, self._group = level, now, None
            return
        lasted = now - self._since
        self._ended(now, lasted)
        self._level, self._since, self._said = level, now, False

    def missed(self):
        """Something may have happened unseen: the group that goes on is not judged."""
        if self._level is not None and self._group != 0:
            self._group = None

    def lit_since(self):
        """When the light went on that is on now, or None."""
        return self._since if self._level == 1 else None

    def still(self):
        """"steady" or "dark" if it has been that for long enough and still is, else None."""
        return self.seen[-1][1] if self._said else None

    def _ended(self, now, lasted):
        if self._level == 1 and lasted < STILL_SECONDS:
            self.on.append(lasted)
            self._flash(now)
        elif self._level == 0 and lasted < STILL_SECONDS:
            (self.gaps if lasted > GROUP_GAP_SECONDS else self.off).append(lasted)
            self._dark(now, lasted)

    def _flash(self, now):
        if self._group is None:
            return
        self._group += 1
        if self._group % EVEN_FLASHES == 0:
            self._say(now, "even")

    def _dark(self, now, lasted):
        if lasted <= GROUP_GAP_SECONDS:
            return
        if self._group is not None and 0 < self._group < EVEN_FLASHES:
            self._say(now, self._group)
        self._group = 0

    def _still(self, now):
        lasted = now - self._since
        if lasted >= STILL_SECONDS and not self._said:
            self._said = True
            self._dark(now, lasted if self._level == 0 else 0)
            self._say(now, "steady" if self._level == 1 else "dark")
            self._group = 0 if self._level == 0 else None

    def _say(self, now, what):
        self.seen.append((now, what))

    def figures(self):
        """Median lengths in seconds of light, of dark inside a group and of dark between groups."""
        parts = [("on", self.on), ("off", self.off), ("between groups", self.gaps)]
        return ", ".join(f"{name} {statistics.median(values):.2f} s" for name, values in parts if values)


def samples(guest, register, line):
    """The line as (seconds, level, seconds unseen before), until the machine is off. `register` is what QEMU's monitor is to
    examine, in its own words; the line's level is that bit of it.
    """
    before = time.monotonic()
    while True:
        try:
            answer = guest.monitor(f"xp {register}")
        except (OSError, ValueError):
            return
        now = time.monotonic()
        yield now, int(answer.split()[-1], 16) >> line & 1, now - before
        before = now
        time.sleep(LOOK_SECONDS)
