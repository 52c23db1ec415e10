"""The daemon beside a service manager: what it tells it, and the programs that it has run by the helper."""

import json
import os
import re
import socket
import subprocess
import tempfile
import unittest
import urllib.request
from pathlib import Path

from box import BINARY, Box

SECONDS = 120
NOBODY = 65534


class Manager:
    """Hears what services tell."""

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="heimpost-notify-")
        self.path = f"{self.folder.name}/notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.settimeout(SECONDS)
        return self

    def __exit__(self, *_):
        self.socket.close()
        self.folder.cleanup()

    def hear(self):
        return self.socket.recv(4096).decode().split("\n")[0]

    def env(self, watchdog_seconds):
        return {"NOTIFY_SOCKET": self.path, "WATCHDOG_USEC": str(int(watchdog_seconds * 1_000_000))}


class Service(unittest.TestCase):
    def test_tells_of_work_that_counts_for_nothing(self):
        with Manager() as manager, Box(env=manager.env(watchdog_seconds=1)) as box:
            self.assertEqual([manager.hear() for _ in range(4)], ["READY=1"] + ["WATCHDOG=1"] * 3)
            # Without a store that answers there is nothing to tell of; with it, nobody was counted for the asking.
            with urllib.request.urlopen(f"http://127.0.0.1:{box.ports['web']}/metrics") as answer:
                sessions = re.findall(r"^heimpost_sessions_total\{.*\} (\d+)$", answer.read().decode(), re.MULTILINE)
            self.assertEqual(sum(map(int, sessions)), 1, "but for this one")
            box.stop()
            told = manager.hear()
            while told == "WATCHDOG=1":
                told = manager.hear()
            self.assertEqual(told, "STOPPING=1")

    def test_without_a_watchdog_nothing_is_told(self):
        with Manager() as manager, Box(env={"NOTIFY_SOCKET": manager.path}) as box:
            box.stop()
            self.assertEqual([manager.hear(), manager.hear()], ["READY=1", "STOPPING=1"])

    @unittest.skipUnless(os.geteuid() == 0, "only root can be another user")
    def test_the_helper_runs_programs_as_who_started_it(self):
        with tempfile.TemporaryDirectory(prefix="heimpost-hook-") as folder:
            os.chmod(folder, 0o755)
            program = Path(folder, "10-who")
            program.write_text("#!/bin/sh\nid -u\ncat\n")
            program.chmod(0o755)
            config = Path(folder, "heimpost.toml")
            config.write_text(f'[room]\nhooks = "{folder}"\n')
            config.chmod(0o644)
            state = '{"event":"storage-full"}'
            answers = self.ask(config, f"{folder}\n{state}\n")
            by_name = {told["name"]: told for kind in answers[:-1] for told in kind.values()}
            self.assertEqual(by_name["10-who"]["end"], {"exited": 0})
            self.assertEqual(by_name["10-who"]["lines"], [str(NOBODY), state])
            self.assertIn("not executable", by_name["heimpost.toml"]["why"])
            (refused, _) = self.ask(config, f"/usr/bin\n{state}\n")
            self.assertIn("only those in", refused["skipped"]["why"])

    def ask(self, config, request):
        """As systemd starts it: one socket is its input and its output."""
        ours, its = socket.socketpair()
        with ours, its:
            ours.settimeout(SECONDS)
            command = [BINARY, "--config", str(config), "run-programs"]
            helper = subprocess.Popen(command, stdin=its, stdout=its, user=NOBODY, group=NOBODY, extra_groups=[])
            its.close()
            ours.sendall(request.encode())
            lines = ours.makefile().read().splitlines()
            self.assertEqual(helper.wait(SECONDS), 0)
        self.assertEqual(lines[-1], "done")
        return [json.loads(line) for line in lines[:-1]] + [None]


if __name__ == "__main__":
    unittest.main()
