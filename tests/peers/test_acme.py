"""Certificates by ACME from Pebble, the test server of Let's Encrypt's makers, which really connects to prove each name.

A box asks as soon as it starts and an hour after a failure; forgetting what was tried and starting again stands for the
hour.
"""

import contextlib
import http.client
import json
import os
import smtplib
import socket
import ssl
import stat
import subprocess
import threading
import unittest
import urllib.request

from box import Box, until
from names import Names
from others import Authority, free_port

MAIL, POLICY = "mail.example.org", "mta-sts.example.org"
YEAR = 365 * 24 * 3600


class Pebble:
    """Pebble on loopback; looks at names where `names` leads it, at these ports."""

    def __init__(self, authority, names, http, tls, life=YEAR, port=None, blocked=()):
        self.home = authority.home
        self.authority = authority
        self.port = port or free_port()
        self.management = free_port()
        pem = authority.leaf("localhost")
        settings = {
            "listenAddress": f"127.0.0.1:{self.port}", "managementListenAddress": f"127.0.0.1:{self.management}",
            "certificate": str(pem), "privateKey": str(pem), "httpPort": http, "tlsPort": tls,
            "ocspResponderURL": "", "externalAccountBindingRequired": False, "certificateValidityPeriod": life,
            "domainBlocklist": list(blocked),
        }
        self.config = self.home / f"pebble-{self.port}.json"
        self.config.write_text(json.dumps({"pebble": settings}))
        self.names = names
        self.log = []

    def __enter__(self):
        # One nonce in a hundred is refused, as may happen any time (RFC 8555 6.5). Three in a row are a failure, which
        # must not come about by chance: a run of these tests asks some two hundred times.
        env = dict(os.environ, PEBBLE_VA_NOSLEEP="1", PEBBLE_WFE_NONCEREJECT="1", PEBBLE_AUTHZREUSE="0")
        self.process = subprocess.Popen(
            ["pebble", "-strict", "-config", str(self.config), "-dnsserver", self.names.address],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env,
        )
        threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True).start()
        until(self._answers, what="Pebble")
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def _read(self, lines):
        for line in lines:
            self.log.append(line)

    def _answers(self):
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.management)).close()
            socket.create_connection(("127.0.0.1", self.port)).close()
            return True

    def trusting(self):
        """What a client needs that trusts this Pebble's root, which is another one each time."""
        context = ssl.create_default_context(cafile=str(self.authority.bundle))
        url = f"https://localhost:{self.management}/roots/0"
        root = urllib.request.urlopen(url, context=context).read().decode()
        return ssl.create_default_context(cadata=root)

    def said(self, words):
        return sum(words in line for line in self.log)


class Acme(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.authority = Authority()

    @classmethod
    def tearDownClass(cls):
        cls.authority.close()

    def setUp(self):
        self.names = self.enterContext(Names(f"{MAIL}. A 127.0.0.1", f"{POLICY}. CNAME {MAIL}."))
        self.web, self.web_tls, self.directory = free_port(), free_port(), free_port()

    def pebble(self, names=None, **more):
        more = {"http": self.web, "tls": self.web_tls, **more}
        return Pebble(self.authority, names or self.names, port=self.directory, **more)

    def box(self):
        config = (
            f"{self.names.config}[acme]\ndirectory = \"https://localhost:{self.directory}/dir\"\n"
            'contact = "anna@example.org"\nterms_agreed = true\n'
        )
        box = Box(config, env={"SSL_CERT_FILE": str(self.authority.bundle)})
        text = box.config.read_text()
        for service, port in (("web", self.web), ("web_tls", self.web_tls)):
            text = text.replace(f'\n{service} = ["127.0.0.1:0"]', f'\n{service} = ["127.0.0.1:{port}"]')
        box.config.write_text(text)
        return self.enterContext(box)

    def forget_tries(self, box):
        """As if an hour had gone by."""
        box.stop()
        (box.data / "tls/acme-history.json").unlink()
        box.start()

    def served(self, box, context, name=MAIL, service="imaps"):
        """Serial number of the certificate that a client accepts for this name, or None if it does not."""
        try:
            with socket.create_connection(("127.0.0.1", box.ports[service])) as plain:
                with context.wrap_socket(plain, server_hostname=name) as secure:
                    return secure.getpeercert()["serialNumber"]
        except ssl.SSLCertVerificationError:
            return None

    def wait_for(self, box, context, name=MAIL):
        what = f"a certificate for {name} (last problem: see the log)"
        try:
            return until(lambda: self.served(box, context, name), what=what)
        except AssertionError:
            print("".join(box.log[-40:]))
            raise

    def test_everybody_accepts_it_on_every_port_without_a_restart(self):
        with self.pebble() as pebble:
            box = self.box()
            context = pebble.trusting()
            self.wait_for(box, context)
            self.assertTrue(self.served(box, context, POLICY, "web_tls"))
            with smtplib.SMTP("127.0.0.1", box.ports["submission"]) as client:
                client._host = MAIL
                client.starttls(context=context)
            until(lambda: pebble.said("Attempting to validate w/ HTTP"), what="the proof in Pebble's log")
            self.check_policy(box, context)
            self.check_modes(box)
            status = json.loads(box.run("status", "--json").stdout)["certificate"]
            self.assertEqual((status["source"], status["problem"]), ("acme", None))
            self.assertEqual(status["names"], [MAIL, POLICY])
            # Names of the house are still the own authority's matter.
            self.assertTrue(self.served(box, box.tls(), "localhost"))
            self.assertIsNone(self.served(box, context, "localhost"))

    def check_policy(self, box, context):
        connection = http.client.HTTPSConnection(POLICY, box.ports["web_tls"], context=context)
        plain = socket.create_connection(("127.0.0.1", box.ports["web_tls"]))
        connection.sock = context.wrap_socket(plain, server_hostname=POLICY)
        connection.request("GET", "/.well-known/mta-sts.txt")
        response = connection.getresponse()
        self.assertEqual(response.status, 200)
        self.assertIn(f"mode: enforce\r\nmx: {MAIL}\r\n", response.read().decode())
        connection.close()

    def check_modes(self, box):
        for name in ("acme.key", "acme-account.json"):
            mode = stat.S_IMODE((box.data / "tls" / name).stat().st_mode)
            self.assertEqual(mode, 0o600, name)

    def test_it_is_kept_over_restarts(self):
        with self.pebble() as pebble:
            box = self.box()
            context = pebble.trusting()
            first = self.wait_for(box, context)
        box.restart()
        self.assertEqual(self.served(box, context), first)

    def test_it_is_renewed_and_the_own_one_takes_over_at_its_end(self):
        with self.pebble(life=15) as pebble:
            box = self.box()
            context = pebble.trusting()
            first = self.wait_for(box, context)
            key = (box.data / "tls/acme.key").read_bytes()
            second = until(
                lambda: (self.served(box, context) or first) != first, what="a renewed certificate"
            )
            self.assertTrue(second)
            self.assertEqual((box.data / "tls/acme.key").read_bytes(), key)
        until(lambda: self.served(box, box.tls()), what="the box's own certificate")
        self.assertIsNone(self.served(box, context))

    def test_a_name_that_cannot_be_proved_does_not_hold_up_the_others(self):
        astray = Names(f"{MAIL}. A 127.0.0.1", f"{POLICY}. A 127.0.0.77")
        with self.enterContext(astray), self.pebble(names=astray) as pebble:
            box = self.box()
            context = pebble.trusting()
            self.wait_for(box, context)
            self.assertIsNone(self.served(box, context, POLICY))
            until(lambda: "127.0.0.77" in self.problem(box), what="a word about the other name")

    def problem(self, box):
        path = box.data / "tls/acme-history.json"
        return json.loads(path.read_text()).get("last_problem") or ""

    def test_a_name_that_is_not_wanted_does_not_either(self):
        with self.pebble(blocked=[POLICY]) as pebble:
            box = self.box()
            context = pebble.trusting()
            self.wait_for(box, context)
            self.assertIsNone(self.served(box, context, POLICY))

    def test_a_name_that_leads_elsewhere_is_not_asked_for_and_comes_in_later(self):
        self.names.remove(f"{POLICY}.")
        with self.pebble() as pebble:
            box = self.box()
            context = pebble.trusting()
            self.wait_for(box, context)
            self.assertIsNone(self.served(box, context, POLICY))
            self.assertNotIn(POLICY, "".join(pebble.log))
            self.names.add(f"{POLICY}. CNAME {MAIL}.")
            self.forget_tries(box)
            self.wait_for(box, context, POLICY)

    def test_names_are_proved_in_a_handshake_where_the_web_port_is_not_reached(self):
        with self.pebble(http=free_port()) as pebble:
            box = self.box()
            self.wait_for(box, pebble.trusting())
            self.assertTrue(self.served(box, pebble.trusting(), POLICY))

    def test_while_the_authority_is_away_the_own_one_serves_and_it_is_not_pestered(self):
        box = self.box()
        until(lambda: any("no certificate by ACME" in line for line in box.log), what="a word in the log")
        self.assertTrue(self.served(box, box.tls()))
        with self.pebble() as pebble:
            box.restart()
            self.assertTrue(self.served(box, box.tls()))
            self.assertEqual(json.loads((box.data / "tls/acme-history.json").read_text())["failures"], 1)
            self.assertEqual(pebble.said("GET /dir"), 0, "".join(pebble.log))
            self.forget_tries(box)
            self.wait_for(box, pebble.trusting())

    def test_an_authority_that_forgot_the_account_gets_a_new_one(self):
        with self.pebble() as pebble:
            box = self.box()
            first = self.wait_for(box, pebble.trusting())
        box.stop()
        (box.data / "tls/acme.pem").unlink()
        (box.data / "tls/acme-history.json").unlink()
        with self.pebble() as pebble:
            box.start()
            self.assertNotEqual(self.wait_for(box, pebble.trusting()), first)


if __name__ == "__main__":
    unittest.main()
