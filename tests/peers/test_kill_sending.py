"""Mail goes out while the daemon is killed again and again: none that it answered for is lost or reported twice, and a
copy too many comes only of mail that the other host took just before a kill.

A mail's name is in its recipients, Message-ID and text. What a host may do with a recipient is in sink.py.
HEIMPOST_KILL_ROUNDS sets the number of kills (5), HEIMPOST_SEED what is sent and when it is killed.
"""

import collections
import hashlib
import json
import os
import random
import re
import smtplib
import threading
import time
import unittest
from email import message_from_bytes, policy

from box import PASSWORD, Box
from names import Names
from sink import Sink

ROUNDS = int(os.environ.get("HEIMPOST_KILL_ROUNDS", "5"))
WORK_SECONDS = (0.2, 1.5)
# Between mails of one sender, at most.
PAUSE_SECONDS = 0.01
DRAIN_SECONDS = 300 + ROUNDS
# What was taken so long before a kill is recorded, however busy the machine.
RECORDED_SECONDS = 2
ATTEMPTS_MAX = 20
SENDERS = ["anna", "eva", "anna", "eva"]
# Enough for ATTEMPTS_MAX to be reached, with 4 attempts for one of them at a time.
DOMAINS = [f"d{n}.test" for n in range(6)]
KINDS = ["now", "now", "now", "slow", "later", "gone", "waver", "spurned"]
CONFIG = (
    "[auth]\nplaintext_without_tls = true\n"
    f'[queue]\nretry_first = "1s"\nretry_max = "2s"\nattempts_max = {ATTEMPTS_MAX}\n'
)
BROKEN = (OSError, smtplib.SMTPServerDisconnected)


def body(name):
    """One in thirty-two is large enough to be streamed into a volume; the lines begin with dots."""
    digest = hashlib.sha256(name.encode()).digest()
    lines = 3000 if digest[0] % 32 == 0 else digest[1] % 40
    return "".join(f".{n} {digest.hex()}\r\n" for n in range(lines)) + f"end of {name}\r\n"


class Mail:
    """One to up to four others, some of them at the same host, and now and then to bob of the house."""

    def __init__(self, name, sender, chance):
        self.name, self.sender = name, f"{sender}@example.org"
        domains = chance.choices(DOMAINS, k=2)
        kinds = chance.choices(KINDS, k=chance.choice([1, 1, 2, 4]))
        self.others = sorted({f"{kind}-{name}@{chance.choice(domains)}" for kind in kinds})
        self.is_for_bob = chance.random() < 0.3
        self.is_answered = False

    def submit(self, smtp):
        house = ["bob@example.org"] if self.is_for_bob else []
        text = (
            f"From: {self.sender}\r\nTo: all@far.test\r\nSubject: {self.name}\r\n"
            f"Date: Sun, 22 Nov 2026 10:00:00 +0100\r\nMessage-ID: <{self.name}@example.org>\r\n\r\n{body(self.name)}"
        )
        refused = smtp.sendmail(self.sender, [*self.others, *house], text.encode())
        assert not refused, refused
        self.is_answered = True


class Senders:
    """One round of them, each at work until its connection breaks."""

    def __init__(self, box, number, chance):
        self.box, self.mails, self.failures = box, [], []
        self.at_work, self.killing = threading.Event(), threading.Event()
        self.threads = [
            threading.Thread(target=self.guard, args=(sender, f"r{number}c{n}", random.Random(chance.random())))
            for n, sender in enumerate(SENDERS)
        ]

    def guard(self, *arguments):
        try:
            self.work(*arguments)
        except Exception as error:  # noqa: BLE001 (told in the main thread)
            if not (self.killing.is_set() and isinstance(error, BROKEN)):
                self.failures.append(repr(error))

    def work(self, sender, prefix, chance):
        smtp = smtplib.SMTP("localhost", self.box.ports["submission"])
        smtp.login(f"{sender}@example.org", PASSWORD)
        for n in range(100_000):
            mail = Mail(f"{prefix}n{n}", sender, chance)
            self.mails.append(mail)
            mail.submit(smtp)
            self.at_work.set()
            time.sleep(chance.uniform(0, PAUSE_SECONDS))

    def run(self, seconds, sink):
        for thread in self.threads:
            thread.start()
        # A login takes its time.
        assert self.at_work.wait(300), self.failures
        time.sleep(seconds)
        self.killing.set()
        kill(self.box, sink)
        for thread in self.threads:
            thread.join()
        assert not self.failures, self.failures
        return self.mails


def kill(box, sink):
    moment = time.monotonic()
    box.kill()
    sink.killed(moment)


def exported(box, address):
    """An account's mails, with the folder of each."""
    target = box.home / "seen" / address
    box.run("export", address, str(target))
    for path in target.rglob("*"):
        if path.is_file() and path.parent.name in ("cur", "new"):
            yield str(path.relative_to(target)), message_from_bytes(path.read_bytes(), policy=policy.default)


def names_of(mails):
    return collections.Counter(mail["Message-ID"].strip("<>").split("@")[0] for mail in mails)


def failures_in(report):
    """Who the report says has failed."""
    parts = [part for part in report.walk() if part.get_content_type() == "message/delivery-status"]
    fields = [field for part in parts for field in part.get_payload()]
    return [re.sub("^rfc822; *", "", f["Final-Recipient"]) for f in fields if f["Action"] == "failed"]


class KillSending(unittest.TestCase):
    def test_nothing_answered_is_lost(self):
        seed = int(os.environ.get("HEIMPOST_SEED", time.time_ns() % 1_000_000))
        print(f"HEIMPOST_SEED={seed}", flush=True)
        chance = random.Random(seed)
        zone = [line for d in DOMAINS for line in (f"{d}. MX 10 mx.{d}.", f"mx.{d}. A 127.0.0.1")]
        self.mails = []
        with Sink() as self.sink, Names(*zone) as names:
            with Box(f"{names.config}{CONFIG}port = {self.sink.port}\n") as self.box:
                for account in ("anna", "eva", "bob"):
                    self.box.account(account)
                for number in range(ROUNDS):
                    self.round(number, chance)
                self.drain()
                self.assert_everyone_was_served()
                self.assert_copies_are_explained()
                self.assert_house_has_its_own()
        print(self.figures())

    def round(self, number, chance):
        """Every fourth kill comes to a daemon that has only just begun to send what it found."""
        seconds = chance.uniform(*WORK_SECONDS)
        if number % 4 == 3:
            time.sleep(seconds / 5)
            kill(self.box, self.sink)
        else:
            self.mails += Senders(self.box, number, chance).run(seconds, self.sink)
        if number % 3 == 2:
            self.box.check()
        self.box.start()
        self.box.check()

    def drain(self):
        began = time.monotonic()
        while waiting := json.loads(self.box.run("queue", "list", "--json").stdout):
            self.assertLess(time.monotonic() - began, DRAIN_SECONDS, f"{len(waiting)} mails wait, such as {waiting[0]}")
            time.sleep(0.2)
        self.drained = time.monotonic() - began
        self.box.check()

    def assert_everyone_was_served(self):
        """Each recipient was either taken, whole, or refused and reported once; of an unanswered mail all or none."""
        reports = [m for sender in set(SENDERS) for _, m in exported(self.box, f"{sender}@example.org")]
        self.reported = collections.Counter(address for report in reports for address in failures_in(report))
        for mail in self.mails:
            served = [address for address in mail.others if self.was_served(mail, address)]
            if mail.is_answered or served:
                self.assertEqual(served, mail.others, f"{mail.name}: not served")
        ours = {address for mail in self.mails for address in mail.others}
        self.assertLessEqual({*self.sink.copies, *self.sink.refused, *self.reported}, ours, "nobody's mail")

    def was_served(self, mail, address):
        copies, reports = self.sink.copies.get(address, []), self.reported[address]
        for copy in copies:
            self.assertTrue(copy.text.endswith(f"\r\n\r\n{body(mail.name)}".encode()), f"another text of {mail.name}")
            self.assertIn(f"Message-ID: <{mail.name}@example.org>".encode(), copy.text)
        was_refused = address in self.sink.refused
        self.assertFalse(copies and was_refused, f"{address}: taken and refused")
        self.assertEqual(reports, int(was_refused), f"{address}: reports")
        return bool(copies) or was_refused

    def assert_copies_are_explained(self):
        """A copy before the last was taken in a life that ended before the daemon could record it."""
        self.cut, self.latest = collections.defaultdict(set), 0
        for address, copies in self.sink.copies.items():
            by_life = {copy.life: copy for copy in copies}
            self.assertEqual(len(by_life), len(copies), f"{address}: twice without a kill")
            for life in sorted(by_life)[:-1]:
                age = self.sink.kills[life] - by_life[life].taken
                self.assertLess(age, RECORDED_SECONDS, f"{address}: again though taken long before the kill")
                self.latest = max(self.latest, age)
                self.cut[life].add(by_life[life].mail)
        for life, cut in self.cut.items():
            self.assertLessEqual(len(cut), ATTEMPTS_MAX, f"copies by kill {life}")

    def assert_house_has_its_own(self):
        """One copy in Sent, one for bob; of an unanswered mail too, if and only if it went to the others."""
        sent = collections.Counter()
        for sender in set(SENDERS):
            folders = exported(self.box, f"{sender}@example.org")
            sent += names_of(mail for folder, mail in folders if "Sent" in folder)
        bob = names_of(mail for _, mail in exported(self.box, "bob@example.org"))
        for mail in self.mails:
            went = any(address in self.sink.copies or address in self.sink.refused for address in mail.others)
            self.assertTrue(went or not mail.is_answered, mail.name)
            self.assertEqual(sent[mail.name], int(went), f"{mail.name}: copies in Sent")
            self.assertEqual(bob[mail.name], int(went and mail.is_for_bob), f"{mail.name}: copies for bob")

    def figures(self):
        answered = sum(mail.is_answered for mail in self.mails)
        copies = sum(len(copies) for copies in self.sink.copies.values())
        return (
            f"{len(self.sink.kills)} kills, {answered} mails answered, {len(self.mails) - answered} cut off; to "
            f"{len(self.sink.copies)} recipients {copies} copies, {sum(map(len, self.cut.values()))} mails again "
            f"({max(map(len, self.cut.values()), default=0)} by one kill at most, taken {self.latest * 1000:.0f} ms "
            f"before it at most); {sum(self.reported.values())} refusals reported; drained in {self.drained:.1f} s"
        )


if __name__ == "__main__":
    unittest.main()
