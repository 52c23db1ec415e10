"""Thunderbird without a screen, asked by its own remote protocol (Marionette) what it shows."""

import json
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

from box import until
from others import free_port

# How long a script may take there, and any answer: longer than a script.
SCRIPT_SECONDS = 120
ANSWER_SECONDS = 180

PREFERENCES = {
    "mail.provider.suppress_dialog_on_startup": True,
    "mailnews.start_page.enabled": False,
    "mail.rights.version": 1,
    "datareporting.policy.dataSubmissionPolicyBypassNotification": True,
    "mail.shell.checkDefaultClient": False,
    "mail.accounthub.enabled": False,
    "app.update.enabled": False,
}

# Whether the main window is there.
IS_UP = """
return Services.wm.getMostRecentWindow("mail:3pane")?.document.readyState === "complete";
"""

# The text of the window in which one message is shown.
SHOWN = """
for (const window of Services.wm.getEnumerator("mail:messageWindow")) {
  const message = window.document.getElementById("messageBrowser")?.contentWindow;
  const pane = message?.getMessagePaneBrowser?.();
  const text = pane?.contentDocument?.body?.textContent;
  if (text) return window.document.title + "\\n" + text;
}
return "";
"""


# An account at a box whose authority is trusted; IMAP and SMTP with TLS from the first byte.
ACCOUNT = """
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const [address, password, imaps, submissions, authority] = arguments;
const certificates = Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB);
certificates.addCertFromBase64(authority, "CTu,,");
const { SSL } = Ci.nsMsgSocketType;
const { passwordCleartext } = Ci.nsMsgAuthMethod;
MailServices.accounts.createLocalMailAccount();
const server = MailServices.accounts.createIncomingServer(address, "localhost", "imap");
Object.assign(server, { port: imaps, socketType: SSL, authMethod: passwordCleartext, password });
const out = MailServices.outgoingServer.createServer("smtp");
out.QueryInterface(Ci.nsISmtpServer);
Object.assign(out, { hostname: "localhost", port: submissions, socketType: SSL });
Object.assign(out, { username: address, authMethod: passwordCleartext, password });
const identity = MailServices.accounts.createIdentity();
Object.assign(identity, { email: address, fullName: "Anna", smtpServerKey: out.key });
const account = MailServices.accounts.createAccount();
account.addIdentity(identity);
account.incomingServer = server;
MailServices.accounts.defaultAccount = account;
"""

# Trusts an authority, as by the certificate manager.
TRUST = """
const certificates = Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB);
certificates.addCertFromBase64(arguments[0], "CTu,,");
"""

# What the window for a new account does once name, address and password were typed: looks for the servers, tries them, and
# makes the account. Gives what was found.
FIND = """
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const at = name => ChromeUtils.importESModule(`resource:///modules/accountcreation/${name}.sys.mjs`);
const { AccountConfig } = at("AccountConfig");
const { FindConfig } = at("FindConfig");
const { ConfigVerifier } = at("ConfigVerifier");
const { CreateInBackend } = at("CreateInBackend");
const [address, password, done] = arguments;
const brief = ({ type, hostname, port, socketType, username }) => ({ type, hostname, port, socketType, username });
(async () => {
  const { signal } = new AbortController();
  const finding = FindConfig.parallelAutoDiscovery(address.split("@")[1], address, signal, password);
  const { value: config } = await finding.next();
  if (!config || config.isRedirect) return done({ failed: "nothing found" });
  AccountConfig.replaceVariables(config, "Anna", address, password);
  config.rememberPassword = true;
  const window = Services.wm.getMostRecentWindow("mail:3pane");
  const verifier = new ConfigVerifier(window.msgWindow, signal);
  await verifier.verifyConfig(config, config.source != AccountConfig.kSourceXML);
  MailServices.accounts.defaultAccount = await CreateInBackend.createAccountInBackend(config);
  return done({ found: config.subSource, incoming: brief(config.incoming), outgoing: brief(config.outgoing) });
})().catch(error => done({ failed: `${error} ${error.stack}` }));
"""

# Writes a mail in a window and presses Send; done when the window has gone, copy in Sent included.
SEND = """
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const [to, subject, body, done] = arguments;
const fields = Cc["@mozilla.org/messengercompose/composefields;1"].createInstance(Ci.nsIMsgCompFields);
const identity = MailServices.accounts.defaultAccount.defaultIdentity;
Object.assign(fields, { from: identity.email, to, subject, body });
const params = Cc["@mozilla.org/messengercompose/composeparams;1"].createInstance(Ci.nsIMsgComposeParams);
Object.assign(params, { composeFields: fields, identity, format: Ci.nsIMsgCompFormat.PlainText });
MailServices.compose.OpenComposeWindowWithParams(null, params);
const window = Services.wm.getMostRecentWindow("mail:3pane");
const open = () => Services.wm.getMostRecentWindow("msgcompose");
const step = sent => window.setTimeout(async () => {
  const compose = open();
  if (sent) return compose ? step(true) : done("");
  if (!compose?.composeEditorReady) return step(false);
  await compose.GenericSendMessage(Ci.nsIMsgCompDeliverMode.Now);
  return step(true);
}, 300);
step(false);
"""

# The text of the message in INBOX with that subject, fetched from the server if need be; nothing while there is none.
READ = """
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const { MsgHdrToMimeMessage } = ChromeUtils.importESModule("resource:///modules/gloda/MimeMessage.sys.mjs");
const [subject, done] = arguments;
const folder = MailServices.accounts.defaultAccount.incomingServer.rootFolder.getChildNamed("INBOX");
if (!folder) {
  MailServices.accounts.defaultAccount.incomingServer.performExpand(null);
  done("");
} else {
  folder.updateFolder(null);
  const found = [...folder.messages].find(header => header.mime2DecodedSubject === subject);
  if (!found) done("");
  else MsgHdrToMimeMessage(found, null, (_, mime) => done(mime?.coerceBodyToPlaintext(folder) ?? ""), true);
}
"""


class Thunderbird:
    def __init__(self, *arguments, preferences=None):
        self.home = Path(tempfile.mkdtemp(prefix="heimpost-thunderbird-"))
        profile = self.home / "profile"
        profile.mkdir()
        self.port = free_port()
        preferences = PREFERENCES | {"marionette.port": self.port} | (preferences or {})
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in preferences.items()]
        (profile / "user.js").write_text("".join(lines))
        self.command = ["thunderbird", "--headless", "--marionette", "--remote-allow-system-access", "--profile", str(profile), *arguments]
        self.number = 0

    def __enter__(self):
        env = dict(os.environ, HOME=str(self.home), MOZ_DISABLE_CONTENT_SANDBOX="1", LC_ALL="C.UTF-8")
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(self.command, env=env, start_new_session=True, **quiet)
        self.stream = until(self._connect, what="Thunderbird listening")
        self._read()
        self._ask("WebDriver:NewSession", {})
        self._ask("Marionette:SetContext", {"value": "chrome"})
        return self

    def __exit__(self, *_):
        self.stream.close()
        os.killpg(self.process.pid, 9)
        self.process.wait()
        shutil.rmtree(self.home, ignore_errors=True)

    def _connect(self):
        try:
            return socket.create_connection(("127.0.0.1", self.port), timeout=ANSWER_SECONDS).makefile("rwb")
        except OSError:
            return None

    def _read(self):
        digits = b""
        while not digits.endswith(b":"):
            byte = self.stream.read(1)
            assert byte, "Thunderbird has gone"
            digits += byte
        return json.loads(self.stream.read(int(digits[:-1])))

    def _ask(self, command, parameters):
        self.number += 1
        text = json.dumps([0, self.number, command, parameters]).encode()
        self.stream.write(str(len(text)).encode() + b":" + text)
        self.stream.flush()
        _, _, error, result = self._read()
        assert not error, error
        return result

    def run(self, script, *arguments):
        return self._ask("WebDriver:ExecuteScript", {"script": script, "args": arguments})["value"]

    def _wait_for_window(self):
        """The main window, which may come after the first answers."""
        until(lambda: self.run(IS_UP), what="Thunderbird's window")

    def account(self, box, address, password):
        self._wait_for_window()
        lines = Path(box.ca).read_text().splitlines()
        authority = "".join(line for line in lines if "CERTIFICATE" not in line)
        self.run(ACCOUNT, address, password, box.ports["imaps"], box.ports["submissions"], authority)

    def find_account(self, address, password, authority):
        """Makes the account of whoever types this and trusts this authority (PEM); what was found."""
        self._wait_for_window()
        self.run(TRUST, "".join(line for line in authority.splitlines() if "CERTIFICATE" not in line))
        self._ask("WebDriver:SetTimeouts", {"script": SCRIPT_SECONDS * 1000})
        found = self._ask("WebDriver:ExecuteAsyncScript", {"script": FIND, "args": [address, password]})["value"]
        assert "failed" not in found, found["failed"]
        return found

    def send(self, to, subject, body):
        self._ask("WebDriver:SetTimeouts", {"script": SCRIPT_SECONDS * 1000})
        self._ask("WebDriver:ExecuteAsyncScript", {"script": SEND, "args": [to, subject, body]})

    def read(self, subject):
        """The text of the message in INBOX with that subject, once it is there."""
        self._ask("WebDriver:SetTimeouts", {"script": SCRIPT_SECONDS * 1000})

        def found():
            return self._ask("WebDriver:ExecuteAsyncScript", {"script": READ, "args": [subject]})["value"]

        return until(found, seconds=ANSWER_SECONDS, what=f"{subject!r} in Thunderbird")

    def shows(self, subject, *texts):
        """Waits until the message's window has this subject as its title, and in its text all of these."""

        def shown():
            title, _, text = self.run(SHOWN).partition("\n")
            return subject in title and all(part in text for part in texts)

        until(shown, what=f"{subject!r} and {texts} in Thunderbird")
