"""From another machine of the house: HTTP sets up and leads on, passwords go over TLS only, and other names and pages get nothing."""

import http.client
import socket
import threading
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from browser import Browser
from fresh import FreshBox, usual
from namespace import Namespace

BOX, ELSEWHERE = "192.0.2.1", "192.0.2.66"
HOSTS = {"heimpost.local": BOX, "rebound.example": BOX, "attacker.example": ELSEWHERE}
OWN = "Vier bunte Pferde"
ANNA = "anna@heimpost.local"

# A page of somebody else's that tries what a page can.
ATTACK = b"""<!doctype html><title>Win a prize</title>
<iframe src="https://heimpost.local/login" title="framed"></iframe>
<form id="go" method="post" action="https://heimpost.local/me/language"><input name="language" value="en"></form>
<button form="go">Win</button>"""


class Attacker(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(ATTACK)

    def log_message(self, *_):
        pass


class Lan(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.enterClassContext(Namespace(BOX, ELSEWHERE))
        cls.box = cls.enterClassContext(FreshBox(places=usual(BOX)))
        cls.browser = cls.enterClassContext(Browser(HOSTS))
        cls.set_up()

    def at(self, base, **how):
        return self.browser.person(self.box, base=base, **how)

    @classmethod
    def set_up(cls):
        """By the phone, over HTTP, as somebody does who has just put the plug in."""
        with cls.browser.person(cls.box, "de-DE", "phone", base="http://heimpost.local") as person:
            person.bases.add("https://heimpost.local")
            page = person.page
            person.go("/")
            person.look("lan-setup")
            person.press("Los geht's")
            person.press("Weiter")
            page.check("[name=mode][value=lan]")
            person.press("Weiter")
            person.press("Weiter")
            page.wait_for_selector("[name=name]")
            page.fill("[name=name]", "anna")
            page.fill("[name=password]", OWN)
            person.press("Mit diesem Passwort weiter")
            person.press("Fertig")
            person.look("lan-done")
            # From here on there are passwords of people: over TLS.
            person.press("E-Mail-Programme einrichten")
            assert page.url.startswith("https://heimpost.local/login"), page.url
            page.fill("[name=address]", ANNA)
            page.fill("[name=password]", OWN)
            page.click("main button")
            page.wait_for_load_state()
            assert page.url == "https://heimpost.local/me/clients", page.url

    def test_the_start_page_says_how_to_be_sure(self):
        for language in ["de-DE", "en-GB"]:
            with self.at("http://heimpost.local", language=language, size="phone") as person:
                person.go("/")
                person.look("lan-start")
                links = person.page.locator("main a.button").evaluate_all("all => all.map(one => one.href)")
                self.assertEqual(links, ["https://heimpost.local/mail", "https://heimpost.local/box"])

    def test_passwords_go_over_tls_only(self):
        for host in ["heimpost.local", BOX]:
            for path in ["/login", "/box/login", "/mail", "/box", "/me", "/forgot", "/mail/search?q=a%20b"]:
                with self.subTest(host=host, path=path), self.at(f"http://{host}") as person:
                    person.bases.add(f"https://{host}")
                    person.page.goto(path)
                    parts = urlsplit(person.page.url)
                    self.assertEqual((parts.scheme, parts.netloc), ("https", host))
                    self.assertEqual(person.context.cookies(f"http://{host}"), [])

    def test_the_setup_is_closed_to_the_next_one(self):
        with self.at("http://heimpost.local", language="de-DE", size="phone") as person:
            person.go("/setup")
            self.assertIn("verschlossen", person.text())
            person.look("lan-setup-closed")
            person.go("/setup/mode")
            self.assertTrue(urlsplit(person.page.url).path in ("/setup", "/login"), person.page.url)

    def test_a_password_sent_in_plain_opens_nothing(self):
        asked = http.client.HTTPConnection(BOX, 80, timeout=120)
        body = f"address={ANNA}&password={OWN}".replace(" ", "+")
        headers = {"Host": "heimpost.local", "Content-Type": "application/x-www-form-urlencoded"}
        asked.request("POST", "/login", body, headers)
        answer = asked.getresponse()
        self.assertEqual(answer.status, 307)
        self.assertEqual(answer.headers["location"], "https://heimpost.local/login")
        self.assertNotIn("set-cookie", answer.headers)

    def test_the_certificate_is_for_the_name_and_the_address(self):
        context = self.box.tls()
        for name in ["heimpost.local", BOX]:
            with self.subTest(name), context.wrap_socket(
                socket.create_connection((BOX, 443)), server_hostname=name
            ) as tls:
                self.assertEqual(tls.version(), "TLSv1.3")

    def test_a_rebound_name_gets_nothing(self):
        for base in ["http://rebound.example", "https://rebound.example"]:
            for path in ["/", "/setup", "/login", "/mail", "/assets/heimpost.js"]:
                with self.subTest(base=base, path=path), self.at(base) as person:
                    person.go(path, status=421)
                    self.assertNotIn("Heimpost", person.page.content())
                    self.assertEqual(person.context.cookies(), [])

    def test_a_page_of_somebody_else_does_nothing(self):
        # Browsers open connections ahead of what they ask for.
        server = ThreadingHTTPServer((ELSEWHERE, 80), Attacker)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        with self.at("https://heimpost.local", language="de-DE") as person:
            person.log_in(ANNA, password=OWN)
            before = self.box.run("account", "list", "--json").stdout
            # The browser says aloud that it does not frame, and that the form was refused.
            person.bases |= {"http://attacker.example"}
            # A refusal is plain text, and browsers look for an icon of such a page.
            person.expected |= {403, 404}
            person.page.goto("http://attacker.example/")
            person.page.wait_for_load_state("networkidle")
            framed = person.page.frames[1]
            self.assertEqual(framed.locator("form").count(), 0)
            person.page.get_by_role("button", name="Win").click()
            person.page.wait_for_url("https://heimpost.local/**")
            self.assertIn("did not come from this box", person.page.content())
            self.assertEqual(self.box.run("account", "list", "--json").stdout, before)
            self.assertTrue(any("frame" in line for line in person.strange), person.strange)
            person.strange = [line for line in person.strange if "frame" not in line and "attacker.example/favicon" not in line]


if __name__ == "__main__":
    unittest.main()
