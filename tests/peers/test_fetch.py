"""fetchmail and getmail: fetching by POP3 and IMAP, with delete and with leave-on-server."""

import unittest

from box import PASSWORD, Box, message, tool

from test_python import imap


class Fetch(unittest.TestCase):
    def setUp(self):
        self.box = self.enterContext(Box())
        self.anna = self.box.account("anna")
        client = imap(self.box, self.anna)
        for n in range(3):
            client.append("INBOX", None, None, message(f"mail {n}").encode())
        client.logout()
        self.root = self.box.home / "client"
        self.root.mkdir()

    def left(self):
        client = imap(self.box, self.anna)
        count = int(client.select()[1][0])
        client.logout()
        return count

    def script(self):
        """A delivery program that collects what it is given; root may run it, which getmail asks for."""
        out, script = self.root / "out.mbox", self.root / "store.sh"
        script.write_text(f"#!/bin/sh\ncat >> {out}\necho >> {out}\n")
        script.chmod(0o755)
        return out

    def fetchmail(self, protocol, password, keep):
        out = self.root / "out.mbox"
        rc = self.root / "fetchmailrc"
        port = self.box.ports["pop3s" if protocol == "pop3" else "imaps"]
        rc.write_text(f"""
poll localhost protocol {protocol} port {port} uidl
  user "{self.anna}" password "{password}" ssl sslcertck sslcertfile "{self.box.ca}" sslproto "TLS1.2+"
  {"keep" if keep else "nokeep"} mda "{self.root}/store.sh"
""" if protocol == "pop3" else f"""
poll localhost protocol {protocol} port {port}
  user "{self.anna}" password "{password}" ssl sslcertck sslcertfile "{self.box.ca}" sslproto "TLS1.2+"
  {"keep" if keep else "nokeep"} mda "{self.root}/store.sh"
""")
        rc.chmod(0o600)
        self.script()
        done = tool(
            "fetchmail", "-f", str(rc), "--idfile", str(self.root / "ids"), "--pidfile", str(self.root / "pid"),
            check=False, env={"FETCHMAILHOME": str(self.root), "HOME": str(self.root)},
        )
        self.assertIn(done.returncode, [0, 1], done.stdout + done.stderr)
        text = out.read_text() if out.exists() else ""
        out.unlink(missing_ok=True)
        return text.count("Subject: mail ")

    def test_fetchmail_leaves_and_deletes(self):
        self.assertEqual(self.fetchmail("pop3", PASSWORD, keep=True), 3)
        self.assertEqual(self.fetchmail("pop3", PASSWORD, keep=True), 0)
        self.assertEqual(self.left(), 3)
        (self.root / "ids").unlink()
        self.assertEqual(self.fetchmail("pop3", PASSWORD, keep=False), 3)
        self.assertEqual(self.left(), 0)
        self.box.check()

    def test_fetchmail_by_imap(self):
        self.assertEqual(self.fetchmail("imap", PASSWORD, keep=False), 3)
        self.assertEqual(self.left(), 0)

    def test_a_device_that_deletes_takes_nothing_from_others(self):
        device = self.box.device(self.anna, "old pc", "keep:30")
        self.assertEqual(self.fetchmail("pop3", device, keep=False), 3)
        self.assertEqual(self.fetchmail("pop3", device, keep=False), 0)
        self.assertEqual(self.left(), 3)

    def getmail(self, delete):
        out = self.script()
        (self.root / "getmailrc").write_text(f"""
[retriever]
type = SimplePOP3SSLRetriever
server = localhost
port = {self.box.ports["pop3s"]}
username = {self.anna}
password = {PASSWORD}
ca_certs = {self.box.ca}
[destination]
type = MDA_external
path = {self.root}/store.sh
allow_root_commands = true
[options]
read_all = false
delete = {"true" if delete else "false"}
verbose = 1
""")
        tool("getmail", "--getmaildir", str(self.root), "--rcfile", "getmailrc")
        return out.read_text().count("Subject: mail ")

    def test_getmail_leaves_and_deletes(self):
        self.assertEqual(self.getmail(delete=False), 3)
        self.assertEqual(self.getmail(delete=False), 3)
        self.assertEqual(self.left(), 3)
        self.assertEqual(self.getmail(delete=True), 3)
        self.assertEqual(self.left(), 0)


if __name__ == "__main__":
    unittest.main()
