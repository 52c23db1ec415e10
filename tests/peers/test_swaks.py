"""swaks: mechanisms, pipelining, TLS modes, and what is refused."""

import unittest

from box import PASSWORD, Box, tool


class Swaks(unittest.TestCase):
    def setUp(self):
        self.box = self.enterContext(Box())
        self.anna = self.box.account("anna")
        self.bob = self.box.account("bob")

    def swaks(self, service, *arguments, check=True):
        port = str(self.box.ports[service])
        return tool("swaks", "--server", "127.0.0.1", "--port", port, "--helo", "client.example", *arguments, check=check)

    def submit(self, *arguments, **options):
        login = ["--auth-user", self.anna, "--auth-password", PASSWORD, "--from", self.anna, "--to", self.bob]
        return self.swaks(*arguments[:1], *login, *arguments[1:], **options)

    def count(self):
        accounts = self.box.run("account", "list", "--json").stdout
        return next(a["messages"] for a in __import__("json").loads(accounts) if a["address"] == self.bob)

    def test_mechanisms(self):
        for n, mechanism in enumerate(["PLAIN", "LOGIN"], 1):
            self.submit("submission", "--tls", "--auth", mechanism)
            self.assertEqual(self.count(), n)
        self.submit("submissions", "--tls-on-connect", "--auth", "PLAIN", "--pipeline")
        self.assertEqual(self.count(), 3)

    def test_wrong_password_and_missing_tls(self):
        done = self.swaks(
            "submission", "--tls", "--auth", "PLAIN", "--auth-user", self.anna, "--auth-password", "wrong one",
            "--from", self.anna, "--to", self.bob, check=False,
        )
        self.assertEqual(done.returncode, 28, done.stdout)
        self.assertIn("535", done.stdout)
        done = self.submit("submission", "--auth", "PLAIN", check=False)
        self.assertNotEqual(done.returncode, 0)

    def test_receive_role(self):
        self.swaks("smtp", "--tls", "--from", "<>", "--to", self.bob)
        self.swaks("smtp", "--from", "x@far.example", "--to", "bob+tag@example.org")
        self.swaks("smtp", "--from", "x@far.example", "--to", "BOB@EXAMPLE.ORG")
        self.assertEqual(self.count(), 3)
        done = self.swaks("smtp", "--from", "x@far.example", "--to", "y@other.example", check=False)
        self.assertEqual(done.returncode, 24, done.stdout)

    def test_over_quota_is_temporary_and_tells_before_data(self):
        self.box.run("account", "quota", self.bob, "1M")
        big = self.box.home / "big.txt"
        big.write_text("Subject: big\n\n" + ("x" * 70 + "\n") * 9_000)
        for _ in range(2):
            self.swaks("smtp", "--from", "x@far.example", "--to", self.bob, "--data", f"@{big}")
        done = self.swaks("smtp", "--from", "x@far.example", "--to", self.bob, "--data", f"@{big}", check=False)
        self.assertIn("452 4.2.2", done.stdout)
        self.assertNotIn("<** 550", done.stdout)
        done = self.swaks("smtp", "--from", "x@far.example", "--to", f"{self.bob},{self.anna}")
        self.assertIn("452 4.2.2", done.stdout)


if __name__ == "__main__":
    unittest.main()
