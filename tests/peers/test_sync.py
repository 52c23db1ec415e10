"""mbsync and offlineimap: two-way round trips between Maildirs and the box, names beyond ASCII, two clients on one mailbox."""

import mailbox
import unittest

from box import PASSWORD, Box, message, tool

from test_python import imap


# mbsync keeps names as the server spells them: in modified UTF-7.
UMLAUT = "Entw&APw-rfe"


class Mbsync:
    def __init__(self, box, address, name):
        self.box, self.root = box, box.home / name
        self.root.mkdir()
        self.config = self.root / "mbsyncrc"
        self.config.write_text(f"""
IMAPAccount box
Host localhost
Port {box.ports["imaps"]}
User {address}
Pass "{PASSWORD}"
{self.tls_lines()}
CertificateFile {box.ca}

IMAPStore far
Account box

MaildirStore near
Path {self.root}/mail/
Inbox {self.root}/mail/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Remove Both
Expunge Both
SyncState *
CopyArrivalDate yes
""")
        (self.root / "mail").mkdir()

    @staticmethod
    def tls_lines():
        version = tool("mbsync", "--version").stdout
        return "SSLType IMAPS" if "isync 1.4" in version else "TLSType IMAPS"

    def sync(self):
        tool("mbsync", "-c", str(self.config), "all")

    def box_of(self, name):
        return mailbox.Maildir(self.root / "mail" / name)

    def subjects(self, name):
        return sorted(m["subject"] for m in self.box_of(name))


class Sync(unittest.TestCase):
    def setUp(self):
        self.box = self.enterContext(Box())
        self.anna = self.box.account("anna")

    def append(self, name, subject, flags=None):
        client = imap(self.box, self.anna)
        self.assertEqual(client.append(name, flags, None, message(subject).encode())[0], "OK")
        client.logout()

    def test_mbsync_both_ways(self):
        desk, phone = Mbsync(self.box, self.anna, "desk"), Mbsync(self.box, self.anna, "phone")
        for n in range(20):
            self.append("INBOX", f"mail {n}")
        desk.sync()
        phone.sync()
        self.assertEqual(desk.subjects("INBOX"), phone.subjects("INBOX"))
        self.assertEqual(len(desk.subjects("INBOX")), 20)
        # Read and flag on one, delete on the other, write a draft here and a new mailbox there.
        inbox = desk.box_of("INBOX")
        for key, mail in inbox.items():
            if mail["subject"] == "mail 3":
                mail.set_subdir("cur")
                mail.set_flags("FS")
                inbox[key] = mail
        inbox = phone.box_of("INBOX")
        inbox.remove(next(key for key, mail in inbox.items() if mail["subject"] == "mail 4"))
        draft = mailbox.MaildirMessage(message("draft"))
        draft.set_flags("DS")
        draft.set_subdir("cur")
        desk.box_of("Drafts").add(draft)
        phone.box_of(UMLAUT).add(message("umlaut"))
        for client in [desk, phone, desk, phone]:
            client.sync()
        for client in [desk, phone]:
            inbox = client.box_of("INBOX")
            self.assertEqual(len(inbox), 19)
            three = next(mail for mail in inbox if mail["subject"] == "mail 3")
            self.assertEqual(three.get_flags(), "FS")
            self.assertEqual(client.subjects("Drafts"), ["draft"])
            self.assertEqual(client.subjects(UMLAUT), ["umlaut"])
        self.assertEqual(imap(self.box, self.anna, mailbox='"Entw&APw-rfe"').search(None, "ALL")[1], [b"1"])
        # A second round changes nothing, also over a restart.
        before = tool("find", str(desk.root / "mail"), "-type", "f", "-not", "-name", ".mbsyncstate*").stdout
        self.box.restart()
        desk.config.write_text(desk.config.read_text())
        for client in [desk, phone]:
            text = client.config.read_text()
            lines = [f"Port {self.box.ports['imaps']}" if l.startswith("Port") else l for l in text.splitlines()]
            client.config.write_text("\n".join(lines) + "\n")
            client.sync()
        after = tool("find", str(desk.root / "mail"), "-type", "f", "-not", "-name", ".mbsyncstate*").stdout
        self.assertEqual(sorted(before.splitlines()), sorted(after.splitlines()))
        self.box.check()

    def test_offlineimap_both_ways(self):
        root = self.box.home / "offlineimap"
        root.mkdir()
        config = root / "rc"
        config.write_text(f"""
[general]
accounts = box
metadata = {root}/metadata
ui = quiet
[Account box]
localrepository = near
remoterepository = far
[Repository near]
type = Maildir
localfolders = {root}/mail
[Repository far]
type = IMAP
remotehost = localhost
remoteport = {self.box.ports["imaps"]}
remoteuser = {self.anna}
remotepass = {PASSWORD}
ssl = yes
sslcacertfile = {self.box.ca}
""")
        self.append("INBOX", "one")
        self.append("Archive", "two", r"(\Seen \Flagged)")
        tool("offlineimap", "-o", "-c", str(config))
        inbox = mailbox.Maildir(root / "mail/INBOX")
        self.assertEqual([m["subject"] for m in inbox], ["one"])
        self.assertEqual(next(iter(mailbox.Maildir(root / "mail/Archive"))).get_flags(), "FS")
        inbox.add(message("from the desk"))
        tool("offlineimap", "-o", "-c", str(config))
        client = imap(self.box, self.anna)
        self.assertEqual(client.search(None, "SUBJECT", '"from the desk"')[1], [b"2"])
        client.store("1", "+FLAGS", r"(\Deleted)")
        client.expunge()
        client.logout()
        tool("offlineimap", "-o", "-c", str(config))
        self.assertEqual([m["subject"] for m in mailbox.Maildir(root / "mail/INBOX")], ["from the desk"])
        self.box.check()


if __name__ == "__main__":
    unittest.main()
