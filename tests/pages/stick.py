"""A box at which a USB stick can be plugged in, without either: it sees directories of the test's own where the system lists them.

The test stands in for root, who mounts the stick and hands it over. Needs root, for a mount namespace.
"""

import shutil
from pathlib import Path

from box import ROOT, until
from fresh import FreshBox

LABEL, UUID = "SICHERUNG", "12AB-34CD"
SECTORS = 31_260_672
UNIT = "heimpost-restore.path"

# Where the daemon looks, each beside the directory of ours that it finds there.
PLACES = {"/dev/disk": "disk", "/sys/class/block": "block", "/usr/lib/systemd/system": "units"}
ENTER = "mount --make-rprivate / && while [ $1 != -- ]; do mount --bind $1 $2 || exit; shift 2; done; shift; exec \"$@\""


class BoxWithStick(FreshBox):
    """`stick` is the directory of backups on the stick."""

    def __init__(self, stick):
        super().__init__()
        self.stick, self.system = stick, self.home / "system"
        for name in ("disk/by-label", "disk/by-uuid", "block", "units"):
            (self.system / name).mkdir(parents=True)
        places = [word for place, name in PLACES.items() for word in (str(self.system / name), place)]
        self.starter = ["unshare", "--mount", "sh", "-c", ENTER, "sh", *places, "--"]
        unit = (ROOT / "systemd/usr/lib/systemd/system" / UNIT).read_text()
        (self.system / "units" / UNIT).write_text(unit.replace("/var/lib/heimpost", str(self.data)))

    def plug(self):
        device = self.system / "devices/usb1/1-1/block/sda"
        device.mkdir(parents=True)
        (device / "size").write_text(f"{SECTORS}\n")
        (self.system / "block/sda").symlink_to(device)
        (self.system / "disk/by-label" / LABEL).symlink_to("../../sda")
        (self.system / "disk/by-uuid" / UUID).symlink_to("../../sda")

    def unplug(self):
        for name in (f"disk/by-uuid/{UUID}", f"disk/by-label/{LABEL}", "block/sda"):
            (self.system / name).unlink()
        shutil.rmtree(self.system / "devices")

    def hand_over(self):
        """Root comes because of the file that the daemon makes."""
        self._come()
        return self.run("restore", "--stick", str(self.stick))

    def fail(self, reason):
        self._come()
        self.run("restore", "--stick-failed", reason)

    def _come(self):
        wanted = Path(self.data) / "restore-wanted"
        until(wanted.exists, what="the wish for the stick")
        wanted.unlink()
        assert self.run("restore", "--stick-name").stdout.strip() == UUID
