"""A Heimpost daemon of its own for one test, on loopback with ports that the system picks.

Box starts the release binary (HEIMPOST_BIN, else target/release/heimpost) on a fresh data directory, knows its ports from
the line `ready`, and runs commands against it. A daemon that panicked or does not stop cleanly fails the test.
"""

import os
import queue
import re
import shutil
import signal
import ssl
import subprocess
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BINARY = os.environ.get("HEIMPOST_BIN", str(ROOT / "target/release/heimpost"))
SERVICES = ["smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s", "web", "web_tls"]
# Limits are for a slow and busy machine; a wait ends when what it waits for is there.
START_SECONDS = 120
STOP_SECONDS = 120
COMMAND_SECONDS = 600
PASSWORD = "correct horse battery"


class Box:
    # What the daemon is started by, if not by itself.
    starter = ()

    def __init__(self, extra_config="", env=None):
        self.home = Path(tempfile.mkdtemp(prefix="heimpost-peer-"))
        self.data = self.home / "data"
        self.config = self.home / "heimpost.toml"
        listeners = "".join(f'{name} = ["127.0.0.1:0"]\n' for name in SERVICES)
        self.config.write_text(
            'hostname = "mail.example.org"\ndomains = ["example.org"]\n' + f"{extra_config}\n[listen]\n{listeners}"
        )
        self.env = dict(os.environ, **(env or {}))
        self.process = self.reader = None
        self.log = []

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        try:
            if self.process:
                self.stop()
            assert not any("panicked" in line for line in self.log), "".join(self.log[-50:])
        finally:
            if os.environ.get("HEIMPOST_KEEP"):
                print(f"kept {self.home}")
            else:
                shutil.rmtree(self.home, ignore_errors=True)

    def start(self):
        arguments = [*self.starter, BINARY, "--config", str(self.config), "--data", str(self.data), "serve"]
        self.process = subprocess.Popen(
            arguments, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL, env=self.env
        )
        ready = queue.Queue()
        self.reader = threading.Thread(target=self._read_log, args=(self.process, ready), daemon=True)
        self.reader.start()
        line = ready.get(timeout=START_SECONDS)
        assert line, "the daemon did not become ready:\n" + "".join(self.log)
        found = re.findall(r"(\w+) 127\.0\.0\.1:(\d+)", line)
        self.ports = {name: int(port) for name, port in found}
        missing = set(SERVICES) - set(self.ports)
        assert not missing, f"no port for {missing} in {line!r}"

    def _read_log(self, process, ready):
        for line in process.stderr:
            self.log.append(line)
            if line.startswith("ready"):
                ready.put(line)
        ready.put(None)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=STOP_SECONDS)
        self._ended()
        assert status == 0, f"exit status {status}:\n" + "".join(self.log[-50:])

    def kill(self):
        """As if the plug was pulled from the daemon (not from the kernel)."""
        self.process.kill()
        self.process.wait()
        self._ended()

    def _ended(self):
        """From now on `log` has all that it said."""
        self.reader.join(STOP_SECONDS)
        self.process = None

    def restart(self):
        self.stop()
        self.start()

    def run(self, *arguments, stdin="", check=True, timeout=COMMAND_SECONDS):
        command = [BINARY, "--config", str(self.config), "--data", str(self.data), *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout)
        if check:
            assert done.returncode == 0, f"{arguments}: {done.stderr}"
        return done

    def account(self, name, *options):
        address = f"{name}@example.org"
        self.run("account", "add", address, "--password-stdin", *options, stdin=PASSWORD + "\n")
        return address

    def device(self, address, name, policy="keep:30"):
        """Adds a device and gives its app password."""
        output = self.run("device", "add", address, name, "--pop3-delete", policy).stdout
        return re.search(r"app password: (\S+)", output).group(1)

    @property
    def ca(self):
        return str(self.data / "tls/ca.pem")

    def tls(self):
        return ssl.create_default_context(cafile=self.ca)

    def check(self):
        """The store's own invariants hold, and its counters are right."""
        self.run("check")
        return self


def tool(name, *arguments, stdin="", check=True, env=None, cwd=None, timeout=COMMAND_SECONDS):
    """Runs another's client."""
    full = dict(os.environ, LC_ALL="C.UTF-8", **(env or {}))
    done = subprocess.run(
        [name, *arguments], input=stdin, capture_output=True, text=True, timeout=timeout, env=full, cwd=cwd
    )
    if check:
        assert done.returncode == 0, f"{name} {arguments}: status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def until(condition, seconds=120, what="condition"):
    """Waits for a condition of another process, looking often."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        result = condition()
        if result:
            return result
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come true in {seconds} s")


def message(subject, body="Hello", sender="anna@example.org", to="bob@example.org", extra=""):
    return (
        f"From: {sender}\r\nTo: {to}\r\nSubject: {subject}\r\nDate: Sun, 22 Nov 2026 10:00:00 +0100\r\n"
        f"Message-ID: <{abs(hash((subject, body)))}@example.org>\r\n{extra}\r\n{body}\r\n"
    )
