"""Logging in and out, with and without script."""

import unittest

from box import PASSWORD
from browser import Browser
from furnished import furnished


class Login(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.box = furnished(letters=3)
        cls.browser = Browser().__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.browser.__exit__()
        cls.box.__exit__()

    def test_a_person_and_the_owner(self):
        for script in [True, False]:
            with self.subTest(script=script), self.browser.person(self.box, script=script) as person:
                person.log_in("anna@example.org")
                self.assertIn("/mail", person.page.url)
                person.press("Log out")
                person.go("/mail")
                self.assertIn("/login?to=%2Fmail", person.page.url)
                person.log_in("anna@example.org", realm="box")
                self.assertTrue(person.page.url.endswith("/box"))

    def test_a_wrong_password_keeps_the_address(self):
        with self.browser.person(self.box, language="de-DE") as person:
            person.expected.add(403)
            person.go("/login")
            person.page.fill("[name=address]", "anna@example.org")
            person.page.fill("[name=password]", "falsch")
            person.press("Anmelden")
            self.assertIn("Adresse oder Passwort stimmt nicht", person.text())
            self.assertEqual(person.page.input_value("[name=address]"), "anna@example.org")
            self.assertEqual(person.page.input_value("[name=password]"), "")

    def test_over_tls(self):
        with self.browser.person(self.box, tls=True) as person:
            person.log_in("anna@example.org", password=PASSWORD)
            (cookie,) = [one for one in person.context.cookies() if one["name"] == "heimpost-mail"]
            self.assertTrue(cookie["secure"] and cookie["httpOnly"])

    def test_the_pages_before_the_door(self):
        for language in ["de-DE", "en-GB"]:
            for size in ["desktop", "phone"]:
                for scheme in ["light", "dark"]:
                    with self.browser.person(self.box, language, size, scheme=scheme) as person:
                        for name, path in [("start", "/"), ("login", "/login"), ("box-login", "/box/login"), ("forgot", "/forgot")]:
                            with self.subTest(name, kind=person.kind):
                                person.go(path)
                                person.look(name)


if __name__ == "__main__":
    unittest.main()
