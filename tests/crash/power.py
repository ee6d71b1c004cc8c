#!/usr/bin/env python3
"""Power cuts: what a file system gives back that was cut off in the middle of everything.

The store lies on ext4 or xfs in an image, mounted through a loop device; so what has reached the
image is what the kernel has written to the "disk", and what lies dirty in memory is not in it. A
broker is told the story of crash_script over and over. At a random moment the image is cloned
(FICLONE on an xfs around it: one moment for the whole disk, also in the middle of a sync). Later
each clone is mounted, so that the journal is recovered, a broker is started on it, and its store is
held against what had been promised before the cut.

What a disk may lose of its own cache, since it was not flushed, is not in this: writes.py has that.
The control is a broker that does not sync: 95 of 100 cuts must have lost something.
"""
# needs: e2fsprogs xfsprogs

import ctypes
import fcntl
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import time

import rig

PROMISES_BETWEEN = 250  # from one cut to the next, at most
CUTS_A_LIFE = 8  # then a broker begins with an empty disk again: beginnings are cut as well
CONTROL_CUTS = 16
FICLONE = 0x40049409
CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x00020000, 0x4000, 1 << 18
OUTER_BYTES = 8 << 30  # of the file system around the images; nothing of it is taken before it is used
SYSTEMS = {
    "ext4": {"bytes": 192 << 20, "make": ["mkfs.ext4", "-q", "-F"], "mount": "loop"},
    "xfs": {"bytes": 320 << 20, "make": ["mkfs.xfs", "-q", "-f"], "mount": "loop,nouuid"},
}


class NotHere(Exception):
    """This machine cannot do it."""


def do(*words):
    try:
        end = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, check=False)
    except OSError as error:
        raise NotHere(f"{words[0]}: {error.strerror}") from None
    if end.returncode != 0:
        raise NotHere(f"{' '.join(map(str, words))}: {end.stdout.strip()}")


class Outer:
    """An xfs in memory, on which images can be cloned in one moment. Its mounts are this process's
    own: they are gone with it, whatever happens."""

    def __init__(self):
        if os.geteuid() != 0:
            raise NotHere("mounting needs root")
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWNS) != 0 or libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE,
                                                        None) != 0:
            raise NotHere(f"no mounts of its own: {os.strerror(ctypes.get_errno())}")
        shm = pathlib.Path("/dev/shm")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="leat_power.",
                                                    dir=shm if shm.is_dir() else None))
        self.images = self.folder / "images"
        self.mounted = []
        try:
            self.images.mkdir()
            image = self.folder / "outer"
            with open(image, "wb") as file:
                file.truncate(OUTER_BYTES)
            do("mkfs.xfs", "-q", "-m", "reflink=1", image)
            self.mount(image, self.images, "loop")
        except NotHere:
            self.remove()
            raise

    def mount(self, image, folder, options):
        folder.mkdir(exist_ok=True)
        do("mount", "-o", options, image, folder)
        self.mounted.append(folder)

    def unmount(self, folder):
        # A process that was just killed may hold it for a moment.
        for _ in range(200):
            if subprocess.run(["umount", str(folder)], stderr=subprocess.DEVNULL,
                              check=False).returncode == 0:
                self.mounted.remove(folder)
                return
            time.sleep(0.01)
        raise rig.Broken(f"{folder} cannot be unmounted")

    def make(self, system):
        """A new image with this file system, empty."""
        image = self.images / "disk"
        image.unlink(missing_ok=True)
        with open(image, "wb") as file:
            file.truncate(SYSTEMS[system]["bytes"])
        do(*SYSTEMS[system]["make"], image)
        return image

    def clone(self, image, name):
        copy = self.images / name
        with open(image, "rb") as source, open(copy, "wb") as target:
            fcntl.ioctl(target, FICLONE, source.fileno())
        return copy

    def remove(self):
        for folder in reversed(self.mounted[:]):
            subprocess.run(["umount", "-l", str(folder)], stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


class Life:
    """A broker on an empty disk, from its first moment, and the cuts."""

    def __init__(self, r, outer, system, fault=None):
        self.rig, self.outer, self.system, self.fault = r, outer, system, fault
        self.promises = r.folder / "promises"
        self.cuts = []  # (clone, promises before it, promises after it)
        self.wrong = []
        self.figures = dict.fromkeys(("cuts", "told", "acknowledged", "lost_cuts", "started"), 0)

    def promised(self):
        try:
            with open(self.promises, "rb") as file:
                return struct.unpack("<Q", file.read(8) or bytes(8))[0]
        except FileNotFoundError:
            return 0

    def wait_promised(self, at):
        """Until so much was promised; a machine may be busy, so time says nothing."""
        rig.wait_until(lambda: self.promised() >= at or not self.rig.is_alive("script"), 60,
                       f"the story has come to promise {at}")

    def start_broker(self):
        variables = {"LEAT_FAULT": self.fault} if self.fault else {}
        self.rig.start("broker", "broker_faults" if self.fault else "leat-broker", "--bind",
                       self.rig.url, "--data", self.rig.store, environment=variables)

    def run(self, count):
        self.promises.unlink(missing_ok=True)
        image, disk = self.outer.make(self.system), self.outer.folder / "disk"
        self.outer.mount(image, disk, SYSTEMS[self.system]["mount"])
        self.rig.store = disk / "var" / "store"
        self.rig.start("script", "crash_script", "--broker", self.rig.url, "--promises",
                       self.promises, "--rounds", 0, "--resume")
        rig.wait_until(lambda: self.promises.exists() and self.promises.stat().st_size > 0, 30,
                       "the story begins")
        self.start_broker()
        at = 0
        for number in range(count):
            self.wait_promised(at)
            time.sleep(self.rig.random.uniform(0, 0.02))
            at = self.promised() + self.rig.random.randrange(PROMISES_BETWEEN)
            before = self.promised()
            clone = self.outer.clone(image, f"cut{number}")
            self.cuts.append((clone, before, self.promised()))
        if not self.rig.is_alive("script"):
            self.wrong.append(f"the story has ended: {self.rig.tail('script', 3)}")
        for name in ("script", "broker"):
            self.rig.kill(name)
        self.outer.unmount(disk)
        for clone, before, after in self.cuts:
            self.look(clone, before, after)
            clone.unlink()

    def look(self, clone, before, after):
        """One cut: recover, start a broker, compare."""
        disk = self.outer.folder / "cut"
        try:
            self.outer.mount(clone, disk, SYSTEMS[self.system]["mount"])
        except NotHere as why:
            raise rig.Broken(f"a clone cannot be mounted: {why}") from None
        self.rig.store = disk / "var" / "store"
        sentences, found = [], {"valid": False, "acknowledged": 0}
        try:
            self.rig.start_broker()
            self.rig.kill("broker")
            self.figures["started"] += 1
        except rig.Broken as broken:
            sentences.append(str(broken))
        code, text = self.rig.run("crash_verify", self.rig.store, self.promises, before, after)
        lines = text.splitlines()
        if code in (0, 1) and lines and lines[-1].startswith("{"):
            found = json.loads(lines[-1])
            sentences += lines[:-1]
        else:
            sentences.append(f"crash_verify ends with {code}: {text[-500:]}")
        self.outer.unmount(disk)
        self.figures["cuts"] += 1
        self.figures["acknowledged"] += found["acknowledged"]
        self.figures["told"] += found["acknowledged"] > 0
        if sentences or not found["valid"]:
            self.figures["lost_cuts"] += 1
            self.wrong.append(f"{self.system}, cut after {before} promises: " + " ".join(sentences))


def run_cuts(r, outer, system, cuts, fault=None):
    """Figures of so many cuts, and sentences."""
    total, wrong = {}, []
    while total.get("cuts", 0) < cuts:
        life = Life(r, outer, system, fault)
        life.run(min(CUTS_A_LIFE, cuts - total.get("cuts", 0)))
        wrong += life.wrong
        total = {key: total.get(key, 0) + value for key, value in life.figures.items()}
    return total, wrong


def run_all(given, outer, violations, unproven, figures):
    systems = list(SYSTEMS) if given.fs == "both" else [given.fs]
    with rig.Rig(given, "power") as r:
        for system in systems:
            began = time.monotonic()
            total, wrong = run_cuts(r, outer, system, given.cuts)
            cut_s = (time.monotonic() - began) / given.cuts
            violations += wrong
            figures["cuts"] += total["cuts"]
            figures[system] = {**total, "cut_ms": round(cut_s * 1000)}
            rig.say(f"{system}: {total['cuts']} cuts, {total['told']} of them after something was "
                    f"acknowledged, {total['acknowledged']} records looked up, "
                    f"{total['lost_cuts']} cuts with findings, {cut_s * 1000:.0f} ms a cut")
            if total["told"] < total["cuts"] // 2:
                unproven.append(f"{system}: too little was acknowledged before the cuts")
        control, _ = run_cuts(r, outer, systems[0], CONTROL_CUTS, "no_sync")
        figures["control"] = control
        rig.say(f"control, a broker that does not sync: {control['lost_cuts']} of {control['told']} "
                "cuts have lost something")
        if control["told"] == 0 or control["lost_cuts"] < 0.95 * control["told"]:
            unproven.append("a broker that does not sync was not noticed")


def main():
    given = rig.arguments(__doc__, cuts=(12, 100, "cuts of each file system"),
                          fs=("both", "both", "ext4, xfs or both"))
    violations, unproven, figures = [], [], {"cuts": 0}
    if given.fs not in ("both", *SYSTEMS):
        sys.exit(f"--fs {given.fs}: ext4, xfs or both")
    outer = None
    try:
        outer = Outer()
        run_all(given, outer, violations, unproven, figures)
    except NotHere as why:
        unproven.append(f"skipped, no file system in an image here: {why}")
    except rig.Broken as broken:
        violations.append(str(broken))
    finally:
        if outer is not None:
            outer.remove()
    rig.finish("power", violations[:20], unproven, **figures)


if __name__ == "__main__":
    main()
