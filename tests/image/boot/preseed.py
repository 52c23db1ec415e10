"""What an owner writes onto the card before the first boot: as Raspberry Pi Imager does, and by hand."""

import json
import subprocess

import pl061

ACCOUNT = "anna@example.org"
PASSWORD = "correct horse battery"
NAME = "study"

# No name server answers a box in the emulator.
ON_A_BOARD = """hostname = "mail.example.org"
domains = ["example.org"]
[receive]
verify = false
"""
# The GPIO chip of the `virt` machine is not a Raspberry Pi's.
CONFIG = f"""{ON_A_BOARD}[panel]
chip = "{pl061.LABEL}"
led = {pl061.LED}
"""


def key(folder):
    """A key of SSH, made for this run; gives its path."""
    path = folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", path], check=True, timeout=60)
    return path


def hashed(password):
    """As Imager hands a password over: SHA-512 crypt."""
    made = subprocess.run(["openssl", "passwd", "-6", "-stdin"], input=password, capture_output=True, text=True, check=True)
    return made.stdout.strip()


def user():
    """Imager's user, which becomes the first account."""
    return f"""[user]
name = "{ACCOUNT.split("@")[0]}"
password = {json.dumps(hashed(PASSWORD))}
password_encrypted = true
"""


def imager(public_key, who=None, name=NAME):
    """`rpi-preseed.toml` as Imager writes it, with a command that must not run and a key that nobody knows."""
    who = user() if who is None else who
    system = f'[system]\nhostname = "{name}"\n' if name else ""
    return f"""config_version = "1.1"
{system}{who}[ssh]
enabled = true
password_authentication = false
authorized_keys = [{json.dumps(public_key.strip())}]
[locale]
timezone = "Europe/Berlin"
keymap = "de"
[runcmd]
early = ["touch /data/commanded"]
late = ["touch /data/commanded"]
[flavour]
taste = "unknown"
"""


def write(card, key_path, who=None):
    public_key = key_path.with_suffix(".pub").read_text()
    card.put("rpi-preseed.toml", imager(public_key, who))
    card.put("heimpost.toml", CONFIG)
