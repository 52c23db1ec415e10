"""A small file system of its own for a box's data, and another program that fills it behind the box's back.

ext4 on a loop device, as on a card; tmpfs where there are no loop devices. Mounting needs root: `Card.problem` says why
there is none.
"""

import os
import shutil
import subprocess
import sys
import threading



BALLAST_BYTES = 8 << 20


class Card:
    def __init__(self, box, size, kinds=("ext4", "tmpfs"), inodes=None):
        self.path, self.image = box.data, box.home / "card.img"
        self.size = size
        self.path.mkdir()
        self.problem = "no kind of card"
        for self.kind in kinds:
            self.problem = self._mount(inodes)
            if not self.problem:
                return

    def _mount(self, inodes):
        """Why it cannot be mounted, if so."""
        if self.kind == "tmpfs":
            options = f"size={self.size},mode=0700" + (f",nr_inodes={inodes}" if inodes else "")
            return self._run("mount", "-t", "tmpfs", "-o", options, "tmpfs", self.path)
        with open(self.image, "wb") as image:
            image.truncate(self.size)
        count = ["-N", str(inodes)] if inodes else []
        return self._run("mke2fs", "-q", "-F", "-t", "ext4", "-m", "0", *count, self.image) or self._run(
            "mount", "-o", "loop,noatime", self.image, self.path
        )

    @staticmethod
    def _run(*command):
        try:
            done = subprocess.run(command, capture_output=True, text=True)
        except OSError as error:
            return str(error)
        return "" if done.returncode == 0 else done.stderr.strip() or f"{command[0]} fails"

    def unmount(self):
        """To be called when the box is gone: its directory could not be removed while this was mounted on it."""
        if not self.problem:
            subprocess.run(["umount", "--lazy", self.path], check=True)
        if not os.environ.get("HEIMPOST_KEEP"):
            shutil.rmtree(self.path.parent, ignore_errors=True)

    def free(self):
        """Bytes that anyone may still write."""
        state = os.statvfs(self.path)
        return state.f_bavail * state.f_frsize

    def stuff(self):
        """Another program takes all that is left now. What the box gives up then is the box's."""
        self.take(self.free())

    def take(self, left):
        """Another program takes so many bytes, or what there is."""
        with open(self.path / "stuffing", "ab", buffering=0) as file:
            try:
                while left > 0:
                    left -= file.write(b"x" * min(left, 65_536))
            except OSError:
                return

    def unstuff(self):
        (self.path / "stuffing").unlink(missing_ok=True)

    def take_inodes(self):
        """Another program makes files until there can be no more."""
        (self.path / "litter").mkdir()
        for number in range(1_000_000):
            try:
                open(self.path / "litter" / str(number), "wb").close()
            except OSError:
                return

    def give_inodes(self):
        for file in (self.path / "litter").iterdir():
            file.unlink()
        (self.path / "litter").rmdir()


def explain(test, box, card):
    """After a test that failed: how the box and its card are."""
    result = test._outcome.result
    if all(failed is not test for failed, _ in result.failures + result.errors):
        return
    sys.stdout.flush()
    print(box.run("status", check=False).stdout)
    subprocess.run(["df", "-B1", card.path])
    subprocess.run(["ls", "-lsR", "--block-size=1", card.path])
    print("".join(line for line in box.log if "maillog" not in line and "ended:" not in line)[-20_000:])


class Filler(threading.Thread):
    """Takes space and gives it back, again and again, until told to stop.

    All of it if the box has its ballast; else it leaves as much as that. Nobody could delete on a card where others took
    every last byte.
    """

    def __init__(self, card, chance, enough):
        super().__init__()
        self.card, self.chance, self.enough = card, chance, enough
        self.done, self.times, self.failure = threading.Event(), 0, None

    def run(self):
        try:
            while not self.done.is_set():
                free = self.card.free()
                spare = 0 if (self.card.path / "ballast").exists() else BALLAST_BYTES
                self.card.take(free - spare - self.chance.choice([0, 0, 1 << 20, 6 << 20]))
                self.times += 1
                self.done.wait(self.chance.uniform(0.1, 1.0))
                self.card.unstuff()
                self.done.wait(self.chance.uniform(0.2, 1.0))
        except OSError as error:
            self.failure = error
        finally:
            self.card.unstuff()

    def has_done(self):
        """Whether it has filled the card often enough."""
        return self.times >= self.enough

    def stop(self):
        self.done.set()
        self.join()
        assert not self.failure, self.failure
