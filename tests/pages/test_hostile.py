"""Mail that wants to run something, ask somebody or look like the page: opened in a browser with everything switched on."""

import re
import unittest
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory

from box import until
from browser import Browser
from furnished import furnished

CORPUS = Path(__file__).resolve().parents[1] / "messages/hostile-html"


class Bad(HTMLParser):
    """What could run or lead somewhere in a page."""

    @classmethod
    def of(cls, text):
        found = cls()
        found.bad = []
        found.feed(text)
        return found.bad

    def handle_starttag(self, tag, attributes):
        if tag in ("script", "iframe", "object", "embed", "form", "base", "link", "svg", "math"):
            self.bad.append(tag)
        for name, value in attributes:
            if name.startswith("on") or (value or "").strip().lower().startswith(("javascript:", "vbscript:", "data:text")):
                self.bad.append((tag, name, value))


class Hostile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.mails = sorted(CORPUS.glob("*.eml"))
        cls.box = furnished(letters=0)
        # By import: SMTP would refuse some of them.
        with TemporaryDirectory() as folder:
            for part in ["cur", "new", "tmp"]:
                (Path(folder) / part).mkdir()
            for number, mail in enumerate(cls.mails):
                (Path(folder) / f"cur/{number}:2,").write_bytes(mail.read_bytes())
            cls.box.run("import", "anna@example.org", "--maildir", folder)
        cls.browser = Browser().__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.browser.__exit__()
        cls.box.__exit__()

    def test_nothing_runs_and_nobody_is_asked(self):
        self.assertGreater(len(self.mails), 10)
        with self.browser.person(self.box) as person:
            person.log_in("anna@example.org")
            paths = until(lambda: self.messages(person, len(self.mails)), what="all hostile mails in the list")
            for path in paths:
                with self.subTest(path):
                    person.go(path)
                    person.page.wait_for_load_state("networkidle")
                    for frame in person.page.frames:
                        marks = frame.evaluate("[window.pwned, document.querySelector('script:not([src^=\"/assets/\"])')]")
                        self.assertEqual(marks, [None, None], frame.url)
                    # The page around the mail stays the page.
                    self.assertIn("Heimpost", person.page.title())
                    self.assertEqual(person.page.get_by_role("button", name="Log out").count(), 1)
                    self.assertFalse(person.asked, path)

    def test_the_frame_alone(self):
        """The address of the frame, opened by itself, is as harmless."""
        with self.browser.person(self.box) as person:
            person.log_in("anna@example.org")
            for path in self.messages(person, len(self.mails)):
                with self.subTest(path):
                    answer = person.context.request.get(path + "/html")
                    if answer.status == 404:
                        continue
                    policy = answer.headers["content-security-policy"]
                    self.assertIn("sandbox", policy)
                    self.assertIn("default-src 'none'", policy)
                    self.assertNotIn("allow-scripts", policy)
                    self.assertNotIn("allow-same-origin", policy)
                    self.assertEqual(Bad.of(answer.text()), [])

    def messages(self, person, count):
        person.go("/mail")
        paths = list(dict.fromkeys(re.findall(r'href="(/mail/message/\d+)"', person.page.content())))
        return paths if len(paths) >= min(count, 50) else None


if __name__ == "__main__":
    unittest.main()
