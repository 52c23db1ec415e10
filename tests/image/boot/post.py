"""Mail into a box and out of it again, as other servers and mail programs do it."""

import base64
import hashlib
import hmac
import imaplib
import os
import poplib
import re
import smtplib
import ssl

from box import MAIL_SECONDS
from preseed import ACCOUNT, PASSWORD

SENDER = "bob@example.net"


def text(name, kilobytes=1):
    """A mail of that name, which says itself what its body is."""
    body = "\r\n".join(base64.b64encode(os.urandom(57)).decode() for _ in range(kilobytes * 1024 // 78 + 1))
    digest = hashlib.sha256(body.encode()).hexdigest()
    head = f"From: {SENDER}\r\nTo: {ACCOUNT}\r\nMessage-ID: <{name}@example.net>\r\nSubject: {name}\r\nX-Digest: {digest}"
    return f"{head}\r\n\r\n{body}\r\n"


def is_whole(mail):
    head, _, body = mail.partition(b"\r\n\r\n")
    digest = re.search(rb"^X-Digest: (\w+)", head, re.M)
    return digest is not None and hashlib.sha256(body.strip()).hexdigest() == digest.group(1).decode()


def send(box, name, kilobytes=1):
    """Delivers a mail; raises unless it was acknowledged."""
    with box.smtp() as server:
        server.sendmail(SENDER, [ACCOUNT], text(name, kilobytes))


def trusting(authority):
    """TLS that believes the box's own authority; its names are not those of the loopback ports."""
    context = ssl.create_default_context(cadata=authority)
    context.check_hostname = False
    return context


def certificate(box, context):
    """The certificate of IMAP's port, in DER."""
    with Imap(box, context, log_in=False) as session:
        return session.client.sock.getpeercert(True)


class Imap:
    """An IMAP session over TLS, logged in. Use it in a `with` statement."""

    def __init__(self, box, context, log_in=True):
        self.client = imaplib.IMAP4_SSL(box.host, box.ports["imaps"], ssl_context=context, timeout=MAIL_SECONDS)
        if log_in:
            self.client.login(ACCOUNT, PASSWORD)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.client.logout()
        except (OSError, imaplib.IMAP4.error):
            pass

    def uid_validity(self):
        self.client.select("INBOX", readonly=True)
        return int(self.client.response("UIDVALIDITY")[1][0])

    def mails(self):
        """Every mail of INBOX as (name, UID, whether its body is as it was sent)."""
        assert self.client.select("INBOX", readonly=True)[0] == "OK"
        status, rows = self.client.uid("FETCH", "1:*", "(UID BODY.PEEK[])")
        assert status == "OK", rows
        found = []
        for head, mail in (row for row in rows if isinstance(row, tuple)):
            name = re.search(rb"^Subject: (\S+)\r$", mail, re.M)
            uid = int(re.search(rb"UID (\d+)", head).group(1))
            if name and b"X-Digest:" in mail:
                found.append((name.group(1).decode(), uid, is_whole(mail)))
        return found


def pop3(box, context):
    """The names of all mails of ours that POP3 shows."""
    client = poplib.POP3_SSL(box.host, box.ports["pop3s"], timeout=MAIL_SECONDS, context=context)
    client.user(ACCOUNT)
    client.pass_(PASSWORD)
    count = len(client.list()[1])
    heads = [b"\r\n".join(client.top(number, 0)[1]) for number in range(1, count + 1)]
    client.quit()
    ours = [head for head in heads if b"X-Digest:" in head]
    return [re.search(rb"^Subject: (\S+)", head, re.M).group(1).decode() for head in ours]


def submit(box, context, name):
    """Sends a mail to oneself as a mail program does."""
    with smtplib.SMTP_SSL(box.host, box.ports["submissions"], timeout=MAIL_SECONDS, context=context) as server:
        server.login(ACCOUNT, PASSWORD)
        server.sendmail(ACCOUNT, [ACCOUNT], text(name).replace(SENDER, ACCOUNT))


class Scram:
    """The client of SCRAM-SHA-256 (RFC 5802) for `imaplib`: one object for one login."""

    def __init__(self, user, password):
        self.password, self.turn = password.encode(), 0
        self.first = f"n={user},r={base64.b64encode(os.urandom(18)).decode()}"

    def __call__(self, challenge):
        self.turn += 1
        if self.turn == 1:
            return f"n,,{self.first}"
        return self.proof(challenge.decode()) if self.turn == 2 else ""

    def proof(self, challenge):
        given = dict(part.split("=", 1) for part in challenge.split(","))
        salted = hashlib.pbkdf2_hmac("sha256", self.password, base64.b64decode(given["s"]), int(given["i"]))
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        last = f"c=biws,r={given['r']}"
        signed = ",".join([self.first, challenge, last]).encode()
        signature = hmac.digest(hashlib.sha256(client_key).digest(), signed, "sha256")
        proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        return f"{last},p={base64.b64encode(proof).decode()}"


def scram_works(box, context):
    with Imap(box, context, log_in=False) as session:
        try:
            session.client.authenticate("SCRAM-SHA-256", Scram(ACCOUNT, PASSWORD))
        except imaplib.IMAP4.error:
            return False
        return True
