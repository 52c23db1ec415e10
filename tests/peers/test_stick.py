"""Backups to a USB stick by the helper that root runs, on file systems of their own. Mounting needs root and loop devices."""

import contextlib
import fcntl
import json
import os
import shutil
import struct
import subprocess
import threading
import unittest
import uuid
from pathlib import Path

from box import BINARY, COMMAND_SECONDS, ROOT, Box, message, until

from test_python import imap

HELPER = ROOT / "systemd/usr/lib/heimpost/stick"
MEBIBYTE = 1 << 20

# linux/ext4.h: nothing more reaches the disk, what is in the journal's memory neither.
EXT4_IOC_SHUTDOWN = 0x8004587D
SHUTDOWN_AS_IT_IS = 2

LEAST_PRIORITY = 19


class Stick:
    """An ext4 file system on a loop device."""

    def __init__(self, box, name, label, size=128 * MEBIBYTE):
        self.image = box.home / f"{name}.img"
        with open(self.image, "wb") as image:
            image.truncate(size)
        made = ["mke2fs", "-q", "-F", "-t", "ext4", "-m", "0", "-L", label, self.image]
        subprocess.run(made, check=True, capture_output=True)
        self.device = None

    def plug(self):
        done = subprocess.run(["losetup", "--find", "--show", self.image], capture_output=True, text=True)
        if done.returncode:
            raise unittest.SkipTest(f"no loop device: {done.stderr.strip()}")
        self.device = done.stdout.strip()

    def pull(self):
        if self.device:
            subprocess.run(["losetup", "--detach", self.device], check=True)
            self.device = None


class Backup(unittest.TestCase):
    def setUp(self):
        if os.geteuid():
            self.skipTest("mounting needs root")
        # A name that no other disk of this machine has.
        self.label = f"HP{uuid.uuid4().hex[:12]}"
        self.box = self.enterContext(Box(f'[backup]\nstick = "{self.label}"'))
        self.anna = self.box.account("anna")
        self.mounted = self.box.home / "mounted"
        self.tools = self.box.home / "tools"
        self.tools.mkdir()
        self.tool("heimpost", f'exec {BINARY} --config {self.box.config} --data {self.box.data} "$@"')

    def tool(self, name, text):
        """A command that stands before the system's."""
        (self.tools / name).write_text(f"#!/bin/sh\n{text}\n")
        (self.tools / name).chmod(0o755)

    def stick(self, name="one", size=128 * MEBIBYTE):
        stick = Stick(self.box, name, self.label, size)
        stick.plug()
        self.addCleanup(stick.pull)
        return stick

    def night(self, deed="backup"):
        """Runs the helper; gives what it said, and looks that nothing is left mounted."""
        env = dict(
            os.environ,
            PATH=f"{self.tools}:{os.environ['PATH']}",
            HEIMPOST_DATA=str(self.box.data),
            HEIMPOST_STICK_MOUNT=str(self.mounted),
        )
        done = subprocess.run(["sh", HELPER, deed], env=env, capture_output=True, text=True, timeout=COMMAND_SECONDS)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertFalse(os.path.ismount(self.mounted))
        return done.stdout + done.stderr

    def status(self):
        return json.loads(self.box.run("status", "--json").stdout)["backup"]

    def look(self, stick):
        """What is on it, by another mount."""
        self.mounted.mkdir(exist_ok=True)
        subprocess.run(["mount", "-o", "ro", stick.device, self.mounted], check=True)
        try:
            copy = self.box.home / "copy"
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(self.mounted / "heimpost-backup", copy)
            return list(copy.iterdir())
        finally:
            subprocess.run(["umount", self.mounted], check=True)

    def fill(self, count, size):
        client = imap(self.box, self.anna)
        for n in range(count):
            body = os.urandom(size // 2).hex()
            lines = "\r\n".join(body[at : at + 70] for at in range(0, len(body), 70))
            client.append("INBOX", None, None, message(f"mail {n} {size}", lines).encode())
        client.logout()

    def test_night_after_night(self):
        self.assertIn("not plugged", self.night())
        self.assertEqual(self.status()["failure"], "not-there")
        stick = self.stick()
        self.fill(20, 10_000)
        (self.box.data / "backup-wanted").touch()
        self.assertIn("all is sound", self.night())
        self.assertFalse((self.box.data / "backup-wanted").exists())
        self.assertEqual((self.status()["failure"], self.status()["trouble"]), (None, False))
        self.fill(5, 10_000)
        self.night()
        (backup,) = self.look(stick)
        self.assertTrue(backup.name.startswith("mail.example.org-"), backup)
        self.box.stop()
        shutil.move(self.box.data, self.box.home / "old")
        self.assertIn(" 25 messages", self.box.run("restore", str(backup)).stdout)
        self.box.start()
        # What is restored begins a backup of its own.
        self.night()
        self.assertEqual(len(self.look(stick)), 2)
        self.box.check()

    def test_two_of_a_name(self):
        self.stick("one"), self.stick("two")
        self.assertIn("Several sticks", self.night())

    def test_a_small_stick(self):
        """It says so beforehand, and the last good backup stays."""
        stick = self.stick(size=48 * MEBIBYTE)
        self.night()
        good = self.status()["last_good"]
        self.fill(5, 10 * MEBIBYTE)
        self.assertIn("too little room", self.night())
        status = self.status()
        self.assertEqual((status["failure"], status["last_good"]), ("full", good))
        (backup,) = self.look(stick)
        to = self.box.home / "restored"
        subprocess.run([BINARY, "--data", to, "restore", backup], check=True, capture_output=True)

    def pull_while_writing(self):
        """Takes the stick away from its file system once the second backup writes a volume, which goes on for long enough:
        the daemon gives way to whoever else wants to run."""
        until(lambda: list(self.mounted.glob("heimpost-backup/*/volume-*-2.redb")), what="the backup")
        top = os.open(self.mounted, os.O_RDONLY)
        try:
            fcntl.ioctl(top, EXT4_IOC_SHUTDOWN, struct.pack("I", SHUTDOWN_AS_IT_IS))
        finally:
            os.close(top)

    def test_pulled_out_meanwhile(self):
        """Writing fails halfway; what was there before is whole."""
        stick = self.stick()
        self.fill(5, 100_000)
        self.night()
        self.fill(60, 1 << 20)
        for thread in Path(f"/proc/{self.box.process.pid}/task").iterdir():
            with contextlib.suppress(ProcessLookupError):
                os.setpriority(os.PRIO_PROCESS, int(thread.name), LEAST_PRIORITY)
        pulling = threading.Thread(target=self.pull_while_writing)
        pulling.start()
        said = self.night()
        pulling.join()
        self.assertIn(self.status()["failure"], ("write", "read-only"), said)
        stick.pull()
        stick.plug()
        subprocess.run(["e2fsck", "-fp", stick.device], capture_output=True)
        (backup,) = self.look(stick)
        to = self.box.home / "restored"
        done = subprocess.run([BINARY, "--data", to, "restore", backup], capture_output=True, text=True)
        self.assertIn(" 5 messages", done.stdout, done.stderr)
        self.assertIn("backed up", self.night())

    def test_what_cannot_be_used(self):
        stick = self.stick()
        for tool, text, words in [
            ("findmnt", f"lsblk -dnro MAJ:MIN {stick.device}", "itself runs from"),
            ("fsck.ext4", "exit 4", "damaged"),
            ("mount", "exit 32", "cannot be opened"),
            ("blockdev", "echo 1", "write-protected"),
        ]:
            self.tool(tool, text)
            self.assertIn(words, self.night())
            (self.tools / tool).unlink()
        subprocess.run(["mkswap", "-f", "-L", self.label, stick.device], check=True, capture_output=True)
        self.assertIn("FAT32", self.night())

    def test_for_a_new_box_it_is_only_read(self):
        """What the daemon does there is not looked at here; the pages of setup are in `cargo test`."""
        stick = self.stick()
        self.night()
        before = Path(stick.image).read_bytes()
        (self.box.data / "restore-wanted").touch()
        look = 'echo "$@"; [ ! -d "$3" ] || { ls "$3"; touch "$3/x" || true; }'
        self.tool("heimpost", f'if [ "$1 $2" = "restore --stick-name" ]; then echo {self.label}; else {look}; fi')
        said = self.night("restore")
        self.assertFalse((self.box.data / "restore-wanted").exists())
        self.assertIn(f"restore --stick {self.mounted}/heimpost-backup\nmail.example.org-", said)
        self.assertIn("Read-only file system", said)
        self.assertTrue(Path(stick.image).read_bytes() == before, "something was written")
        stick.pull()
        self.assertIn("restore --stick-failed not-there", self.night("restore"))

    def test_nothing_is_named(self):
        self.box.stop()
        text = self.box.config.read_text()
        self.box.config.write_text(text.replace(f'stick = "{self.label}"', ""))
        self.box.start()
        self.stick()
        self.assertEqual(self.night(), "")


if __name__ == "__main__":
    unittest.main()
