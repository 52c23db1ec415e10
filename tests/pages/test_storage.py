"""Old mail in by an mbox file, "what may I delete?", make room with preview and undo, and all mail out again."""

import mailbox
import re
import time
import unittest
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

from browser import Browser
from furnished import furnished, letter

# What lies in Trash goes at once when room is made.
CONFIG = "[room]\ntrash_days = 0\n"


def old_mail(path, count):
    """An mbox file with mail of several years; one is large."""
    box = mailbox.mbox(path)
    for number in range(count):
        mail = letter(number, "anna@example.org")
        mail.replace_header("Date", f"Mon, 04 May {2016 + number % 4} 10:00:00 +0200")
        mail.replace_header("Message-ID", f"<old-{number}@else.test>")
        if number == 7:
            mail.replace_header("Subject", "Der Film vom Sommer")
            mail.add_attachment(b"\1\2\3" * 700_000, maintype="video", subtype="mp4", filename="Sommer.mp4")
        old = mailbox.mboxMessage(mail)
        # The line in front of a mail says when it came.
        old.set_from("sender@else.test", time.strptime(f"{2016 + number % 4}-05-04", "%Y-%m-%d"))
        box.add(old)
    box.close()


class Storage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.box = furnished(letters=3, extra_config=CONFIG)
        cls.browser = Browser().__enter__()
        cls.folder = TemporaryDirectory()
        cls.file = Path(cls.folder.name) / "Alte Post.mbox"
        old_mail(cls.file, 40)

    @classmethod
    def tearDownClass(cls):
        cls.browser.__exit__()
        cls.folder.cleanup()
        cls.box.__exit__()

    def test_old_mail_comes_in_is_looked_through_and_goes_out(self):
        with self.browser.person(self.box, "de-DE", "phone") as person:
            person.log_in("anna@example.org")
            self.bring_in(person, "40 Mails", "0 waren schon da")
            # The same once more: nothing comes twice.
            self.bring_in(person, "0 Mails", "40 waren schon da")
            self.look_through(person)
            self.take_out(person)

    def bring_in(self, person, *said):
        person.go("/me/transfer")
        person.look("transfer-mine")
        person.page.set_input_files("[type=file]", str(self.file))
        person.press("Importieren")
        person.page.get_by_role("link", name="Zurück", exact=True).wait_for()
        person.look("imported")
        for part in said:
            self.assertIn(part, person.text())

    def look_through(self, person):
        page = person.page
        person.go("/me/storage")
        page.get_by_text("Die größten Mails").first.wait_for()
        person.look("what-may-i-delete")
        text = person.text()
        for part in ["Der Film vom Sommer", "ben@else.test", "2016", "2019"]:
            self.assertIn(part, text)
        # Each sender and year leads to its mail.
        with page.expect_navigation():
            page.get_by_role("link", name="2017", exact=True).click()
        self.assertEqual(page.locator("input[name=pick]").count(), 10)
        person.go("/me/storage")
        page.get_by_role("checkbox", name=re.compile("Der Film vom Sommer")).check()
        person.press("Ausgewählte in den Papierkorb")
        self.assertIn("1 Nachricht", person.text())
        person.press("Rückgängig")
        self.assertIn("wieder am alten Ort", person.text())

    def take_out(self, person):
        person.go("/me/transfer")
        with person.page.expect_download() as waiting:
            person.page.get_by_role("link", name="Herunterladen").click()
        with zipfile.ZipFile(waiting.value.path()) as archive, TemporaryDirectory() as folder:
            self.assertIn("Import.mbox", archive.namelist())
            archive.extract("Import.mbox", folder)
            found = mailbox.mbox(Path(folder) / "Import.mbox")
            self.assertEqual(len(found), 40)
            found.close()

    def test_room_is_made_after_a_look_and_undone(self):
        for script in [True, False]:
            with self.subTest(script=script), self.browser.person(self.box, "de-DE", script=script) as person:
                person.log_in("anna@example.org")
                person.page.locator("input[name=pick]").first.check()
                person.page.locator("button[name=deed][value=trash]").first.click()
                person.page.wait_for_load_state()
                person.log_in("anna@example.org", realm="box")
                person.go("/box/storage")
                self.assertIn("anna@example.org · Trash: 1 Mail", person.text())
                person.look("room-preview")
                person.press("Platz schaffen")
                self.over(person)
                person.look("room-made")
                self.assertIn("1", person.text())
                person.press("Zurück")
                self.assertIn("Zur Zeit könnte nichts weg.", person.text())
                person.press("Zuletzt Entferntes zurückholen")
                self.over(person)
                self.assertIn("wieder da", person.text())
                person.press("Zurück")
                self.assertIn("anna@example.org · Trash: 1 Mail", person.text())
                # Back to the beginning.
                person.press("Platz schaffen")
                self.over(person)

    def over(self, person):
        """The page of the job goes on by itself until it is over, with or without script."""
        person.page.get_by_role("link", name="Zurück", exact=True).wait_for()


if __name__ == "__main__":
    unittest.main()
