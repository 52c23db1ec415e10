"""A card whose data partition has died: the LED and a page say so, and no mail is taken into memory, where it would be lost."""

import page
import pl061
from board import Led
from box import BOOT_SECONDS, banner
from card import DATA
from case import BoxCase


class Rescue(BoxCase):
    def test_the_data_partition_is_nonsense(self):
        box = self.new_box()
        box.card.spoil(DATA)
        self.assert_tells(box)
        self.assertTrue(box.card.is_spoilt(DATA), "somebody made the data partition anew")

    def test_the_mail_is_not_where_it_was(self):
        box = self.new_box()
        box.card.lose(DATA, "/heimpost")
        self.assert_tells(box)

    def assert_tells(self, box):
        box.on()
        led = Led(pl061.Chip(box).samples())
        led.shows(6, BOOT_SECONDS, times=2)
        self.tell("the LED shows 6 flashes")
        text = box.wait(lambda: page.rescue(box), BOOT_SECONDS, "the page")
        self.assertIn("Speicherkarte hat einen Fehler", text)
        self.assertIn("The card has a fault", text)
        for service in ("smtp", "submission"):
            self.assertEqual(banner(box.ports[service]), b"", service)
        self.tell("a page says what to do; mail stays with those who send it")
