"""The plug is pulled, which is QEMU killed: in the middle of deliveries, and at moments of the first boot.

What the host has got of the card's writes stays; a card that loses what it was told to flush is not seen here (the crash
matrix of `cargo test` has that). HEIMPOST_PLUG_ROUNDS says how often deliveries are cut, HEIMPOST_PLUG_SEED draws the moments.
"""

import os
import random
import smtplib
import threading

import page
import post
from case import BoxCase
from card import DATA
from box import BOOT_SECONDS, COMMAND_SECONDS, MAIL_SECONDS

ROUNDS = int(os.environ.get("HEIMPOST_PLUG_ROUNDS", "5"))
SEED = int(os.environ.get("HEIMPOST_PLUG_SEED", "6"))
SENDERS = 3
ACKNOWLEDGED = (3, 25)  # how many mails of a round are acknowledged before the plug, between these
KILOBYTES_MAX = 40


class Deliveries:
    """Others' servers that send mail without end, each to its own count. `acknowledged` are the names of what was taken."""

    def __init__(self, box, name, seed):
        self.box, self.name, self.sizes = box, name, random.Random(seed)
        self.acknowledged, self.changed, self.over = [], threading.Condition(), False
        self.threads = [threading.Thread(target=self._send, args=(number,)) for number in range(SENDERS)]
        for thread in self.threads:
            thread.start()

    def _send(self, sender):
        try:
            with self.box.smtp() as server:
                for number in range(1 << 20):
                    name = f"{self.name}-{sender}-{number}"
                    server.sendmail(post.SENDER, [post.ACCOUNT], post.text(name, self.sizes.randint(1, KILOBYTES_MAX)))
                    with self.changed:
                        self.acknowledged.append(name)
                        self.changed.notify_all()
        except (OSError, smtplib.SMTPException):
            with self.changed:
                self.over = True
                self.changed.notify_all()

    def wait_for(self, count):
        with self.changed:
            done = self.changed.wait_for(lambda: len(self.acknowledged) >= count or self.over, MAIL_SECONDS)
            assert done and not self.over, f"deliveries stand still after {len(self.acknowledged)} mails"

    def join(self):
        for thread in self.threads:
            thread.join()
        return self.acknowledged


class Plug(BoxCase):
    def test_in_the_middle_of_deliveries(self):
        box, moments = self.new_box(), random.Random(SEED)
        box.on()
        self.tell(f"first boot: mail is taken after {box.wait_serving():.0f} s")
        acknowledged, uids, validity = [], {}, None
        context = post.trusting(page.authority(box))
        for turn in range(ROUNDS):
            deliveries = Deliveries(box, f"turn{turn}", SEED + turn)
            deliveries.wait_for(moments.randint(*ACKNOWLEDGED))
            box.unplug()
            fresh = deliveries.join()
            acknowledged += fresh
            box.on()
            seconds = box.wait_serving()
            validity = self.assert_kept(box, context, acknowledged, uids, validity)
            self.tell(f"cut {turn + 1}: {len(fresh)} mails acknowledged, all there; mail is taken after {seconds:.0f} s")
        self.assert_healthy(box)
        self.assert_sound(box)
        self.tell(f"{ROUNDS} cuts: nothing failed, the store is sound")

    def assert_kept(self, box, context, acknowledged, uids, validity):
        """Each acknowledged mail is there once and whole, nothing twice, and what had a UID keeps it."""
        with post.Imap(box, context) as session:
            now = session.uid_validity()
            found = session.mails()
        names = [name for name, _, _ in found]
        self.assertEqual(sorted(set(names)), sorted(names), "a mail is there twice")
        self.assertEqual(set(acknowledged) - set(names), set(), "acknowledged and lost")
        self.assertEqual([name for name, _, whole in found if not whole], [], "not as sent")
        self.assertEqual({name: uid for name, uid, _ in found if name in uids}, uids)
        self.assertEqual(now, now if validity is None else validity)
        uids.update({name: uid for name, uid, _ in found})
        return now

    def test_during_the_first_boot(self):
        """The moments are what the card shows from outside, so each cut hits what it means to."""
        for number, (name, come) in enumerate(MOMENTS.items(), 1):
            box = self.new_box(f"box{number}")
            grown = box.card.filesystem_bytes(DATA)
            box.on()
            box.wait(lambda: come(box, grown), BOOT_SECONDS, name)
            box.unplug()
            self.tell(f"cut when {name}")
            box.on()
            self.assert_healthy(box)
            self.assert_first_boot_done(box, grown)
            self.tell("plugged in again: all of the first boot is done")
            box.unplug()
            box.card.path.unlink()

    def assert_first_boot_done(self, box, before):
        # What the box has written comes to the card a little later.
        box.wait(lambda: box.card.filesystem_bytes(DATA) > before, COMMAND_SECONDS, "a larger file system")
        box.wait(lambda: box.card.get("rpi-preseed.toml") is None, COMMAND_SECONDS, "the preseed's end")
        post.send(box, "after")
        with post.Imap(box, post.trusting(page.authority(box))) as session:
            self.assertEqual([name for name, _, _ in session.mails()], ["after"])


def table_grown(box, _):
    start, length = box.card.partition(DATA)
    return start + length > 4 << 30


# By name; each is asked (box, bytes of the data file system before).
MOMENTS = {
    "the partition has grown": table_grown,
    "the file system grows": lambda box, before: box.card.filesystem_bytes(DATA) > before,
    "the preseed was read": lambda box, _: box.card.get("rpi-preseed.toml") is None,
}
