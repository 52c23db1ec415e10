"""What the owner does about people: further addresses, room, devices, passwords, renaming and removing; in German, on a phone."""

import imaplib
import poplib
import re
import smtplib
import unittest

from box import PASSWORD
from browser import Browser
from furnished import deliver, furnished, letter

BOB = "bob@example.org"


class Accounts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.box = furnished(letters=3)
        cls.browser = Browser().__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.browser.__exit__()
        cls.box.__exit__()

    def owner(self, script=True):
        return self.browser.person(self.box, "de-DE", "phone", script=script)

    def subjects(self, address, password=PASSWORD):
        with imaplib.IMAP4_SSL("localhost", self.box.ports["imaps"], ssl_context=self.box.tls()) as imap:
            imap.login(address, password)
            imap.select("INBOX", readonly=True)
            _, lines = imap.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
            return "".join(part[1].decode() for part in lines if isinstance(part, tuple))

    def sent(self, to, subject):
        mail = letter(1, to)
        mail.replace_header("Subject", subject)
        deliver(self.box, [mail], to)

    def open(self, owner, address):
        owner.go("/box/accounts")
        owner.press(address)

    def unfold(self, owner, summary):
        owner.page.locator("summary", has_text=re.compile(f"^{summary}")).first.click()

    def agree(self, owner, button):
        """Without script the question is a page of its own."""
        if not owner.script:
            owner.look("asked-before")
            owner.press(button)

    def submit(self, owner, form, button):
        owner.page.locator(f"form[action$='{form}']").get_by_role("button", name=button).click()
        owner.page.wait_for_load_state()

    def test_further_addresses(self):
        for script in [True, False]:
            name = f"verein-{str(script).lower()}@example.org"
            with self.subTest(script=script), self.owner(script) as owner:
                owner.log_in("anna@example.org", realm="box")
                owner.expected.add(422)
                owner.go("/box/accounts/aliases")
                page = owner.page
                page.fill("#field-from", name)
                page.fill("[name=to]", "bob@@example.org")
                owner.press("Hinzufügen")
                self.assertEqual(page.input_value("#field-from"), name)
                self.assertEqual(page.locator("p.error").count(), 1)
                owner.look("alias-wrong")
                page.fill("[name=to]", f"{BOB}, anna@example.org")
                owner.press("Hinzufügen")
                self.assertIn("Die Adresse ist gespeichert.", owner.text())
                owner.look("alias-added")
                self.sent(name, f"An den Verein {script}")
                for address in (BOB, "anna@example.org"):
                    self.assertIn(f"An den Verein {script}", self.subjects(address))
                owner.press(f"Entfernen: {name}")
                self.agree(owner, "Entfernen")
                self.assertIn("Die Adresse ist entfernt.", owner.text())
                if script:
                    self.assertEqual(owner.asked, [f"{name} entfernen?"])
                with self.assertRaises(smtplib.SMTPRecipientsRefused):
                    self.sent(name, "Zu spät")

    def test_an_account_that_is_full_and_gets_more_room(self):
        self.box.run("account", "add", "voll@example.org", "--password-stdin", stdin=PASSWORD + "\n")
        with self.owner() as owner:
            owner.log_in("anna@example.org", realm="box")
            owner.expected.add(422)
            self.open(owner, "voll@example.org")
            self.unfold(owner, "Größe")
            for typed, said in [("viel", "error"), ("1 MB", "notice")]:
                if typed != "viel":
                    self.assertEqual(owner.page.input_value("[name=quota]"), "viel")
                owner.page.fill("[name=quota]", typed)
                self.submit(owner, "/quota", "Speichern")
                self.assertEqual(owner.page.locator(f"p.error:visible").count(), int(said == "error"), owner.text())
            big = letter(1, "voll@example.org")
            big.add_attachment(b"\1" * 1_100_000, maintype="application", subtype="octet-stream", filename="Film.bin")
            deliver(self.box, [big], "voll@example.org")
            with self.assertRaises(smtplib.SMTPRecipientsRefused) as refused:
                self.sent("voll@example.org", "Wartet")
            self.assertEqual(refused.exception.recipients["voll@example.org"][0], 452)
            owner.go("/box")
            self.assertIn("voll@example.org", owner.text())
            owner.look("account-full")
            self.open(owner, "voll@example.org")
            self.unfold(owner, "Größe")
            owner.page.fill("[name=quota]", "2 GB")
            self.submit(owner, "/quota", "Speichern")
            self.sent("voll@example.org", "Jetzt geht es")
            self.assertIn("Jetzt geht es", self.subjects("voll@example.org"))

    def test_a_lost_device_is_seen_and_revoked(self):
        for script in [True, False]:
            name = f"Bobs Telefon {script}"
            secret = self.box.device(BOB, name)
            with self.subTest(script=script), self.owner(script) as owner:
                owner.log_in("anna@example.org", realm="box")
                self.open(owner, BOB)
                entry = owner.page.locator("ul.plain > li", has_text=name)
                self.assertIn("Noch nicht benutzt", entry.inner_text())
                self.subjects(BOB, secret)
                pop = poplib.POP3_SSL("localhost", self.box.ports["pop3s"], context=self.box.tls())
                pop.user(BOB)
                pop.pass_(secret)
                pop.quit()
                self.open(owner, BOB)
                text = entry.inner_text()
                for part in ["IMAP", "POP3", "127.0.0.1", "TLS 1.3"]:
                    self.assertIn(part, text)
                entry.locator("summary").click()
                owner.look("device-policy")
                entry.locator("[name=policy][value=move]").check()
                entry.get_by_role("button", name="Speichern").click()
                owner.page.wait_for_load_state()
                self.assertIn("Die POP3-Regel ist geändert.", owner.text())
                self.assertIn('"move"', self.box.run("device", "list", BOB, "--json").stdout)
                owner.press(f"Sperren: {name}")
                self.agree(owner, "Sperren")
                self.assertIn("Das Gerät ist gesperrt.", owner.text())
                with self.assertRaises(imaplib.IMAP4.error):
                    self.subjects(BOB, secret)

    def test_a_new_password_for_somebody_ends_the_old_logins(self):
        with self.owner() as owner, self.owner() as bob:
            owner.log_in("anna@example.org", realm="box")
            bob.log_in(BOB)
            self.open(owner, BOB)
            self.unfold(owner, "Neues Passwort")
            self.submit(owner, "/password", "Passwort setzen")
            owner.look("account-password")
            made = owner.page.locator("code.secret").inner_text()
            bob.go("/mail")
            self.assertIn("/login", bob.page.url)
            bob.log_in(BOB, password=made)
            # The own password is changed by oneself, and a wrong one is refused kindly.
            bob.expected.add(422)
            bob.go("/me")
            self.unfold(bob, "Passwort ändern")
            for old, said in [("falsch", "Das ist nicht Ihr jetziges Passwort."), (made, "Ihr Passwort ist geändert.")]:
                for field, text in [("old", old), ("new", PASSWORD), ("again", PASSWORD)]:
                    bob.page.fill(f"[name={field}]", text)
                self.submit(bob, "/me/password", "Ändern")
                self.assertIn(said, bob.text())
            self.subjects(BOB)

    def test_somebody_is_renamed_and_goes(self):
        self.box.run("account", "add", "emil@example.org", "--password-stdin", stdin=PASSWORD + "\n")
        with self.owner(script=False) as owner:
            owner.log_in("anna@example.org", realm="box")
            self.open(owner, "emil@example.org")
            self.unfold(owner, "Adresse")
            owner.page.fill("form[action$='/rename'] [name=address]", "emilia@example.org")
            self.submit(owner, "/rename", "Umbenennen")
            self.subjects("emilia@example.org")
            owner.press("Postfach entfernen …")
            owner.look("account-remove")
            owner.page.check("[name=sure]")
            owner.press("Endgültig entfernen")
            owner.go("/box/accounts")
            self.assertNotIn("emilia@example.org", owner.text())


if __name__ == "__main__":
    unittest.main()
