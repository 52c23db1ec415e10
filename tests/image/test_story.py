"""The promise, seen on a line of a GPIO chip: it fills up and the LED says so, the button makes room, mail flows again.

Debian's newest kernel, which has no uAPI v1, with a simulated chip.
"""

import json
import ssl
import time
import urllib.request

import gpio_sim
from board import ANNA, MAIL_SECONDS, PATTERN_SECONDS, START_SECONDS, BoardCase, Led
from guest import COMMAND_SECONDS, until

DAY_SECONDS = 86_400
QUOTA = 2 << 20
IN_TRASH = 8
TRASH_KILOBYTES = 80
HOLD_SECONDS = 3.0
DOOR_SECONDS = 10.0  # of the button, which open the setup window
PROGRAM = """#!/bin/sh
# What the owner's program sees: who it is, and the state on standard input.
{ id -u; cat; } > /tmp/hook-saw
echo "the owner's program has run"
"""
HOOK_USER = "heimpost-hook:x:990:990::/:/bin/false"
# Waits for the light that says that the hold was felt; a flash of 0.2 s is none, also where emulation stands still amid it.
HELD_LIGHT_SECONDS = 1.2


class Story(BoardCase):
    suite = "trixie-backports"
    panel = 'chip = "panel-sim"\n[room]\ntrash_days = 1'

    def test_fills_up_says_so_and_makes_room_at_the_press_of_the_button(self):
        self.chip = gpio_sim.Chip(self.guest, "panel-sim")
        self.chip.appear()
        self.prepare_trash()
        self.led = Led(self.chip.samples())
        self.led.shows("steady")
        self.tell("the LED is steady: all is well")
        sent = self.fill_up()
        self.hold_the_button()
        self.mail_flows_again(sent)
        self.open_the_door()
        self.die()
        self.tell(f"measured: {self.led.reader.figures()}")

    def prepare_trash(self):
        """Mail that has lain in Trash for longer than the policy's one day, by a clock that does not believe in jumps."""
        self.install_program()
        self.start()
        self.guest.wait_for("LED on line 17 of panel-sim through gpiocdev, since the kernel refuses uAPI v1", START_SECONDS)
        self.add_account(ANNA, QUOTA)
        self.throw_away(1, IN_TRASH)
        for _ in range(2):
            self.stop()
            self.guest.sh(f"date -s @$(( $(date +%s) + {DAY_SECONDS} + 3600 ))")
            self.start()
        self.throw_away(IN_TRASH + 1, IN_TRASH + 1)
        self.assertEqual(self.count("Trash", "ALL"), IN_TRASH + 1)
        self.tell(f"{IN_TRASH} mails have lain in Trash for two days, one has not")

    def install_program(self):
        folder = "/etc/heimpost/storage-full.d"
        self.guest.sh(f"mkdir -p {folder}; echo {HOOK_USER} > /etc/passwd")
        self.guest.write(f"{folder}/10-note", PROGRAM)
        self.guest.sh(f"chmod 755 {folder} {folder}/10-note")

    def throw_away(self, first, last):
        """Puts mails into Trash."""
        line = "0123456789abcdef" * 4
        mail = "From carl@example.net Sun Nov  1 10:00:00 2026\nSubject: Old $i\n\n$(cat /tmp/body)\n"
        self.guest.sh(
            f"i=0; while [ $i -lt {TRASH_KILOBYTES * 16} ]; do echo {line}; i=$((i+1)); done > /tmp/body\n"
            f'i={first}; while [ $i -le {last} ]; do echo "{mail}"; i=$((i+1)); done > /tmp/trash.mbox'
        )
        self.heimpost(f"import {ANNA} --mbox /tmp/trash.mbox --into Trash")

    def fill_up(self):
        """Mail comes in until it is refused. Gives how many were taken."""
        sent = 0
        for percent, flashes in ((80, 2), (95, 3)):
            sent += self.send_until(lambda reply, percent=percent: self.used() * 100 >= percent * QUOTA)
            self.led.shows(flashes, times=2)
            self.tell(f"the LED shows {flashes} flashes at {self.used() * 100 / QUOTA:.1f} %")
        sent += self.send_until(lambda reply: reply is not None) - 1
        self.led.shows(4, times=2)
        code, text = self.send(1)
        self.assertEqual(code, 452)
        self.assertTrue(text.startswith(b"4.2.2 "), text)
        self.tell(f"the LED shows 4 flashes; SMTP says {code} {text.decode()}")
        return sent

    def hold_the_button(self):
        self.chip.press()
        pressed = time.monotonic()
        self.led.is_lit_for(HELD_LIGHT_SECONDS)
        held = time.monotonic() - pressed - HELD_LIGHT_SECONDS
        self.assertGreater(held, HOLD_SECONDS - 0.5)
        self.chip.release()
        self.tell(f"the LED confirmed the hold after {held:.1f} s; released")

    def mail_flows_again(self, sent):
        self.led.shows("steady")
        self.assert_pressed_once("making room")
        self.tell(f"the LED is steady again at {self.used() * 100 / QUOTA:.1f} %")
        self.assertIsNone(self.send(1))
        self.assertEqual(self.count("Trash", "ALL"), 1, "only the mail that has not lain there for a day")
        self.assertEqual(self.count("INBOX", 'FROM "bob@example.net"'), sent + 1, "all that was ever taken")
        until(lambda: self.count("INBOX", 'FROM "postmaster" BODY "10-note"'), MAIL_SECONDS, "the receipt")
        self.tell("mail is taken again; Trash has its young mail, INBOX is whole, the receipt is there")
        user, state = self.guest.sh("cat /tmp/hook-saw").split("\n", 1)
        self.assertEqual(user, "990")
        self.tell(f"the owner's program ran as heimpost-hook and saw {json.loads(state)}")

    def open_the_door(self):
        """Whoever stands before the box may choose its owner a new password."""
        self.assertNotIn("Choose a new password", self.page("/forgot"))
        self.chip.press()
        pressed = time.monotonic()
        until(lambda: time.monotonic() - pressed > DOOR_SECONDS + 1, 2 * DOOR_SECONDS, "the end of the hold")
        self.chip.release()
        self.guest.wait_for("button pressed.*the setup window is open", PATTERN_SECONDS)
        self.assertIn("Choose a new password", self.page("/forgot"))
        self.tell("held for ten seconds, it lets the owner choose a new password")

    def page(self, path):
        address = f"https://127.0.0.1:{self.guest.ports['webs']}{path}"
        request = urllib.request.Request(address, headers={"Host": "mail.example.org", "Accept-Language": "en"})
        # The board's clock was set ahead, so that its certificate is not valid here.
        context = ssl._create_unverified_context()
        with urllib.request.urlopen(request, timeout=COMMAND_SECONDS, context=context) as answer:
            return answer.read().decode()

    def die(self):
        self.guest.sh("kill -9 $(pidof heimpost)")
        self.led.shows("dark")
        self.tell("killed: the LED is dark")
