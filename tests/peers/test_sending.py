"""Mail for other hosts: by MX, by a smarthost, put off, refused, too late; to Postfix, Exim and a server that misbehaves."""

import json
import re
import shutil
import tempfile
import time
import unittest
import uuid
from pathlib import Path

from box import Box, PASSWORD, message, tool, until
from broken import Broken
from names import Names
from others import Authority, Exim, Postfix
from thunderbird import Thunderbird

QUICK = 'retry_first = "1s"\nretry_max = "2s"\n'


def submit(box, sender, *recipients, text=None, extra=()):
    """Sends a mail by swaks through submission, with STARTTLS and a password."""
    data = text or message("To the world", sender=sender, to=", ".join(recipients))
    return tool(
        "swaks", "--server", f"127.0.0.1:{box.ports['submission']}", "--tls", "--auth", "PLAIN",
        "--auth-user", sender, "--auth-password", PASSWORD, "--from", sender, "--to", ",".join(recipients),
        "--data", data.replace("\r\n", "\n"), *extra,
    )


def queue(box):
    return json.loads(box.run("queue", "list", "--json").stdout)


def settled(box):
    until(lambda: not queue(box), what="an empty queue")


def inbox(box, address, folder=""):
    """Texts of an account's mails, of all mailboxes or of one."""
    target = box.home / "seen" / str(time.monotonic_ns())
    box.run("export", address, str(target))
    mails = [path for path in target.rglob("*") if path.is_file() and path.parent.name in ("cur", "new")]
    mails = [path for path in mails if folder in str(path.relative_to(target))]
    return [path.read_text(errors="replace") for path in mails]


class ByMx(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.authority = Authority()

    @classmethod
    def tearDownClass(cls):
        cls.authority.close()

    def box(self, names, port, more=""):
        config = names.config + f'[queue]\nport = {port}\n{QUICK}{more}\n'
        return Box(config, env={"SSL_CERT_FILE": str(self.authority.bundle)})

    def test_postfix_gets_it_over_tls(self):
        pem = self.authority.leaf("mx.else.test")
        with Postfix("else.test", certificate=pem) as other:
            with Names("else.test. MX 10 mx.else.test.", "mx.else.test. A 127.0.0.1") as names:
                with self.box(names, other.port) as box:
                    anna = box.account("anna")
                    submit(box, anna, "ben@else.test")
                    mail = other.wait("ben")[0]
                    self.assertEqual(mail["Subject"], "To the world")
                    self.assertEqual(mail["Return-Path"], f"<{anna}>")
                    self.assertIn("TLS_AES", mail.get_all("Received")[0])
                    self.assertNotIn("X-Original-To: bob", mail.as_string())
                    settled(box)
                    box.check()

    def test_exim_gets_a_mail_beyond_ascii(self):
        with Exim("else.test") as other:
            with Names("else.test. MX 10 mx.else.test.", "mx.else.test. A 127.0.0.1") as names:
                with self.box(names, other.port) as box:
                    anna = box.account("anna")
                    text = message("Grüße", body="Fünf Würste", sender=anna, to="ben@else.test", extra=(
                        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
                        "Content-Transfer-Encoding: 8bit\r\n"))
                    submit(box, anna, "ben@else.test", text=text)
                    mail = other.wait("ben")[0]
                    self.assertIn("Fünf Würste", mail.get_content())
                    settled(box)

    def test_exim_as_debian_sets_it_up_takes_long_lines(self):
        limit = (
            "accept domains = +ours\n deny\ncheck_data:\n deny condition = ${if > {$max_received_linelength}{998}}\n"
            " message = maximum allowed line length is 998 octets\n accept"
        )
        with Exim("else.test", settings="acl_smtp_data = check_data\n", acl=limit) as other:
            with Names("else.test. MX 10 mx.else.test.", "mx.else.test. A 127.0.0.1") as names:
                with self.box(names, other.port) as box:
                    anna, words = box.account("anna"), "One long line. " * 400
                    submit(box, anna, "ben@else.test", text=message("Long", body=words, sender=anna, to="ben@else.test"))
                    self.assertIn(words, other.wait("ben")[0].get_content())
                    settled(box)

    def test_what_is_for_the_house_stays(self):
        with Names("else.test. MX 10 mx.else.test.", "mx.else.test. A 127.0.0.1") as names, Postfix("else.test") as other:
            with self.box(names, other.port) as box:
                anna, bob = box.account("anna"), box.account("bob")
                submit(box, anna, bob, "ben@else.test", "eva@else.test")
                other.wait("ben")
                other.wait("eva")
                self.assertEqual(len(inbox(box, bob)), 1)
                self.assertFalse([asked for asked in names.asked if asked[0].startswith("example.org")])
                settled(box)

    def test_grey_then_taken(self):
        grey = "smtpd_recipient_restrictions = check_client_access static:{defer Come back later}\n"
        with Postfix("else.test", settings=grey) as other:
            with Names("else.test. MX 10 mx.else.test.", "mx.else.test. A 127.0.0.1") as names:
                with self.box(names, other.port) as box:
                    anna = box.account("anna")
                    submit(box, anna, "ben@else.test")
                    until(lambda: queue(box) and "Come back later" in str(queue(box)), what="the reason in the list")
                    other.reload("smtpd_recipient_restrictions =\n")
                    other.wait("ben")
                    settled(box)
                    self.assertEqual(len(other.mails("ben")), 1)

    def test_unknown_user_comes_back(self):
        with Postfix("else.test") as other:
            with Names("else.test. MX 10 mx.else.test.", "mx.else.test. A 127.0.0.1") as names:
                with self.box(names, other.port) as box:
                    anna = box.account("anna")
                    submit(box, anna, "nobody@else.test", "ben@else.test")
                    other.wait("ben")
                    report = until(lambda: [m for m in inbox(box, anna) if "delivery-status" in m], what="a report")[0]
                    self.assertIn("Final-Recipient: rfc822; nobody@else.test", report)
                    self.assertIn("Action: failed", report)
                    self.assertIn("User unknown", report)
                    self.assertNotIn("Final-Recipient: rfc822; ben@else.test", report)

    def test_second_best_host(self):
        with Postfix("else.test") as other:
            zone = ("else.test. MX 10 dead.else.test.", "else.test. MX 20 mx.else.test.", "mx.else.test. A 127.0.0.1",
                    "dead.else.test. A 127.0.0.9")
            with Names(*zone) as names, self.box(names, other.port) as box:
                submit(box, box.account("anna"), "ben@else.test")
                other.wait("ben")

    def test_many_recipients(self):
        """More than one transaction takes; each has it, and once."""
        with Postfix("else.test", settings="virtual_mailbox_maps = static:ben/\n") as other:
            with Names("else.test. MX 10 mx.else.test.", "mx.else.test. A 127.0.0.1") as names:
                with self.box(names, other.port) as box:
                    anna = box.account("anna")
                    addresses = sorted(f"u{n}@else.test" for n in range(150))
                    submit(box, anna, *addresses)
                    mails = other.wait("ben", len(addresses))
                    settled(box)
                    self.assertEqual(sorted(mail["Delivered-To"] for mail in mails), addresses)
                    transactions = {re.search(r"\bid (\w+)", mail.get_all("Received")[0]).group(1) for mail in mails}
                    self.assertGreaterEqual(len(transactions), 2)

    def test_a_backlog_survives_a_kill(self):
        with Names("else.test. MX 10 mx.else.test.", "mx.else.test. !servfail") as names, Postfix("else.test") as other:
            with self.box(names, other.port) as box:
                anna = box.account("anna")
                for number in range(30):
                    submit(box, anna, "ben@else.test", text=message(f"Number {number}", sender=anna, to="ben@else.test"))
                self.assertEqual(len(queue(box)), 30)
                box.kill()
                box.start()
                names.add("mx.else.test. A 127.0.0.1")
                other.wait("ben", 30)
                settled(box)
                subjects = sorted(mail["Subject"] for mail in other.mails("ben"))
                self.assertEqual(subjects, sorted(f"Number {number}" for number in range(30)))
                box.check()


class Reports(unittest.TestCase):
    def test_late_then_failed_as_mutt_and_thunderbird_show_it(self):
        quick = '[queue]\nport = 9\nretry_first = "1s"\nretry_max = "2s"\ndelay_notice_after = "3s"\nlifetime = "15s"\n'
        with Names("dead.test. MX 10 mx.dead.test.", "mx.dead.test. A 127.0.0.1") as names:
            with Box(names.config + quick) as box:
                anna = box.account("anna", "--language", "de")
                submit(box, anna, "ben@dead.test")

                def reports(action):
                    return [mail for mail in inbox(box, anna) if f"Action: {action}" in mail]

                until(lambda: reports("delayed"), what="a report of the delay")
                until(lambda: reports("failed"), what="a report of the failure")
                settled(box)
                self.assertEqual((len(reports("delayed")), len(reports("failed"))), (1, 1))
                self.shown_by_mutt(reports("failed")[0])
                self.shown_by_thunderbird(reports("delayed")[0], "Ihre Mail ist noch unterwegs", "Action: delayed")
                self.shown_by_thunderbird(reports("failed")[0], "konnte nicht zugestellt werden", "Action: failed")

    def shown_by_thunderbird(self, report, subject, action):
        with tempfile.NamedTemporaryFile(suffix=".eml") as file:
            file.write(report.encode())
            file.flush()
            with Thunderbird("-file", file.name) as thunderbird:
                thunderbird.shows(
                    subject, action, "Empfängern", "Final-Recipient: rfc822; ben@dead.test", "Subject: To the world"
                )

    def shown_by_mutt(self, report):
        """The report as a person sees it: the words, then the list of its parts."""
        home = Path(tempfile.mkdtemp(prefix="heimpost-mutt-"))
        self.addCleanup(shutil.rmtree, home, ignore_errors=True)
        (home / "Mail").mkdir()
        lines = report.replace("\nFrom ", "\n>From ")
        (home / "box").write_text(f"From MAILER-DAEMON Sun Nov 22 10:00:00 2026\n{lines}\n\n")
        with Terminal(f"HOME={home} LC_ALL=C.UTF-8 mutt -n -R -f {home}/box") as terminal:
            terminal.wait("Ihre Mail konnte nicht zugestellt werden")
            terminal.type("Enter")
            terminal.wait("Empfängern", "nicht zugestellt werden an:", "ben@dead.test")
            terminal.type("v")
            # The list alone puts the first like this; the report itself names the types, too.
            terminal.wait("[text/plain, quoted, utf-8", "message/delivery-s", "text/rfc822-hea")


class Terminal:
    """A program in a terminal of its own, by tmux."""

    def __init__(self, command):
        self.socket = f"heimpost-{uuid.uuid4().hex}"
        self.command = command

    def tmux(self, *arguments):
        return tool("tmux", "-L", self.socket, *arguments).stdout

    def __enter__(self):
        self.tmux("-f", "/dev/null", "-u", "new-session", "-d", "-x", "120", "-y", "60", self.command)
        return self

    def __exit__(self, *_):
        tool("tmux", "-L", self.socket, "kill-server", check=False)

    def type(self, *keys):
        self.tmux("send-keys", *keys)

    def wait(self, *texts):
        """Until all of them are on the screen, which a program may draw in several strokes."""

        def drawn():
            shown = self.tmux("capture-pane", "-p")
            return all(text in shown for text in texts)

        until(drawn, what=f"{texts} on the screen")


class BySmarthost(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.authority = Authority()
        cls.pem = cls.authority.leaf("localhost", "mx.provider.test")

    @classmethod
    def tearDownClass(cls):
        cls.authority.close()

    def send(self, implicit_tls, tls, settings="", trusted=True):
        relay = settings + "relay_domains = else.test\nvirtual_mailbox_domains = provider.test, else.test\n"
        relay += "virtual_mailbox_maps = inline:{ { ben@else.test = ben/ } }\nsmtpd_sender_login_maps =\n"
        relay += "smtpd_recipient_restrictions = permit_sasl_authenticated, reject\n"
        other = Postfix(
            "provider.test", certificate=self.pem, login=("anna", "geheim"), implicit_tls=implicit_tls, settings=relay
        )
        other.start()
        self.addCleanup(other.__exit__)
        password = other.home / "password"
        password.write_text("geheim\n")
        with Names("mx.provider.test. A 127.0.0.1", "provider.test. MX 10 mx.provider.test.") as names:
            config = names.config + (
                f'[queue]\n{QUICK}[relay]\nhost = "mx.provider.test"\nport = {other.port}\ntls = "{tls}"\n'
                f'user = "anna@provider.test"\npassword_file = "{password}"\n'
            )
            bundle = str(self.authority.bundle) if trusted else "/dev/null"
            with Box(config, env={"SSL_CERT_FILE": bundle}) as box:
                anna = box.account("anna")
                submit(box, anna, "ben@else.test")
                yield other, box

    def test_starttls(self):
        for other, box in self.send(False, "starttls"):
            mail = other.wait("ben")[0]
            self.assertIn("ESMTPSA", mail.get_all("Received")[0])
            other.logs("sasl_method=SCRAM-SHA-256")
            settled(box)

    def test_implicit_tls(self):
        for other, box in self.send(True, "tls"):
            other.wait("ben")
            settled(box)

    def test_plain_where_nothing_better_is_offered(self):
        for other, box in self.send(False, "starttls", "smtpd_sasl_mechanism_filter = plain, login\n"):
            other.wait("ben")
            other.logs("sasl_method=PLAIN")

    def test_unknown_authority_gets_no_password(self):
        for other, box in self.send(False, "starttls", trusted=False):
            until(lambda: "certificate" in str(queue(box)), what="the reason in the list")
            self.assertNotIn("sasl_method", other.log_text())
            self.assertEqual(other.mails("ben"), [])


class ToUs(unittest.TestCase):
    """Others' servers send to us over TLS; what they queue, we take."""

    def taken(self, box, anna, sender):
        text = until(lambda: inbox(box, anna), what="the mail in the INBOX")[0]
        self.assertIn("ESMTPS", text)
        self.assertIn(f"Return-Path: <{sender}>", text)
        box.check()

    def test_from_postfix(self):
        with Box() as box:
            anna = box.account("anna")
            settings = (
                f"mynetworks = 127.0.0.0/8\nsmtpd_relay_restrictions = permit_mynetworks, reject\n"
                f"transport_maps = inline:{{ {{ example.org = smtp:[127.0.0.1]:{box.ports['smtp']} }} }}\n"
                f"smtp_tls_security_level = encrypt\nsmtp_tls_CAfile = {box.ca}\n"
            )
            with Postfix("else.test", settings=settings) as other:
                tool("swaks", "--server", f"127.0.0.1:{other.port}", "--from", "eva@else.test", "--to", anna)
                self.taken(box, anna, "eva@else.test")

    def test_postfix_logs_in_and_sends_through_us(self):
        with Box() as box:
            anna, bob = box.account("anna"), box.account("bob")
            host = f"[127.0.0.1]:{box.ports['submission']}"
            settings = (
                f"mynetworks = 127.0.0.0/8\nsmtpd_relay_restrictions = permit_mynetworks, reject\nrelayhost = {host}\n"
                f"smtp_tls_security_level = encrypt\nsmtp_tls_CAfile = {box.ca}\nsmtp_sasl_auth_enable = yes\n"
                f"smtp_sasl_password_maps = inline:{{ {{ {host} = {anna}:{PASSWORD} }} }}\n"
                "smtp_sasl_security_options = noanonymous\nsmtp_sasl_tls_security_options = noanonymous\n"
            )
            with Postfix("else.test", settings=settings) as other:
                text = message("Through both", sender=anna, to=bob).replace("\r\n", "\n")
                tool("swaks", "--server", f"127.0.0.1:{other.port}", "--from", anna, "--to", bob, "--data", text)
                mail = until(lambda: inbox(box, bob), what="the mail in the INBOX")[0]
                self.assertIn("with ESMTPSA", mail)

    def test_from_exim(self):
        with Box() as box:
            anna = box.account("anna")
            out = (
                f"out:\n  driver = manualroute\n  domains = example.org\n  transport = out\n"
                f"  route_list = example.org 127.0.0.1::{box.ports['smtp']}\n  self = send\n"
            )
            with Exim("else.test", acl="accept hosts = 127.0.0.1", routers=out) as other:
                tool("swaks", "--server", f"127.0.0.1:{other.port}", "--from", "eva@else.test", "--to", anna)
                self.taken(box, anna, "eva@else.test")


class Misbehaving(unittest.TestCase):
    """Servers that break the rules: nothing is lost, and what the server has is not sent again."""

    def check(self, behaviour, copies, tries):
        with Broken(behaviour) as other:
            with Names("else.test. MX 10 mx.else.test.", "mx.else.test. A 127.0.0.1") as names:
                with Box(names.config + f"[queue]\nport = {other.port}\n{QUICK}") as box:
                    submit(box, box.account("anna"), "ben@else.test")
                    until(lambda: len(other.taken) >= copies and not queue(box), what="delivery")
                    self.assertEqual(len(other.taken), copies)
                    self.assertGreaterEqual(other.connections, tries)

    def test_cut_in_data(self):
        self.check(["cut in data", "good"], copies=1, tries=2)

    def test_cut_after_the_dot(self):
        """The one case in which SMTP cannot tell: the mail may come twice."""
        for cut in ("cut after the dot", "half-closed after the dot"):
            with self.subTest(cut):
                self.check([cut, "good"], copies=2, tries=2)

    def test_slow(self):
        self.check(["slow"], copies=1, tries=1)

    def test_shutting_down_amid_a_mail(self):
        self.check(["421 amid", "good"], copies=1, tries=2)

    def test_busy_and_broken(self):
        self.check(["421", "garbage", "endless reply", "good"], copies=1, tries=4)

    def test_no_ehlo(self):
        self.check(["helo only"], copies=1, tries=1)


if __name__ == "__main__":
    unittest.main()
