"""Two IMAP clients on one mailbox: each hears of the other's flags, moves, deletes and new mail at once, by IDLE."""

import smtplib
import threading
import unittest

from box import PASSWORD, Box, message, tool
from imapclient import IMAPClient

HEARD_SECONDS = 120


class TwoClients(unittest.TestCase):
    def setUp(self):
        self.box = self.enterContext(Box())
        self.anna = self.box.account("anna")
        self.phone, self.desk = self.client(), self.client()
        for n in range(3):
            self.desk.append("INBOX", message(f"mail {n}"))
        self.phone.select_folder("INBOX")
        self.desk.select_folder("INBOX")

    def client(self):
        client = IMAPClient("localhost", self.box.ports["imaps"], ssl_context=self.box.tls())
        client.login(self.anna, PASSWORD)
        self.addCleanup(client.shutdown)
        return client

    def heard(self, action, wanted):
        """What the phone hears in IDLE while `action` happens, until `wanted` holds of it."""
        self.phone.idle()
        heard = []
        action()
        while not wanted(heard):
            more = self.phone.idle_check(timeout=HEARD_SECONDS)
            if not more:
                break
            heard += more
        self.phone.idle_done()
        self.assertTrue(wanted(heard), heard)
        return heard

    def test_new_mail(self):
        def deliver():
            with smtplib.SMTP("localhost", self.box.ports["smtp"]) as smtp:
                smtp.sendmail("x@far.example", [self.anna], message("news"))

        self.heard(deliver, lambda heard: (4, b"EXISTS") in heard)

    def test_flags(self):
        heard = self.heard(
            lambda: self.desk.add_flags(2, [b"\\Seen", b"$Later"]),
            lambda heard: any(len(h) > 2 and h[1] == b"FETCH" for h in heard),
        )
        fetch = next(h for h in heard if h[1] == b"FETCH")
        self.assertEqual(fetch[0], 2)
        self.assertIn(b"\\Seen", str(fetch).encode())

    def test_expunge_and_move(self):
        self.desk.delete_messages(1)
        self.heard(self.desk.expunge, lambda heard: (1, b"EXPUNGE") in heard)
        self.heard(lambda: self.desk.move(3, "Archive"), lambda heard: (2, b"EXPUNGE") in heard)
        self.assertEqual(self.phone.search(), [2])

    def test_mailboxes_of_one_are_the_others(self):
        self.desk.create_folder("Rechnungen/\u00c4rzte")
        names = [name for _, _, name in self.phone.list_folders()]
        self.assertIn("Rechnungen/\u00c4rzte", names)
        self.desk.rename_folder("Rechnungen/\u00c4rzte", "Ablage/\u00c4rzte")
        self.assertTrue(self.phone.folder_exists("Ablage/\u00c4rzte"))

    def test_many_clients_deliver_flag_and_delete_at_once(self):
        def work(n):
            client = IMAPClient("localhost", self.box.ports["imaps"], ssl_context=self.box.tls())
            client.login(self.anna, PASSWORD)
            client.select_folder("INBOX")
            for k in range(10):
                client.append("INBOX", message(f"from {n}, {k}"))
                client.add_flags(client.search("ALL")[:3], [b"\\Flagged"])
            client.logout()

        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.phone.noop()
        self.assertEqual(len(self.phone.search()), 83)
        self.box.check()

    def test_condstore_and_quota(self):
        state = self.phone.select_folder("Archive")
        self.assertIn(b"HIGHESTMODSEQ", state)
        self.assertIn(b"QUOTA", self.phone.capabilities())
        usage = self.phone.get_quota_root("INBOX")[1]
        self.assertTrue(any(quota.resource == "STORAGE" for quota in usage), usage)


class Mutt(unittest.TestCase):
    def test_mutt_reads_and_files(self):
        with Box() as box:
            anna = box.account("anna")
            client = IMAPClient("localhost", box.ports["imaps"], ssl_context=box.tls())
            client.login(anna, PASSWORD)
            client.append("INBOX", message("for mutt"))
            (box.home / "Mail").mkdir()
            rc = box.home / "muttrc"
            url = f"imaps://localhost:{box.ports['imaps']}"
            rc.write_text(f"""
set imap_user="{anna}" imap_pass="{PASSWORD}" ssl_ca_certificates_file="{box.ca}" ssl_force_tls=yes
set folder="{url}" spoolfile="{url}/INBOX" move=no delete=yes confirmappend=no
set quit=yes
folder-hook . 'push <flag-message><save-message>=Archive<enter><sync-mailbox><quit>'
""")
            command = f"mutt -n -F {rc}"
            tool("script", "-qec", command, "/dev/null", env={"TERM": "xterm", "HOME": str(box.home)})
            self.assertEqual(client.select_folder("INBOX")[b"EXISTS"], 0)
            self.assertEqual(client.select_folder("Archive")[b"EXISTS"], 1)
            self.assertIn(b"\\Flagged", client.get_flags(1)[1])


if __name__ == "__main__":
    unittest.main()
