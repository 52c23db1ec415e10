"""From the first start to a mail read in Thunderbird, by the page alone; on a phone, in German, with and without script."""

import re
import socket
import unittest

from box import SERVICES, Box
from browser import Browser
from thunderbird import Thunderbird


class FreshBox(Box):
    """A box as it comes out of its packet: nothing is set but where it listens."""

    def __init__(self):
        super().__init__()
        # Ports that stay the same when the services restart; free ones, as the system says.
        probes = [socket.create_server(("127.0.0.1", 0)) for _ in SERVICES]
        ports = [probe.getsockname()[1] for probe in probes]
        for probe in probes:
            probe.close()
        listeners = "".join(f'{name} = ["127.0.0.1:{port}"]\n' for name, port in zip(SERVICES, ports))
        self.config.write_text(f"[receive]\nverify = false\n[listen]\n{listeners}")


class Story(unittest.TestCase):
    def test_from_the_first_start_to_a_mail_in_thunderbird(self):
        for script in [True, False]:
            with self.subTest(script=script), FreshBox() as box, Browser() as browser:
                with browser.person(box, "de-DE", "phone", script=script) as person:
                    self.set_up(person, box, look=script)
                    address, password = self.add_device(person, look=script)
                    self.write_to_oneself(person, address)
                with Thunderbird() as thunderbird:
                    thunderbird.account(box, address, password)
                    found = thunderbird.read("Meine erste Mail")
                    self.assertIn("Sie ist da.", found)
                box.check()

    def set_up(self, person, box, look):
        page = person.page
        person.go("/")
        self.assertIn("/setup", page.url)
        self.shown(person, "setup-start", look)
        person.press("Los geht's")
        page.check("[name=language][value=de]")
        self.shown(person, "setup-language", look)
        person.press("Weiter")
        page.check("[name=mode][value=lan]")
        self.shown(person, "setup-mode", look)
        person.press("Weiter")
        self.shown(person, "setup-name", look)
        person.press("Weiter")
        page.wait_for_selector("[name=name]", timeout=30_000)
        page.fill("[name=name]", "anna")
        page.fill("[name=password]", "Vier bunte Pferde")
        self.shown(person, "setup-account", look)
        person.press("Mit diesem Passwort weiter")
        self.shown(person, "setup-programs", look)
        person.press("Fertig")
        self.shown(person, "setup-done", look)

    def add_device(self, person, look):
        page = person.page
        person.press("E-Mail-Programme einrichten")
        address = "anna@heimpost.local"
        page.fill("[name=address]", address)
        page.fill("[name=password]", "Vier bunte Pferde")
        page.click("main button")
        page.wait_for_load_state()
        self.shown(person, "clients", look)
        return address, self.new_device(person, look)

    def new_device(self, person, look):
        page = person.page
        page.fill("[name=name]", "Annas Computer")
        page.click("main form:has([name=name]) button")
        page.wait_for_load_state()
        self.shown(person, "device-new", look)
        found = re.search(r"\b([a-z0-9]{4}(?:-[a-z0-9]{2,4}){3,})\b", person.text())
        assert found, person.text()
        return found.group(1)

    def write_to_oneself(self, person, address):
        page = person.page
        person.go("/mail/compose")
        page.fill("[name=to]", address)
        page.fill("[name=subject]", "Meine erste Mail")
        page.fill("[name=text]", "Sie ist da.")
        person.press("Senden")
        person.go("/mail")
        self.assertIn("Meine erste Mail", person.text())

    def shown(self, person, name, look):
        if look:
            person.look(name)


if __name__ == "__main__":
    unittest.main()
