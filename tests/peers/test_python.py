"""Python's smtplib, imaplib and poplib: the whole way of a mail, TLS, errors, broken and huge mail, restarts."""

import imaplib
import poplib
import smtplib
import unittest

from box import PASSWORD, Box, message, until


def submit(box, sender, recipients, text, password=PASSWORD):
    with smtplib.SMTP("localhost", box.ports["submission"]) as smtp:
        smtp.starttls(context=box.tls())
        smtp.login(sender, password)
        smtp.sendmail(sender, recipients, text.encode() if isinstance(text, str) else text)


def imap(box, address, password=PASSWORD, mailbox="INBOX"):
    client = imaplib.IMAP4_SSL("localhost", box.ports["imaps"], ssl_context=box.tls())
    client.login(address, password)
    if mailbox:
        status, _ = client.select(mailbox)
        assert status == "OK"
    return client


def pop3(box, address, password=PASSWORD):
    client = poplib.POP3_SSL("localhost", box.ports["pop3s"], context=box.tls())
    client.user(address)
    client.pass_(password)
    return client


class Delivery(unittest.TestCase):
    def setUp(self):
        self.box = self.enterContext(Box())
        self.anna = self.box.account("anna")
        self.bob = self.box.account("bob")

    def test_submitted_mail_arrives_by_imap_and_pop3(self):
        submit(self.box, self.anna, [self.bob], message("Hello Bob"))
        client = imap(self.box, self.bob)
        status, data = client.fetch("1", "(UID FLAGS RFC822.SIZE ENVELOPE BODY[])")
        self.assertEqual(status, "OK")
        self.assertIn(b"Subject: Hello Bob", data[0][1])
        self.assertTrue(data[0][1].startswith(b"Return-Path: <anna@example.org>"))
        client.logout()
        maildrop = pop3(self.box, self.bob)
        self.assertEqual(maildrop.stat()[0], 1)
        lines = maildrop.retr(1)[1]
        self.assertIn(b"Subject: Hello Bob", lines)
        maildrop.quit()
        self.box.check()

    def test_receive_port_takes_mail_for_us_and_relays_nothing(self):
        with smtplib.SMTP("localhost", self.box.ports["smtp"]) as smtp:
            smtp.ehlo("elsewhere.example")
            self.assertFalse(smtp.has_extn("auth"))
            smtp.sendmail("x@elsewhere.example", [self.bob, "postmaster@example.org"], message("In"))
            with self.assertRaises(smtplib.SMTPRecipientsRefused) as refused:
                smtp.sendmail("x@elsewhere.example", ["y@far.example"], message("Relay"))
            self.assertEqual(refused.exception.recipients["y@far.example"][0] // 100, 5)
            with self.assertRaises(smtplib.SMTPRecipientsRefused) as refused:
                smtp.sendmail("x@elsewhere.example", ["nobody@example.org"], message("Nobody"))
            self.assertEqual(refused.exception.recipients["nobody@example.org"][0], 550)
        self.assertEqual(imap(self.box, self.bob).select()[1], [b"1"])
        self.assertEqual(imap(self.box, self.anna).select()[1], [b"1"])

    def test_unknown_recipient_is_refused_at_submission(self):
        with self.assertRaises(smtplib.SMTPRecipientsRefused):
            submit(self.box, self.anna, ["nobody@example.org"], message("Out"))

    def test_foreign_sender_is_refused(self):
        with smtplib.SMTP_SSL("localhost", self.box.ports["submissions"], context=self.box.tls()) as smtp:
            smtp.login(self.anna, PASSWORD)
            code, _ = smtp.mail("bob@example.org")
            if code == 250:
                code, _ = smtp.rcpt(self.bob)
            self.assertEqual(code // 100, 5)

    def test_wrong_password_and_no_plaintext(self):
        with self.assertRaises(smtplib.SMTPAuthenticationError):
            submit(self.box, self.anna, [self.bob], message("x"), password="wrong password")
        with self.assertRaises(imaplib.IMAP4.error):
            imap(self.box, self.anna, "wrong password")
        plain = imaplib.IMAP4("localhost", self.box.ports["imap"])
        self.assertIn("LOGINDISABLED", plain.capabilities)
        with self.assertRaises(imaplib.IMAP4.error):
            plain.login(self.anna, PASSWORD)

    def test_starttls_everywhere(self):
        client = imaplib.IMAP4("localhost", self.box.ports["imap"])
        client.starttls(self.box.tls())
        client.login(self.anna, PASSWORD)
        client.logout()
        maildrop = poplib.POP3("localhost", self.box.ports["pop3"])
        maildrop.stls(self.box.tls())
        maildrop.user(self.anna)
        maildrop.pass_(PASSWORD)
        maildrop.quit()

    def test_huge_mail_streams_through(self):
        body = ("x" * 76 + "\r\n") * (45_000_000 // 78)
        text = message("Huge", body)
        submit(self.box, self.anna, [self.bob], text)
        client = imap(self.box, self.bob)
        status, data = client.fetch("1", "(BODY.PEEK[TEXT])")
        self.assertEqual(status, "OK")
        self.assertEqual(data[0][1].decode(), body + "\r\n")
        status, data = client.fetch("1", "(BODY.PEEK[TEXT]<30000000.100>)")
        self.assertEqual(data[0][1].decode(), body[30000000:30000100])

    def test_mail_beyond_the_limit_is_refused(self):
        with smtplib.SMTP_SSL("localhost", self.box.ports["submissions"], context=self.box.tls()) as smtp:
            smtp.login(self.anna, PASSWORD)
            self.assertEqual(smtp.mail(self.anna, [f"size={60 << 20}"])[0], 552)

    def test_broken_mail_is_kept_as_it_is(self):
        for raw in [b"no header at all\r\n", b"\r\n", b"Subject: \xff\xfe\r\n\r\n\x01\x7f\r\n", b"Content-Type: multipart/mixed\r\n\r\n--\r\n"]:
            with smtplib.SMTP("localhost", self.box.ports["smtp"]) as smtp:
                smtp.sendmail("x@elsewhere.example", [self.bob], raw)
            client = imap(self.box, self.bob)
            last = client.select()[1][0].decode()
            status, data = client.fetch(last, "(ENVELOPE BODYSTRUCTURE BODY.PEEK[])")
            self.assertEqual(status, "OK")
            whole = [item[1] for item in data if isinstance(item, tuple)][-1]
            self.assertTrue(whole.endswith(raw), (raw, whole))


class Imap(unittest.TestCase):
    def setUp(self):
        self.box = self.enterContext(Box())
        self.anna = self.box.account("anna")

    def test_mailboxes_are_there_and_can_be_made(self):
        client = imap(self.box, self.anna)
        listed = b"\n".join(client.list()[1])
        for name in [b"INBOX", b"Sent", b"Drafts", b"Trash", b"Junk", b"Archive"]:
            self.assertIn(name, listed)
        for attribute in [b"\\Sent", b"\\Drafts", b"\\Trash", b"\\Junk", b"\\Archive"]:
            self.assertIn(attribute, listed)
        name = '"Entw&APw-rfe/B&APw-ro"'
        self.assertEqual(client.create(name)[0], "OK")
        self.assertEqual(client.rename(name, '"Ablage/B&APw-ro"')[0], "OK")
        self.assertIn(b"Ablage/B&APw-ro", b"\n".join(client.list()[1]))
        self.assertEqual(client.select('"Ablage/B&APw-ro"')[0], "OK")
        client.close()
        self.assertEqual(client.delete('"Ablage/B&APw-ro"')[0], "OK")

    def test_append_copy_store_search_expunge(self):
        client = imap(self.box, self.anna)
        when = imaplib.Time2Internaldate(1_795_000_000)
        for n in range(3):
            status, _ = client.append("INBOX", r"(\Seen $Label1)" if n else None, when, message(f"mail {n}").encode())
            self.assertEqual(status, "OK")
        client.noop()
        self.assertEqual(client.search(None, "UNSEEN")[1], [b"1"])
        self.assertEqual(client.search(None, "KEYWORD", "$Label1")[1], [b"2 3"])
        self.assertEqual(client.search(None, "SUBJECT", '"mail 2"')[1], [b"3"])
        self.assertEqual(client.copy("2:3", "Archive")[0], "OK")
        self.assertEqual(client.store("1", "+FLAGS", r"(\Deleted)")[0], "OK")
        self.assertEqual(client.expunge()[1], [b"1"])
        self.assertEqual(client.select("Archive")[1], [b"2"])
        self.assertEqual(client.uid("move", "1", "Trash")[0], "OK")
        self.assertEqual(client.select("Trash")[1], [b"1"])
        self.box.check()

    def test_uids_survive_restart_and_kill(self):
        client = imap(self.box, self.anna)
        for n in range(5):
            client.append("INBOX", None, None, message(f"mail {n}").encode())
        client.store("2", "+FLAGS", r"(\Deleted)")
        client.expunge()
        before = client.uid("fetch", "1:*", "(UID FLAGS)")[1]
        validity = client.response("UIDVALIDITY")
        self.box.restart()
        client = imap(self.box, self.anna)
        self.assertEqual(client.uid("fetch", "1:*", "(UID FLAGS)")[1], before)
        client.append("INBOX", None, None, message("after").encode())
        self.box.kill()
        self.box.start()
        client = imap(self.box, self.anna)
        self.assertEqual(client.response("UIDVALIDITY")[1] and client.select()[1], [b"5"])
        uids = client.uid("search", None, "ALL")[1][0].split()
        self.assertEqual(uids, [b"1", b"3", b"4", b"5", b"6"])
        self.assertIsNotNone(validity)
        self.box.check()


class Pop3(unittest.TestCase):
    def setUp(self):
        self.box = self.enterContext(Box())
        self.anna = self.box.account("anna")
        for n in range(3):
            with smtplib.SMTP("localhost", self.box.ports["smtp"]) as smtp:
                smtp.sendmail("x@elsewhere.example", [self.anna], message(f"mail {n}", "line\r\n.dot\r\n"))

    def test_delete_takes_effect_at_quit_only(self):
        client = pop3(self.box, self.anna)
        uidls = [line.split()[1] for line in client.uidl()[1]]
        self.assertEqual(len(set(uidls)), 3)
        self.assertIn(b".dot", client.retr(1)[1])
        self.assertEqual(client.top(1, 1)[1][-1], b"line")
        client.dele(2)
        client.close()
        client = pop3(self.box, self.anna)
        self.assertEqual(client.stat()[0], 3)
        client.dele(2)
        client.quit()
        client = pop3(self.box, self.anna)
        self.assertEqual([line.split()[1] for line in client.uidl()[1]], [uidls[0], uidls[2]])
        self.box.restart()
        client = pop3(self.box, self.anna)
        self.assertEqual([line.split()[1] for line in client.uidl()[1]], [uidls[0], uidls[2]])

    def test_a_phone_cannot_empty_the_letterbox(self):
        phone = self.box.device(self.anna, "phone", "keep:30")
        tablet = self.box.device(self.anna, "tablet", "keep:30")
        client = pop3(self.box, self.anna, phone)
        for n in range(1, 4):
            client.dele(n)
        client.quit()
        self.assertEqual(pop3(self.box, self.anna, phone).stat()[0], 0)
        self.assertEqual(pop3(self.box, self.anna, tablet).stat()[0], 3)
        self.assertEqual(imap(self.box, self.anna).select()[1], [b"3"])
        self.box.check()


class Commands(unittest.TestCase):
    def test_accounts_from_the_command_line_work_at_once(self):
        with Box() as box:
            anna = box.account("anna")
            imap(box, anna).logout()
            box.run("account", "password", anna, "--password-stdin", stdin="another password\n")
            imap(box, anna, "another password").logout()
            with self.assertRaises(imaplib.IMAP4.error):
                imap(box, anna)
            device = box.device(anna, "laptop")
            imap(box, anna, device).logout()
            box.run("device", "revoke", anna, "laptop")
            with self.assertRaises(imaplib.IMAP4.error):
                imap(box, anna, device)

    def test_the_same_command_works_without_the_daemon(self):
        with Box() as box:
            anna = box.account("anna")
            box.stop()
            box.run("account", "quota", anna, "2M")
            self.assertIn("2.0 MiB", box.run("account", "list").stdout)
            box.start()
            client = imap(box, anna)
            big = message("big", ("y" * 70 + "\r\n") * 15_000).encode()
            answers = [client.append("INBOX", None, None, big) for _ in range(3)]
            self.assertEqual([status for status, _ in answers], ["OK", "OK", "NO"])
            self.assertIn(b"OVERQUOTA", answers[2][1][0])


if __name__ == "__main__":
    unittest.main()
