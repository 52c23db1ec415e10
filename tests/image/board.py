"""What the two scenarios share: a board whose Heimpost is driven from outside, by mail, by its LED's line and its button.

HEIMPOST_BOARD_BIN is the daemon for aarch64, HEIMPOST_BOARD_AGENT the agent; `tests/image/gpio` sets both.
"""

import imaplib
import json
import os
import smtplib
import ssl
import threading
import time
import unittest

import debian
from guest import Guest, ram_disk, until
from line import Reader

DAEMON = os.environ.get("HEIMPOST_BOARD_BIN", "")
AGENT = os.environ.get("HEIMPOST_BOARD_AGENT", "")
START_SECONDS = 600
PATTERN_SECONDS = 600
STOP_SECONDS = 600
MAIL_SECONDS = 600
MAIL_KILOBYTES = 48
MAILS_MAX = 60
CONSOLE_LINES = 80  # shown of a board where something failed
PASSWORD = "correct horse battery"
UNSEEN_SECONDS_MAX = 0.18  # a flash is 0.2 s long
ANNA = "anna@example.org"
SERVICES = [("smtp", 25), ("imaps", 993), ("webs", 443)]
CONFIG = """hostname = "mail.example.org"
domains = ["example.org"]
# No name server answers a board in the emulator.
[receive]
verify = false
[panel]
{panel}
[listen]
smtp = ["0.0.0.0:25"]
submission = []
submissions = []
imap = []
imaps = ["0.0.0.0:993"]
pop3 = []
pop3s = []
"""
CONFIG_FILE = "/etc/heimpost/heimpost.toml"


class Led:
    """Watches a line in a thread of its own. `samples` gives (seconds, level, seconds unseen before) without end."""

    def __init__(self, samples):
        self.reader, self.changed, self.now = Reader(), threading.Condition(), 0.0
        threading.Thread(target=self._watch, args=(samples,), daemon=True).start()

    def _watch(self, samples):
        for now, level, unseen in samples:
            with self.changed:
                if unseen > UNSEEN_SECONDS_MAX:
                    self.reader.missed()
                self.reader.level(now, level)
                self.now = now
                self.changed.notify_all()

    def shows(self, what, seconds=PATTERN_SECONDS, times=1):
        """Waits until the LED shows it, `times` in a row from now on; gives the seconds that it took."""
        with self.changed:
            first = len(self.reader.seen)

        def fresh():
            return [seen for _, seen in self.reader.seen[first:]]

        def shown():
            return self.reader.still() == what or fresh()[-times:] == [what] * times

        return self._wait(shown, seconds, lambda: f"{what!r} but {fresh()}")

    def is_lit_for(self, length, seconds=PATTERN_SECONDS):
        """Waits until the LED is on without a break for so long, which no flash is."""

        def lit():
            since = self.reader.lit_since()
            return since is not None and self.now - since >= length

        return self._wait(lit, seconds, lambda: f"{length} s of light")

    def _wait(self, condition, seconds, what):
        began = time.monotonic()
        with self.changed:
            while not condition():
                left = began + seconds - time.monotonic()
                assert left > 0, f"in {seconds} s the LED did not show {what()}"
                self.changed.wait(min(left, 1))
        return time.monotonic() - began


class BoardCase(unittest.TestCase):
    """A board with the daemon ready. Says what it did and when."""

    suite = ""
    panel = ""

    def setUp(self):
        kernel = debian.Kernel(self.suite)
        disk = ram_disk(kernel, debian.busybox(), [("heimpost", DAEMON), ("agent", AGENT)])
        self.began = time.monotonic()
        self.guest = self.enterContext(Guest(kernel, disk, SERVICES))
        self.tell(f"kernel {kernel.version} is up")
        self.addCleanup(self.after)

    def after(self):
        panicked = self.guest.lines("panicked|Kernel panic|Oops")
        self.assertFalse(panicked)

    def run(self, result=None):
        """As always, and the console of a board where something failed."""
        result = super().run(result)
        if not result.wasSuccessful() and hasattr(self, "guest"):
            print("\n".join(self.guest.console[-CONSOLE_LINES:]))
        return result

    def tell(self, what):
        print(f"  {time.monotonic() - self.began:6.1f} s  {what}", flush=True)

    # The daemon.

    def start(self):
        """Starts the daemon; gives the number of the console's line before its first."""
        since = len(self.guest.console)
        self.guest.write(CONFIG_FILE, CONFIG.format(panel=self.panel))
        self.guest.sh("heimpost serve </dev/null >/dev/console 2>&1 &")
        self.guest.wait_for("^ready", START_SECONDS, since)
        self.tell("the daemon is ready")
        return since

    def stop(self):
        """Stops the daemon in order."""
        self.guest.sh("kill -TERM $(pidof heimpost)")
        until(lambda: "none" in self.guest.sh("pidof heimpost || echo none"), STOP_SECONDS, "the end of the daemon")

    def assert_pressed_once(self, meaning):
        """However often the contact bounced, the log tells of one press, and of this one."""
        presses = self.guest.lines("button pressed")
        self.assertEqual(len(presses), 1, presses)
        self.assertIn(meaning, presses[0])

    def heimpost(self, line, **options):
        return self.guest.sh(f"heimpost {line}", **options)

    def add_account(self, address, quota):
        self.guest.sh(f"echo '{PASSWORD}' | heimpost account add {address} --password-stdin --quota {quota}")

    # Mail from outside.

    def send(self, kilobytes, subject="Photos"):
        """Sends a mail to Anna as another server does; gives the reply to RCPT that refused it, or None."""
        with smtplib.SMTP("127.0.0.1", self.guest.ports["smtp"], "mail.example.net", timeout=MAIL_SECONDS) as server:
            body = "\r\n".join("0123456789abcdef" * 4 for _ in range(kilobytes * 1024 // 66))
            text = f"From: bob@example.net\r\nTo: {ANNA}\r\nSubject: {subject}\r\n\r\n{body}\r\n"
            try:
                server.sendmail("bob@example.net", [ANNA], text)
            except smtplib.SMTPRecipientsRefused as refused:
                return refused.recipients[ANNA]
            except smtplib.SMTPDataError as refused:
                return refused.smtp_code, refused.smtp_error
        return None

    def send_until(self, done):
        """Sends mail until `done` is true of the reply (see `send`); gives the number of mails sent."""
        for number in range(1, MAILS_MAX + 1):
            if done(self.send(MAIL_KILOBYTES, f"Photos {number}")):
                return number
        raise AssertionError(f"{MAILS_MAX} mails were not enough")

    # Anna's account.

    def used(self):
        (account,) = json.loads(self.heimpost("account list --json"))
        return account["used_bytes"]

    def count(self, mailbox, what):
        """How many messages in Anna's mailbox match the IMAP search."""
        unchecked = ssl._create_unverified_context()  # its own authority's; the clock of the board is in the future
        with imaplib.IMAP4_SSL("127.0.0.1", self.guest.ports["imaps"], ssl_context=unchecked, timeout=MAIL_SECONDS) as box:
            box.login(ANNA, PASSWORD)
            status, _ = box.select(mailbox, readonly=True)
            assert status == "OK", mailbox
            return len(box.search(None, what)[1][0].split())
