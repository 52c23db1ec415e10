"""Who a mail is from: our signatures before OpenDKIM, others' mail with SPF, OpenDKIM's signatures and DMARC before us."""

import json
import re
import shutil
import smtplib
import subprocess
import tempfile
import unittest
from pathlib import Path

from box import Box, message, tool
from namespace import Namespace
from names import Names
from others import Postfix
from test_sending import QUICK, inbox, submit

OUTSIDE = "192.0.2.7"


class OpenDkim:
    """OpenDKIM's library by its test mode: no milter, no daemon."""

    def __init__(self):
        self.home = Path(tempfile.mkdtemp(prefix="heimpost-dkim-"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.home, ignore_errors=True)

    def _run(self, settings, text):
        (self.home / "conf").write_text(settings + "UserID root\nRequireSafeKeys no\n")
        (self.home / "mail").write_bytes(text)
        return tool("opendkim", "-v", "-v", "-x", str(self.home / "conf"), "-t", str(self.home / "mail")).stdout

    def verify(self, text, records):
        (self.home / "keys").write_text("".join(f"{name} {value}\n" for name, value in records))
        return self._run(f"Mode v\nAlwaysAddARHeader yes\nTestPublicKeys {self.home}/keys\n", text)

    def sign(self, text, domain):
        """The message with a signature, and the record of its key."""
        command = ["opendkim-genkey", "-b", "1024", "-d", domain, "-s", "test", "-D", str(self.home)]
        subprocess.run(command, check=True)
        record = "".join(re.findall(r'"([^"]*)"', (self.home / "test.txt").read_text()))
        settings = f"Mode s\nDomain {domain}\nSelector test\nKeyFile {self.home}/test.private\nInternalHosts 0.0.0.0/0\n"
        shown = self._run(settings + "Canonicalization relaxed/simple\n", text)
        value = re.search(r"hname='DKIM-Signature' hvalue='(.*?)'", shown, re.DOTALL).group(1)
        field = b"DKIM-Signature: " + value.strip().replace("\r", "").replace("\n", "\r\n").encode() + b"\r\n"
        return field + text, record


class Signatures(unittest.TestCase):
    def test_opendkim_takes_both_after_postfix(self):
        with Postfix("else.test") as other:
            with Names("else.test. MX 10 mx.else.test.", "mx.else.test. A 127.0.0.1") as names:
                with Box(names.config + f"[queue]\nport = {other.port}\n{QUICK}") as box, OpenDkim() as judge:
                    anna = box.account("anna")
                    text = message("Grüße", body="Zeile  mit   Leerzeichen \r\n\r\n.Punkt\r\n\r\n", sender=anna, extra=(
                        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
                        "Content-Transfer-Encoding: 8bit\r\n"))
                    submit(box, anna, "ben@else.test", text=text)
                    other.wait("ben")
                    raw = other.raw("ben")[0].replace(b"\n", b"\r\n")
                    records = json.loads(box.run("dns", "records", "--json").stdout)
                    keys = [(one["name"], one["value"]) for one in records if "_domainkey" in one["name"]]
                    self.assertEqual(len(keys), 2)
                    seen = judge.verify(raw, keys)
                    self.assertRegex(seen, r"dkim=pass[^;]*rsa-sha256")
                    self.assertRegex(seen, r"dkim=pass[^;]*ed25519-sha256")
                    self.assertNotIn("dkim=fail", seen)
                    self.assertNotRegex(judge.verify(raw.replace(b"Zeile", b"Seile"), keys), r"\bdkim=pass")


class OthersMail(unittest.TestCase):
    """A host outside sends to us, in a network of its own."""

    def receive(self, zone, sends, folder=""):
        """`sends` gets a function that delivers a text of a sender from OUTSIDE; gives what arrived."""
        with Namespace(OUTSIDE), Names(*zone) as names, Box(names.config) as box:
            anna = box.account("anna")

            def deliver(text, sender):
                with smtplib.SMTP("127.0.0.1", box.ports["smtp"], source_address=(OUTSIDE, 0)) as client:
                    client.ehlo("mx.else.test")
                    client.sendmail(sender, [anna], text)

            sends(deliver)
            return inbox(box, anna, folder)

    def zone(self, *more, policy="reject"):
        return (
            f'else.test. TXT "v=spf1 ip4:{OUTSIDE} -all"', f'_dmarc.else.test. TXT "v=DMARC1; p={policy}"',
            'forged.test. TXT "v=spf1 -all"', f'_dmarc.forged.test. TXT "v=DMARC1; p={policy}"', *more,
        )

    def results(self, mail):
        unfolded = re.sub(r"\r?\n[ \t]+", " ", mail)
        return [line for line in unfolded.splitlines() if line.lower().startswith("authentication-results:")]

    def test_spf_and_dmarc_pass(self):
        def sends(deliver):
            deliver(message("Hello", sender="eva@else.test", extra="Authentication-Results: mail.example.org; dkim=pass\r\n"),
                    "eva@else.test")

        (mail,) = self.receive(self.zone(), sends)
        (result,) = self.results(mail)
        self.assertRegex(result, r"mail\.example\.org;.*spf=pass")
        self.assertRegex(result, r"dmarc=pass")

    def test_opendkims_signature(self):
        with OpenDkim() as other:
            signed, record = other.sign(message("Signed", sender="eva@else.test").encode(), "else.test")

            def sends(deliver):
                deliver(signed, "bounce@else.test")
                deliver(signed.replace(b"Hello", b"Jello"), "bounce@else.test")

            key = f'test._domainkey.else.test. TXT "{record}"' if len(record) < 255 else None
            mails = self.receive(self.zone(key), sends)
        results = [self.results(mail)[0] for mail in mails]
        self.assertEqual(sum("dkim=pass" in result for result in results), 1, results)
        self.assertEqual(sum("dkim=fail" in result for result in results), 1, results)

    def test_forged_is_refused(self):
        refusals = []

        def sends(deliver):
            try:
                deliver(message("Forged", sender="boss@forged.test"), "boss@forged.test")
            except smtplib.SMTPDataError as refusal:
                refusals.append(refusal)

        self.assertEqual(self.receive(self.zone(), sends), [])
        self.assertEqual((refusals[0].smtp_code, refusals[0].smtp_error[:5]), (550, b"5.7.1"))

    def test_doubtful_goes_to_junk(self):
        def sends(deliver):
            deliver(message("Forged", sender="boss@forged.test"), "boss@forged.test")

        (mail,) = self.receive(self.zone(policy="quarantine"), sends, folder="Junk")
        self.assertIn("dmarc=fail", self.results(mail)[0])

    def test_no_answer_refuses_nothing(self):
        def sends(deliver):
            deliver(message("Hello", sender="eva@mute.test"), "eva@mute.test")

        (mail,) = self.receive(("mute.test. !servfail", "_dmarc.mute.test. !servfail"), sends)
        self.assertIn("spf=temperror", self.results(mail)[0])


if __name__ == "__main__":
    unittest.main()
