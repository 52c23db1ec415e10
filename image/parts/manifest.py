"""Prints the manifest with which Raspberry Pi Imager offers the image: manifest.py IMAGE URL VERSION DATE.

The packed image is beside IMAGE (.xz). `init_format` has Imager write its questions' answers to `rpi-preseed.toml` on the FAT
partition, which the system reads at its first start.
"""

import hashlib
import json
import sys
from pathlib import Path

DEVICES = ["pi3-64bit", "pi4-64bit"]


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main(image, url, version, released):
    packed = Path(image + ".xz")
    entry = {
        "name": f"Heimpost {version}",
        "description": "Mail server at home, for Raspberry Pi Zero 2 W, 3 and 4",
        "url": url,
        "icon": "",
        "release_date": released,
        "extract_size": Path(image).stat().st_size,
        "extract_sha256": sha256(image),
        "image_download_size": packed.stat().st_size,
        "image_download_sha256": sha256(packed),
        "init_format": "rpi-preseed",
        "devices": DEVICES,
    }
    print(json.dumps({"os_list": [entry]}, indent=2))


if __name__ == "__main__":
    main(*sys.argv[1:])
