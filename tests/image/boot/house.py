"""The network of a house, in a namespace that only this process and what it starts are in: a cable to the box, and
at its other end a router (Debian's dnsmasq: addresses, names, and the word where the time server is), a time server, and
another provider's mail server. What happens here reaches nobody.
"""

import ctypes
import os
import socketserver
import ssl
import struct
import subprocess
import threading
import time
from pathlib import Path

from box import COMMAND_SECONDS, PORTS, Box

HERE = Path(__file__).parent
CLONE_NEWNET = 0x40000000
CABLE = "cable0"
NETWORK = "192.168.77"
ROUTER = f"{NETWORK}.1"
LEASE = "10m"
OTHERS = "example.net"  # whose mail server and time are reached here
SINCE_1900 = 2208988800  # of NTP's seconds


def enter():
    """Leaves the machine's network, once for this process."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "no network namespace: it takes root")
    commands = ["link set lo up", f"tuntap add {CABLE} mode tap", f"address add {ROUTER}/24 dev {CABLE}", f"link set {CABLE} up"]
    for command in commands:
        subprocess.run(["ip", *command.split()], check=True, timeout=COMMAND_SECONDS)


class HouseBox(Box):
    """A box on that cable. Its clock stands at that moment whenever it is plugged in, as a board's without a battery."""

    host, moment = "", "1970-01-01T00:00:00"

    def _network(self):
        return f"tap,ifname={CABLE},script=no,downscript=no"

    def _machine(self):
        return [*super()._machine(), "-rtc", f"base={self.moment},clock=vm"]

    def _reached(self):
        return PORTS


class Router:
    """Hands out one address, and tells the box its own name as routers do, until `end`."""

    def __init__(self, home, last_byte):
        self.leases, self.address = home / f"leases-{last_byte}", f"{NETWORK}.{last_byte}"
        command = ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--pid-file", f"--interface={CABLE}"]
        command += ["--bind-interfaces", "--dhcp-authoritative", f"--dhcp-leasefile={self.leases}", "--no-ping"]
        command += [f"--dhcp-range={self.address},{self.address},{LEASE}", f"--dhcp-option=option:ntp-server,{ROUTER}"]
        command += ["--no-resolv", "--no-hosts", "--local=/#/", f"--log-facility={home}/dnsmasq"]
        command += [f"--mx-host={OTHERS},mx.{OTHERS},10", f"--host-record=mx.{OTHERS},acme.{OTHERS},mail.example.org,{ROUTER}"]
        self.process = subprocess.Popen(command)

    def end(self):
        self.process.kill()
        self.process.wait()

    def has_given(self):
        """Whether somebody has its address."""
        return self.leases.exists() and self.address in self.leases.read_text()

    def wait_given(self, box, seconds):
        box.wait(self.has_given, seconds, "an address by DHCP")
        return self.address


class TimeServer(socketserver.ThreadingUDPServer):
    """SNTP (RFC 4330) with this machine's time."""

    def __init__(self):
        self.asked = 0
        super().__init__((ROUTER, 123), TimeHandler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def end(self):
        self.shutdown()
        self.server_close()


class TimeHandler(socketserver.BaseRequestHandler):
    def handle(self):
        question, socket = self.request
        self.server.asked += 1
        now = int((time.time() + SINCE_1900) * (1 << 32))
        version_mode = question[0] & 0x38 | 4
        head = struct.pack(">BBbbII4s", version_mode, 1, 6, -20, 0, 0, b"TEST")
        answer = head + struct.pack(">Q", now) + question[40:48] + struct.pack(">QQ", now, now)
        socket.sendto(answer, self.client_address)


class MailServer(socketserver.ThreadingTCPServer):
    """Takes all mail, by STARTTLS alone. `mails` are what it took; `connections` counts."""

    allow_reuse_address, daemon_threads = True, True

    def __init__(self, home):
        self.mails, self.connections = [], 0
        key, certificate = home / "mx.key", home / "mx.pem"
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", f"/CN=mx.{OTHERS}"]
        command += ["-keyout", key, "-out", certificate]
        subprocess.run(command, check=True, capture_output=True, timeout=COMMAND_SECONDS)
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.load_cert_chain(certificate, key)
        super().__init__((ROUTER, 25), MailHandler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def end(self):
        self.shutdown()
        self.server_close()


class MailHandler(socketserver.StreamRequestHandler):
    timeout = COMMAND_SECONDS

    def handle(self):
        self.server.connections += 1
        self.lines, self.secure = self.rfile, False
        try:
            self.talk()
        except OSError:
            pass

    def say(self, text):
        self.request.sendall(text.encode() + b"\r\n")

    def talk(self):
        self.say(f"220 mx.{OTHERS} ESMTP")
        while line := self.lines.readline():
            verb = line.strip().upper().split()[:1]
            if verb == [b"EHLO"]:
                self.say(f"250-mx.{OTHERS}\r\n250 " + ("8BITMIME" if self.secure else "STARTTLS"))
            elif verb == [b"STARTTLS"]:
                self.say("220 Go on")
                self.request = self.server.context.wrap_socket(self.request, server_side=True)
                self.lines, self.secure = self.request.makefile("rb"), True
            elif verb == [b"QUIT"]:
                return self.say("221 Bye")
            elif not self.secure:
                self.say("530 5.7.0 Must issue a STARTTLS command first")
            elif verb == [b"DATA"]:
                self.say("354 Go on")
                text = b"".join(iter(self.lines.readline, b".\r\n"))
                self.server.mails.append(text.decode())
                self.say("250 Taken")
            else:
                self.say("250 OK")
        return None


class Listener(socketserver.ThreadingTCPServer):
    """Counts who comes, and says nothing."""

    allow_reuse_address, daemon_threads = True, True

    def __init__(self, port):
        self.connections = 0
        super().__init__((ROUTER, port), socketserver.BaseRequestHandler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def process_request(self, request, client_address):
        self.connections += 1
        self.shutdown_request(request)

    def end(self):
        self.shutdown()
        self.server_close()
