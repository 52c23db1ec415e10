"""An SMTP server that misbehaves as it is told: one behaviour per connection, the last one for all that follow."""

import socket
import socketserver
import threading
import time


class Broken(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, behaviours):
        self.behaviours, self.connections, self.taken = list(behaviours), 0, []
        self.lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), Handler)
        self.port = self.server_address[1]

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    def next_behaviour(self):
        with self.lock:
            chosen = self.behaviours[min(self.connections, len(self.behaviours) - 1)]
            self.connections += 1
            return chosen


class Handler(socketserver.StreamRequestHandler):
    timeout = 30

    def say(self, text):
        line = text.encode() + b"\r\n"
        if not self.is_slow:
            return self.wfile.write(line)
        for byte in line:
            time.sleep(0.02)
            self.wfile.write(bytes([byte]))

    def handle(self):
        behaviour = self.server.next_behaviour()
        self.is_slow = behaviour == "slow"
        try:
            self.talk(behaviour)
        except OSError:
            pass

    def talk(self, behaviour):
        if behaviour == "421":
            return self.say("421 4.3.2 Busy")
        if behaviour == "garbage":
            return self.wfile.write(b"\x00\xff not SMTP at all\n\n\n")
        if behaviour == "endless reply":
            for _ in range(100_000):
                self.say("220-" + "x" * 400)
            return None
        self.say("220 broken.test ESMTP")
        while line := self.rfile.readline():
            verb = line.split()[0].upper() if line.split() else b""
            if verb == b"EHLO":
                self.say("502 5.5.1 What?" if behaviour == "helo only" else "250 broken.test")
            elif verb == b"RCPT" and behaviour == "421 amid":
                return self.say("421 4.3.2 Shutting down")
            elif verb == b"DATA":
                self.say("354 Go on")
                if not self.take(behaviour):
                    return None
            elif verb == b"QUIT":
                return self.say("221 Bye")
            else:
                self.say("250 OK")
        return None

    def take(self, behaviour):
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            if not line or (behaviour == "cut in data" and len(lines) >= 3):
                return False
            lines.append(line)
            if self.is_slow:
                time.sleep(0.02)
        self.server.taken.append(b"".join(lines))
        if behaviour == "cut after the dot":
            return False
        if behaviour == "half-closed after the dot":
            # Its end of the connection alone: it goes on listening and says nothing.
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_WR)
            return bool(self.rfile.read())
        self.say("250 2.0.0 Taken")
        return True
