"""curl on all three protocols."""

import unittest

from box import PASSWORD, Box, message, tool


class Curl(unittest.TestCase):
    def setUp(self):
        self.box = self.enterContext(Box())
        self.anna = self.box.account("anna")
        self.bob = self.box.account("bob")
        self.mail = self.box.home / "mail.txt"
        self.mail.write_text(message("By curl"), newline="")

    def curl(self, user, *arguments, **options):
        return tool("curl", "-sS", "--cacert", self.box.ca, "-u", f"{user}:{PASSWORD}", *arguments, **options)

    def send(self, *arguments, **options):
        port = self.box.ports["submission"]
        return self.curl(
            self.anna, "--ssl-reqd", "--mail-from", self.anna, "-T", str(self.mail), *arguments,
            f"smtp://localhost:{port}", **options,
        )

    def test_mail_goes_the_whole_way(self):
        self.send("--mail-rcpt", self.bob)
        imaps = f"imaps://localhost:{self.box.ports['imaps']}"
        self.assertIn("Subject: By curl", self.curl(self.bob, f"{imaps}/INBOX;MAILINDEX=1").stdout)
        self.assertIn("Subject: By curl", self.curl(self.bob, f"{imaps}/INBOX;UID=1;SECTION=HEADER").stdout)
        self.assertIn("SEARCH 1", self.curl(self.bob, f"{imaps}/INBOX?SUBJECT%20curl").stdout)
        pop3s = f"pop3s://localhost:{self.box.ports['pop3s']}"
        self.assertIn("Subject: By curl", self.curl(self.bob, f"{pop3s}/1").stdout)
        self.curl(self.bob, "-l", "-X", "DELE", f"{pop3s}/1", check=False)
        self.box.check()

    def test_each_mechanism_logs_in(self):
        for mechanism in ["PLAIN", "LOGIN", "SCRAM-SHA-256"]:
            supported = tool("curl", "-V").stdout
            if mechanism.startswith("SCRAM") and "gsasl" not in supported:
                continue
            self.send("--mail-rcpt", self.bob, "--login-options", f"AUTH={mechanism}")

    def test_upload_by_imap(self):
        imaps = f"imaps://localhost:{self.box.ports['imaps']}"
        self.curl(self.anna, "-T", str(self.mail), f"{imaps}/Sent")
        self.assertIn("By curl", self.curl(self.anna, f"{imaps}/Sent;MAILINDEX=1").stdout)

    def test_refusals_are_told(self):
        done = self.send("--mail-rcpt", "nobody@example.org", check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("550", done.stderr)


if __name__ == "__main__":
    unittest.main()
