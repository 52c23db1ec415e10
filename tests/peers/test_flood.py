"""Twenty clients at once on a card that they fill far past its limit: SMTP, submission, APPEND, imports, and some that
delete. Nothing that was acknowledged is lost or doubled, deleting always works and soon, the daemon stays the same
process, space comes back, and mail flows again. With another program that fills the card behind the box's back, and
with one that takes all inodes.

HEIMPOST_ROUNDS sets how often the card is filled (1), HEIMPOST_SEED the other program's moods.
"""

import base64
import collections
import contextlib
import hashlib
import imaplib
import itertools
import json
import os
import poplib
import random
import re
import smtplib
import threading
import time
import unittest
import urllib.error
import urllib.request

from box import BINARY, PASSWORD, Box, until
from card import Card, Filler, explain

ROUNDS = int(os.environ.get("HEIMPOST_ROUNDS", "1"))
SEED = int(os.environ.get("HEIMPOST_SEED", "1"))
# The smallest reserve that may be set.
# A copy in Sent would look like a mail that came twice.
CONFIG = "[auth]\nplaintext_without_tls = true\n[storage]\nreserve = '8M'\n[submission]\nsent_copy = false\n"
ACCOUNTS = ["anna", "bob", "carol", "dora"]
SIZES = [3_000, 40_000, 700, 200_000, 9_000, 900_000, 2_000, 65_000]
IMPORTED_BYTES = 300_000
IMPORTED = 60
ARCHIVE_BYTES = 180 << 20
# How often each client must be refused, and the longest that may take.
REFUSALS = 30
FLOOD_SECONDS = 600
# How often another program fills the card meanwhile.
FILLED = 8
# Longest time of a delete, with twenty others at work on two cores.
DELETE_SECONDS = 15
RETURN_SECONDS = 120
PATIENCE_SECONDS = 600


def mail(name, size):
    """A mail that does not compress and follows from its name."""
    body = base64.encodebytes(hashlib.shake_256(name.encode()).digest(size * 3 // 4)).replace(b"\n", b"\r\n")
    return f"Message-ID: <{name}@far.example>\r\nSubject: {name}\r\n\r\n".encode() + body


def write_mbox(path, mails):
    with open(path, "wb") as file:
        for whole in mails:
            file.write(b"From x Thu Jan  1 00:00:00 2026\n" + whole.replace(b"\r\n", b"\n") + b"\n")


class Ledger:
    """What was acknowledged, as it was, and what was deleted since."""

    def __init__(self):
        self.lock = threading.Lock()
        self.counter = itertools.count()
        self.sizes = {}
        self.taken = {account: set() for account in ACCOUNTS}
        self.maybe = {account: set() for account in ACCOUNTS}
        self.deleted = {account: set() for account in ACCOUNTS}
        self.tally = collections.Counter()
        self.surprises = []
        self.slowest = {}

    def next(self, kind, size=None):
        number = next(self.counter)
        name = f"{kind}{number}"
        self.sizes[name] = size or SIZES[number % len(SIZES)]
        return name

    def mail(self, name):
        return mail(name, self.sizes[name])

    def took(self, kind, accounts, name):
        with self.lock:
            self.tally[kind] += 1
            for account in accounts:
                self.taken[account].add(name)

    def surprise(self, what):
        with self.lock:
            self.surprises.append(what)

    @contextlib.contextmanager
    def timed(self, what):
        began = time.monotonic()
        yield
        seconds = time.monotonic() - began
        with self.lock:
            self.slowest[what] = max(self.slowest.get(what, 0), seconds)


class Client:
    """One of the twenty: works until the flood is over, and the flood is over when all have been refused often."""

    deletes = False

    def __init__(self, flood, number):
        self.flood, self.box, self.ledger, self.number = flood, flood.box, flood.ledger, number
        self.refused = 0
        self.failure = None
        self.thread = threading.Thread(target=self.run)

    def run(self):
        try:
            while not self.flood.over.is_set():
                self.work()
        except Exception as error:  # noqa: BLE001 (told in the main thread)
            self.failure = f"{type(self).__name__} {self.number}: {error!r}"
            self.flood.over.set()

    def imap(self, account):
        client = imaplib.IMAP4("localhost", self.box.ports["imap"], timeout=PATIENCE_SECONDS)
        client.login(f"{account}@example.org", PASSWORD)
        client.select("INBOX")
        return client

    def must(self, answer):
        status, data = answer
        assert status == "OK", data
        return data


class Sender(Client):
    """Mail from another server, to one or two accounts; a new connection for each few mails."""

    service, sender = "smtp", "x@far.example"

    def connect(self):
        return smtplib.SMTP("localhost", self.box.ports[self.service], timeout=PATIENCE_SECONDS)

    def work(self):
        with self.connect() as smtp:
            for _ in range(8):
                name = self.ledger.next(self.service)
                accounts = ACCOUNTS[:2] if self.number % 3 == 0 else [ACCOUNTS[self.number % 2]]
                self.send(smtp, name, accounts)

    def send(self, smtp, name, accounts):
        try:
            refused = smtp.sendmail(self.sender, [f"{a}@example.org" for a in accounts], self.ledger.mail(name))
        except smtplib.SMTPRecipientsRefused as error:
            return self.note(*next(iter(error.recipients.values())))
        except smtplib.SMTPResponseException as error:
            smtp.rset()  # smtplib forgets it when DATA is refused.
            return self.note(error.smtp_code, error.smtp_error)
        for reply in refused.values():
            self.note(*reply)
        self.ledger.took(self.service, [a for a in accounts if f"{a}@example.org" not in refused], name)

    def note(self, code, text):
        self.refused += 1
        full = code == 452 and text.startswith(b"4.3.1")
        # With another program at the card, a write may fail in earnest; the mail stays outside all the same.
        faulty = self.flood.another_program and code == 451
        if not full and not faulty:
            self.ledger.surprise((code, text))


class Submitter(Sender):
    service, sender = "submission", "anna@example.org"

    def connect(self):
        smtp = super().connect()
        smtp.login("anna@example.org", PASSWORD)
        return smtp


class Appender(Client):
    def work(self):
        account = ACCOUNTS[2 + self.number % 2]
        client = self.imap(account)
        for _ in range(8):
            name = self.ledger.next("append")
            status, data = client.append("INBOX", None, None, self.ledger.mail(name))
            if status == "OK":
                self.ledger.took("append", [account], name)
                continue
            self.refused += 1
            faulty = self.flood.another_program and b"[UNAVAILABLE]" in data[0]
            if b"[OVERQUOTA]" not in data[0] and not faulty:
                self.ledger.surprise(data)
        client.logout()


class Importer(Client):
    """`heimpost import`, the same files again and again until they are in; then more."""

    def __init__(self, flood, number):
        super().__init__(flood, number)
        self.names, self.file = [], self.box.home / f"old{number}.mbox"

    def work(self):
        account = ACCOUNTS[2 + self.number % 2]
        if not self.names:
            self.names = [self.ledger.next("import", IMPORTED_BYTES) for _ in range(IMPORTED)]
            write_mbox(self.file, map(self.ledger.mail, self.names))
            with self.ledger.lock:
                self.ledger.maybe[account].update(self.names)
        into = ["--mbox", str(self.file), "--into", f"Old{self.number}"]
        done = self.box.run("import", f"{account}@example.org", *into, check=False)
        if done.returncode == 0:
            for name in self.names:
                self.ledger.took("import", [account], name)
            self.names = []
            return
        self.refused += 5
        told = "make room" in done.stderr or (self.flood.another_program and "store fault" in done.stderr)
        if done.returncode != 1 or not told:
            self.ledger.surprise(done.stderr)
        self.flood.over.wait(0.2)


class Expunger(Client):
    """Deletes the oldest mails of an account, now and then by way of the trash."""

    deletes = True

    def work(self):
        account = ACCOUNTS[self.number % 2]
        client = self.imap(account)
        uids = self.must(client.uid("SEARCH", "ALL"))[0].split()[:2]
        if uids:
            self.delete(client, account, b",".join(uids).decode())
        client.logout()
        self.flood.over.wait(0.3)

    def delete(self, client, account, uids):
        fetched = self.must(client.uid("FETCH", uids, "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])"))
        names = {item[1].split()[1].decode() for item in fetched if isinstance(item, tuple)}
        with self.ledger.timed("flags"):
            self.must(client.uid("STORE", uids, "+FLAGS", r"(\Deleted \Seen)"))
        with self.ledger.timed("expunge"):
            self.must(client.uid("EXPUNGE", uids))
        with self.ledger.lock:
            self.ledger.deleted[account].update(names)
            self.ledger.tally["expunged"] += len(names)


class Mover(Client):
    """Moves mail to another mailbox and changes its flags, back and forth; nothing may get lost."""

    deletes = True

    def work(self):
        client = self.imap("carol")
        client.create("Kept")
        uids = self.must(client.uid("SEARCH", "ALL"))[0].split()[-2:]
        if uids:
            with self.ledger.timed("move"):
                self.must(client.uid("MOVE", b",".join(uids).decode(), "Kept"))
            self.ledger.tally["moved"] += len(uids)
        client.logout()
        self.flood.over.wait(0.3)


class Fetcher(Client):
    """POP3: takes the oldest mail of an account away for good."""

    deletes = True

    def work(self):
        client = poplib.POP3("localhost", self.box.ports["pop3"], timeout=PATIENCE_SECONDS)
        client.user("dora@example.org")
        client.pass_(self.box.passwords)
        count = min(client.stat()[0], 2)
        names = set()
        for number in range(1, count + 1):
            lines = client.retr(number)[1]
            names.add(next(line for line in lines if line.startswith(b"Subject: "))[9:].decode())
            client.dele(number)
        with self.ledger.timed("pop3 quit"):
            client.quit()
        with self.ledger.lock:
            self.ledger.deleted["dora"].update(names)
            self.ledger.tally["fetched"] += len(names)
        self.flood.over.wait(0.3)


CREW = [Sender] * 7 + [Submitter] * 2 + [Appender] * 5 + [Importer] * 2 + [Expunger] * 2 + [Mover, Fetcher]


class Flood:
    """All clients at work, until those who bring mail have been refused often enough and `until` holds."""

    def __init__(self, box, ledger, another_program=False, until=lambda: True):
        self.box, self.ledger, self.another_program, self.until = box, ledger, another_program, until
        self.over = threading.Event()

    def run(self):
        crew = [kind(self, number) for number, kind in enumerate(CREW)]
        for client in crew:
            client.thread.start()
        end = time.monotonic() + FLOOD_SECONDS
        bringers = [client for client in crew if not client.deletes]
        has_held = False
        while not self.over.wait(0.1) and time.monotonic() < end:
            if all(client.refused >= REFUSALS for client in bringers) and self.until():
                has_held = True
                break
        self.over.set()
        for client in crew:
            client.thread.join(PATIENCE_SECONDS)
        assert not any(client.thread.is_alive() for client in crew), "a client hangs"
        failures = [client.failure for client in crew if client.failure]
        assert not failures, failures
        eager = [f"{type(c).__name__} {c.number}: {c.refused}" for c in bringers if c.refused < REFUSALS]
        assert not eager, f"not refused often within {FLOOD_SECONDS} s: {eager}"
        assert has_held, f"what the flood was to last for did not come within {FLOOD_SECONDS} s"


class Full(unittest.TestCase):
    def begin(self, size, **options):
        self.box = Box(CONFIG)
        self.card = Card(self.box, size, **options)
        self.addCleanup(self.card.unmount)
        if self.card.problem:
            print(f"skipped: {self.card.problem}")
            self.skipTest("mounting is not permitted")
        self.enterContext(self.box)
        for account in ACCOUNTS:
            self.box.account(account)
        self.box.passwords = self.box.device("dora@example.org", "phone", "delete")
        self.addCleanup(explain, self, self.box, self.card)
        self.ledger = Ledger()
        self.pid = self.box.process.pid

    def fill_archive(self):
        """So much old mail that the store has several volumes."""
        names = [self.ledger.next("old", 1 << 20) for _ in range(ARCHIVE_BYTES >> 20)]
        file = self.box.home / "archive.mbox"
        write_mbox(file, map(self.ledger.mail, names))
        self.box.run("import", "dora@example.org", "--mbox", str(file), "--into", "Archive")
        file.unlink()
        for name in names:
            self.ledger.took("archived", ["dora"], name)

    def level(self):
        """The word that LED, status and figures show."""
        url = f"http://127.0.0.1:{self.box.ports['web']}/health"
        with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as answer:
            return json.load(answer)["level"]

    def connect(self, account):
        client = imaplib.IMAP4("localhost", self.box.ports["imap"], timeout=PATIENCE_SECONDS)
        client.login(f"{account}@example.org", PASSWORD)
        return client

    def mailboxes(self, client):
        lines = client.list()[1]
        return [re.search(rb'"?([^" ]+)"?$', line).group(1).decode() for line in lines]

    def audit(self):
        """All that was acknowledged and not deleted is there, whole, and once; nothing else is."""
        for account in ACCOUNTS:
            found = collections.Counter()
            client = self.connect(account)
            for mailbox in self.mailboxes(client):
                client.select(mailbox, readonly=True)
                for name, whole in self.mails(client):
                    self.assertTrue(whole.endswith(self.ledger.mail(name)), f"{account}'s {name} is damaged")
                    found[name] += 1
            client.logout()
            doubled = [name for name, count in found.items() if count > 1]
            self.assertEqual(doubled, [], f"doubled in {account}'s mail")
            expected = self.ledger.taken[account] - self.ledger.deleted[account]
            self.assertEqual(expected - found.keys(), set(), f"lost from {account}'s mail")
            possible = expected | self.ledger.maybe[account]
            self.assertEqual(found.keys() - possible, set(), f"in {account}'s mail and never acknowledged")
        self.box.check()
        self.assertIn("every counter was right", self.box.run("recount").stdout)
        self.assertEqual(self.box.process.pid, self.pid)
        self.assertIsNone(self.box.process.poll(), "the daemon is gone")

    @staticmethod
    def mails(client):
        """Names and texts of what was sent here; the box's own mails are left out."""
        data = client.uid("FETCH", "1:*", "(BODY.PEEK[])")[1]
        for _, whole in (item for item in data if isinstance(item, tuple)):
            name = re.search(rb"(?:^|\r\n)Message-ID: <(\w+)@far.example>\r\n", whole)
            if name:
                yield name.group(1).decode(), whole

    def empty(self, accounts):
        """Deletes everything of these accounts, as a mail program does."""
        for account in accounts:
            client = self.connect(account)
            for mailbox in self.mailboxes(client):
                client.select(mailbox)
                if client.search(None, "ALL")[1][0]:
                    with self.ledger.timed("emptying a mailbox"):
                        self.assertEqual(client.store("1:*", "+FLAGS", r"(\Deleted)")[0], "OK")
                        self.assertEqual(client.expunge()[0], "OK")
            client.logout()
            self.ledger.deleted[account] |= self.ledger.taken[account]
            self.ledger.maybe[account].clear()

    def flows_again(self):
        """One mail by SMTP and one by APPEND are taken within a time; how long it took."""
        began = time.monotonic()
        until(lambda: self.delivers("anna"), RETURN_SECONDS, "mail being taken again")
        until(lambda: self.appends("carol"), RETURN_SECONDS, "an append being taken again")
        return time.monotonic() - began

    def delivers(self, account):
        name = self.ledger.next("again", 50_000)
        with smtplib.SMTP("localhost", self.box.ports["smtp"], timeout=PATIENCE_SECONDS) as smtp:
            try:
                smtp.sendmail("x@far.example", [f"{account}@example.org"], self.ledger.mail(name))
            except (smtplib.SMTPRecipientsRefused, smtplib.SMTPResponseException):
                return False
        self.ledger.took("again", [account], name)
        return True

    def appends(self, account):
        name, client = self.ledger.next("again", 50_000), self.connect(account)
        taken = client.append("INBOX", None, None, self.ledger.mail(name))[0] == "OK"
        client.logout()
        if taken:
            self.ledger.took("again", [account], name)
        return taken

    def space_returns(self, before, at_least):
        """Free bytes of the file system itself rise by so much."""
        until(lambda: self.card.free() - before >= at_least, RETURN_SECONDS, f"{at_least} bytes of the card free again")
        return self.card.free() - before

    def sound(self):
        self.assertEqual(self.ledger.surprises, [])
        slow = {what: seconds for what, seconds in self.ledger.slowest.items() if seconds > DELETE_SECONDS}
        self.assertEqual(slow, {}, "deleting took too long")

    def tell(self, what, began):
        slowest = ", ".join(f"{what} {seconds:.2f} s" for what, seconds in sorted(self.ledger.slowest.items()))
        tally = ", ".join(f"{count} {what}" for what, count in sorted(self.ledger.tally.items()))
        print(f"{what} on {self.card.kind}, {time.monotonic() - began:.0f} s: {tally}; slowest: {slowest}")

    def test_twenty_clients(self):
        self.begin(256 << 20)
        for number in range(ROUNDS):
            began = time.monotonic()
            self.fill_archive()
            # Those who delete may have made room as soon as nobody brings mail any more.
            Flood(self.box, self.ledger, until=lambda: self.level() == "full").run()
            self.assertEqual(json.loads(self.box.run("status", "--json").stdout)["faults"], 0)
            self.audit()
            before = self.card.free()
            self.empty(["carol", "dora"])
            self.box.run("room")
            back = self.space_returns(before, ARCHIVE_BYTES // 2)
            seconds = self.flows_again()
            until(lambda: self.level() != "full", RETURN_SECONDS, "another level")
            self.audit()
            self.empty(["anna", "bob"])
            self.sound()
            self.tell(f"round {number}, {back >> 20} MiB back, flows again after {seconds:.1f} s", began)

    def test_another_program(self):
        """It takes all space and gives it back, in the midst of the flood."""
        self.begin(96 << 20)
        for number in range(ROUNDS):
            began = time.monotonic()
            filler = Filler(self.card, random.Random(SEED + number), FILLED)
            filler.start()
            try:
                Flood(self.box, self.ledger, another_program=True, until=filler.has_done).run()
            finally:
                filler.stop()
            self.audit()
            # One volume is all there is: it shrinks when most of it may go.
            self.empty(["anna", "carol", "dora"])
            self.flows_again()
            self.audit()
            self.empty(ACCOUNTS)
            self.sound()
            self.tell(f"seed {SEED + number}, filled {filler.times} times by another program", began)

    def test_no_more_files(self):
        """Another program makes so many files that there can be no more; space is not the trouble."""
        self.begin(96 << 20, inodes=256)
        for number in range(ROUNDS):
            began = time.monotonic()
            self.card.take_inodes()
            try:
                Flood(self.box, self.ledger, another_program=True).run()
            finally:
                self.card.give_inodes()
            self.audit()
            self.empty(["carol", "dora"])
            self.flows_again()
            self.audit()
            self.empty(["anna", "bob"])
            self.sound()
            self.tell("no inodes left", began)


if __name__ == "__main__":
    unittest.main()
