"""A browser without script: it keeps cookies, finds the token of forms and follows redirects."""

import http.client
import http.cookiejar
import re
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request

from box import COMMAND_SECONDS
from preseed import ACCOUNT, PASSWORD


HOST = "heimpost.local"
# How often a page is asked for that is never quick enough.
LOOKS_MAX = 20


def authority(box):
    """The box's own certificate authority, as a device loads it before it trusts the box."""
    request = urllib.request.Request(f"http://{box.host}:{box.ports['web']}/authority/heimpost.pem", headers={"Host": HOST})
    with urllib.request.urlopen(request, timeout=COMMAND_SECONDS) as answer:
        return answer.read().decode()


def rescue(box):
    """The page of a box that cannot get at its mail; nothing while there is no answer."""
    try:
        urllib.request.urlopen(f"http://{box.host}:{box.ports['web']}/", timeout=COMMAND_SECONDS).close()
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.read().decode() if answer.code == 503 else ""
    except OSError:
        pass
    return ""


class Browser:
    """Without a context it comes in plain, as to a box that nobody has set up."""

    def __init__(self, box, context: ssl.SSLContext | None = None, name=HOST):
        self.host, self.name = box.host, name
        self.port, self.context, self.jar = box.ports["webs" if context else "web"], context, http.cookiejar.CookieJar()
        self.root, self.token = f"{'https' if context else 'http'}://{self.host}:{self.port}", ""
        cookies = urllib.request.HTTPCookieProcessor(self.jar)
        self.opener = urllib.request.build_opener(cookies, urllib.request.HTTPSHandler(context=context))
        self.opener.addheaders = [("Accept-Language", "en"), ("Host", name)]

    def get(self, path):
        return self._read(urllib.request.Request(self.root + path))

    def post(self, path, **fields):
        data = urllib.parse.urlencode({"form": self.token, **fields}).encode()
        return self._read(urllib.request.Request(self.root + path, data=data))

    def _read(self, request):
        with self.opener.open(request, timeout=COMMAND_SECONDS) as answer:
            text = answer.read().decode()
        token = re.search(r'name="form" value="([^"]+)"', text)
        self.token = token.group(1) if token else self.token
        return text

    def log_in(self):
        self.get("/box/login")
        return self.post("/box/login", address=ACCOUNT, password=PASSWORD)

    def seconds(self, paths, enough):
        """How long the box takes for each page over a connection that is there, not counting the first time: the least of
        as many looks as it takes where a busy machine holds them up.
        """
        connection = http.client.HTTPSConnection(self.host, self.port, timeout=COMMAND_SECONDS, context=self.context)
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.jar)

        def look(path):
            began = time.monotonic()
            connection.request("GET", path, headers={"Host": self.name, "Cookie": cookies})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200, f"{path}: {answer.status}"
            return time.monotonic() - began

        for path in paths:
            look(path)
        took = {path: look(path) for path in paths}
        for path in paths * LOOKS_MAX:
            if took[path] >= enough:
                took[path] = min(took[path], look(path))
        connection.close()
        return took
