"""From the first start to a mail read in Thunderbird, by the page alone; on a phone, in German, with and without script."""

import re
import unittest
from pathlib import Path

from browser import Browser
from fresh import FreshBox, usual
from namespace import Namespace
from thunderbird import Thunderbird


HOME, ADDRESS = "heimpost.local", "192.0.2.1"

# The box's name leads to it, as by multicast DNS at home; there is no other network.
AT_HOME = {"network.dns.localDomains": HOME, "network.manage-offline-status": False, "network.connectivity-service.enabled": False}

# Both servers, as Thunderbird says it: TLS from the first byte is 3.
FOUND = {"hostname": HOME, "socketType": 3}


class Story(unittest.TestCase):
    def test_from_the_first_start_to_a_mail_in_thunderbird(self):
        for script in [True, False]:
            # In a network of its own, the box can have the name and the ports that it has at home.
            with self.subTest(script=script), Namespace(ADDRESS), FreshBox(places=usual(ADDRESS)) as box, Browser({HOME: ADDRESS}) as browser:
                with browser.person(box, "de-DE", "phone", script=script, base=f"http://{HOME}") as person:
                    person.bases.add(f"https://{HOME}")
                    self.set_up(person, box)
                    address, password = self.add_device(person)
                    self.write_to_oneself(person, address)
                    authority = self.load_authority(person)
                with Thunderbird(preferences=AT_HOME) as thunderbird:
                    found = thunderbird.find_account(address, password, authority)
                    # Address and password are all that was typed.
                    self.assertEqual(found["incoming"], FOUND | {"type": "imap", "port": 993, "username": address})
                    self.assertEqual(found["outgoing"], FOUND | {"type": "smtp", "port": 465, "username": address})
                    self.assertIn("Sie ist da.", thunderbird.read("Meine erste Mail"))
                box.check()

    def set_up(self, person, box):
        page = person.page
        person.go("/")
        self.assertIn("/setup", page.url)
        person.look("setup-start")
        person.press("Los geht's")
        page.check("[name=language][value=de]")
        person.look("setup-language")
        person.press("Weiter")
        page.check("[name=mode][value=lan]")
        person.look("setup-mode")
        person.press("Weiter")
        person.look("setup-name")
        person.press("Weiter")
        page.wait_for_selector("[name=name]")
        page.fill("[name=name]", "anna")
        page.fill("[name=password]", "Vier bunte Pferde")
        person.look("setup-account")
        person.press("Mit diesem Passwort weiter")
        person.look("setup-programs")
        person.press("Fertig")
        person.look("setup-done")

    def add_device(self, person):
        page = person.page
        person.press("E-Mail-Programme einrichten")
        address = "anna@heimpost.local"
        page.fill("[name=address]", address)
        page.fill("[name=password]", "Vier bunte Pferde")
        page.click("main button")
        page.wait_for_load_state()
        person.look("clients")
        return address, self.new_device(person)

    def new_device(self, person):
        page = person.page
        page.fill("[name=name]", "Annas Computer")
        page.click("main form:has([name=name]) button")
        page.wait_for_load_state()
        person.look("device-new")
        found = re.search(r"\b([a-z0-9]{4}(?:-[a-z0-9]{2,4}){3,})\b", person.text())
        assert found, person.text()
        return found.group(1)

    def load_authority(self, person):
        person.go("/authority/")
        person.look("authority")
        with person.page.expect_download() as waiting:
            person.page.locator("a[href='/authority/heimpost.pem']").first.click()
        return Path(waiting.value.path()).read_text()

    def write_to_oneself(self, person, address):
        page = person.page
        person.go("/mail/compose")
        page.fill("[name=to]", address)
        page.fill("[name=subject]", "Meine erste Mail")
        page.fill("[name=text]", "Sie ist da.")
        person.press("Senden")
        person.go("/mail")
        self.assertIn("Meine erste Mail", person.text())


if __name__ == "__main__":
    unittest.main()
