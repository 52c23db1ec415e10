"""What the tests of whole boxes share: a fresh card, a key, a box, and a console to show where something failed.

HEIMPOST_IMAGE is the image; `tests/image/run` sets it.
"""

import os
import re
import shutil
import tempfile
import time
import unittest
from pathlib import Path

import post
import preseed
from board import Led
from box import BOOT_SECONDS, CONSOLE_LINES, Box
from card import Card

IMAGE = os.environ.get("HEIMPOST_IMAGE", "")
CARD_GIGABYTES = 8
JOURNAL_LINES = 60
MAILS = ["first", "second", "third"]
NEARLY_FULL = 50_000  # bytes, of which these mails take between 80 and 95 %
PATTERN_SECONDS = 600
MEMORY_USED_MIB_MAX = 120


class BoxCase(unittest.TestCase):
    card_gigabytes = CARD_GIGABYTES

    def setUp(self):
        self.home = Path(tempfile.mkdtemp(prefix="heimpost-box-"))
        self.addCleanup(shutil.rmtree, self.home, ignore_errors=True)
        self.key = preseed.key(self.home)
        self.began = time.monotonic()

    def new_box(self, name="box", **options):
        """A box with a fresh card, which has not been plugged in."""
        home = self.home / name
        home.mkdir()
        box = Box(Card(IMAGE, home / "card", self.card_gigabytes), home, self.key, **options)
        preseed.write(box.card, self.key)
        self.addCleanup(box.unplug)
        self.box = box
        return box

    def run(self, result=None):
        troubles = len(result.failures) + len(result.errors)
        self.failed = lambda: len(result.failures) + len(result.errors) > troubles
        return super().run(result)

    def tearDown(self):
        if self.failed():
            self.show()

    def show(self):
        """What the box says of itself, while it is still on."""
        box = getattr(self, "box", None)
        if box is None:
            return
        print(f"--- console of boot {box.boots}\n" + "\n".join(box.said()[-CONSOLE_LINES:]))
        if box.process is not None and box.process.poll() is None:
            try:
                print("--- failed units, journal\n" + box.sh(f"systemctl --failed; journalctl -b -n {JOURNAL_LINES}", check=False))
            except Exception as error:
                print(f"no way in: {error}")

    def tell(self, what):
        print(f"  {time.monotonic() - self.began:6.1f} s  {what}", flush=True)

    # What holds of every box that is up.

    def assert_healthy(self, box, seconds=BOOT_SECONDS):
        """All that was to start has started; the daemon runs since then, and nothing panicked."""
        state = box.wait_settled(seconds)
        failed = box.sh("systemctl --failed --plain --no-legend")
        self.assertEqual((state, failed.strip()), ("running", ""))
        self.assertEqual(unit(box, "ActiveState", "SubState", "NRestarts"), ["active", "running", "0"])
        self.assertFalse(re.findall("panicked at.*", box.sh("journalctl -b -u heimpost -o cat")))

    def memory(self, box):
        """MiB that the system takes, within its limit, and the daemon's part of it."""
        rows = dict(line.split(":") for line in box.sh("cat /proc/meminfo").splitlines())
        used = int(rows["MemTotal"].split()[0]) - int(rows["MemAvailable"].split()[0])
        daemon = box.sh("grep VmRSS /proc/$(systemctl show heimpost -p MainPID --value)/status").split()[1]
        self.assertLess(used / 1024, MEMORY_USED_MIB_MAX)
        return used / 1024, int(daemon) / 1024

    def mail(self, box):
        """Needs `self.context`, TLS that believes the box."""
        for name in MAILS[:2]:
            post.send(box, name, 20)
        post.submit(box, self.context, MAILS[2])
        self.assert_mails(box)
        self.tell("mail came in by SMTP and submission, and is read by IMAP and POP3 over TLS")

    def assert_mails(self, box):
        """Gives UIDVALIDITY and the UIDs."""
        with post.Imap(box, self.context) as session:
            validity, found = session.uid_validity(), session.mails()
        self.assertEqual([(name, whole) for name, _, whole in found], [(name, True) for name in MAILS])
        self.assertEqual(post.pop3(box, self.context), MAILS)
        return validity, [uid for _, uid, _ in found]

    def panel(self, box, chip):
        """What the LED on the chip's line shows after `mail`."""
        led = Led(chip.samples())
        led.shows("steady", PATTERN_SECONDS)
        box.sh(f"heimpost account quota {preseed.ACCOUNT} {NEARLY_FULL}")
        led.shows(2, PATTERN_SECONDS, times=2)
        box.sh(f"heimpost account quota {preseed.ACCOUNT} default")
        led.shows("steady", PATTERN_SECONDS)
        self.tell("the LED shows 2 flashes while the mailbox is 80 % full, else steady light")

    def assert_sound(self, box):
        """The store holds all its invariants."""
        self.assertIn("checked 1 accounts", box.sh("heimpost check"))


def unit(box, *properties):
    """Properties of the daemon's unit, in this order."""
    shown = box.sh(f"systemctl show heimpost.service -p {','.join(properties)}")
    values = dict(line.split("=", 1) for line in shown.splitlines())
    return [values[name] for name in properties]
