"""Tidying up in the browser: mailboxes made, renamed and deleted; mail searched, moved, starred, deleted for good; conversations."""

import imaplib
import re
import unittest

from box import PASSWORD
from browser import Browser
from furnished import furnished

LETTERS = 12

# What is typed, and the numbers of the letters that are found.
SEARCHES = {
    "from:carla": [1, 6, 11],
    "von:Dörte": [2, 7],
    "subject:Rechnung": [0, 5, 10],
    "betreff:rechnung": [0, 5, 10],
    "to:anna subject:Einladung": [4, 9],
    "has:attachment": [0, 4, 8],
    "subject:Rechnung has:attachment": [0],
    "subject:Rechnung -has:attachment": [5, 10],
    '"this is letter 7"': [7],
    "before:2026-11-22": [],
    "after:2026-11-22 from:emil": [3, 8],
    "garden -from:carla": [],
    "\"><script>alert(1)</script> ' OR 1=1 --": [],
    "from:": [],
}


class Mailboxes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.box = furnished(letters=LETTERS)
        cls.browser = Browser().__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.browser.__exit__()
        cls.box.__exit__()

    def person(self, script=True, language="de-DE"):
        return self.browser.person(self.box, language, "phone", script=script)

    def imap(self):
        imap = imaplib.IMAP4_SSL("localhost", self.box.ports["imaps"], ssl_context=self.box.tls())
        imap.login("anna@example.org", PASSWORD)
        return imap

    def listed(self, command="list"):
        with self.imap() as imap:
            return b"\n".join(getattr(imap, command)()[1]).decode()

    def count(self, mailbox, criterion="ALL"):
        with self.imap() as imap:
            imap.select(mailbox, readonly=True)
            return len(imap.search(None, criterion)[1][0].split())

    def numbers(self, person):
        names = person.page.locator("input[name=pick]").evaluate_all("all => all.map(one => one.closest('li, tr').innerText)")
        return sorted(int(re.search(r"(?:März|garden|Dienstag|order|Fest) (\d+)", name).group(1)) for name in names)

    def open(self, person, mailbox):
        """By the list of mailboxes, folded on a phone."""
        person.page.locator("details.folders-small > summary").click()
        person.page.locator("#folders-small").get_by_role("link", name=mailbox).first.click()
        person.page.wait_for_load_state()

    def pick(self, person, subject):
        person.page.get_by_role("checkbox", name=re.compile(f"{subject}$|{subject}[^0-9]")).first.check()

    def deed(self, person, value):
        person.page.locator(f"button[name=deed][value={value}]").first.click()
        person.page.wait_for_load_state()

    def test_searching(self):
        with self.person() as person:
            person.log_in("anna@example.org")
            for query, expected in SEARCHES.items():
                with self.subTest(query):
                    person.go("/mail")
                    person.page.fill("[name=q]", query)
                    person.page.locator("[name=q]").press("Enter")
                    person.page.wait_for_url("**/mail/search**")
                    self.assertEqual(self.numbers(person), expected)
                    self.assertEqual(person.page.input_value("[name=q]"), query)
            person.look("search-empty")

    def test_mailboxes_and_mail_in_them(self):
        for script in [True, False]:
            with self.subTest(script=script), self.person(script) as person:
                person.log_in("anna@example.org")
                name = "Größe & Höhe" if script else "A_B & C"
                self.make(person, name)
                self.move(person, name)
                self.remove(person, name, script)

    def make(self, person, name):
        person.go("/mail/mailboxes")
        for typed, above, said in [("a*b", "", "Dieser Name geht nicht"), (name, "", "angelegt"), (name, "", "So heißt schon"), ("Darin", name, "angelegt")]:
            person.page.fill("[name=name] >> nth=0", typed)
            person.page.select_option("[name=above]", label=above or "oberste Ebene")
            person.press("Anlegen")
            self.assertIn(said, person.text())
        person.look("mailbox-made")
        for kind in ("list", "lsub"):
            self.assertEqual(len(re.findall(r"/Darin\b", self.listed(kind))), 1, kind)

    def move(self, person, name):
        person.go("/mail")
        before = self.count("INBOX")
        self.pick(person, "garden 6")
        person.page.locator("details.more > summary").first.click()
        person.page.select_option("[name=target] >> nth=0", label=f"{name}/Darin")
        self.deed(person, "move")
        self.assertIn("verschoben", person.text())
        self.assertEqual(self.count("INBOX"), before - 1)
        person.press("Rückgängig")
        self.assertEqual(self.count("INBOX"), before)
        self.pick(person, "garden 6")
        flagged = self.count("INBOX", "FLAGGED")
        self.deed(person, "flag")
        self.assertEqual(self.count("INBOX", "FLAGGED"), flagged + 1)
        self.pick(person, "garden 6")
        self.deed(person, "unflag")
        self.pick(person, "garden 6")
        self.deed(person, "unseen")
        self.assertIn("als ungelesen markiert", person.text())
        person.look("list-told")

    def remove(self, person, name, script):
        person.go("/mail/mailboxes")
        row = person.page.locator("tbody tr", has=person.page.get_by_role("link", name=name, exact=True))
        row.locator("summary").click()
        row.locator("[name=name]").fill(f"{name} neu")
        row.get_by_role("button", name="Umbenennen").click()
        person.page.wait_for_load_state()
        self.assertIn("umbenannt", person.text())
        self.assertEqual(len(re.findall(r"neu/Darin", self.listed())), 1)
        person.expected.add(422)
        for inside, said in [(f"{name} neu", "liegen noch Ordner"), (f"{name} neu/Darin", "gelöscht"), (f"{name} neu", "gelöscht")]:
            person.go("/mail/mailboxes")
            row = person.page.locator("tbody tr", has=person.page.get_by_role("link", name=inside, exact=True))
            row.locator("summary").click()
            row.get_by_role("link", name="Löschen …").click()
            person.look("mailbox-delete")
            person.press("Ordner löschen")
            self.assertIn(said, person.text())
        for kind in ("list", "lsub"):
            self.assertNotIn(" neu", self.listed(kind), kind)

    def test_a_conversation_leads_from_one_to_the_other(self):
        with self.person(language="en-GB") as person:
            person.log_in("anna@example.org")
            person.page.get_by_role("link", name=re.compile("Your order 8")).first.click()
            person.page.wait_for_load_state()
            self.assertIn("Earlier in this conversation (1)", person.text())
            person.look("conversation")
            # One's own answer belongs to it.
            person.press("Reply")
            self.assertIn("> this is letter 8", person.page.input_value("[name=text]").replace(">this", "> this"))
            person.page.fill("[name=to]", "bob@example.org")
            person.press("Send")
            person.go("/mail")
            person.page.get_by_role("link", name=re.compile("Dienstag 7")).first.click()
            person.page.wait_for_load_state()
            self.assertIn("Later in this conversation (2)", person.text())

    def test_what_is_deleted_for_good_is_asked_first(self):
        for script in [True, False]:
            with self.subTest(script=script), self.person(script) as person:
                person.log_in("anna@example.org")
                self.pick(person, "Fest 9" if script else "Fest 4")
                self.deed(person, "trash")
                self.open(person, "Papierkorb")
                person.page.locator("input[name=pick]").first.check()
                self.deed(person, "delete")
                person.look("delete-for-good")
                self.assertIn("lässt sich nicht zurückholen", person.text())
                person.press("Abbrechen")
                self.assertEqual(self.count("Trash"), 1)
                self.deed(person, "empty")
                person.press("Endgültig löschen")
                self.assertEqual(self.count("Trash"), 0)


if __name__ == "__main__":
    unittest.main()
