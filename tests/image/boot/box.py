"""A whole box in QEMU: the image on a card, booted as it is, reached from outside as a home reaches it.

`Box` is on from `on()` until `unplug()`, which ends the machine at once, as pulling the plug does, or until it switches
itself off. Its ports are loopback ports that QEMU picks anew for each `on()`. The only way in besides mail and web is SSH,
asked for as the owner asks for it (see `preseed.py`). Emulation makes all of it slow, so every wait is for an event and its
limit is generous.
"""

import json
import re
import smtplib
import socket
import subprocess
import threading
import time
from pathlib import Path

from guest import until

FIRMWARE = "/usr/lib/u-boot/qemu_arm64/u-boot.bin"
PORTS = {"ssh": 22, "smtp": 25, "web": 80, "webs": 443, "submissions": 465, "submission": 587, "imaps": 993, "pop3s": 995}
MEMORY_MIB = 512  # as a Pi Zero 2 W has
BOOT_SECONDS = 1800
COMMAND_SECONDS = 600
MAIL_SECONDS = 600
CONSOLE_LINES = 60  # shown of a box where something failed


class Box:
    host = "127.0.0.1"  # where it is reached

    def __init__(self, card, home, key, board="virt", disks=()):
        self.card, self.home, self.key, self.board = card, Path(home), key, board
        self.disks, self.process, self.boots = list(disks), None, 0
        self.console = self.home / "console"

    # The plug.

    def on(self):
        """Plugs it in, and waits for nothing."""
        assert self.process is None
        self.boots += 1
        common = ["-display", "none", "-qmp", f"unix:{self.home}/qmp,server=on,wait=off"]
        command = ["qemu-system-aarch64", *self._machine(), *common, "-netdev", f"{self._network()},id=n0"]
        self.log = (self.home / "qemu").open("ab")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.began = time.monotonic()
        self._qmp = Qmp(self.home / "qmp", self.process)
        self.ports = self._reached()

    def _network(self):
        """What is at the other end of its cable; its ports are told by `_reached` then."""
        rules = "".join(f",hostfwd=tcp:127.0.0.1:0-:{port}" for port in PORTS.values())
        return f"user,restrict=on{rules}"

    def _machine(self):
        serial = ["-serial", f"file:{self.console}-{self.boots}"]
        if self.board == "raspi3b":
            return [*self._raspberry(), "-serial", "null", *serial]
        # With a firmware and ACPI, QEMU leaves the GPIO chip out.
        disk = f"if=none,format=raw,cache=writeback,file={self.card.path},id=card"
        extra = [word for number, path in enumerate(self.disks) for word in stick(number, path)]
        return (
            ["-M", "virt,acpi=off", "-cpu", "cortex-a72", "-smp", "2", "-m", str(MEMORY_MIB), "-accel", "tcg,thread=multi"]
            + ["-nodefaults", "-bios", FIRMWARE, *serial, "-drive", disk, "-device", "virtio-blk-device,drive=card"]
            + ["-device", "virtio-net-device,netdev=n0", "-device", "virtio-rng-device"]
            + ["-device", "i6300esb", *(["-device", "qemu-xhci"] if extra else []), *extra]
        )

    def _raspberry(self):
        """A Pi 3 whose firmware, which QEMU has not, would have loaded U-Boot and the device tree from the card. It has no
        network until `plug_in_network`.
        """
        for name in ("u-boot.bin", "bcm2837-rpi-3-b.dtb"):
            if not (self.home / name).exists():
                self.card.save(name, self.home / name)
        return (
            ["-M", "raspi3b", "-accel", "tcg,thread=multi", "-kernel", f"{self.home}/u-boot.bin"]
            + ["-dtb", f"{self.home}/bcm2837-rpi-3-b.dtb", "-drive", f"if=sd,format=raw,file={self.card.path}"]
        )

    def plug_in_network(self):
        """Plugs a network adapter into the Pi's USB port. Not before U-Boot is done: where it has seen the adapter, Linux sees
        none. Linux resets the controller, which makes a board's tell of its port anew, but not QEMU's.
        """
        self.qmp("device_add", driver="usb-net", netdev="n0")

    def unplug(self):
        """Ends the machine at once: nothing in it hears of that."""
        if self.process is not None:
            self.process.kill()
            self._ended()

    def wait_off(self, seconds):
        """Waits until it has switched itself off."""
        self.process.wait(seconds)
        self._ended()

    def _ended(self):
        self.process.wait()
        self._qmp.close()
        self.log.close()
        self.process = None

    def _reached(self):
        rows = re.findall(r"HOST_FORWARD\]\s+\S+\s+127\.0\.0\.1\s+(\d+)\s+\S+\s+(\d+)", self.monitor("info usernet"))
        outside = {int(inside): int(outside) for outside, inside in rows}
        return {name: outside[port] for name, port in PORTS.items()}

    def qmp(self, command, **arguments):
        return self._qmp.ask(command, arguments)

    def monitor(self, line):
        """QEMU's own words for people, which also `line.samples` asks for."""
        return self.qmp("human-monitor-command", **{"command-line": line})

    # What it says and does.

    def said(self):
        """Its serial console since it was plugged in."""
        path = Path(f"{self.console}-{self.boots}")
        text = path.read_bytes().decode(errors="replace") if path.exists() else ""
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\r", "", text).splitlines()

    def wait(self, condition, seconds, what):
        """Waits for something that the box does; fails at once if it goes off."""

        def come():
            assert self.process.poll() is None, f"the box went off while waiting for {what}"
            return condition()

        return until(come, seconds, what)

    def wait_serving(self, seconds=BOOT_SECONDS):
        """Waits for mail to be taken; gives the seconds since the plug."""
        self.wait(lambda: banner(self.ports["smtp"], host=self.host), seconds, "SMTP's greeting")
        return time.monotonic() - self.began

    def wait_settled(self, seconds=BOOT_SECONDS):
        """Waits until the system has started all that it means to; gives systemd's word for how it went."""
        self.wait_serving(seconds)
        self.wait(lambda: banner(self.ports["ssh"], b"SSH-", self.host), seconds, "SSH's greeting")
        return self.sh("systemctl is-system-running --wait", check=False, seconds=seconds).strip()

    def sh(self, lines, check=True, seconds=COMMAND_SECONDS):
        """Runs shell lines as root; gives what they print."""
        options = [f"-oUserKnownHostsFile={self.home}/known", "-oStrictHostKeyChecking=accept-new", "-oBatchMode=yes"]
        options += ["-oHostKeyAlias=box", f"-oConnectTimeout={COMMAND_SECONDS}", "-oLogLevel=ERROR"]
        # One connection for all, since each costs the box seconds; it goes when the box does.
        options += ["-oControlMaster=auto", f"-oControlPath={self.home}/way-%h-%p", "-oControlPersist=yes"]
        options += ["-oServerAliveInterval=15", "-oServerAliveCountMax=8"]
        command = ["ssh", "-i", self.key, *options, "-p", str(self.ports["ssh"]), f"root@{self.host}", "sh", "-s"]
        done = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=seconds)
        assert not check or done.returncode == 0, f"{lines}\n{done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def smtp(self):
        return smtplib.SMTP(self.host, self.ports["smtp"], "mail.example.net", timeout=MAIL_SECONDS)


class Qmp:
    """QEMU's own interface."""

    def __init__(self, path, process):
        self._turn = threading.Lock()

        def there():
            assert process.poll() is None, "QEMU did not start: its log says why"
            return path.exists() and self._connect(path)

        until(there, COMMAND_SECONDS, "QEMU's interface")
        self._lines = self._socket.makefile("r")
        self._lines.readline()
        self.ask("qmp_capabilities", {})

    def _connect(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(COMMAND_SECONDS)
        try:
            self._socket.connect(str(path))
        except OSError:  # left by the machine before
            self._socket.close()
            return False
        return True

    def ask(self, command, arguments):
        with self._turn:
            self._socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode())
            while True:
                answer = json.loads(self._lines.readline())
                assert "error" not in answer, answer
                if "return" in answer:
                    return answer["return"]

    def close(self):
        self._lines.close()
        self._socket.close()


def stick(number, path):
    """A USB stick."""
    drive = f"if=none,format=raw,file={path},id=drive{number}"
    return ["-drive", drive, "-device", f"usb-storage,drive=drive{number},id=stick{number},removable=on"]


def banner(port, begins=b"220 ", host=Box.host):
    """What a service says first, or nothing. QEMU takes a connection before the box does, so a connection says nothing."""
    try:
        with socket.create_connection((host, port), 5) as connection:
            said = connection.recv(512)
    except OSError:
        return b""
    return said if said.startswith(begins) else b""
