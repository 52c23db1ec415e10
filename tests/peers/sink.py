"""An SMTP server that takes note of every copy of a mail at the moment it takes it, also of those whose sender has died.

What it does with a recipient follows from the word before the first `-` of its address:

    slow      is taken, but the answer to the mail takes a while
    later     is put off at RCPT the first time, or the first two times
    gone      is refused at RCPT, always
    waver     has the whole mail put off after its last line, the first time
    spurned   has the whole mail refused after its last line, always

and any other is taken at once.
"""

import collections
import hashlib
import re
import socketserver
import threading
import time

SLOW_SECONDS = (0.05, 0.6)

# `life` counts the kills before the connection came, `mail` is one transaction's own, `taken` by time.monotonic().
Copy = collections.namedtuple("Copy", "life taken mail text")


def share(address):
    """A number from 0 to 1 that belongs to an address."""
    return int(hashlib.sha256(address.encode()).hexdigest()[:4], 16) / 0xFFFF


class Sink(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

    def __init__(self):
        self.lock = threading.Lock()
        self.kills = []
        self.copies = collections.defaultdict(list)
        self.refused = collections.Counter()
        self.put_off = collections.Counter()
        super().__init__(("127.0.0.1", 0), Handler)
        self.port = self.server_address[1]

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    def killed(self, moment):
        """The sender is dead, and was alive at that moment: connections from now on are those of its next life."""
        with self.lock:
            self.kills.append(moment)

    def life(self):
        with self.lock:
            return len(self.kills)

    def puts_off(self, address, times):
        """Whether it does so once more."""
        with self.lock:
            is_early = self.put_off[address] < times
            self.put_off[address] += is_early
            return is_early

    def refuse(self, addresses):
        with self.lock:
            self.refused.update(addresses)

    def take(self, addresses, life, text):
        with self.lock:
            copy = Copy(life, time.monotonic(), object(), text)
            for address in addresses:
                self.copies[address].append(copy)


class Handler(socketserver.StreamRequestHandler):
    timeout = 60
    disable_nagle_algorithm = True

    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def handle(self):
        self.life = self.server.life()
        self.addresses = []
        try:
            self.talk()
        except OSError:
            pass

    def talk(self):
        self.say("220 sink.test ESMTP")
        while line := self.rfile.readline():
            verb = line[:4].upper()
            if verb == b"EHLO":
                self.say("250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES")
            elif verb == b"QUIT":
                return self.say("221 2.0.0 Bye")
            elif verb == b"RCPT":
                self.say(self.recipient(re.search(rb"<([^>]*)>", line).group(1).decode()))
            elif verb == b"DATA" and not self.addresses:
                self.say("503 5.5.1 Nobody to take it")
            elif verb == b"DATA":
                self.say("354 Go on")
                if (text := self.text()) is None:
                    return None
                self.say(self.end(text))
            else:
                self.addresses = []
                self.say("250 2.0.0 OK")
        return None

    def recipient(self, address):
        kind = address.split("-")[0]
        if kind == "gone":
            self.server.refuse([address])
            return "550 5.1.1 Nobody of that name"
        if kind == "later" and self.server.puts_off(address, 1 + round(share(address))):
            return "451 4.7.1 Later"
        self.addresses.append(address)
        return "250 2.1.5 OK"

    def text(self):
        """The mail with its dots as they were, or None if it ends too early."""
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            if not line.endswith(b"\r\n"):
                return None
            lines.append(line.removeprefix(b"."))
        return b"".join(lines)

    def end(self, text):
        addresses, self.addresses = self.addresses, []
        of = {address.split("-")[0]: address for address in addresses}
        if "spurned" in of:
            self.server.refuse(addresses)
            return "554 5.7.1 Not such mail"
        if "waver" in of and self.server.puts_off(of["waver"], 1):
            return "451 4.3.0 Later"
        if "slow" in of:
            shortest, longest = SLOW_SECONDS
            time.sleep(shortest + share(of["slow"]) * (longest - shortest))
        self.server.take(addresses, self.life, text)
        return "250 2.0.0 Taken"
