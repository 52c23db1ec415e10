"""An emulated board: a Debian kernel, a RAM disk with the daemon in it, and a way in.

`Guest` boots QEMU's `virt` machine. The test runs shell lines in it (`sh`), reaches its ports through loopback ports that
QEMU picks (`ports`), reads its console (`wait_for`) and speaks to QEMU itself (`qmp`, `monitor`). Emulation makes all of it
slow, so every wait is for an event and its limit is generous.
"""

import gzip
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
LIBRARIES = Path("/usr/aarch64-linux-gnu/lib")
AGENT_PORT = 9000
MEMORY_MIB = 640
BOOT_SECONDS = 900
COMMAND_SECONDS = 600


def ram_disk(kernel, busybox, binaries):
    """A cpio archive (newc) with everything that the board needs; binaries are (name, path)."""
    files = [("init", 0o755, (HERE / "init").read_bytes()), ("bin/busybox", 0o755, Path(busybox).read_bytes())]
    names = [path.name for path in kernel.modules]
    files += [(f"modules/{path.name}", 0o644, path.read_bytes()) for path in kernel.modules]
    files.append(("modules/order", 0o644, "\n".join(names).encode()))
    for library in ("ld-linux-aarch64.so.1", "libc.so.6", "libm.so.6", "libgcc_s.so.1"):
        files.append((f"lib/{library}", 0o755, (LIBRARIES / library).read_bytes()))
    files += [(f"usr/bin/{name}", 0o755, Path(path).read_bytes()) for name, path in binaries]
    folders = sorted({str(parent) for name, _, _ in files for parent in Path(name).parents if str(parent) != "."})
    entries = [(name, 0o040755, b"") for name in ["dev", *folders]]
    entries += [(name, 0o100000 | mode, data) for name, mode, data in files]
    entries.append(("TRAILER!!!", 0, b""))
    return gzip.compress(b"".join(cpio_entry(number, *entry) for number, entry in enumerate(entries, 1)), 1)


def cpio_entry(number, name, mode, data):
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


class Guest:
    """`forwards` are (name, port in the board). Use it in a `with` statement."""

    def __init__(self, kernel, ram_disk, forwards):
        self.home = Path(tempfile.mkdtemp(prefix="heimpost-board-"))
        (self.home / "ramdisk").write_bytes(ram_disk)
        self.kernel, self.forwards = kernel, [("agent", AGENT_PORT), *forwards]
        self.console, self.heard, self._process = [], threading.Condition(), None

    def __enter__(self):
        self.began = time.monotonic()
        rules = "".join(f",hostfwd=tcp:127.0.0.1:0-:{port}" for _, port in self.forwards)
        self._process = subprocess.Popen(
            ["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a72", "-smp", "2", "-m", str(MEMORY_MIB)]
            + ["-accel", "tcg,thread=multi", "-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio"]
            + ["-kernel", self.kernel.image, "-initrd", self.home / "ramdisk"]
            + ["-append", "console=ttyAMA0 quiet panic=-1"]
            + ["-netdev", f"user,id=n0,restrict=on{rules}", "-device", "virtio-net-device,netdev=n0"]
            + ["-qmp", f"unix:{self.home}/qmp,server=on,wait=off"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        threading.Thread(target=self._listen, daemon=True).start()
        try:
            self.wait_for("board ready", BOOT_SECONDS)
            self.boot_seconds = time.monotonic() - self.began
            self._open_qmp()
            self.ports = self._ports()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self.home, ignore_errors=True)

    def _listen(self):
        for line in self._process.stdout:
            with self.heard:
                self.console.append(re.sub(r"\x1b\[[0-9;]*m", "", line.decode(errors="replace")).rstrip())
                self.heard.notify_all()
        with self.heard:
            self.console.append("(the board is off)")
            self.heard.notify_all()

    def wait_for(self, pattern, seconds, since=0):
        """Waits for a line of the console, from line `since` on; gives its match."""
        end = time.monotonic() + seconds
        with self.heard:
            while True:
                for line in self.console[since:]:
                    found = re.search(pattern, line)
                    if found:
                        return found
                left = end - time.monotonic()
                alive = self._process.poll() is None
                assert left > 0 and alive, f"no {pattern!r} in {seconds} s:\n" + "\n".join(self.console[-40:])
                self.heard.wait(min(left, 1))

    def lines(self, pattern, since=0):
        with self.heard:
            return [line for line in self.console[since:] if re.search(pattern, line)]

    # QEMU's own interface.

    def _open_qmp(self):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(COMMAND_SECONDS)
        self._socket.connect(f"{self.home}/qmp")
        self._qmp_lines = self._socket.makefile("r")
        self._qmp_lines.readline()
        self.qmp("qmp_capabilities")

    def qmp(self, command, **arguments):
        self._socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode())
        while True:
            answer = json.loads(self._qmp_lines.readline())
            assert "error" not in answer, answer
            if "return" in answer:
                return answer["return"]

    def monitor(self, line):
        return self.qmp("human-monitor-command", **{"command-line": line})

    def _ports(self):
        """The loopback ports that QEMU was given, by name."""
        rows = re.findall(r"HOST_FORWARD\]\s+\S+\s+127\.0\.0\.1\s+(\d+)\s+\S+\s+(\d+)", self.monitor("info usernet"))
        outside = {int(inside): int(outside) for outside, inside in rows}
        return {name: outside[port] for name, port in self.forwards}

    # The board from inside.

    def open(self, lines):
        """Runs shell lines and gives the connection, whose end is theirs."""
        connection = socket.create_connection(("127.0.0.1", self.ports["agent"]), COMMAND_SECONDS)
        connection.sendall((lines + "\nexit\n").encode())
        return connection

    def sh(self, lines, check=True):
        """Runs shell lines to their end; gives what they print (standard output and errors)."""
        with self.open(f"( {lines}\n) 2>&1 </dev/null; s=$?; echo; echo status $s") as connection:
            said = b"".join(iter(lambda: connection.recv(65536), b"")).decode(errors="replace")
        output, _, status = said.rpartition("\nstatus ")
        assert not check or status.strip() == "0", f"{lines}\n{said}"
        return output

    def write(self, path, text):
        """Writes a text file; its lines must not be a single `END_OF_FILE`."""
        with self.open(f"cat > {path} <<'END_OF_FILE'\n{text}\nEND_OF_FILE\necho written") as connection:
            said = b"".join(iter(lambda: connection.recv(65536), b""))
        assert said == b"written\n", said


def until(condition, seconds, what):
    """Waits for something without an event of its own."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        result = condition()
        if result:
            return result
        time.sleep(0.1)
    raise AssertionError(f"{what} did not come true in {seconds} s")
