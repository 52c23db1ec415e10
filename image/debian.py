"""Packages for the boards' architecture, from Debian, without a change to the machine's own apt.

Each suite has an apt directory of its own in the cache, which also keeps the packages that were asked for. Of a kernel for
the tests, the cache keeps the image, its configuration and the modules asked for with those they depend on. What is there
serves when the archive cannot be reached. Run as a program:

    debian.py                              brings what the tests need into the cache; they only read it
    debian.py sources SUITE                prints the lines of sources.list for the suite
    debian.py versions SUITE NAME...       prints the newest versions of packages; `kernel` stands for the kernel's
    debian.py unpack SUITE FOLDER NAME...  unpacks packages there and prints their names and versions
"""

import lzma
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "heimpost-image"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
SUITES = ["trixie", "trixie-backports"]
MODULES = ["virtio_mmio", "virtio_net", "gpio_sim"]
COMPONENTS = "main non-free-firmware"
APT_SECONDS = 900
LISTS_SERVE_SECONDS = 3600

APT_CONF = """Dir "{home}";
Dir::State "{home}/state";
Dir::State::status "{home}/status";
Dir::Cache "{home}/cache";
Dir::Etc "{home}";
Dir::Etc::sourcelist "{home}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
APT::Architecture "arm64";
APT::Architectures {{"arm64";}};
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "5";
"""


def mirrors():
    """The archive that this machine's apt uses first, and the one for security updates."""
    asked = ["apt-get", "indextargets", "--format", "$(REPO_URI)"]
    known = subprocess.run(asked, capture_output=True, text=True).stdout.split()
    plain = [address for address in known if not address.rstrip("/").endswith("security")]
    security = [address for address in known if address.rstrip("/").endswith("debian-security")]
    archive = os.environ.get("HEIMPOST_DEBIAN_MIRROR") or next(iter(plain), None)
    assert archive, "apt knows no archive: name a mirror of Debian in HEIMPOST_DEBIAN_MIRROR"
    # Where apt knows none, mirrors have it beside the archive.
    beside = f"{archive.rstrip('/')}-security"
    return archive, os.environ.get("HEIMPOST_DEBIAN_SECURITY_MIRROR") or next(iter(security), beside)


def sources(suite):
    """The lines of sources.list: the suite, and what Debian publishes for it after its release."""
    archive, security = mirrors()
    head = f"deb [arch=arm64 signed-by={KEYRING}]"
    stable = suite.removesuffix("-backports")
    places = [(archive, stable), (archive, f"{stable}-updates"), (security, f"{stable}-security")]
    if suite != stable:
        places = [(archive, suite)]
    return [f"{head} {address} {name} {COMPONENTS}" for address, name in places]


class Suite:
    """One suite's packages for arm64. `fresh` says whether its lists could be read."""

    def __init__(self, name):
        self.home = CACHE / name
        for part in ("state/lists/partial", "cache/archives/partial", "debs"):
            (self.home / part).mkdir(parents=True, exist_ok=True)
        (self.home / "status").touch()
        (self.home / "apt.conf").write_text(APT_CONF.format(home=self.home))
        (self.home / "sources.list").write_text("\n".join(sources(name)) + "\n")
        self.fresh = self._lists_are_new() or self._read_lists()

    def _lists_are_new(self):
        stamp = self.home / "lists-read"
        same = stamp.exists() and stamp.read_text() == (self.home / "sources.list").read_text()
        return same and time.time() - stamp.stat().st_mtime < LISTS_SERVE_SECONDS

    def _read_lists(self):
        done = self._apt("apt-get", "-q", "update", "--error-on=any", check=False)
        if done.returncode == 0:
            (self.home / "lists-read").write_text((self.home / "sources.list").read_text())
        return done.returncode == 0

    def _apt(self, *command, cwd=None, check=True):
        env = dict(os.environ, APT_CONFIG=str(self.home / "apt.conf"), LC_ALL="C.UTF-8")
        done = subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, timeout=APT_SECONDS)
        assert not check or done.returncode == 0, f"{command}: {done.stderr}"
        return done

    def field(self, package, name):
        shown = self._apt("apt-cache", "show", "--no-all-versions", package).stdout
        found = re.search(rf"^{name}: (.*)$", shown, re.M)
        return found.group(1) if found else ""

    def deb(self, package):
        """The package's file, from the cache if its newest version is there."""
        version = self.field(package, "Version")
        assert version, f"no package {package} in {self.home.name}"
        named = f"{package}_{version.replace(':', '%3a')}_*.deb"
        kept = list((self.home / "debs").glob(named))
        if not kept:
            for older in (self.home / "debs").glob(f"{package}_*.deb"):
                older.unlink()
            self._apt("apt-get", "-q", "download", package, cwd=self.home / "debs")
            kept = list((self.home / "debs").glob(named))
        return kept[0]

    def unpack(self, packages, to):
        for package in packages:
            subprocess.run(["dpkg-deb", "-x", self.deb(package), to], check=True, timeout=APT_SECONDS)

    def kernel_packages(self, root):
        """The package and those of the kernel's that it depends on."""
        found, todo = [], [root]
        while todo:
            package = todo.pop()
            if package not in found:
                found.append(package)
                first = (part.split("|")[0].split()[0] for part in self.field(package, "Depends").split(",") if part)
                todo += [name for name in first if re.match(r"linux-(image|modules|binary|base)-", name)]
        return found


class Kernel:
    """A kernel in the cache: `image` and `modules` (in the order in which they load) are paths, `version` its name."""

    def __init__(self, suite):
        kept = CACHE / suite / "kernel"
        self.image = kept / "vmlinuz"
        self.config = (kept / "config").read_text()
        self.modules = [kept / f"{name}.ko" for name in (kept / "order").read_text().split()]
        self.version = (kept / "version").read_text()


def fetch_kernel(suite):
    """Brings the suite's newest kernel into the cache, if it is not there."""
    kept, stamp = suite.home / "kernel", suite.home / "kernel-is"
    newest = suite.field("linux-image-arm64", "Version") + " " + " ".join(MODULES)
    if stamp.exists() and stamp.read_text() == newest:
        return
    stamp.unlink(missing_ok=True)
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir()
    with tempfile.TemporaryDirectory(dir=suite.home) as folder:
        suite.unpack(suite.kernel_packages("linux-image-arm64"), folder)
        keep_parts(Path(folder), kept)
    stamp.write_text(newest)


def keep_parts(folder, kept):
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    shutil.copy(next(path for path in files if path.name.startswith("vmlinuz")), kept / "vmlinuz")
    shutil.copy(next(path for path in files if re.match(r"config(-\d|$)", path.name)), kept / "config")
    modules = {module_name(path): path for path in files if ".ko" in path.suffixes}
    order = in_load_order(modules, MODULES)
    for name in order:
        (kept / f"{name}.ko").write_bytes(module_bytes(modules[name]))
    (kept / "order").write_text("\n".join(order))
    some = next(iter(modules.values())).parts
    (kept / "version").write_text(some[some.index("modules") + 1])


def module_name(path):
    return path.name.split(".ko")[0].replace("-", "_")


def module_bytes(path):
    return lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()


def in_load_order(modules, wanted):
    """The modules wanted, each after those it depends on. One that is not there is built in, or fails where it is used."""
    order = []

    def add(name):
        if name in modules and name not in order:
            found = re.search(rb"\0depends=([^\0]*)\0", module_bytes(modules[name]))
            for needed in filter(None, (found.group(1).decode() if found else "").split(",")):
                add(needed.replace("-", "_"))
            order.append(name)

    for name in wanted:
        add(name)
    return order


def busybox():
    """The statically linked busybox in the cache."""
    return next((CACHE / SUITES[0] / "busybox").rglob("bin/busybox"))


def fetch():
    for name in SUITES:
        suite = Suite(name)
        if suite.fresh:
            fetch_kernel(suite)
            if name == SUITES[0] and not (suite.home / "busybox").exists():
                suite.unpack(["busybox-static"], suite.home / "busybox")
        else:
            print(f"the lists of {name} cannot be read: what is in the cache has to do")
        print(f"{name}: kernel {Kernel(name).version}")


def all_of(suite, packages):
    kernel = suite.kernel_packages("linux-image-arm64") if "kernel" in packages else []
    return [package for package in packages if package != "kernel"] + kernel


def print_versions(suite, packages):
    for package in all_of(suite, packages):
        print(package, suite.field(package, "Version"))


def unpack(suite, folder, packages):
    suite.unpack(all_of(suite, packages), folder)
    print_versions(suite, packages)


if __name__ == "__main__":
    match sys.argv[1:]:
        case []:
            fetch()
        case ["sources", name]:
            print("\n".join(sources(name)))
        case ["versions", name, *packages]:
            print_versions(Suite(name), packages)
        case ["unpack", name, folder, *packages]:
            unpack(Suite(name), folder, packages)
        case _:
            sys.exit(__doc__)
