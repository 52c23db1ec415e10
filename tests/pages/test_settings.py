"""Settings changed from the page while mail goes on, and the owner's password anew by the button or the one-time code."""

import imaplib
import unittest

from box import PASSWORD, until
from browser import Browser
from fresh import FreshBox

ANNA, BOB = "anna@heimpost.local", "bob@heimpost.local"
ANEW = "Neun gelbe Tassen im Nebel"


class Settings(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.box = FreshBox('[panel]\nbackend = "sim"\n')
        cls.box.start()
        for address in (ANNA, BOB):
            cls.box.run("account", "add", address, "--password-stdin", stdin=PASSWORD + "\n")
        cls.browser = Browser().__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.browser.__exit__()
        cls.box.__exit__()

    def owner(self, **how):
        return self.browser.person(self.box, **how)

    def imap(self):
        imap = imaplib.IMAP4("127.0.0.1", self.box.ports["imap"])
        self.addCleanup(imap.shutdown)
        return imap

    def rename(self, owner, hostname):
        owner.go("/box/device")
        owner.page.fill("[name=hostname]", hostname)
        owner.page.locator("section#names").get_by_role("button").click()
        owner.page.wait_for_load_state()

    def greeting(self, hostname):
        return hostname in self.imap().welcome.decode()

    def test_a_change_restarts_the_services_and_nobody_is_logged_out(self):
        for script in [True, False]:
            hostname = f"box-{str(script).lower()}.heimpost.local"
            with self.subTest(script=script), self.owner(script=script) as owner, self.owner(script=script) as reader:
                owner.log_in(ANNA, realm="box")
                reader.log_in(BOB)
                idle = self.imap()
                self.rename(owner, hostname)
                self.assertIn("Saved.", owner.text())
                # The program that was connected is told, and the same port has the new name.
                until(lambda: not self.is_open(idle), what="the end of the connection")
                until(lambda: self.greeting(hostname), what="the new name")
                owner.go("/box/device")
                self.assertEqual(owner.page.input_value("[name=hostname]"), hostname)
                reader.go("/mail")
                self.assertNotIn("/login", reader.page.url)
                reader.go("/mail/compose")
                reader.page.fill("[name=to]", BOB)
                reader.page.fill("[name=subject]", f"Nach dem Neustart {script}")
                reader.press("Send")
                reader.go("/mail")
                self.assertIn(f"Nach dem Neustart {script}", reader.text())

    def is_open(self, imap):
        try:
            return imap.noop()[0] == "OK"
        except imaplib.IMAP4.abort:
            return False

    def test_a_change_that_does_not_start_is_taken_back(self):
        # The certificate for another name cannot be written.
        beside = self.box.data / "tls/leaf.pem.new"
        beside.mkdir()
        with self.owner(language="de-DE") as owner:
            owner.log_in(ANNA, realm="box")
            owner.go("/box/device")
            before = owner.page.input_value("[name=hostname]")
            self.rename(owner, "nirgends.heimpost.local")

            def told():
                owner.go("/box/device")
                return "Es gilt wieder, was vorher galt" in owner.text()

            until(told, what="what became of the change")
            owner.look("settings-taken-back")
            self.assertEqual(owner.page.input_value("[name=hostname]"), before)
            self.assertTrue(self.greeting(before))
            owner.go("/box")
            self.assertIn("Es gilt wieder, was vorher galt", owner.text())
            beside.rmdir()
            self.rename(owner, "wieder.heimpost.local")
            until(lambda: self.greeting("wieder.heimpost.local"), what="the new name")
            owner.go("/box/device")
            self.assertNotIn("was vorher galt", owner.text())

    def test_what_does_not_go_together_is_said_at_its_field(self):
        with self.owner(language="de-DE", size="phone") as owner:
            owner.log_in(ANNA, realm="box")
            owner.expected.add(422)
            owner.go("/box/device")
            owner.page.locator("section#room summary").click()
            owner.page.fill("[name='storage.notice_percent']", "99")
            owner.page.locator("section#room").get_by_role("button").click()
            owner.page.wait_for_load_state()
            self.assertIn("Das muss kleiner sein als „Warnung bei“.", owner.text())
            self.assertEqual(owner.page.input_value("[name='storage.notice_percent']"), "99")
            owner.look("settings-wrong")

    def test_the_button_opens_the_way_to_a_new_password(self):
        with self.owner() as inside, self.owner() as managing, self.owner(language="de-DE", size="phone") as person:
            inside.log_in(ANNA)
            managing.log_in(ANNA, realm="box")
            person.go("/forgot")
            self.assertNotIn("Der Knopf wurde gehalten", person.text())
            self.box.run("panel", "press", "--hold", "11")
            person.go("/forgot")
            person.look("forgot-open")
            person.press("Neues Passwort wählen")
            self.choose(person, ANEW)
            person.look("forgot-done")
            # Whoever was logged in is not any more.
            for other, path in [(inside, "/mail"), (managing, "/box")]:
                other.go(path)
                self.assertIn("login", other.page.url)
            person.press("Anmelden")
            person.log_in(ANNA, realm="box", password=ANEW)
            person.go("/box")
        self.back()

    def test_the_one_time_code_does_too_and_once(self):
        for script in [True, False]:
            with self.subTest(script=script), self.owner(script=script, language="de-DE") as person:
                code = (self.box.data / "setup-code.txt").read_text().split()[0]
                person.go("/forgot")
                person.expected.add(403)
                self.type(person, "AAAA-BBBB-CCCC")
                self.assertIn("Dieser Code stimmt nicht", person.text())
                self.type(person, code.lower().replace("-", " "))
                page = person.page
                page.fill("[name=password]", "passwort1")
                person.press("Dieses Passwort nehmen")
                self.assertIn("zu leicht zu raten", person.text())
                self.choose(person, ANEW)
                with self.owner(script=script) as other:
                    other.log_in(ANNA, password=ANEW)
                    other.expected.add(403)
                    other.go("/forgot")
                    self.type(other, code)
                    self.assertIn("This code is wrong", other.text())
            self.back()

    def type(self, person, code):
        person.page.fill("[name=code]", code)
        person.page.locator("form:has([name=code]) button").click()
        person.page.wait_for_load_state()

    def choose(self, person, password):
        person.page.fill("[name=password]", password)
        person.press("Dieses Passwort nehmen")
        self.assertIn("Das neue Passwort gilt.", person.text())

    def back(self):
        self.box.run("account", "password", ANNA, "--password-stdin", stdin=PASSWORD + "\n")


if __name__ == "__main__":
    unittest.main()
