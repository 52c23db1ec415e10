"""10,000 queued mails to smtp-sink: how long Heimpost and Postfix take to empty their queues, one after the other.

Run by `tests/peers/run bench_queue.py`. Both are filled while the next hop is away, then it comes, and the queue is flushed;
both may use as many connections. HEIMPOST_BENCH_MAILS sets another number.
"""

import json
import os
import smtplib
import ssl
import subprocess
import threading
import time
import unittest
from pathlib import Path

from box import Box, PASSWORD, message, until
from names import Names
from others import Postfix, free_port

MAILS = int(os.environ.get("HEIMPOST_BENCH_MAILS", "10000"))
BYTES = 4096
CONNECTIONS = 20
WRITERS = 4
PER_CONNECTION = 500


def text(number, sender, to):
    line = ("%08d " % number) + os.urandom(33).hex() + "\r\n"
    return message(f"Number {number}", body=line * (BYTES // len(line)), sender=sender, to=to)


class Sink:
    def __init__(self, port):
        self.port = port

    def __enter__(self):
        arguments = ["smtp-sink", "-u", "nobody", "-m", "200", f"127.0.0.1:{self.port}", "200"]
        self.process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def fill(connect, sender):
    def work(first):
        mine = range(first, MAILS, WRITERS)
        for start in range(0, len(mine), PER_CONNECTION):
            with connect() as client:
                for number in mine[start : start + PER_CONNECTION]:
                    client.sendmail(sender, ["ben@else.test"], text(number, sender, "ben@else.test"))

    threads = [threading.Thread(target=work, args=(first,)) for first in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def cpu(pid):
    """Seconds of CPU of a process and its children so far, those that ended included."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return 0  # Ended meanwhile; its parent has the sum.
    return sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK") + sum(cpu(child) for child in children)


class Queue(unittest.TestCase):
    def test_heimpost(self):
        port = free_port()
        with Names("else.test. MX 10 mx.else.test.", "mx.else.test. A 127.0.0.1") as names:
            config = names.config + (
                f'[queue]\nport = {port}\nretry_first = "1h"\nattempts_max = {CONNECTIONS}\n'
                f"per_destination_max = {CONNECTIONS}\n"
            )
            with Box(config) as box:
                anna = box.account("anna")
                context = ssl.create_default_context(cafile=box.ca)

                def connect():
                    client = smtplib.SMTP("localhost", box.ports["submission"])
                    client.starttls(context=context)
                    client.login(anna, PASSWORD)
                    return client

                fill(connect, anna)
                waiting = len(json.loads(box.run("queue", "list", "--json").stdout))
                self.assertEqual(waiting, MAILS)
                with Sink(port):
                    before, begun = cpu(box.process.pid), time.monotonic()
                    box.run("queue", "retry", "--all")
                    until(lambda: self.left(box) == 0, seconds=600, what="an empty queue")
                    self.tell("Heimpost", begun, cpu(box.process.pid) - before)

    def left(self, box):
        time.sleep(0.2)
        return json.loads(box.run("status", "--json").stdout)["queue"]["waiting"]

    def test_postfix(self):
        port = free_port()
        settings = (
            f"transport_maps = inline:{{ {{ else.test = smtp:[127.0.0.1]:{port} }} }}\nmynetworks = 127.0.0.0/8\n"
            "smtpd_relay_restrictions = permit_mynetworks, reject\nvirtual_mailbox_domains =\nmaximal_backoff_time = 2h\n"
            f"minimal_backoff_time = 1h\nsmtp_destination_concurrency_limit = {CONNECTIONS}\n"
            f"smtp_bind_address = 127.0.0.1\ndefault_process_limit = 100\nsmtp_connection_cache_on_demand = yes\n"
        )
        with Postfix("here.test", settings=settings) as postfix:
            fill(lambda: smtplib.SMTP(postfix.address, postfix.port), "anna@here.test")
            until(lambda: self.deferred(postfix) == MAILS, seconds=300, what="all mails deferred")
            master = int((postfix.home / "queue" / "pid" / "master.pid").read_text())
            with Sink(port):
                before, begun = cpu(master), self.flush(postfix)
                until(lambda: self.queued(postfix) == 0, seconds=600, what="an empty queue")
                self.tell("Postfix", begun, cpu(master) - before)

    def flush(self, postfix):
        """When the flush began that moved the queue: one that comes amid a scan of the queue may be lost."""
        for _ in range(10):
            begun = time.monotonic()
            subprocess.run(["postqueue", "-c", str(postfix.conf), "-f"], check=True)
            while time.monotonic() < begun + 10:
                if self.deferred(postfix) < MAILS:
                    return begun
                time.sleep(0.1)
        self.fail("Postfix does not flush: " + postfix.log_text()[-2000:])

    def queued(self, postfix):
        time.sleep(0.2)
        folders = ("incoming", "active", "deferred")
        return sum(1 for folder in folders for path in (postfix.home / "queue" / folder).rglob("*") if path.is_file())

    def deferred(self, postfix):
        return sum(1 for path in (postfix.home / "queue" / "deferred").rglob("*") if path.is_file())

    def tell(self, who, begun, seconds):
        took = time.monotonic() - begun
        rate, used = MAILS / took, 1000 * seconds / MAILS
        print(f"\n{who}: {MAILS} mails of {BYTES} bytes in {took:.1f} s, {rate:.0f} a second, {used:.2f} ms CPU a mail")
