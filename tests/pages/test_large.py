"""An account with very many mails: each page is as quick as in a small one, and counting goes on beside. Prints its figures.

HEIMPOST_MAILS says how many; 100000 are what the README tells of.
"""

import os
import time
import unittest
from pathlib import Path
from tempfile import TemporaryDirectory

from box import until
from browser import PAGE_BYTES_MAX, Browser, measure
from furnished import furnished
from test_pages import PAGE_MS_MAX

MAILS = int(os.environ.get("HEIMPOST_MAILS", "10000"))
YEARS = range(2015, 2025)
ANNA = "anna@example.org"


def write(path):
    with path.open("w") as file:
        for number in range(MAILS):
            year = YEARS[number * len(YEARS) // MAILS]
            day = f"{number % 28 + 1:2}"
            sender = f"friend{number % 200}@else.test"
            file.write(
                f"From {sender} Fri Jan {day} 10:00:00 {year}\nFrom: Friend {number % 200} <{sender}>\nTo: {ANNA}\n"
                f"Subject: Number {number}\nDate: Fri, {day} Jan {year} 10:00:00 +0000\n"
                f"Message-ID: <large-{number}@else.test>\n\nThis is mail {number}.\n{'Some words. ' * 40}\n\n"
            )


class Large(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.box = furnished(letters=0)
        cls.browser = Browser().__enter__()
        with TemporaryDirectory() as folder:
            file = Path(folder) / "large.mbox"
            write(file)
            began = time.monotonic()
            cls.box.run("import", ANNA, "--mbox", str(file), "--into", "INBOX", timeout=900)
            print(f"{MAILS} mails imported in {time.monotonic() - began:.1f} s")

    @classmethod
    def tearDownClass(cls):
        cls.browser.__exit__()
        cls.box.__exit__()

    def quick(self, person, path, limit=PAGE_MS_MAX):
        size, took = measure(person, path, limit)
        print(f"{path}: {size} bytes, {took:.1f} ms")
        self.assertLess(size, PAGE_BYTES_MAX)
        self.assertLess(took, limit)

    def test_every_page_is_quick(self):
        with self.browser.person(self.box) as person:
            person.log_in(ANNA)
            self.assertIn(f"Number {MAILS - 1}", person.text())
            # The list from its newest to its oldest page.
            for _ in range(2):
                person.page.get_by_role("link", name="Older").first.click()
                person.page.wait_for_load_state()
            self.assertIn(f"Number {MAILS - 101}", person.text())
            inbox = person.page.url.split("?")[0].removeprefix(person.base)
            for before in [MAILS // 2, 40]:
                self.quick(person, f"{inbox}?before={before}")
            person.go(f"{inbox}?before=20")
            self.assertIn("Number 0", person.text())
            self.assertEqual(person.page.get_by_role("link", name="Older").count(), 0)
            self.quick(person, "/mail")
            message = person.page.locator("a[href^='/mail/message/']").first.get_attribute("href")
            # It looks for the conversation around it.
            self.quick(person, message, limit=4 * PAGE_MS_MAX)
            for query in ["from:friend7", "subject:4711", "before:2016-01-01"]:
                # Looking ends by itself after a second and a half.
                self.quick(person, f"/mail/search?q={query}", limit=2000)

    def test_counting_goes_on_beside(self):
        with self.browser.person(self.box) as owner:
            owner.log_in(ANNA, realm="box")
            began = time.monotonic()
            until(lambda: owner.go("/box") and str(YEARS[0]) in owner.text(), what="mail by year")
            print(f"by year after {time.monotonic() - began:.1f} s")
            self.quick(owner, "/box")
        with self.browser.person(self.box) as person:
            person.log_in(ANNA)
            began = time.monotonic()
            person.go("/me/storage")
            person.page.get_by_text("The largest messages").first.wait_for()
            print(f"largest, senders and years after {time.monotonic() - began:.1f} s")
            for year in YEARS:
                self.assertIn(str(year), person.text())
            self.quick(person, "/me/storage")


if __name__ == "__main__":
    unittest.main()
