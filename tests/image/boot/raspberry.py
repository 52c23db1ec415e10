"""The very image on an emulated Raspberry Pi 3: from its SD card through U-Boot to mail that is read, with the LED on the board's
own GPIO chip and the network on USB. Tells when what was reached.

Left out is what QEMU's board cannot do: its watchdog resets it as soon as it is armed, and after a reboot U-Boot would find
the network plugged in (see `Box.plug_in_network`).
"""

import os
import re
import sys
import time
import unittest

import bcm2835
import page
import post
import preseed
from box import BOOT_SECONDS
from case import BoxCase

CARD_GIGABYTES = 4  # a power of two, which QEMU's controller asks for
OPTIONS = "systemd.watchdog_sec=0 systemd.show_status=1"
STARTED_SECONDS = 3600
HANDED_OVER = "U-Boot has loaded the kernel"
MARKS = [
    ("U-Boot speaks", "^Core:"),
    (HANDED_OVER, "^Starting kernel"),
    ("the kernel speaks", r"^\[ *\d+\.\d+\]"),
    ("systemd speaks", "Welcome to"),
]
LOOKS = """uname -r
grep -E '^(MemTotal|MemFree|MemAvailable|Cached)' /proc/meminfo
ip -brief address
systemd-analyze
systemd-analyze blame | head -n 8"""


class Raspberry(BoxCase):
    card_gigabytes = CARD_GIGABYTES

    def test_boots_and_takes_mail(self):
        box = self.new_box(board="raspi3b")
        box.card.put("heimpost.toml", preseed.ON_A_BOARD)
        box.card.boot_state(BOOT_OPTIONS=OPTIONS)
        self.boot(box)
        self.assert_healthy(box, STARTED_SECONDS)
        self.tell("all units are up")
        self.board(box)
        self.context = post.trusting(page.authority(box))
        self.mail(box)
        self.panel(box, bcm2835.Chip(box))
        self.assert_sound(box)
        self.power_off(box)

    def boot(self, box):
        box.on()
        for what, pattern in MARKS:
            box.wait(lambda sign=re.compile(pattern, re.M): sign.search("\n".join(box.said())), STARTED_SECONDS, what)
            self.tell(f"{what} {time.monotonic() - box.began:.0f} s after the plug")
            if what == HANDED_OVER:
                box.plug_in_network()
        self.tell(f"mail is taken {box.wait_serving(STARTED_SECONDS):.0f} s after the plug")

    def board(self, box):
        self.assertIn("Raspberry Pi 3 Model B", box.sh("cat /proc/device-tree/model"))
        self.assertIn("LED on GPIO17 of pinctrl-bcm2835", box.sh("journalctl -b -o cat -u heimpost"))
        used, daemon = self.memory(box)
        self.tell(f"{used:.0f} MiB used, the daemon {daemon:.0f}; load of this machine: {os.getloadavg()[0]:.1f}")
        for line in box.sh(LOOKS).splitlines():
            self.tell(line)

    def power_off(self, box):
        box.sh("systemctl poweroff", check=False)
        box.wait_off(BOOT_SECONDS)
        self.tell("it switched itself off")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
