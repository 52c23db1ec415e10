"""Clients of every kind work while the daemon is killed again and again: nothing that was answered is lost or doubled.

Each mail has a name in its subject and a body that follows from the name. The ledger knows where a mail may be: one
place once a command is answered, two while its answer is outstanding. HEIMPOST_ROUNDS sets the number of kills (5).
"""

import contextlib
import hashlib
import imaplib
import os
import poplib
import random
import re
import smtplib
import threading
import time
import unittest

from box import PASSWORD, Box

ROUNDS = int(os.environ.get("HEIMPOST_ROUNDS", "5"))
WORK_SECONDS = (0.2, 1.5)
# A copy in Sent would look like a mail that came twice.
CONFIG = "[auth]\nplaintext_without_tls = true\n[submission]\nsent_copy = false\n"
MAILBOXES = {"anna": ["INBOX", "Archive", "Work"], "bob": ["INBOX"], "carol": ["INBOX"]}
GONE = None
BROKEN = (OSError, EOFError, imaplib.IMAP4.abort, smtplib.SMTPServerDisconnected, poplib.error_proto)


def text(name):
    """The whole mail; one in sixteen is large enough to be streamed into a volume, some lines begin with dots."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    lines = 6000 if digest[0] == "0" else int(digest[1:3], 16) % 80
    body = "".join(f".{hashlib.sha256(f'{name} {n}'.encode()).hexdigest()}\r\n" for n in range(lines))
    return f"From: anna@example.org\r\nTo: all@example.org\r\nSubject: {name}\r\n\r\n{body}end of {name}\r\n".encode()


class Ledger:
    """Where each mail of each account may be, which flags it surely has, and whose UID is whose for ever."""

    def __init__(self):
        self.lock = threading.Lock()
        self.places = {}
        self.flags = {}
        self.uids = {}
        self.states = {}
        self.answered = 0

    @contextlib.contextmanager
    def change(self, keys, place):
        """Keys are (account, name). Until the block ends well, both the old and the new place are possible."""
        with self.lock:
            for key in keys:
                self.places[key] = self.places.get(key, {GONE}) | {place}
        yield
        with self.lock:
            for key in keys:
                self.places[key] = {place}
            self.answered += len(keys)

    def learn(self, account, mailbox, uid, name):
        with self.lock:
            known = self.uids.setdefault((account, mailbox, uid), name)
        assert known == name, f"UID {uid} of {account}'s {mailbox} was {known} and is {name} now"

    def names(self, account, place):
        """Names that are surely there."""
        with self.lock:
            return [name for (a, name), places in self.places.items() if a == account and places == {place}]

    def uid(self, account, mailbox, name):
        with self.lock:
            return next(u for (a, m, u), n in self.uids.items() if (a, m, n) == (account, mailbox, name))


class Workers:
    """One round of clients, each a method that works until its connection breaks."""

    def __init__(self, box, ledger, round_number):
        self.box, self.ledger, self.round = box, ledger, round_number
        self.old = ledger.names("anna", "INBOX")[:10]
        self.failures = []
        self.killing = threading.Event()
        kinds = [self.receive, self.receive, self.submit, self.expunge, self.store, self.move, self.feed, self.pop3]
        self.threads = [threading.Thread(target=self.guard, args=(k, n)) for n, k in enumerate(kinds)]

    def guard(self, kind, number):
        try:
            kind(f"r{self.round}c{number}")
        except Exception as error:  # noqa: BLE001 (told in the main thread)
            if not (self.killing.is_set() and isinstance(error, BROKEN)):
                self.failures.append(f"{kind.__name__}: {error!r}")

    def run(self, seconds):
        for thread in self.threads:
            thread.start()
        time.sleep(seconds)
        self.killing.set()
        self.box.kill()
        for thread in self.threads:
            thread.join()
        assert not self.failures, self.failures

    def imap(self):
        client = imaplib.IMAP4("localhost", self.box.ports["imap"])
        client.login("anna@example.org", PASSWORD)
        return client

    def send(self, smtp, name, accounts):
        with self.ledger.change([(account, name) for account in accounts], "INBOX"):
            smtp.sendmail("", [f"{account}@example.org" for account in accounts], text(name))

    def receive(self, prefix):
        smtp = smtplib.SMTP("localhost", self.box.ports["smtp"])
        for n in range(100_000):
            self.send(smtp, f"{prefix}n{n}", ["anna", "bob"] if n % 3 else ["bob"])

    def feed(self, prefix):
        smtp = smtplib.SMTP("localhost", self.box.ports["smtp"])
        for n in range(100_000):
            self.send(smtp, f"{prefix}n{n}", ["carol"])

    def submit(self, prefix):
        for n in range(100_000):
            smtp = smtplib.SMTP("localhost", self.box.ports["submission"])
            smtp.login("anna@example.org", PASSWORD)
            name = f"{prefix}n{n}"
            with self.ledger.change([("bob", name)], "INBOX"):
                smtp.sendmail("anna@example.org", ["bob@example.org"], text(name))
            smtp.quit()

    def append(self, client, mailbox, name):
        with self.ledger.change([("anna", name)], mailbox):
            status, data = client.append(mailbox, None, None, text(name))
            assert status == "OK", data
            uid = int(re.search(rb"APPENDUID \d+ (\d+)", data[0]).group(1))
        self.ledger.learn("anna", mailbox, uid, name)
        return uid

    def expunge(self, prefix):
        client = self.imap()
        client.select("INBOX")
        for n in range(100_000):
            name = f"{prefix}n{n}"
            uid = self.append(client, "INBOX", name)
            if n % 2:
                continue
            client.uid("STORE", str(uid), "+FLAGS", r"(\Deleted)")
            with self.ledger.change([("anna", name)], GONE):
                status, data = client.uid("EXPUNGE", str(uid))
                assert status == "OK", data

    def store(self, prefix):
        client = self.imap()
        client.select("Work")
        for n in range(100_000):
            name = f"{prefix}n{n}"
            uid = self.append(client, "Work", name)
            status, data = client.uid("STORE", str(uid), "+FLAGS", rf"(\Flagged K{n % 7})")
            assert status == "OK", data
            self.ledger.flags["anna", name] = {r"\Flagged", f"K{n % 7}"}

    def move(self, prefix):
        """Moves mails of its own, and in each round some that SMTP brought in an earlier one."""
        client = self.imap()
        client.select("INBOX")
        for n in range(100_000):
            if n < len(self.old):
                name = self.old[n]
                uid = self.ledger.uid("anna", "INBOX", name)
            else:
                name = f"{prefix}n{n}"
                uid = self.append(client, "INBOX", name)
            with self.ledger.change([("anna", name)], "Archive"):
                status, data = client.uid("MOVE", str(uid), "Archive")
                assert status == "OK", data

    def pop3(self, _prefix):
        """Takes the oldest mail away for good with one device; another only hides what it deletes."""
        for n in range(100_000):
            client = poplib.POP3("localhost", self.box.ports["pop3"])
            client.user("carol@example.org")
            client.pass_(self.box.passwords["delete" if n % 2 else "keep"])
            count = min(client.stat()[0], 3)
            names = [self.retrieve(client, k + 1) for k in range(count)]
            for k in range(count):
                client.dele(k + 1)
            if n % 2:
                with self.ledger.change([("carol", name) for name in names], GONE):
                    client.quit()
            else:
                client.quit()

    @staticmethod
    def retrieve(client, number):
        lines = client.retr(number)[1]
        name = next(line for line in lines if line.startswith(b"Subject: "))[9:].decode()
        whole = b"".join(line + b"\r\n" for line in lines)
        assert whole.endswith(text(name)), f"POP3 gives another text of {name}"
        return name


class Kill(unittest.TestCase):
    def test_nothing_answered_is_lost(self):
        seed = int(os.environ.get("HEIMPOST_SEED", time.time_ns() % 1_000_000))
        chance = random.Random(seed)
        self.ledger, restarts = Ledger(), []
        with Box(CONFIG) as self.box:
            for account in MAILBOXES:
                self.box.account(account)
            self.box.passwords = {p: self.box.device("carol@example.org", p, p) for p in ("delete", "keep")}
            client = self.connect("anna")
            client.create("Work")
            client.logout()
            self.audit()
            for number in range(ROUNDS):
                Workers(self.box, self.ledger, number).run(chance.uniform(*WORK_SECONDS))
                if number % 3 == 2:
                    self.inspect()
                began = time.monotonic()
                self.box.start()
                restarts.append(time.monotonic() - began)
                with self.subTest(seed=seed, round=number):
                    self.audit()
                    self.inspect()
        print(
            f"{ROUNDS} kills, {self.ledger.answered} answered changes; ready after "
            f"{sorted(restarts)[len(restarts) // 2]:.2f} s in the middle, {max(restarts):.2f} s at most"
        )

    def inspect(self):
        self.box.check()
        self.assertIn("right", self.box.run("recount").stdout)

    def connect(self, account):
        client = imaplib.IMAP4("localhost", self.box.ports["imap"])
        client.login(f"{account}@example.org", PASSWORD)
        return client

    def audit(self):
        """Compares all mailboxes with the ledger, which then knows where those mails are that nobody was told of."""
        found = {}
        for account, mailboxes in MAILBOXES.items():
            client = self.connect(account)
            for mailbox in mailboxes:
                for name in self.mailbox(client, account, mailbox):
                    self.assertNotIn((account, name), found, "a mail is there twice")
                    found[account, name] = mailbox
            client.logout()
        for key, places in self.ledger.places.items():
            self.assertIn(found.get(key, GONE), places, f"{key}: not where it should be")
            self.ledger.places[key] = {found.get(key, GONE)}
        self.assertLessEqual(found.keys(), self.ledger.places.keys(), "mails that nobody sent")

    def mailbox(self, client, account, mailbox):
        """Names in one mailbox, after a look at UIDs, flags and the texts of those not seen here before."""
        client.select(mailbox, readonly=True)
        validity, next_uid = (int(client.response(code)[1][0]) for code in ("UIDVALIDITY", "UIDNEXT"))
        before = self.ledger.states.setdefault((account, mailbox), (validity, 0))
        self.assertEqual(before[0], validity)
        highest = max([before[1], *(u + 1 for a, m, u in self.ledger.uids if (a, m) == (account, mailbox))])
        self.assertGreaterEqual(next_uid, highest, f"UIDNEXT of {account}'s {mailbox}")
        self.ledger.states[account, mailbox] = (validity, next_uid)
        names = []
        for line, header in self.fetch(client, "1:*", "FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)]"):
            uid, name = int(re.search(rb"UID (\d+)", line).group(1)), header.split()[1].decode()
            self.ledger.learn(account, mailbox, uid, name)
            flags = set(re.search(rb"FLAGS \(([^)]*)\)", line).group(1).decode().split())
            self.assertLessEqual(self.ledger.flags.get((account, name), set()), flags, name)
            names.append(name)
        for line, whole in self.fetch(client, f"{max(before[1], 1)}:*", "BODY.PEEK[]"):
            uid = int(re.search(rb"UID (\d+)", line).group(1))
            name = self.ledger.uids[account, mailbox, uid]
            self.assertTrue(whole.endswith(text(name)), f"IMAP gives another text of {name}")
        return names

    @staticmethod
    def fetch(client, uids, what):
        data = client.uid("FETCH", uids, f"({what})")[1]
        # FLAGS may stand before or after the literal.
        return [(item[0] + data[at + 1], item[1]) for at, item in enumerate(data) if isinstance(item, tuple)]


if __name__ == "__main__":
    unittest.main()
