"""Chromium without a screen, as a person uses it: desktop or phone, German or English, with or without script.

Whatever a page does behind a person's back fails the test: a word on the console, a request to another host, an answer with
an error that the test did not expect. `look` is the test that every page must pass: no violation found by axe (WCAG 2.2
A and AA), nothing wider than the screen, below the limit of size.
"""

import os
import re
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from box import PASSWORD

CHROMIUM = os.environ.get("HEIMPOST_CHROMIUM", "/usr/bin/chromium")
SHOTS = os.environ.get("HEIMPOST_SHOTS")
# For a slow and busy machine; a wait ends when what it waits for is there.
PATIENCE_MS = 120_000

# What the issue promises for every page: bytes of the page, and time that the box takes to answer.
PAGE_BYTES_MAX = 100_000

# How often a page's time is taken, and at most where it is never quick enough.
LOOKS, LOOKS_MAX = 5, 100

SIZES = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


class Browser:
    """`hosts` leads names to addresses, as a name server would."""

    def __init__(self, hosts=None):
        self.hosts = hosts or {}

    def __enter__(self):
        self.playwright = sync_playwright().start()
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        if self.hosts:
            rules = ", ".join(f"MAP {name} {address}" for name, address in self.hosts.items())
            arguments.append(f"--host-resolver-rules={rules}")
        self.chromium = self.playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        return self

    def __exit__(self, *_):
        self.chromium.close()
        self.playwright.stop()

    @contextmanager
    def person(self, box, language="en-GB", size="desktop", script=True, scheme="light", tls=False, base=None):
        """A browser of its own, with its own cookies, in front of this box; at `base` in place of localhost."""
        service = "web_tls" if tls else "web"
        base = base or f"{'https' if tls else 'http'}://localhost:{box.ports[service]}"
        context = self.chromium.new_context(
            base_url=base,
            locale=language,
            viewport=SIZES[size],
            java_script_enabled=script,
            color_scheme=scheme,
            ignore_https_errors=True,
            reduced_motion="reduce",
            accept_downloads=True,
        )
        context.set_default_timeout(PATIENCE_MS)
        person = Person(context, base, f"{size}-{language[:2]}-{scheme}{'' if script else '-plain'}", script)
        try:
            yield person
            person.complain()
        finally:
            context.close()


class Person:
    def __init__(self, context, base, kind, script):
        self.context, self.base, self.kind, self.script = context, base, kind, script
        # What may be asked.
        self.bases = {base}
        self.strange = []
        self.expected = set()
        self.asked = []
        self.page = context.new_page()
        self.watch(self.page)
        context.on("page", self.watch)

    def watch(self, page):
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.strange.append(f"script failed: {error}"))
        page.on("request", self._request)
        page.on("dialog", self._dialog)

    def _dialog(self, dialog):
        """Questions before something is lost are answered with yes; nothing else may pop up."""
        self.asked.append(dialog.message)
        if dialog.type == "confirm":
            return dialog.accept()
        self.strange.append(f"{dialog.type}: {dialog.message}")
        return dialog.dismiss()

    def _console(self, message):
        # Chromium tells of every answer with an error status; those that the test asked for are no surprise.
        status = re.search(r"the server responded with a status of (\d+)", message.text)
        if status and int(status.group(1)) in self.expected:
            return
        if message.type in ("error", "warning"):
            self.strange.append(f"console: {message.text} ({message.location.get('url')})")

    def _request(self, request):
        parts = urlsplit(request.url)
        if parts.scheme in ("data", "blob", "about"):
            return
        if f"{parts.scheme}://{parts.netloc}" not in self.bases:
            self.strange.append(f"asked another host: {request.url}")

    def complain(self):
        assert not self.strange, "\n".join(self.strange)

    def go(self, path, status=200):
        """Opens a page; an answer with another status fails."""
        if status >= 400:
            self.expected.add(status)
        answer = self.page.goto(path)
        assert answer.status == status, f"{path}: {answer.status}\n{answer.text()[:2000]}"
        return answer

    def log_in(self, address, realm="mail", password=PASSWORD):
        self.go("/box/login" if realm == "box" else "/login")
        self.page.fill("[name=address]", address)
        self.page.fill("[name=password]", password)
        self.page.click("main button")
        self.page.wait_for_load_state()
        assert "/login" not in self.page.url, self.page.inner_text("main")

    def press(self, name):
        """Presses the button or follows the link with that name."""
        button = self.page.get_by_role("button", name=name, exact=True)
        link = self.page.get_by_role("link", name=name, exact=True)
        button.or_(link).first.click()
        self.page.wait_for_load_state()

    def text(self):
        return self.page.inner_text("main")

    def look(self, name):
        """What every page must pass. `name` names the picture."""
        page = self.page
        if SHOTS:
            page.screenshot(path=str(Path(SHOTS) / f"{name}-{self.kind}.png"), full_page=True)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{name} ({self.kind}): {wide} px wider than the screen"
        if not self.script:
            # Axe is one.
            return
        found = Axe().run(page, options={"runOnly": RULES})
        problems = [
            f"{name} ({self.kind}): {one['id']}: {one['help']}\n  "
            + "\n  ".join(f"{node['html'][:200]}\n    {node['failureSummary']}" for node in one["nodes"][:3])
            for one in found.response["violations"]
        ]
        assert not problems, "\n".join(problems)


def measure(person, path, enough_ms):
    """Bytes of a page as it comes over the line, and milliseconds until it is there: the least of five, and of as many more
    as it takes where a busy machine holds all of them up.
    """
    sizes, took = [], []
    for tried in range(LOOKS_MAX):
        began = time.monotonic()
        answer = person.context.request.get(path)
        took.append((time.monotonic() - began) * 1000)
        sizes.append(len(answer.body()))
        if tried + 1 >= LOOKS and min(took) < enough_ms:
            break
    return max(sizes), min(took)
