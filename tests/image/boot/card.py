"""A card: a sparse copy of the image on a larger one, and what stands on it, read and written from outside.

Nothing is mounted, so no root is needed: mtools read and write the FAT partition, the table and the data partition's
superblock are read as bytes. That works while a box runs, too, for looking.
"""

import os
import struct
import subprocess
import zlib
from pathlib import Path

TABLE = 446  # of the primary partitions, in the first sector
SECTOR = 512
BOOT, SYSTEM_A, SYSTEM_B, DATA = range(4)
SUPERBLOCK = 1024  # of ext4
STATE_AT, STATE_BYTES = 1 << 20, 16384  # the boot state, twice
TOOL_SECONDS = 120
TOOLS = f"{os.environ['PATH']}:/usr/sbin:/sbin"
NONSENSE = b"\xa5" * (1 << 20)


class Card:
    """`path` is the file. It stays where it is over every box that it is put in."""

    def __init__(self, image, path, gigabytes):
        self.path = Path(path)
        copy = ["cp", "--sparse=always", "--reflink=auto", image, self.path]
        subprocess.run(copy, check=True, timeout=TOOL_SECONDS)
        size = gigabytes << 30
        assert self.path.stat().st_size <= size, "the image is larger than the card"
        with self.path.open("r+b") as file:
            file.truncate(size)

    def _read(self, offset, length):
        with self.path.open("rb") as file:
            file.seek(offset)
            return file.read(length)

    def partition(self, number):
        """Where a partition begins and how long it is, in bytes."""
        entry = self._read(TABLE + 16 * number, 16)
        start, sectors = struct.unpack("<II", entry[8:])
        return start * SECTOR, sectors * SECTOR

    def filesystem_bytes(self, number):
        """Size of an ext4 file system, as its superblock has it."""
        block = self._read(self.partition(number)[0] + SUPERBLOCK, 1024)
        assert block[56:58] == b"\x53\xef", f"partition {number + 1} has no ext4"
        blocks, log_size = struct.unpack_from("<I", block, 4)[0], struct.unpack_from("<I", block, 24)[0]
        return blocks << (10 + log_size)

    def used_bytes(self, number):
        """What an ext4 file system holds, its own tables included."""
        block = self._read(self.partition(number)[0] + SUPERBLOCK, 1024)
        free, log_size = struct.unpack_from("<I", block, 12)[0], struct.unpack_from("<I", block, 24)[0]
        return self.filesystem_bytes(number) - (free << (10 + log_size))

    def boot_state(self, **variables):
        """Writes variables of U-Boot's into both copies of the boot state: a checksum, then NUL-ended lines."""
        text = b"".join(f"{name}={value}\0".encode() for name, value in variables.items())
        text = text.ljust(STATE_BYTES - 4, b"\0")
        state = struct.pack("<I", zlib.crc32(text)) + text
        with self.path.open("r+b") as file:
            file.seek(STATE_AT)
            file.write(state * 2)

    def spoil(self, number):
        """Writes nonsense over a whole partition, as a card does that has died there."""
        start, length = self.partition(number)
        with self.path.open("r+b") as file:
            file.seek(start)
            for _ in range(length // len(NONSENSE)):
                file.write(NONSENSE)

    def is_spoilt(self, number):
        """Whether it still begins so, that is: nobody has made it anew."""
        return self._read(self.partition(number)[0], len(NONSENSE)) == NONSENSE

    def lose(self, number, directory):
        """Takes a directory's name away, as a repair does that puts what it finds elsewhere."""
        at = f"{self.path}?offset={self.partition(number)[0]}"
        call = ["debugfs", "-w", "-R", f"unlink {directory}", at]
        subprocess.run(call, check=True, capture_output=True, timeout=TOOL_SECONDS, env={**os.environ, "PATH": TOOLS})

    # The FAT partition. Names are relative to its root.

    def _mtools(self, command, *arguments, check=True, **options):
        at = f"{self.path}@@{self.partition(BOOT)[0]}"
        call = [command, "-i", at, *arguments]
        return subprocess.run(call, check=check, capture_output=True, timeout=TOOL_SECONDS, **options)

    def put(self, name, text):
        self._mtools("mcopy", "-o", "-", f"::{name}", input=text.encode())

    def get(self, name):
        """The file's bytes, or None if there is none."""
        done = self._mtools("mtype", f"::{name}", check=False)
        return done.stdout if done.returncode == 0 else None

    def save(self, name, to):
        self._mtools("mcopy", "-n", f"::{name}", to)
        return to

    def boot_bytes(self):
        """What the files on the FAT partition take."""
        text = self._mtools("mdir", "-s", "-a", "::").stdout.decode()
        totals = [line for line in text.splitlines() if "bytes" in line and "free" not in line]
        return int("".join(totals[-1].split("files")[-1].split("bytes")[0].split()))
