"""The owner's stories: accounts, aliases, devices, queue, button, room, log, DNS, moving mail, backups; with and without script."""

import re
import unittest
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

from box import PASSWORD, until
from browser import Browser
from furnished import furnished


class Manage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # Nothing answers there, so that mail for others waits.
        cls.box = furnished(letters=4, extra_config='[dns]\nservers = ["127.0.0.1:9"]\n')
        cls.browser = Browser().__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.browser.__exit__()
        cls.box.__exit__()

    def owner(self, **how):
        return self.browser.person(self.box, **how)

    def test_an_account_is_added_and_its_person_gets_in(self):
        for name, script in [("carla", True), ("dora", False)]:
            with self.subTest(script=script), self.owner(script=script) as owner:
                owner.log_in("anna@example.org", realm="box")
                owner.go("/box/accounts")
                owner.press("Add an account")
                owner.page.fill("[name=address]", f"{name}@example.org")
                owner.press("Add")
                password = re.search(r"\b([a-z0-9]{4}(?:-[a-z0-9]{2,4}){3,})\b", owner.text()).group(1)
                with self.browser.person(self.box, script=script) as person:
                    person.log_in(f"{name}@example.org", password=password)
                    person.go("/me")
                    self.assertIn(f"{name}@example.org", person.text())

    def test_a_person_changes_the_password_and_other_sessions_end(self):
        with self.owner() as here, self.owner() as there:
            for person in (here, there):
                person.log_in("bob@example.org")
            here.go("/me")
            fields = here.page.locator("main form:has(input[type=password])").first
            passwords = fields.locator("input[type=password]")
            here.page.locator("details:has(input[type=password]) > summary").click()
            passwords.nth(0).fill(PASSWORD)
            for number in range(1, passwords.count()):
                passwords.nth(number).fill("Neun gelbe Tassen")
            fields.get_by_role("button").first.click()
            here.page.wait_for_load_state()
            there.go("/mail")
            self.assertIn("/login", there.page.url)
            self.box.run("account", "password", "bob@example.org", "--password-stdin", stdin=PASSWORD + "\n")

    def test_a_mail_that_waits_is_held_and_taken_out(self):
        with self.owner() as owner:
            with self.browser.person(self.box) as person:
                person.log_in("anna@example.org")
                person.go("/mail/compose")
                person.page.fill("[name=to]", "ben@else.test")
                person.page.fill("[name=subject]", "Wartet")
                person.page.fill("[name=text]", "Hallo")
                person.press("Send")
            owner.log_in("anna@example.org", realm="box")
            owner.go("/box/sending")
            owner.page.get_by_text("ben@else.test").first.wait_for()
            owner.look("queue")
            # While an attempt is under way, its end decides.
            until(lambda: '"under_way"' not in self.queue(), what="the end of the attempt")
            owner.go("/box/sending")
            owner.page.locator("input[name=pick]").first.check()
            owner.page.get_by_role("button", name="Hold", exact=True).first.click()
            owner.page.wait_for_load_state()
            self.assertIn('"held"', self.queue())
            owner.page.locator("input[name=pick]").first.check()
            owner.page.get_by_role("button", name=re.compile("^Take out")).first.click()
            owner.page.wait_for_load_state()
            owner.page.get_by_role("button", name="Take out", exact=True).first.click()
            owner.page.wait_for_load_state()
            self.assertNotIn("ben@else.test", self.queue())

    def queue(self):
        return self.box.run("queue", "list", "--json").stdout

    def test_the_button_is_pressed_from_here(self):
        with self.owner() as owner:
            owner.log_in("anna@example.org", realm="box")
            owner.go("/box/device")
            owner.page.get_by_role("button", name=re.compile("^Short")).click()
            owner.page.wait_for_load_state()
            owner.look("pressed")
            self.assertIn("/box/device", owner.page.url)

    def test_the_log_finds_who_wrote(self):
        with self.owner() as owner:
            owner.log_in("anna@example.org", realm="box")
            owner.go("/box/log?q=sender@else.test")
            self.assertIn("anna@example.org got a mail from sender@else.test", owner.text())
            owner.go("/box/log?q=nobody@else.test")
            self.assertIn("Nothing found", owner.text())

    def test_dns_is_looked_at(self):
        with self.owner() as owner:
            owner.log_in("anna@example.org", realm="box")
            owner.go("/box/domain")
            owner.press("Look now")
            owner.page.wait_for_load_state()
            owner.look("domain-checked")

    def test_mail_is_taken_out_and_backed_up(self):
        with self.owner() as owner, TemporaryDirectory() as folder:
            owner.log_in("anna@example.org", realm="box")
            owner.go("/box/transfer")
            with owner.page.expect_download() as waiting:
                owner.page.get_by_role("link", name="Download").click()
            with zipfile.ZipFile(waiting.value.path()) as archive:
                self.assertIn("INBOX.mbox", archive.namelist())
                self.assertIsNone(archive.testzip())
            owner.page.fill("[name=to]", str(Path(folder) / "stick"))
            owner.press("Back up now")
            owner.page.get_by_text("Tried out").first.wait_for()
            owner.look("backed-up")

    def test_keys(self):
        with self.browser.person(self.box) as person:
            person.log_in("anna@example.org")
            keys = person.page.keyboard
            before = person.page.locator("input[name=pick]").count()
            keys.press("j")
            with person.page.expect_navigation():
                keys.press("#")
            self.assertEqual(person.page.locator("input[name=pick]").count(), before - 1)
            person.press("Undo")
            self.assertEqual(person.page.locator("input[name=pick]").count(), before)
            with person.page.expect_navigation():
                keys.press("c")
            self.assertIn("/mail/compose", person.page.url)
            # Keys never act while somebody types.
            person.page.fill("[name=subject]", "")
            person.page.locator("[name=subject]").press_sequentially("ce#?")
            self.assertEqual(person.page.input_value("[name=subject]"), "ce#?")
            self.assertIn("/mail/compose", person.page.url)


if __name__ == "__main__":
    unittest.main()
