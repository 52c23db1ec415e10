"""Thunderbird sends a mail to the world: it arrives, and Sent has it once."""

import unittest

from box import Box, PASSWORD, until
from names import Names
from others import Postfix
from test_sending import QUICK, inbox, settled
from thunderbird import Thunderbird


class Sending(unittest.TestCase):
    def test_a_mail_reaches_postfix_and_lies_in_sent_once(self):
        with Postfix("else.test") as other, Thunderbird() as thunderbird:
            with Names("else.test. MX 10 mx.else.test.", "mx.else.test. A 127.0.0.1") as names:
                with Box(names.config + f"[queue]\nport = {other.port}\n{QUICK}") as box:
                    anna = box.account("anna")
                    thunderbird.account(box, anna, PASSWORD)
                    thunderbird.send("ben@else.test", "Grüße aus der Küche", "Es klappt.")
                    mail = other.wait("ben")[0]
                    self.assertEqual(mail["Subject"], "Grüße aus der Küche")
                    self.assertIn("Thunderbird", mail["User-Agent"])
                    self.assertIn("Es klappt.", mail.get_content())
                    settled(box)
                    until(lambda: inbox(box, anna, "Sent"), what="the copy in Sent")
                    (copy,) = inbox(box, anna, "Sent")
                    self.assertIn(mail["Message-ID"], copy)
                    # Thunderbird's own copy has taken the place of the server's.
                    self.assertNotIn("Received:", copy)
                    box.check()


if __name__ == "__main__":
    unittest.main()
