"""Mail servers that others wrote, each run for one test on loopback with a home of its own: Postfix and Exim.

Both take mail for one domain into Maildirs, offer TLS by a certificate of a test authority, and can be a smarthost with
logins. They are started by root, as their makers ask for, and drop what they can.
"""

import contextlib
import os
import random
import shutil
import signal
import smtplib
import socket
import subprocess
import tempfile
import textwrap
from email import message_from_bytes, policy
from pathlib import Path

from box import until

NOBODY = 65534


GIVEN = set()


def free_port(address="127.0.0.1"):
    """One that nobody has, and that the system gives to nobody meanwhile: it is below those that the system picks."""
    first_picked = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(max(first_picked // 2, 1024), first_picked)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((address, port))
            if port not in GIVEN:
                GIVEN.add(port)
                return port


class Authority:
    """A certificate authority for tests; `bundle` is what a client has to trust."""

    def __init__(self):
        self.home = Path(tempfile.mkdtemp(prefix="heimpost-ca-"))
        self.home.chmod(0o755)
        self.bundle = self.home / "ca.pem"
        self._openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", "/CN=Test authority", "-keyout", "ca.key", "-out", "ca.pem",
        )

    def _openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], cwd=self.home, check=True, capture_output=True)

    def leaf(self, *names):
        """Key and certificate in one PEM file."""
        stem = names[0]
        self._openssl(
            "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={stem}",
            "-keyout", f"{stem}.key", "-out", f"{stem}.csr",
        )
        extensions = self.home / f"{stem}.ext"
        extensions.write_text("subjectAltName=" + ",".join(f"DNS:{name}" for name in names))
        self._openssl(
            "x509", "-req", "-in", f"{stem}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", extensions.name, "-out", f"{stem}.crt",
        )
        both = self.home / f"{stem}.pem"
        both.write_text((self.home / f"{stem}.key").read_text() + (self.home / f"{stem}.crt").read_text())
        both.chmod(0o644)
        return both

    def close(self):
        shutil.rmtree(self.home, ignore_errors=True)


class Server:
    """What they have in common: a home, a port, Maildirs."""

    def __init__(self, domain, address="127.0.0.1", port=None):
        self.domain, self.address = domain, address
        self.port = port or free_port(address)
        self.home = Path(tempfile.mkdtemp(prefix="heimpost-other-"))
        self.home.chmod(0o755)
        self.mail = self.home / "mail"
        self.mail.mkdir()
        os.chown(self.mail, NOBODY, NOBODY)

    def __enter__(self):
        self.start()
        until(self._answers, what=f"{type(self).__name__} answering")
        return self

    def __exit__(self, *_):
        self.stop()
        if os.environ.get("HEIMPOST_KEEP"):
            print(f"kept {self.home}")
        else:
            shutil.rmtree(self.home, ignore_errors=True)

    def _answers(self):
        try:
            with smtplib.SMTP(self.address, self.port, timeout=5):
                return True
        except OSError:
            return False

    def mails(self, user):
        """What arrived, oldest first, parsed."""
        new = self.mail / user / "new"
        paths = sorted(new.iterdir(), key=lambda path: path.stat().st_mtime_ns) if new.is_dir() else []
        return [message_from_bytes(path.read_bytes(), policy=policy.default) for path in paths]

    def raw(self, user):
        new = self.mail / user / "new"
        return [path.read_bytes() for path in sorted(new.iterdir())] if new.is_dir() else []

    def wait(self, user, count=1, seconds=120):
        return until(
            lambda: (found := self.mails(user)) and len(found) >= count and found,
            seconds=seconds,
            what=f"{count} mail(s) for {user}@{self.domain}",
        )

    def logs(self, words):
        """Waits until its log has them: it is written by a process of its own, later than what it tells of happens."""
        until(lambda: words in self.log_text(), what=f"{words!r} in the log of {type(self).__name__}")

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""


class Postfix(Server):
    """`settings` are lines of main.cf; `login` is (user, password) of a smarthost's customer."""

    def __init__(self, domain, settings="", certificate=None, login=None, implicit_tls=False, **place):
        super().__init__(domain, **place)
        self.conf = self.home / "conf"
        self.log = self.home / "postfix.log"
        for name in ("conf", "queue", "data"):
            (self.home / name).mkdir()
        shutil.chown(self.home / "data", "postfix")
        users = " ".join(f"{{ {user}@{domain} = {user}/ }}" for user in ("ben", "eva", "list"))
        main = f"""
            compatibility_level = 3.6
            queue_directory = {self.home}/queue
            data_directory = {self.home}/data
            command_directory = /usr/sbin
            daemon_directory = /usr/lib/postfix/sbin
            meta_directory = /etc/postfix
            maillog_file_prefixes = {self.home}
            maillog_file = {self.log}
            myhostname = mx.{domain}
            mydestination =
            mynetworks =
            inet_interfaces = {self.address}
            inet_protocols = ipv4
            smtp_bind_address = {self.address}
            alias_maps =
            alias_database =
            local_recipient_maps =
            virtual_mailbox_domains = {domain}
            virtual_mailbox_base = {self.mail}
            virtual_mailbox_maps = inline:{{ {users} }}
            virtual_uid_maps = static:{NOBODY}
            virtual_gid_maps = static:{NOBODY}
            virtual_mailbox_limit = 0
            smtpd_peername_lookup = no
            smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
        """
        main = textwrap.dedent(main)
        if certificate:
            main += f"smtpd_tls_chain_files = {certificate}\nsmtpd_tls_security_level = may\nsmtpd_tls_received_header = yes\n"
        if login:
            main += self._sasl(*login)
        self._configure(main + textwrap.dedent(settings))
        (self.conf / "master.cf").write_text(self._master(implicit_tls))

    def _sasl(self, user, password):
        sasl = self.conf / "sasl"
        sasl.mkdir()
        database = self.home / "sasldb2"
        (sasl / "smtpd.conf").write_text(
            f"pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: {database}\n"
            "mech_list: PLAIN LOGIN SCRAM-SHA-256\n"
        )
        command = ["saslpasswd2", "-p", "-c", "-f", str(database), "-u", self.domain, user]
        subprocess.run(command, input=password.encode(), check=True)
        shutil.chown(database, "postfix")
        return (
            f"smtpd_sasl_auth_enable = yes\ncyrus_sasl_config_path = {sasl}\nsmtpd_sasl_local_domain = {self.domain}\n"
            "smtpd_sasl_security_options = noanonymous\n"
        )

    def _master(self, implicit_tls):
        wrapper = " -o smtpd_tls_wrappermode=yes" if implicit_tls else ""
        services = f"""
            {self.address}:{self.port} inet n - n - - smtpd{wrapper}
            pickup unix n - n 60 1 pickup
            qmgr unix n - n 300 1 qmgr
            tlsmgr unix - - n 1000? 1 tlsmgr
            cleanup unix n - n - 0 cleanup
            bounce unix - - n - 0 bounce
            defer unix - - n - 0 bounce
            trace unix - - n - 0 bounce
            rewrite unix - - n - - trivial-rewrite
            flush unix n - n 1000? 0 flush
            smtp unix - - n - - smtp
            relay unix - - n - - smtp
            error unix - - n - - error
            retry unix - - n - - error
            discard unix - - n - - discard
            local unix - n n - - local
            virtual unix - n n - - virtual
            verify unix - - n - 1 verify
            anvil unix - - n - 1 anvil
            scache unix - - n - 1 scache
            proxymap unix - - n - - proxymap
            proxywrite unix - - n - 1 proxymap
            postlog unix-dgram n - n - 1 postlogd
        """
        return textwrap.dedent(services)

    def _postfix(self, *arguments):
        return subprocess.run(["postfix", "-c", str(self.conf), *arguments], capture_output=True, text=True)

    def start(self):
        started = self._postfix("start")
        assert started.returncode == 0, started.stderr + self.log_text()

    def stop(self):
        master = int((self.home / "queue" / "pid" / "master.pid").read_text())
        os.kill(master, signal.SIGTERM)
        until(lambda: not self._runs(master), what="the end of Postfix")

    @staticmethod
    def _runs(process):
        """Where nobody reaps what others leave, a process stays as a zombie."""
        try:
            return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
        except OSError:
            return False

    def reload(self, settings):
        self._configure((self.conf / "main.cf").read_text() + textwrap.dedent(settings))
        self._postfix("reload")

    def _configure(self, lines):
        """Writes main.cf, each setting once: every process warns of one that overrides another, and postlogd, which
        writes such a warning to its own socket, stands still for ever when that is full; the others wait for it."""
        settings = {}
        for line in filter(None, lines.splitlines()):
            name, value = line.split("=", 1)
            settings[name.strip()] = value.strip()
        (self.conf / "main.cf").write_text("".join(f"{name} = {value}\n" for name, value in settings.items()))

    def queue(self):
        shown = subprocess.run(["postqueue", "-c", str(self.conf), "-j"], capture_output=True, text=True)
        return [line for line in shown.stdout.splitlines() if line]


class Exim(Server):
    """Debian's package conflicts with Postfix's, so `.ci/install` unpacks it without installing."""

    BINARY = os.environ.get("HEIMPOST_EXIM", "/usr/local/lib/heimpost-peers/exim/usr/sbin/exim4")

    def __init__(self, domain, certificate=None, settings="", acl="accept domains = +ours", routers="", **place):
        super().__init__(domain, **place)
        self.log = self.home / "log" / "mainlog"
        for name in ("spool", "log"):
            (self.home / name).mkdir()
            shutil.chown(self.home / name, "Debian-exim", "Debian-exim")
        shutil.chown(self.mail, "Debian-exim", "Debian-exim")
        tls = f"tls_advertise_hosts = *\ntls_certificate = {certificate}\n" if certificate else "tls_advertise_hosts =\n"
        config = f"""
            primary_hostname = mx.{domain}
            spool_directory = {self.home}/spool
            log_file_path = {self.home}/log/%slog
            daemon_smtp_ports = {self.port}
            local_interfaces = {self.address}
            domainlist ours = {domain}
            acl_smtp_rcpt = check_rcpt
            host_lookup =
            rfc1413_query_timeout = 0s
            smtputf8_advertise_hosts = *
            dsn_advertise_hosts = *
            pipelining_advertise_hosts = *
            keep_environment =
            exim_path = {self.BINARY}
        """
        sections = f"""
            begin acl
            check_rcpt:
              {acl}
              deny
            begin routers
            here:
              driver = accept
              domains = +ours
              transport = maildir
            begin transports
            maildir:
              driver = appendfile
              directory = {self.mail}/${{lookup{{$local_part}}lsearch{{{self.home}/users}}}}
              create_directory
              maildir_format
              return_path_add
              user = Debian-exim
              group = Debian-exim
        """
        (self.home / "users").write_text("ben: ben\neva: eva\nlist: list\n")
        self.config = self.home / "exim.conf"
        parts = [config, tls, settings, sections]
        text = "".join(textwrap.dedent(part) for part in parts)
        text = text.replace("begin routers\n", "begin routers\n" + routers)
        self.config.write_text(text.replace("begin transports\n", "begin transports\nout:\n  driver = smtp\n  hosts_require_tls = *\n  tls_verify_certificates =\n"))
        self.process = None

    def start(self):
        command = [self.BINARY, "-C", str(self.config), "-bdf", "-q1h"]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=120)
        self.process.stderr.close()
