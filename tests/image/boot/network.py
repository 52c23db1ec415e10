"""A box in the network of a house: it is found by its name, waits with sending until a time server has set its clock, comes
back after the network was gone, and keeps the time over a pulled plug. Needs root, dnsmasq and python3-zeroconf. Not in CI,
as it takes some minutes: `.ci/long net`.
"""

import json
import smtplib
import subprocess
import time
from datetime import UTC, datetime

import house
import page
import pl061
import post
import preseed
from board import Led
from box import BOOT_SECONDS, COMMAND_SECONDS, MAIL_SECONDS
from card import Card
from case import IMAGE, PATTERN_SECONDS, BoxCase

NAME = "heimpost-3456"  # by the end of QEMU's network adapter's address
SERVICES = {"_http._tcp.local.": 80, "_imaps._tcp.local.": 993, "_submissions._tcp.local.": 465}
FRIEND = f"carl@{house.OTHERS}"
CONFIG = f"""hostname = "mail.example.org"
domains = ["example.org"]
[acme]
terms_agreed = true
directory = "https://acme.{house.OTHERS}/directory"
[panel]
chip = "{pl061.LABEL}"
led = {pl061.LED}
"""
QUIET_SECONDS = 10  # in which nothing goes out that could
CLOCK_SECONDS = 400  # until a time server that has come is asked: timesyncd waits longer each time, 6 minutes at most
OUTAGE_SECONDS = 20
KEPT_SECONDS = 120  # of the clock, that a pulled plug may cost


class Network(BoxCase):
    def test_a_house(self):
        house.enter()
        self.mail_server, self.authority = house.MailServer(self.home), house.Listener(443)
        self.addCleanup(self.mail_server.end)
        self.addCleanup(self.authority.end)
        box = self.plugged_in()
        self.found(box)
        self.waits_for_the_clock(box)
        self.clock_is_set(box)
        self.network_goes_and_comes(box)
        self.clock_is_kept(box)

    def plugged_in(self):
        home = self.home / "box"
        home.mkdir()
        box = self.box = house.HouseBox(Card(IMAGE, home / "card", self.card_gigabytes), home, self.key)
        box.card.put("rpi-preseed.toml", preseed.imager(self.key.with_suffix(".pub").read_text(), name=""))
        box.card.put("heimpost.toml", CONFIG)
        self.addCleanup(box.unplug)
        self.router = self.new_router(50)
        box.on()
        self.led = Led(pl061.Chip(box).samples())
        box.host = self.router.wait_given(box, BOOT_SECONDS)
        seconds = box.wait_serving()
        post.send(box, "before")
        self.tell(f"an address by DHCP, and mail is taken {seconds:.0f} s after the plug")
        return box

    def new_router(self, last_byte):
        router = house.Router(self.home, last_byte)
        self.addCleanup(router.end)
        return router

    # Found.

    def found(self, box):
        self.assert_healthy(box)
        self.assert_announced(box)
        self.assertIn("Heimpost", page.Browser(box, name=f"{NAME}.local").get("/"))
        self.context = post.trusting(page.authority(box))
        self.tell(f"found as {NAME}.local by another maker's mDNS, with its services; the page opens by that name")

    def assert_announced(self, box):
        """All services under the one name, whose addresses are those that the box has now."""
        call = ["/usr/bin/python3", house.HERE / "discover.py", *SERVICES]
        told = subprocess.run(call, check=True, capture_output=True, text=True, timeout=COMMAND_SECONDS).stdout
        rows = json.loads(told)
        self.assertEqual({row["type"]: row["port"] for row in rows}, SERVICES, told)
        for row in rows:
            self.assertEqual(row["name"], f"Heimpost ({NAME}).{row['type']}")
            self.assertEqual(row["server"], f"{NAME}.local.")
            self.assertEqual([address for address in row["addresses"] if "." in address], [box.host])
            self.assertTrue([address for address in row["addresses"] if address.startswith("fe80:")], told)
        self.assertEqual(box.sh("hostname").strip(), NAME)

    # The clock.

    def waits_for_the_clock(self, box):
        self.assertEqual(status(box)["clock"], "unconfirmed")
        self.send_out(box, "first")
        self.assertIn("waits for a time server", box.sh("heimpost queue list"))
        self.assertIn("until a time server has set the box's clock", self.owner(box).get("/box/sending"))
        self.led.shows(5, PATTERN_SECONDS * 2, times=2)
        self.assertIn("No time server has set the clock yet.", self.owner(box).get("/box"))
        time.sleep(QUIET_SECONDS)
        self.assertEqual((self.mail_server.connections, self.authority.connections), (0, 0))
        self.tell(f"its clock says {clock(box):%F}: mail comes in, none goes out, no certificate is asked for; queue, page and LED tell")

    def clock_is_set(self, box):
        began = time.monotonic()
        self.time_server = house.TimeServer()
        self.addCleanup(self.time_server.end)
        self.wait_sent(box, "first", CLOCK_SECONDS)
        out = time.monotonic() - began
        self.assertLess(abs((clock(box) - datetime.now(UTC)).total_seconds()), MAIL_SECONDS)
        self.assertEqual(status(box)["clock"], "right")
        self.led.shows("steady", PATTERN_SECONDS)
        self.assertNotIn("time server", self.owner(box).get("/box"))
        box.wait(lambda: self.authority.connections, CLOCK_SECONDS, "the certificate's authority being asked")
        self.tell(f"a time server: the mail is out by TLS after {out:.0f} s, the LED steady, the authority asked: {time.monotonic() - began:.0f} s")

    # The network.

    def network_goes_and_comes(self, box):
        box.qmp("set_link", name="n0", up=False)
        self.router.end()
        time.sleep(OUTAGE_SECONDS)
        self.router = self.new_router(60)
        box.qmp("set_link", name="n0", up=True)
        began = time.monotonic()
        box.host = self.router.wait_given(box, COMMAND_SECONDS)
        box.wait_serving()
        post.send(box, "after")
        self.send_out(box, "second")
        self.wait_sent(box, "second", MAIL_SECONDS)
        box.wait(lambda: self.is_announced(box), COMMAND_SECONDS, "the new address by name")
        self.assertIn("Heimpost", page.Browser(box, name=f"{NAME}.local").get("/"))
        with post.Imap(box, self.context) as session:
            self.assertEqual([name for name, _, _ in session.mails()], ["before", "after"])
        self.assert_healthy(box)
        self.tell(f"the network was gone and came with another address: mail and name are back {time.monotonic() - began:.0f} s later")

    def is_announced(self, box):
        try:
            self.assert_announced(box)
        except AssertionError:
            return False
        return True

    # The plug.

    def clock_is_kept(self, box):
        self.time_server.end()
        before = clock(box)
        box.unplug()
        box.on()
        box.wait_serving()
        lost = (before - clock(box)).total_seconds()
        self.assertEqual(status(box)["clock"], "unconfirmed")
        self.assertLess(lost, KEPT_SECONDS)
        self.assertIn("1970", box.sh("cat /sys/class/rtc/rtc0/date"))
        self.assertEqual(box.sh("hostname").strip(), NAME)
        self.tell(f"the plug, without a time server: once up again, its clock is {lost:.0f} s behind the last moment seen before")

    # What it does.

    def owner(self, box):
        browser = page.Browser(box, self.context)
        browser.log_in()
        return browser

    def send_out(self, box, name):
        text = post.text(name).replace(post.SENDER, preseed.ACCOUNT)
        with smtplib.SMTP_SSL(box.host, box.ports["submissions"], timeout=MAIL_SECONDS, context=self.context) as server:
            server.login(preseed.ACCOUNT, preseed.PASSWORD)
            server.sendmail(preseed.ACCOUNT, [FRIEND], text)

    def wait_sent(self, box, name, seconds):
        subject = f"\r\nSubject: {name}\r\n"
        box.wait(lambda: [mail for mail in self.mail_server.mails if subject in mail], seconds, f"{name} at the other server")


def status(box):
    return json.loads(box.sh("heimpost status --json"))


def clock(box):
    return datetime.fromtimestamp(int(box.sh("date +%s")), UTC)
