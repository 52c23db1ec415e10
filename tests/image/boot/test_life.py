"""A box's life from the flashed card on: first boot, mail in and out, panel, watchdogs, a backup to a stick, reboots that
lose nothing, and a new card that begins with the backup.
"""

import imaplib
import json
import re
import subprocess

import page
import pl061
import post
import preseed
from board import Led
from box import BOOT_SECONDS, COMMAND_SECONDS, MEMORY_MIB, banner
from card import DATA, SYSTEM_A
from case import PATTERN_SECONDS, BoxCase, unit

INSTALLED_BYTES_MAX = 700 << 20
SLACK_BYTES = 16 << 20  # what alignment may leave of a card
WATCHDOG_SECONDS = 900
PAGES = ["/box", "/box/accounts", "/box/storage", "/box/sending", "/box/log", "/box/device"]
PAGE_SECONDS_MAX = 2  # where everything is emulated; a board is quicker
STICK = "BACKUP"
STICK_MIB = 256
BACKUP_SECONDS = 900


class Life(BoxCase):
    def test_from_the_card_to_the_switch(self):
        stick = self.new_stick()
        box = self.new_box(disks=[stick])
        box.card.put("heimpost.toml", f'{preseed.CONFIG}[backup]\nstick = "{STICK}"\n')
        self.first_boot(box)
        self.idle(box)
        self.context = post.trusting(page.authority(box))
        self.account(box)
        self.code(box)
        self.mail(box)
        self.pages(box)
        self.panel(box, pl061.Chip(box))
        self.backup(box, stick)
        self.watchdogs(box)
        self.damage(box)
        self.reboot(box)
        self.power_off(box)
        self.begin_again(stick)

    def first_boot(self, box):
        box.on()
        self.tell(f"mail is taken {box.wait_serving():.0f} s after the plug")
        self.assert_healthy(box)
        start, length = box.card.partition(DATA)
        self.assertGreater(start + length, box.card.path.stat().st_size - SLACK_BYTES)
        # What the box has written comes to the card a little later.
        grown = lambda: box.card.filesystem_bytes(DATA) > length - SLACK_BYTES
        box.wait(grown, COMMAND_SECONDS, "the data file system on all of its partition")
        self.tell("all units are up; the data partition fills the card")
        self.assertEqual(box.sh("hostname").strip(), preseed.NAME)
        box.wait(lambda: box.card.get("rpi-preseed.toml") is None, COMMAND_SECONDS, "the preseed's end")
        self.assertEqual(box.sh("ls -d /data/commanded 2>/dev/null", check=False), "")
        self.assertIn("flavour", box.sh("journalctl -b -o cat -u heimpost-provision"))
        self.tell("the preseed has named it, was told of and is gone; its commands did not run")

    def idle(self, box):
        used, daemon = self.memory(box)
        installed = box.card.used_bytes(SYSTEM_A) + box.card.boot_bytes()
        self.tell(f"idle: {used:.0f} MiB of {MEMORY_MIB} used, the daemon {daemon:.0f}; installed: {installed >> 20} MiB")
        self.assertLess(installed, INSTALLED_BYTES_MAX)

    def account(self, box):
        """What Imager gives is a hash, which no SCRAM can use: the first login with the password itself makes it better."""
        self.assertFalse(post.scram_works(box, self.context))
        with post.Imap(box, self.context, log_in=False) as session, self.assertRaises(imaplib.IMAP4.error):
            session.client.login(preseed.ACCOUNT, "wrong")
        with post.Imap(box, self.context):
            pass
        self.assertTrue(post.scram_works(box, self.context))
        self.tell("Imager's account logs in, by SCRAM after the first login")

    def code(self, box):
        code = box.sh("cat /var/lib/heimpost/setup-code.txt").splitlines()
        box.wait(lambda: lines(box.card.get("setup-code.txt")) == code, COMMAND_SECONDS, "the code on the card")
        self.tell("the setup code stands on the FAT partition")

    def pages(self, box):
        took = self.owner(box).seconds(PAGES, PAGE_SECONDS_MAX)
        self.assertLess(max(took.values()), PAGE_SECONDS_MAX)
        self.tell("pages, emulated: " + ", ".join(f"{path} {seconds * 1000:.0f} ms" for path, seconds in took.items()))

    def new_stick(self):
        """As sticks are sold: FAT on all of it."""
        path = self.home / "stick"
        with path.open("wb") as file:
            file.truncate(STICK_MIB << 20)
        subprocess.run(["mkfs.vfat", "-F", "32", "-n", STICK, path], check=True, capture_output=True, timeout=COMMAND_SECONDS)
        return path

    def backup(self, box, stick):
        """What the timer starts each night; then without the stick."""
        self.assertIn("heimpost-backup.timer", box.sh("systemctl list-timers --plain --no-legend"))
        self.assertEqual(self.backed_up(box)["failure"], None)
        files = subprocess.run(["mdir", "-/", "-b", "-i", stick, "::heimpost-backup"], check=True, capture_output=True, text=True)
        self.assertIn("manifest.json", files.stdout)
        box.qmp("device_del", id="stick0")
        box.wait(lambda: not box.sh("ls -d /sys/block/sd*", check=False), COMMAND_SECONDS, "the stick's end")
        told = self.backed_up(box)
        self.assertEqual((told["failure"], told["trouble"]), ("not-there", False))
        self.tell("a backup is on the stick; one without the stick says so")

    def backed_up(self, box):
        box.sh("systemctl start heimpost-backup.service", seconds=BACKUP_SECONDS)
        told = json.loads(box.sh("heimpost status --json"))["backup"]
        self.assertEqual(told["stick"], STICK)
        self.assertGreater(told["last_good"] or 0, 0)
        return told

    def watchdogs(self, box):
        armed = box.sh("cat /sys/class/watchdog/watchdog0/identity /sys/class/watchdog/watchdog0/state").split("\n")
        self.assertEqual(armed[:2], ["i6300ESB timer", "active"])
        self.assertIn("Using hardware watchdog", box.sh("dmesg"))
        box.sh("kill -STOP $(systemctl show heimpost -p MainPID --value)")
        box.wait(lambda: unit(box, "NRestarts", "SubState") == ["1", "running"], WATCHDOG_SECONDS, "the daemon's restart")
        box.wait_serving()
        self.tell("the hardware's watchdog is armed; the daemon's restarted it when it stood still")

    def damage(self, box):
        """A store that cannot be opened, and is then put back."""
        index = "/var/lib/heimpost/index.redb"
        box.sh(f"systemctl stop heimpost && mv {index} {index}.whole && head -c 1M /dev/urandom >{index}")
        box.sh(f"chown heimpost: {index} && systemctl start --no-block heimpost")
        led = Led(pl061.Chip(box).samples())
        led.shows(6, PATTERN_SECONDS, times=2)
        box.wait(lambda: "Speicherkarte hat einen Fehler" in page.rescue(box), BOOT_SECONDS, "the page")
        self.assertEqual(banner(box.ports["smtp"]), b"")
        logged = lambda: "store or card has a fault" in box.sh("journalctl -b -u heimpost -o cat")
        box.wait(logged, COMMAND_SECONDS, "a word in the journal")
        box.sh(f"systemctl stop heimpost && mv {index}.whole {index} && systemctl start heimpost")
        box.wait_serving()
        self.tell("a store that does not open is 6 flashes and a page that says so, and no mail is taken")

    def reboot(self, box):
        before = (self.assert_mails(box), post.certificate(box, self.context), boot_id(box))
        self.owner(box).post("/box/device/power", what="reboot", sure="1")
        self.wait_other_boot(box, before[2])
        self.assert_healthy(box)
        self.assertEqual((self.assert_mails(box), post.certificate(box, self.context)), before[:2])
        self.assertEqual(box.sh("hostname").strip(), preseed.NAME)
        self.assert_sound(box)
        self.tell("rebooted by the page: the same mails, UIDs, UIDVALIDITY and certificate")

    def wait_other_boot(self, box, before):
        def other():
            now = boot_id(box)
            return now and now != before

        box.wait(other, BOOT_SECONDS, "the next boot")

    def power_off(self, box):
        self.owner(box).post("/box/device/power", what="poweroff", sure="1")
        box.wait_off(BOOT_SECONDS)
        self.tell("switched off by the page")

    def begin_again(self, stick):
        """The card has died: a new one begins with the backup on the stick, by the page alone."""
        box = self.new_box("second", disks=[stick])
        preseed.write(box.card, self.key, who="")
        box.on()
        box.wait_serving()
        browser = page.Browser(box)
        browser.get("/setup")
        browser.post("/setup/start")
        uuid = re.search(r'name="stick" value="([^"]+)"', browser.get("/setup/restore")).group(1)
        browser.post("/setup/restore/look", stick=uuid)
        box.wait(lambda: 'name="number"' in browser.get("/setup/restore"), BACKUP_SECONDS, "the backups on the stick")
        browser.post("/setup/restore/begin", number="0")
        box.wait(lambda: "Your box is back." in browser.get("/setup/restore"), BACKUP_SECONDS, "the restored box")
        # The authority is that of before, too.
        self.assert_mails(box)
        self.assert_healthy(box)
        self.assert_sound(box)
        self.tell("a new card began with the backup on the stick, by the page: the same account, mails and authority")

    def owner(self, box):
        browser = page.Browser(box, self.context)
        browser.log_in()
        browser.get("/box/device")
        return browser


def lines(text):
    return (text or b"").decode().splitlines()


def boot_id(box):
    return box.sh("cat /proc/sys/kernel/random/boot_id", check=False).strip()
