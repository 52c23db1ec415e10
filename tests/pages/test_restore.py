"""A new box begins with the backup on a stick, by the page alone."""

import unittest
from pathlib import Path
from tempfile import TemporaryDirectory

from browser import Browser
from furnished import furnished
from stick import LABEL, BoxWithStick

PAGE = "/setup/restore"
LETTERS = 5
WORDS = {
    "de-DE": {
        "start": "Los geht's",
        "way": "Vom USB-Stick zurückspielen",
        "none": "Gerade steckt kein Stick an der Box.",
        "again": "Noch einmal nachsehen",
        "look": "Hier nachsehen",
        "restore": "Diese zurückspielen",
        "back": "Ihre Box ist wieder da.",
    },
    "en-GB": {
        "start": "Let's go",
        "way": "Restore from a USB stick",
        "none": "No stick is plugged into the box now.",
        "again": "Look again",
        "look": "Look on this one",
        "restore": "Restore this one",
        "back": "Your box is back.",
    },
}


def without_refresh(route):
    answer = route.fetch()
    headers = {name: value for name, value in answer.headers.items() if name != "refresh"}
    route.fulfill(response=answer, headers=headers)


class Restore(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.browser = cls.enterClassContext(Browser())
        cls.stick = Path(cls.enterClassContext(TemporaryDirectory())) / "heimpost-backup"
        cls.stick.mkdir()
        before = furnished(letters=LETTERS, extra_config=f'[backup]\nstick = "{LABEL}"\n')
        cls.addClassCleanup(before.__exit__)
        before.run("backup", "--stick", str(cls.stick))

    def test_from_the_first_page_to_the_old_mail(self):
        for language, size, script in (("de-DE", "phone", True), ("en-GB", "desktop", True), ("de-DE", "desktop", False)):
            with self.subTest(language=language, script=script), BoxWithStick(self.stick) as box:
                with self.browser.person(box, language, size, script=script) as person:
                    words = WORDS[language]
                    self.choose(box, person, words)
                    self.begin(box, person, words)
                    person.log_in("anna@example.org")
                    person.go("/mail")
                    self.assertEqual(person.page.locator("#mails li").count(), LETTERS)
                box.check()

    def choose(self, box, person, words):
        person.go("/setup")
        person.press(words["start"])
        person.look("restore-offer")
        person.press(words["way"])
        self.assertIn(words["none"], person.text())
        person.look("restore-no-stick")
        box.plug()
        person.press(words["again"])
        self.assertIn(LABEL, person.text())
        person.look("restore-stick")
        person.press(words["look"])
        self.look_waiting(person, "restore-looking")
        box.fail("file-system")
        # A page that waits looks again by itself.
        person.page.get_by_role("button", name=words["look"]).wait_for()
        person.look("restore-unreadable")
        person.press(words["look"])
        box.hand_over()
        person.page.get_by_role("button", name=words["restore"]).first.wait_for()
        person.look("restore-backups")

    def begin(self, box, person, words):
        person.press(words["restore"])
        self.look_waiting(person, "restore-copying")
        box.hand_over()
        person.page.get_by_text(words["back"]).wait_for(timeout=30_000)
        person.look("restore-done")

    def look_waiting(self, person, name):
        """A page that waits must not look again while it is looked at."""
        person.page.route(f"**{PAGE}", without_refresh)
        person.go(PAGE)
        person.look(name)
        person.page.unroute(f"**{PAGE}")
        person.go(PAGE)


if __name__ == "__main__":
    unittest.main()
