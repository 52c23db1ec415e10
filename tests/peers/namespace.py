"""A network of the test's own, with addresses that are not loopback's: what it does there reaches nobody."""

import ctypes
import os
import subprocess

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


class Namespace:
    """`with Namespace("192.0.2.1"):` servers and clients started inside have that address too. Needs root."""

    def __init__(self, *addresses):
        self.addresses = addresses

    def __enter__(self):
        self.before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        self._do(LIBC.unshare(CLONE_NEWNET))
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        for address in self.addresses:
            subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "lo"], check=True)
        return self

    def __exit__(self, *_):
        self._do(LIBC.setns(self.before, CLONE_NEWNET))
        os.close(self.before)

    def _do(self, status):
        if status != 0:
            raise OSError(ctypes.get_errno(), "no network namespace")
