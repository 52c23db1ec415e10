"""A box as it comes out of its packet: nothing is set but where it listens."""

import json

from box import SERVICES, Box
from others import free_port


PORTS = dict(zip(SERVICES, [25, 587, 465, 143, 993, 110, 995, 80, 443], strict=True))


def usual(*addresses):
    """Where an appliance listens: for a network of the test's own."""
    return {name: [f"{address}:{port}" for address in ("127.0.0.1", *addresses)] for name, port in PORTS.items()}


class FreshBox(Box):
    """`top` are further lines of its file; `places` says where services listen, where that is not a port of loopback."""

    def __init__(self, top="", env=None, places=None):
        super().__init__(env=env)
        # Ports that stay the same when the services restart.
        places = {name: [f"127.0.0.1:{free_port()}"] for name in SERVICES} | (places or {})
        listeners = "".join(f"{name} = {json.dumps(place)}\n" for name, place in places.items())
        self.config.write_text(f"{top}\n[receive]\nverify = false\n[listen]\n{listeners}")
