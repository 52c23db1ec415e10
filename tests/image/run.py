"""Runs the tests side by side, each in a process of its own, since a board waits most of its time."""

import os
import subprocess
import sys
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

AT_ONCE = int(os.environ.get("HEIMPOST_AT_ONCE", "3"))


def names(suite):
    for part in suite:
        yield from names(part) if isinstance(part, unittest.TestSuite) else [part.id()]


def run(name):
    """Every wait in a test has its own limit, so this one needs none."""
    began = time.monotonic()
    command = [sys.executable, "-W", "ignore", "-m", "unittest", name]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    passed = done.returncode == 0
    told = [line for line in done.stdout.splitlines() if not passed or line.startswith("  ")]
    head = f"{'passed' if passed else 'FAILED'} {name} ({time.monotonic() - began:.0f} s)"
    print("\n".join([head, *told]), flush=True)
    return passed


def main():
    chosen = sys.argv[1:] or sorted(names(unittest.defaultTestLoader.discover(".")))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = list(pool.map(run, chosen))
    print(f"{results.count(True)} passed, {results.count(False)} failed")
    sys.exit(0 if results and all(results) else 1)


if __name__ == "__main__":
    main()
