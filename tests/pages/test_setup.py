"""Setting up with a provider that sends: a preset, a real login and a test mail; then the setup's door and the forgotten password."""

import unittest

from browser import Browser
from fresh import FreshBox
from names import Names
from namespace import Namespace
from others import Authority, Postfix

OWN = "Vier bunte Pferde"


def provider(authority):
    """Postfix in the place of GMX: port 587, STARTTLS, a customer, and a way to the house."""
    settings = """
        virtual_mailbox_domains = gmx.net, example.org, else.test
        virtual_mailbox_maps = inline:{ { anna@example.org = anna/ }, { ben@else.test = ben/ } }
        smtpd_recipient_restrictions = permit_sasl_authenticated, reject
        smtpd_tls_auth_only = yes
    """
    pem = authority.leaf("mail.gmx.net")
    return Postfix("gmx.net", settings=settings, certificate=pem, login=("anna.muster", "geheim"), port=587)


class WithProvider(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.authority = Authority()
        # In a network of its own, the provider's name can lead here, to the very port that the preset has.
        cls.enterClassContext(Namespace())
        cls.provider = cls.enterClassContext(provider(cls.authority))
        cls.names = cls.enterClassContext(Names("mail.gmx.net. A 127.0.0.1"))
        cls.browser = cls.enterClassContext(Browser())

    @classmethod
    def tearDownClass(cls):
        cls.authority.close()

    def test_a_preset_a_wrong_password_and_the_right_one(self):
        for count, script in enumerate([True, False], 1):
            with self.subTest(script=script):
                env = {"SSL_CERT_FILE": str(self.authority.bundle)}
                with FreshBox(self.names.config, env=env) as box:
                    with self.browser.person(box, "de-DE", "phone", script=script) as person:
                        self.set_up(person)
                        self.send(person, count)
                    box.check()

    def set_up(self, person):
        page = person.page
        person.go("/setup")
        person.press("Los geht's")
        page.check("[name=language][value=de]")
        person.press("Weiter")
        page.check("[name=mode][value=smarthost]")
        person.look("wizard-mode")
        person.press("Weiter")
        page.fill("[name=domain]", "example.org")
        person.look("wizard-name")
        person.press("Weiter")
        page.wait_for_selector("[name=name]")
        page.fill("[name=name]", "anna")
        page.fill("[name=password]", OWN)
        person.press("Mit diesem Passwort weiter")
        page.wait_for_selector("[name=preset]")
        self.assertEqual(page.input_value("[name=preset]"), "gmx")
        person.look("wizard-provider")
        self.enter(person, "falsch")
        person.look("wizard-test")
        person.press("Probemail senden")
        person.look("wizard-refused")
        text = person.text()
        self.assertIn("lehnt die Anmeldung ab. Prüfen Sie Benutzer und Passwort.", text)
        self.assertIn("POP3 und IMAP", text)
        person.press("Angaben ändern")
        # The user is still there, the password is not.
        self.assertEqual(page.input_value("[name=user]"), "anna.muster@gmx.net")
        self.assertEqual(page.input_value("[name=password]"), "")
        self.enter(person, "geheim")
        person.press("Probemail senden")
        self.assertIn("Das Senden funktioniert", person.text())
        person.look("wizard-works")
        person.press("Weiter")
        person.look("wizard-programs")
        person.press("Fertig")
        person.look("wizard-done")

    def enter(self, person, password):
        page = person.page
        page.fill("[name=user]", "anna.muster@gmx.net")
        page.fill("[name=password]", password)
        person.press("Speichern und weiter")
        # The page waits by itself while the services restart.
        page.get_by_role("button", name="Probemail senden").wait_for()

    def send(self, person, count):
        """What is written leaves by the provider."""
        person.log_in("anna@example.org", password=OWN)
        person.go("/mail/compose")
        person.page.fill("[name=to]", "ben@else.test")
        person.page.fill("[name=subject]", "Über den Anbieter")
        person.page.fill("[name=text]", "Hallo Ben")
        person.press("Senden")
        subjects = [str(mail["Subject"]) for mail in self.provider.wait("ben", count)]
        self.assertEqual(subjects, ["Über den Anbieter"] * count)
        # The test mail took the same way.
        self.assertEqual(len(self.provider.wait("anna", count)), count)
        self.provider.logs("sasl_username=anna.muster@gmx.net")


if __name__ == "__main__":
    unittest.main()
