"""A name server for one test, on loopback: answers from a zone given as text, and nothing else exists.

    with Names("else.test. MX 10 mx.else.test.", "mx.else.test. A 127.0.0.1") as names: ... names.address

A line may end in `!servfail` or `!silent` in place of a record, for a name server in trouble.
"""

from dnslib import QTYPE, RCODE, RR
from dnslib.server import DNSLogger, DNSServer

TTL = 5
PORTS_TRIED = 50


class Names:
    def __init__(self, *lines):
        self.records = []
        self.trouble = {}
        self.asked = []
        for line in lines:
            self.add(line)

    def add(self, line):
        """A record ends the trouble of its name, at no moment of which the name is unknown."""
        name, rest = line.split(None, 1)
        if rest.startswith("!"):
            self.trouble[name.lower()] = rest[1:]
        else:
            kind, data = rest.split(None, 1)
            self.records += RR.fromZone(f"{name} {TTL} IN {kind} {data}")
            self.trouble.pop(name.lower(), None)

    def remove(self, name):
        self.records = [record for record in self.records if str(record.rname).lower() != name.lower()]

    def resolve(self, request, _handler):
        reply = request.reply()
        name, kind = str(request.q.qname).lower(), QTYPE[request.q.qtype]
        self.asked.append((name, kind))
        trouble = self.trouble.get(name)
        if trouble == "servfail":
            reply.header.rcode = RCODE.SERVFAIL
            return reply
        if trouble == "silent":
            raise TimeoutError(f"no answer about {name}")
        here = [record for record in self.records if str(record.rname).lower() == name]
        found = [record for record in here if QTYPE[record.rtype] in (kind, "CNAME")]
        for record in found:
            reply.add_answer(record)
            if QTYPE[record.rtype] == "CNAME":
                target = str(record.rdata).lower()
                for other in self.records:
                    if str(other.rname).lower() == target and QTYPE[other.rtype] == kind:
                        reply.add_answer(other)
        below = any(str(record.rname).lower().endswith("." + name) for record in self.records)
        if not here and not below:
            reply.header.rcode = RCODE.NXDOMAIN
        return reply

    def __enter__(self):
        self.udp, self.tcp = self.servers()
        self.udp.server.handle_error = self.tcp.server.handle_error = lambda *_: None
        self.udp.start_thread()
        self.tcp.start_thread()
        self.address = "127.0.0.1:%d" % self.udp.server.server_address[1]
        return self

    def servers(self):
        """At one port: one that is free for UDP may be somebody's for TCP."""
        quiet = DNSLogger(prefix=False, logf=lambda _: None)
        for _ in range(PORTS_TRIED):
            udp = DNSServer(self, port=0, address="127.0.0.1", logger=quiet)
            port = udp.server.server_address[1]
            try:
                return udp, DNSServer(self, port=port, address="127.0.0.1", tcp=True, logger=quiet)
            except OSError:
                udp.server.server_close()
        raise OSError("no port is free for both UDP and TCP")

    def __exit__(self, *_):
        for server in (self.udp, self.tcp):
            server.stop()
            server.server.server_close()

    @property
    def config(self):
        return f'[dns]\nservers = ["{self.address}"]\ndnssec = false\n'
