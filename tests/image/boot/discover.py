"""discover.py TYPE...: what of these types of service is announced on this network, as JSON, once there is one of each and
its IPv4 and IPv6 addresses are known. As another maker's program sees it (Debian's python3-zeroconf), for a caller that has another Python.
"""

import json
import sys
import threading

from zeroconf import InterfaceChoice, IPVersion, ServiceBrowser, Zeroconf

SECONDS = 60
ANSWER_MILLISECONDS = 3000


class Found:
    def __init__(self, types):
        self.missing, self.rows, self.changed = set(types), {}, threading.Event()

    def add_service(self, zeroconf, kind, name):
        info = zeroconf.get_service_info(kind, name, ANSWER_MILLISECONDS)
        if info is None:
            return
        addresses = info.parsed_addresses()
        self.rows[kind] = {"type": kind, "name": name, "server": info.server, "port": info.port, "addresses": addresses}
        # Each kind of address comes when it comes.
        if {":" in address for address in addresses} == {True, False}:
            self.missing.discard(kind)
        if not self.missing:
            self.changed.set()

    def update_service(self, zeroconf, kind, name):
        self.add_service(zeroconf, kind, name)

    def remove_service(self, *_):
        pass


def main(types):
    found = Found(types)
    zeroconf = Zeroconf(interfaces=InterfaceChoice.All, ip_version=IPVersion.All)
    ServiceBrowser(zeroconf, types, found)
    found.changed.wait(SECONDS)
    zeroconf.close()
    print(json.dumps(list(found.rows.values())))


main(sys.argv[1:])
