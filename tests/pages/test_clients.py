"""Setting an iPhone up: the QR code that a camera reads, the page behind it, and the profile, which is loaded once."""

import imaplib
import plistlib
import smtplib
import ssl
import unittest
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import zxingcpp
from PIL import Image

from box import PASSWORD
from browser import Browser
from fresh import FreshBox, usual
from namespace import Namespace

HOME, ADDRESS = "heimpost.local", "192.0.2.1"
ANNA = f"anna@{HOME}"

# Apple, Device Management: TopLevel and Mail, with those keys that it calls required.
OF_EVERY_PAYLOAD = {"PayloadIdentifier": str, "PayloadUUID": str, "PayloadType": str, "PayloadVersion": int}
OF_MAIL = {
    "EmailAccountType": str,
    "IncomingMailServerAuthentication": str,
    "IncomingMailServerHostName": str,
    "OutgoingMailServerAuthentication": str,
    "OutgoingMailServerHostName": str,
}
# What Apple documents beyond them; others would be a slip of the pen.
OPTIONAL_OF_MAIL = {
    "PayloadDisplayName", "EmailAccountDescription", "EmailAccountName", "EmailAddress", "IncomingMailServerPortNumber",
    "IncomingMailServerUseSSL", "IncomingMailServerUsername", "IncomingPassword", "OutgoingMailServerPortNumber",
    "OutgoingMailServerUseSSL", "OutgoingMailServerUsername", "OutgoingPassword", "OutgoingPasswordSameAsIncomingPassword",
    "SMIMEEnabled",
}


class Iphone(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.enterClassContext(Namespace(ADDRESS))
        cls.box = cls.enterClassContext(FreshBox(places=usual(ADDRESS)))
        cls.box.run("account", "add", ANNA, "--password-stdin", stdin=PASSWORD + "\n")
        cls.browser = cls.enterClassContext(Browser({HOME: ADDRESS}))

    def test_a_phone_is_set_up_by_its_camera(self):
        for script, scheme in [(True, "dark"), (False, "light")]:
            with self.subTest(script=script), TemporaryDirectory() as folder:
                with self.person(script=script, scheme=scheme) as person:
                    link = self.add(person, Path(folder) / "code.png")
                with self.person("phone", script=script, language="en-GB") as phone:
                    profile = self.load(phone, link)
                self.look_at(profile)
                self.use(profile)

    def person(self, size="desktop", language="de-DE", **how):
        return self.browser.person(self.box, language, size, base=f"https://{HOME}", **how)

    def add(self, person, picture):
        page = person.page
        person.log_in(ANNA)
        person.go("/me/clients")
        page.check("[name=kind][value=iphone]")
        page.fill("[name=name]", "")
        person.press("Weiter")
        person.look("device-iphone")
        page.locator("svg.qr").screenshot(path=str(picture))
        with Image.open(picture) as image:
            (code,) = zxingcpp.read_barcodes(image)
        self.assertEqual(code.format, zxingcpp.BarcodeFormat.QRCode)
        parts = urlsplit(code.text)
        self.assertEqual((parts.scheme, parts.netloc), ("https", HOME))
        return code.text

    def load(self, phone, link):
        """Nobody is logged in there. Looking does not use the link up, loading does."""
        for _ in range(2):
            phone.go(link)
            self.assertIn(ANNA, phone.text())
        phone.look("phone-opens-link")
        with phone.page.expect_download() as waiting:
            phone.press("Load the profile")
        self.assertEqual(waiting.value.suggested_filename, "heimpost.mobileconfig")
        profile = plistlib.loads(Path(waiting.value.path()).read_bytes())
        phone.go(f"{link}/heimpost.mobileconfig", status=404)
        phone.look("link-expired")
        phone.go(link, status=404)
        return profile

    def look_at(self, profile):
        self.has(profile, OF_EVERY_PAYLOAD)
        self.assertEqual(profile["PayloadType"], "Configuration")
        authority, mail = profile["PayloadContent"]
        self.has(authority, OF_EVERY_PAYLOAD)
        self.assertEqual(authority["PayloadType"], "com.apple.security.root")
        own = ssl.PEM_cert_to_DER_cert(Path(self.box.ca).read_text())
        self.assertEqual(authority["PayloadContent"], own)
        self.has(mail, OF_EVERY_PAYLOAD | OF_MAIL)
        self.assertEqual(set(mail) - set(OF_EVERY_PAYLOAD | OF_MAIL) - OPTIONAL_OF_MAIL, set())
        self.assertEqual((mail["PayloadType"], mail["EmailAccountType"]), ("com.apple.mail.managed", "EmailTypeIMAP"))
        self.assertEqual(len({one["PayloadUUID"] for one in (profile, authority, mail)}), 3)

    def has(self, payload, keys):
        for key, kind in keys.items():
            self.assertIsInstance(payload.get(key), kind, key)

    def use(self, profile):
        """What a device does with it: trusts the authority, and logs in as told."""
        authority, mail = profile["PayloadContent"]
        context = ssl.create_default_context(cadata=ssl.DER_cert_to_PEM_cert(authority["PayloadContent"]))
        # There is no multicast DNS here: the name is proved, the address is ours.
        wrap, context.wrap_socket = context.wrap_socket, lambda sock, **more: wrap(sock, server_hostname=HOME)
        for side in ("Incoming", "Outgoing"):
            self.assertEqual(mail[f"{side}MailServerHostName"], HOME)
            self.assertIs(mail[f"{side}MailServerUseSSL"], True)
            self.assertEqual(mail[f"{side}MailServerAuthentication"], "EmailAuthPassword")
        with imaplib.IMAP4_SSL(ADDRESS, mail["IncomingMailServerPortNumber"], ssl_context=context) as imap:
            imap.login(mail["IncomingMailServerUsername"], mail["IncomingPassword"])
        with smtplib.SMTP_SSL(ADDRESS, mail["OutgoingMailServerPortNumber"], context=context) as smtp:
            smtp.login(mail["OutgoingMailServerUsername"], mail["OutgoingPassword"])


if __name__ == "__main__":
    unittest.main()
