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
                    # Thunderbird's own copy takes the place of the server's.
                    (copy,) = until(lambda: self.without_trace(inbox(box, anna, "Sent")), what="its own copy in Sent")
                    self.assertIn(mail["Message-ID"], copy)
                    box.check()

    def without_trace(self, copies):
        return copies and not any("Received:" in copy for copy in copies) and copies


if __name__ == "__main__":
    unittest.main()
