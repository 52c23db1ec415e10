"""Backup while mail flows, restore, import and export, as a person runs them."""

import mailbox
import shutil
import threading
import unittest

from box import Box, message

from test_python import imap, pop3


class Backup(unittest.TestCase):
    def setUp(self):
        self.box = self.enterContext(Box())
        self.anna = self.box.account("anna")

    def fill(self, count, size=10, start=0):
        client = imap(self.box, self.anna)
        for n in range(start, start + count):
            client.append("INBOX", None, None, message(f"mail {n}", "x" * 60 * size).encode())
        client.logout()

    def uidls(self):
        client = pop3(self.box, self.anna)
        found = [line.split()[1] for line in client.uidl()[1]]
        client.quit()
        return found

    def restore(self, backup):
        self.box.stop()
        refused = self.box.run("restore", backup, check=False)
        self.assertEqual(refused.returncode, 1, refused.stdout)
        authority = (self.box.data / "tls/ca.pem").read_text()
        shutil.move(self.box.data, self.box.home / "old")
        self.assertIn("sound", self.box.run("restore", backup).stdout)
        self.box.start()
        self.assertEqual((self.box.data / "tls/ca.pem").read_text(), authority)

    def test_round_trip(self):
        self.fill(30)
        client = imap(self.box, self.anna)
        client.store("1:10", "+FLAGS", r"(\Seen $Label1)")
        validity = client.response("UIDVALIDITY")[1]
        before = client.fetch("1:*", "(UID FLAGS BODY.PEEK[])")[1]
        client.logout()
        uidls = self.uidls()
        backup = str(self.box.home / "backup")
        self.assertIn("copied", self.box.run("backup", backup).stdout)
        self.fill(5, start=100)
        again = self.box.run("backup", backup).stdout
        self.restore(backup)
        client = imap(self.box, self.anna)
        self.assertNotEqual(client.response("UIDVALIDITY")[1], validity)
        self.assertEqual(client.fetch("1:30", "(UID FLAGS BODY.PEEK[])")[1], before)
        self.assertEqual(self.uidls()[:30], uidls)
        self.assertEqual(len(self.uidls()), 35, again)
        self.box.check()

    def test_while_mail_flows(self):
        stop = threading.Event()
        sent = []

        def flow():
            client = imap(self.box, self.anna)
            while not stop.is_set():
                client.append("INBOX", None, None, message(f"flow {len(sent)}", "y" * 5000).encode())
                sent.append(1)
            client.logout()

        thread = threading.Thread(target=flow)
        thread.start()
        try:
            for _ in range(3):
                before = len(sent)
                self.box.run("backup", str(self.box.home / "backup"))
        finally:
            stop.set()
            thread.join()
        self.restore(str(self.box.home / "backup"))
        count = int(imap(self.box, self.anna).select()[1][0])
        self.assertTrue(before <= count <= len(sent), (before, count, len(sent)))
        self.box.check()


class Files(unittest.TestCase):
    def test_import_and_export(self):
        with Box() as box:
            anna = box.account("anna")
            old = box.home / "old.mbox"
            source = mailbox.mbox(old)
            for n in range(50):
                mail = mailbox.mboxMessage(message(f"old {n}", "From here\r\n>From there").replace("\r\n", "\n"))
                mail.set_flags("RO" if n % 2 else "")
                mail.set_from("x@example.org", (2020, 1, 1 + n % 28, 0, 0, 0, 0, 0, 0))
                source.add(mail)
            source.close()
            self.assertIn("imported 50", box.run("import", anna, "--mbox", str(old), "--into", "Alt").stdout)
            self.assertIn("imported 0 ", box.run("import", anna, "--mbox", str(old), "--into", "Alt").stdout)
            client = imap(box, anna, mailbox="Alt")
            self.assertEqual(len(client.search(None, "SEEN")[1][0].split()), 25)
            self.assertEqual(client.search(None, "BEFORE", "2-Jan-2020")[1], [b"1 29"])
            out = box.home / "out"
            box.run("export", anna, str(out))
            self.assertEqual(len(mailbox.Maildir(out / "Alt")), 50)
            flags = sorted(mail.get_flags() for mail in mailbox.Maildir(out / "Alt"))
            self.assertEqual(flags, [""] * 25 + ["S"] * 25)
            bob = box.account("bob")
            self.assertIn("imported 50", box.run("import", bob, "--maildir", str(out)).stdout)
            box.check()


if __name__ == "__main__":
    unittest.main()
