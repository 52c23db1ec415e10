"""A card that fills up, as a small tmpfs: mail is refused in time, what was answered stays, deleting makes room again.

Mounting needs root; without, the test says so and is skipped. HEIMPOST_ROUNDS sets how often the card is filled (2).
"""

import base64
import hashlib
import imaplib
import json
import os
import poplib
import re
import smtplib
import threading
import time
import unittest
from unittest.mock import ANY

from box import PASSWORD, Box, until
from card import BALLAST_BYTES, Card, explain

ROUNDS = int(os.environ.get("HEIMPOST_ROUNDS", "2"))
CARD_BYTES = 96 << 20
# The smallest reserve that may be set.
# A copy in Sent would look like a mail that came twice.
CONFIG = "[auth]\nplaintext_without_tls = true\n[storage]\nreserve = '8M'\n[submission]\nsent_copy = false\n"
REFUSALS = 20
NEARLY_FULL_BYTES = 4 << 20
FLOWS_AGAIN_SECONDS = 120
SIZES = [3_000, 40_000, 700, 200_000, 9_000, 1_500_000, 2_000, 65_000]


def mail(name, size):
    """A mail that does not compress."""
    body = base64.encodebytes(hashlib.shake_256(name.encode()).digest(size * 3 // 4)).replace(b"\n", b"\r\n")
    return b"X-Sent: yes\r\nSubject: " + name.encode() + b"\r\n\r\n" + body


class Full(unittest.TestCase):
    def setUp(self):
        self.box = Box(CONFIG)
        card = self.card = Card(self.box, CARD_BYTES, kinds=["tmpfs", "ext4"])
        self.addCleanup(card.unmount)
        if card.problem:
            print(f"skipped: {card.problem}")
            self.skipTest("mounting is not permitted")
        self.enterContext(self.box)
        self.addCleanup(explain, self, self.box, card)
        self.anna, self.bob = self.box.account("anna"), self.box.account("bob")
        self.device = self.box.device(self.bob, "laptop", "delete")
        self.lock = threading.Lock()
        self.answered = {self.anna: set(), self.bob: set()}
        self.surprises = []
        self.sizes = {}
        self.count = 0

    def imap(self, account=None):
        client = imaplib.IMAP4("localhost", self.box.ports["imap"])
        client.login(account or self.anna, PASSWORD)
        client.select("INBOX")
        return client

    def next(self, kind):
        with self.lock:
            self.count += 1
            name = f"{kind}{self.count}"
            self.sizes[name] = SIZES[self.count % len(SIZES)]
            return name, self.sizes[name]

    def note(self, account, name):
        with self.lock:
            self.answered[account].add(name)

    def send(self, smtp, account):
        """Whether a mail was taken by SMTP."""
        name, size = self.next("smtp")
        try:
            smtp.sendmail("x@far.example", [account], mail(name, size))
        except smtplib.SMTPRecipientsRefused as refused:
            reply = refused.recipients[account]
        except smtplib.SMTPResponseException as refused:
            reply = (refused.smtp_code, refused.smtp_error)
            smtp.rset()  # smtplib forgets it when DATA is refused.
        else:
            self.note(account, name)
            return True
        if reply[0] != 452 or not reply[1].startswith(b"4.3.1"):
            self.surprises.append(reply)
        return False

    def append(self, client):
        """Whether a mail was taken by IMAP."""
        name, size = self.next("imap")
        status, data = client.append("INBOX", None, None, mail(name, size))
        if status == "OK":
            self.note(self.anna, name)
        elif b"[OVERQUOTA]" not in data[0]:
            self.surprises.append(data)
        return status == "OK"

    def until_refused(self, connect, put):
        connection, refused = connect(), 0
        while refused < REFUSALS:
            refused += 0 if put(connection) else 1

    def smtp(self):
        return smtplib.SMTP("localhost", self.box.ports["smtp"])

    def fill(self):
        """Several clients until each has been refused often."""
        kinds = [
            (self.smtp, lambda smtp: self.send(smtp, self.anna)),
            (self.smtp, lambda smtp: self.send(smtp, self.bob)),
            (self.imap, self.append),
            (self.imap, self.append),
        ]
        failures = []

        def guard(kind):
            try:
                self.until_refused(*kind)
            except Exception as error:  # noqa: BLE001 (told in the main thread)
                failures.append(repr(error))

        threads = [threading.Thread(target=guard, args=(kind,)) for kind in kinds]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])

    def status(self):
        return json.loads(self.box.run("status", "--json").stdout)

    def audit(self):
        """All that was answered is there, whole, and once."""
        for account, names in self.answered.items():
            client = self.imap(account)
            found = []
            data = client.uid("FETCH", "1:*", "(BODY.PEEK[])")[1]
            for _, whole in (item for item in data if isinstance(item, tuple)):
                if b"\r\nX-Sent: yes\r\n" not in b"\r\n" + whole:
                    continue  # The box's own.
                name = re.search(rb"\r\nSubject: (\S+)\r\n", whole).group(1).decode()
                self.assertTrue(whole.endswith(mail(name, self.sizes[name])), name)
                found.append(name)
            self.assertEqual(len(found), len(set(found)))
            self.assertEqual(set(found), names)
            client.logout()
        self.box.check()
        self.assertIn("every counter was right", self.box.run("recount").stdout)

    def delete(self):
        """Flags, moves and expunges at a full card, and POP3's deletes."""
        client = self.imap()
        self.assertEqual(client.store("1:*", "+FLAGS", r"(\Seen $Kept)")[0], "OK")
        self.assertEqual(client.create("Old")[0], "OK")
        self.assertEqual(client._simple_command("MOVE", "1:3", "Old"), ("OK", [ANY]))
        self.assertEqual(client.store("1:*", "+FLAGS", r"(\Deleted)")[0], "OK")
        self.assertEqual(client.expunge()[0], "OK")
        self.assertEqual(client.delete("Old")[0], "OK")
        client.logout()
        self.answered[self.anna].clear()
        client = poplib.POP3("localhost", self.box.ports["pop3"])
        client.user(self.bob)
        client.pass_(self.device)
        for number in range(1, client.stat()[0] + 1):
            client.dele(number)
        client.quit()
        self.answered[self.bob].clear()

    def flows_again(self):
        began = time.monotonic()
        # Each try on a connection of its own: too many refusals end one.
        until(lambda: self.send(self.smtp(), self.anna), FLOWS_AGAIN_SECONDS, "mail being taken again")
        client = self.imap()
        until(lambda: self.append(client), FLOWS_AGAIN_SECONDS, "an append being taken again")
        seconds = time.monotonic() - began
        # Nothing is left that upkeep could win back in the midst of what comes next.
        self.box.run("room")
        return seconds

    def test_filled_by_mail(self):
        for number in range(ROUNDS):
            self.fill()
            status = self.status()
            self.assertEqual(status["faults"], 0)
            # What upkeep wins back by packing may be taken again: a little above the reserve, or nothing.
            # For a ballast that was given up there is room, too.
            most = status["reserve_bytes"] + BALLAST_BYTES + NEARLY_FULL_BYTES
            self.assertLess(status["free_bytes"], most)
            taken = sum(map(len, self.answered.values()))
            self.assertGreater(taken, 100)
            self.audit()
            self.delete()
            seconds = self.flows_again()
            left = status["free_bytes"] >> 10
            print(f"round {number}: {taken} mails, {left} KiB left; flows again after {seconds:.2f} s")
            self.audit()
        self.assertEqual(self.surprises, [])

    def test_filled_by_another_program(self):
        """The reserve is gone too: writing fails in earnest. The daemon lives through it and goes on afterwards."""
        for _ in range(ROUNDS):
            smtp, client = self.smtp(), self.imap()
            for _ in range(10):
                self.send(smtp, self.anna)
                self.append(client)
            until((self.box.data / "ballast").exists, FLOWS_AGAIN_SECONDS, "the ballast being there")
            self.card.stuff()
            for _ in range(10):
                self.assertFalse(self.append(client))
                self.assertFalse(self.send(smtp, self.bob))
            self.delete()
            self.card.unstuff()
            self.flows_again()
            self.audit()
        self.assertEqual(self.surprises, [])

    def test_filled_by_an_import(self):
        old = self.box.home / "old.mbox"
        with open(old, "wb") as file:
            for number in range(120):
                lines = mail(f"old{number}", 1 << 20).replace(b"\r\n", b"\n")
                file.write(b"From x Thu Jan  1 00:00:00 2026\n" + lines + b"\n")
        refused = self.box.run("import", self.bob, "--mbox", str(old), "--into", "INBOX", check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("make room", refused.stderr)
        client = self.imap(self.bob)
        count = len(client.search(None, "ALL")[1][0].split())
        self.assertGreater(count, 30)
        client.store("1:*", "+FLAGS", r"(\Deleted)")
        self.assertEqual(client.expunge()[0], "OK")
        self.flows_again()
        self.audit()


if __name__ == "__main__":
    unittest.main()
