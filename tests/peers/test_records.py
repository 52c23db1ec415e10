"""The records of a domain: shown, checked against a name server, and keys that change, as opendkim sees them."""

import json
import re
import unittest

from box import Box, message, tool, until
from broken import Broken
from names import Names
from test_sending import QUICK, submit


def records(box):
    return json.loads(box.run("dns", "records", "--json").stdout)


def texts(listed):
    """TXT records as lines of a zone."""
    return [f'{record["name"]}. TXT {record["zone"]}' for record in listed if record["type"] == "TXT"]


def verified(mail, listed, home):
    """What opendkim says of each signature: selectors that hold, and the rest of its words."""
    keys = home / "keys"
    keys.write_text("".join(
        f'{record["name"]} {record["value"]}\n' for record in listed if "._domainkey." in record["name"]))
    config = home / "opendkim.conf"
    config.write_text(f"Mode v\nTestPublicKeys {keys}\nSyslog no\nAlwaysAddARHeader yes\nAuthservID test\n")
    path = home / "mail"
    path.write_bytes(mail)
    done = tool("opendkim", "-x", str(config), "-t", str(path), "-vvv", check=False)
    words = done.stdout + done.stderr
    return set(re.findall(r"dkim=pass.*?header\.s=(\S+)", words, re.S)), words


class Keys(unittest.TestCase):
    def test_new_keys_sign_once_they_are_published(self):
        zone = ("else.test. MX 10 mx.else.test.", "mx.else.test. A 127.0.0.1")
        with Broken(["good"] * 3) as other, Names(*zone) as names:
            with Box(names.config + f"[queue]\nport = {other.port}\n{QUICK}") as box:
                anna = box.account("anna")
                body = "Hello  there \r\n\r\n.a dot\r\n" + "x" * 300 + "\r\n\r\n"

                def sent(count):
                    text = message("Signed", body=body, sender=anna, to="ben@else.test")
                    submit(box, anna, "ben@else.test", text=text)
                    until(lambda: len(other.taken) == count, what="the mail outside")
                    return other.taken[-1].replace(b"\r\n..", b"\r\n.")

                first = sent(1)
                listed = records(box)
                selectors = {record["name"].split(".")[0] for record in listed if "._domainkey." in record["name"]}
                held, words = verified(first, listed, box.home)
                self.assertEqual(held, selectors, words)
                held, words = verified(first.replace(b"a dot", b"a spot"), listed, box.home)
                self.assertEqual(held, set(), words)

                box.run("dns", "rotate")
                listed = records(box)
                held, words = verified(sent(2), listed, box.home)
                self.assertEqual(held, selectors, words)
                for line in texts(listed) + ["example.org. MX 10 mail.example.org.", "mail.example.org. A 203.0.113.7",
                                             "7.113.0.203.in-addr.arpa. PTR mail.example.org."]:
                    names.add(line)
                self.assertIn("The new keys sign from now on.", box.run("dns", "check").stdout)
                held, words = verified(sent(3), records(box), box.home)
                self.assertEqual(len(held), 2, words)
                self.assertFalse(held & selectors, words)
                box.check()


class Records(unittest.TestCase):
    def test_check_says_what_is_missing_with_and_without_a_daemon(self):
        with Names("example.org. MX 10 mail.example.org.", "mail.example.org. A 192.168.1.2") as names:
            with Box(names.config) as box:
                def check(*options):
                    done = box.run("dns", "check", *options, check=False)
                    self.assertEqual(done.returncode, 1, done.stdout)
                    return done.stdout

                served = check()
                self.assertIn("192.168.1.2, which only your home network has", served)
                self.assertIn("add this TXT record for example.org", served)
                found = {one["name"]: one["state"] for one in json.loads(check("--json")) if one["type"] in ("MX", "A")}
                self.assertEqual(found, {"example.org": "ok", "mail.example.org": "wrong"})
                box.stop()
                self.assertEqual(check(), served)


if __name__ == "__main__":
    unittest.main()
