"""The very image on an emulated Raspberry Pi 3, from its SD card through U-Boot, for work on the boot chain by hand: U-Boot,
kernel and system start, but QEMU 7.2's network on USB has not carried a connection so far, so that this ends without a mail.
Tells when what was reached.
"""

import re
import sys
import time
import unittest

import page
import post
from box import banner
from case import BoxCase

CARD_GIGABYTES = 4  # a power of two, which QEMU's controller asks for
STARTED_SECONDS = 1800
MARKS = {"U-Boot": r"^U-Boot \d", "the kernel": r"Linux version|Booting Linux", "systemd": r"systemd.*running in system mode|Welcome to"}


class Raspberry(BoxCase):
    card_gigabytes = CARD_GIGABYTES

    def test_boots_and_takes_mail(self):
        box = self.new_box(board="raspi3b")
        # The emulated board resets as soon as its watchdog is armed.
        box.card.boot_state(BOOT_OPTIONS="systemd.watchdog_sec=0")
        box.on()
        seen = set()

        def up():
            for name, pattern in MARKS.items():
                if name not in seen and any(re.search(pattern, line) for line in box.said()):
                    seen.add(name)
                    self.tell(f"{name} speaks")
            return banner(box.ports["smtp"])

        box.wait(up, STARTED_SECONDS, "SMTP's greeting")
        self.tell(f"mail is taken {time.monotonic() - box.began:.0f} s after the plug")
        self.assert_healthy(box, STARTED_SECONDS)
        post.send(box, "hello")
        with post.Imap(box, post.trusting(page.authority(box))) as session:
            self.assertEqual([name for name, _, _ in session.mails()], ["hello"])
        self.tell("all units are up; a mail came in and is read")
        print(box.sh("cat /proc/device-tree/model; echo; uname -r; systemd-analyze; systemd-analyze blame | head -n 12; free -m"))
        print(box.sh("cat /sys/class/watchdog/watchdog0/identity; for c in /sys/bus/gpio/devices/*; do cat $c/../gpio/*/label; done", check=False))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
