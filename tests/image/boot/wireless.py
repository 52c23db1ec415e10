"""A box that Imager has told of a wireless network. The radios are simulated by the kernel (mac80211_hwsim), and hostapd on
the second one is the access point: both are Debian's and brought in over SSH, since the image has no use for them. An
address is not asked for over the air. Not in CI, as it fetches the whole kernel package: `.ci/long air`.
"""

import base64
import gzip
import lzma
import subprocess
import sys
from pathlib import Path

import preseed
from box import COMMAND_SECONDS
from case import BoxCase

IMAGE_PARTS = Path(__file__).parents[3] / "image"
FETCH_SECONDS = 600
SSID = "Heim & Büro"
PHRASE = "ganz geheim 1"
PRESEED = f'[wlan]\nssid = "{SSID}"\npassword = "{PHRASE}"\ncountry = "DE"\n'
ACCESS_POINT = f"""interface=wlan1
driver=nl80211
ssid={SSID}
utf8_ssid=1
hw_mode=g
channel=1
wpa=2
rsn_pairwise=CCMP
"""
# By what wpa_supplicant calls it: what Imager writes more, and what the access point wants.
KINDS = {
    "WPA2-PSK": ("", f"wpa_key_mgmt=WPA-PSK\nwpa_passphrase={PHRASE}\n"),
    "SAE": ('key_mgmt = "sae"\n', f"wpa_key_mgmt=SAE\nieee80211w=2\nsae_password={PHRASE}\n"),
}
MODULES = ["libarc4.ko", "mac80211.ko", "mac80211_hwsim.ko"]
PLACE = "/run/air"


class Wireless(BoxCase):
    def test_joins_what_imager_was_told_of(self):
        parts = self.fetch()
        box = self.new_box()
        for kind, (more, access) in KINDS.items():
            box.card.put("rpi-preseed.toml", preseed.imager(self.key.with_suffix(".pub").read_text()) + PRESEED + more)
            box.on()
            self.assert_healthy(box)
            self.raise_access_point(box, parts, ACCESS_POINT + access)
            box.wait(lambda: status(box).get("wpa_state") == "COMPLETED", COMMAND_SECONDS, "the wireless network")
            self.assertEqual(status(box)["key_mgmt"], kind)
            self.assertIn("DE", supplicant(box, "get country"))
            self.assertIn("running", box.sh("systemctl is-system-running"))
            self.tell(f"joined the network by {kind}")
            box.unplug()

    def fetch(self):
        """Names and contents of what the image has not."""
        folder = self.home / "debian"
        call = [sys.executable, IMAGE_PARTS / "debian.py", "unpack", "trixie", folder, "kernel", "hostapd"]
        subprocess.run(call, check=True, capture_output=True, timeout=FETCH_SECONDS)
        parts = {name: lzma.decompress(next(folder.rglob(f"{name}.xz")).read_bytes()) for name in MODULES}
        return {**parts, "hostapd": (folder / "usr/sbin/hostapd").read_bytes()}

    def raise_access_point(self, box, parts, config):
        box.sh(f"mkdir -p {PLACE} && mount -t tmpfs tmpfs {PLACE}")
        for name, data in {**parts, "config": config.encode()}.items():
            text = base64.encodebytes(gzip.compress(data)).decode()
            box.sh(f"base64 -d <<'END' | gzip -d >{PLACE}/{name}\n{text}END\n")
        loads = "\n".join(f"insmod {PLACE}/{name}" for name in MODULES)
        box.sh(f"modprobe cfg80211\n{loads}\nudevadm settle\nchmod 700 {PLACE}/hostapd\n{PLACE}/hostapd -B {PLACE}/config")


def supplicant(box, words):
    return box.sh(f"wpa_cli -p /run/wpa_supplicant -i wlan0 {words}", check=False)


def status(box):
    return dict(line.split("=", 1) for line in supplicant(box, "status").splitlines() if "=" in line)
