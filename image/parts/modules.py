"""Picks the kernel's modules: modules.py LIST FROM TO INITRAMFS, where FROM and TO are folders `lib/modules/<version>`.

Copies to TO what LIST names, with all that it depends on, uncompressed: boards start faster so, and the image's own
compression does the rest. What LIST marks with + goes to INITRAMFS as well.
"""

import lzma
import re
import shutil
import sys
from pathlib import Path


def module_name(path):
    return path.name.split(".ko")[0].replace("-", "_")


class Tree:
    def __init__(self, root):
        self.root = Path(root)
        files = (path for path in (self.root / "kernel").rglob("*.ko*") if path.is_file())
        self.paths = {module_name(path): path for path in files}
        self._bytes = {}

    def read(self, name):
        if name not in self._bytes:
            packed = self.paths[name].read_bytes()
            self._bytes[name] = lzma.decompress(packed) if self.paths[name].suffix == ".xz" else packed
        return self._bytes[name]

    def named(self, entry):
        """The modules that a line of the list means; one that is built in is none."""
        if entry.endswith("/"):
            folder = self.root / "kernel" / entry
            return [name for name, path in self.paths.items() if folder in path.parents]
        name = entry.rpartition("/")[2].replace("-", "_")
        return [name] if name in self.paths else []

    def with_needed(self, names):
        found, todo = set(), list(names)
        while todo:
            name = todo.pop()
            if name not in found and name in self.paths:
                found.add(name)
                for key in (rb"\0depends=([^\0]*)\0", rb"\0softdep=pre: ([^\0]*?)(?: post:[^\0]*)?\0"):
                    for hit in re.findall(key, b"\0" + self.read(name)):
                        todo += [one.replace("-", "_") for one in re.split(r"[, ]+", hit.decode()) if one]
        return found

    def copy(self, names, to):
        for name in sorted(names):
            path = self.paths[name].relative_to(self.root)
            copied = Path(to) / path.with_name(path.name.split(".ko")[0] + ".ko")
            copied.parent.mkdir(parents=True, exist_ok=True)
            copied.write_bytes(self.read(name))
        for index in self.root.glob("modules.builtin*"):
            shutil.copy(index, to)
        shutil.copy(self.root / "modules.order", to)


def main(listed, source, to, initramfs):
    tree, all_names, early = Tree(source), set(), set()
    for line in Path(listed).read_text().splitlines():
        entry = line.split("#")[0].strip()
        names = tree.named(entry.removeprefix("+")) if entry else []
        all_names.update(names)
        early.update(names if entry.startswith("+") else ())
    all_names, early = tree.with_needed(all_names), tree.with_needed(early)
    tree.copy(all_names, to)
    tree.copy(early, initramfs)
    print(f"{len(all_names)} modules, {len(early)} of them in the initramfs")


if __name__ == "__main__":
    main(*sys.argv[1:])
