"""Reading, writing and tidying up in the browser; what others do is seen at once."""

import imaplib
import re
import unittest
from pathlib import Path
from tempfile import TemporaryDirectory

from box import PASSWORD
from browser import Browser
from furnished import PNG, deliver, furnished, letter


class Mail(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.box = furnished(letters=6)
        cls.browser = Browser().__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.browser.__exit__()
        cls.box.__exit__()

    def imap(self, name):
        imap = imaplib.IMAP4_SSL("localhost", self.box.ports["imaps"], ssl_context=self.box.tls())
        imap.login(f"{name}@example.org", PASSWORD)
        return imap

    def subjects(self, name, mailbox):
        with self.imap(name) as imap:
            imap.select(f'"{mailbox}"', readonly=True)
            _, found = imap.search(None, "ALL")
            numbers = found[0].split()
            if not numbers:
                return []
            _, lines = imap.fetch(b",".join(numbers), "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
            return [part[1].decode().strip() for part in lines if isinstance(part, tuple)]

    def test_a_new_mail_appears_by_itself(self):
        with self.browser.person(self.box) as person:
            person.log_in("anna@example.org")
            fresh = letter(900, "anna@example.org")
            fresh.replace_header("Subject", "Eben gekommen")
            deliver(self.box, [fresh], "anna@example.org")
            person.page.get_by_text("Eben gekommen").first.wait_for()

    def test_what_is_read_elsewhere_is_read_here(self):
        with self.browser.person(self.box) as person, self.imap("anna") as imap:
            person.log_in("anna@example.org")
            before = person.page.inner_html("main")
            imap.select("INBOX")
            imap.store("1:*", "+FLAGS", "\\Flagged")
            person.page.wait_for_function("before => document.querySelector('main').innerHTML !== before", arg=before)

    def test_a_mail_is_written_with_a_file_and_arrives(self):
        for script in [True, False]:
            subject = f"Mit Anhang, Skript {script}"
            with self.subTest(script=script), self.browser.person(self.box, script=script) as person, TemporaryDirectory() as folder:
                file = Path(folder) / "Bild mit Ümlaut.png"
                file.write_bytes(PNG)
                person.log_in("anna@example.org")
                person.press("New mail")
                person.page.fill("[name=to]", "bob@example.org")
                person.page.fill("[name=subject]", subject)
                person.page.fill("[name=text]", "Grüße\n.\nFrom here on")
                person.page.set_input_files("[type=file]", str(file))
                person.press("Send")
                self.assertEqual(self.count(self.subjects("bob", "INBOX"), subject), 1)
                self.assertEqual(self.count(self.subjects("anna", "Sent"), subject), 1)
                with self.browser.person(self.box, script=script) as bob:
                    bob.log_in("bob@example.org")
                    bob.page.get_by_role("link", name=re.compile(subject)).first.click()
                    bob.page.wait_for_load_state()
                    self.assertIn("Grüße", bob.text())
                    with bob.page.expect_download() as waiting:
                        bob.page.get_by_role("link", name=re.compile("Ümlaut")).first.click()
                    self.assertEqual(Path(waiting.value.path()).read_bytes(), PNG)
                    self.assertEqual(waiting.value.suggested_filename, "Bild mit Ümlaut.png")

    def count(self, subjects, subject):
        from email.header import decode_header, make_header

        texts = [str(make_header(decode_header(line.split(":", 1)[1].strip()))) for line in subjects]
        return texts.count(subject)

    def test_what_was_deleted_comes_back(self):
        for script in [True, False]:
            with self.subTest(script=script), self.browser.person(self.box, script=script) as person:
                person.log_in("anna@example.org")
                trash = len(self.subjects("anna", "Trash"))
                here = len(self.subjects("anna", "INBOX"))
                person.page.locator("input[name=pick]").first.check()
                person.page.locator("button[name=deed][value=trash]").first.click()
                person.page.wait_for_load_state()
                self.assertEqual(len(self.subjects("anna", "Trash")), trash + 1)
                person.press("Undo")
                self.assertEqual(len(self.subjects("anna", "Trash")), trash)
                self.assertEqual(len(self.subjects("anna", "INBOX")), here)

    def test_a_draft_waits_for_other_programs_too(self):
        with self.browser.person(self.box) as person:
            person.log_in("anna@example.org")
            person.go("/mail/compose")
            person.page.fill("[name=to]", "bob@example.org")
            person.page.fill("[name=subject]", "Halb fertig")
            person.page.fill("[name=text]", "Noch nicht")
            person.press("Save draft")
            self.assertEqual(self.count(self.subjects("anna", "Drafts"), "Halb fertig"), 1)
            person.page.fill("[name=text]", "Jetzt aber")
            person.press("Save draft")
            self.assertEqual(self.count(self.subjects("anna", "Drafts"), "Halb fertig"), 1)
            person.press("Send")
            self.assertEqual(self.count(self.subjects("anna", "Drafts"), "Halb fertig"), 0)
            self.assertEqual(self.count(self.subjects("bob", "INBOX"), "Halb fertig"), 1)

    def test_a_long_mailbox_is_paged(self):
        with self.browser.person(self.box) as person:
            deliver(self.box, (letter(number, "bob@example.org") for number in range(120)), "bob@example.org")
            person.log_in("bob@example.org")
            seen = 0
            for _ in range(10):
                seen += person.page.locator("input[name=pick]").count()
                older = person.page.get_by_role("link", name="Older")
                if older.count() == 0:
                    break
                older.first.click()
                person.page.wait_for_load_state()
            self.assertGreaterEqual(seen, 121)


if __name__ == "__main__":
    unittest.main()
