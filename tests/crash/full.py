#!/usr/bin/env python3
"""A disk that is really full: fill it, end all jobs in no order, fill it again.

The store lies on a file system of 16 MiB (ext4 in a file; tmpfs where loops or root are missing). In
every cycle jobs are sent until the broker says that there is no space; then they end, in any order,
and sends have to be taken again. Every third cycle has results of up to 1 MiB, and in every second
one the broker is killed while the disk is full. No commit may fail, nothing that was acknowledged
may be missing. The negative control is a broker that does not measure what comes in.
"""
# needs: e2fsprogs

import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import rig

DISK_BYTES = 16 << 20
CHANNEL = "fill"
LARGE = 1000000
CONTROL = "room_ignored"


class Disk:
    """A small file system, mounted at a folder."""

    def __init__(self, folder, mib=DISK_BYTES >> 20):
        self.folder = folder
        self.image = folder.with_suffix(".img")
        self.mib = mib
        self.kind = None

    def __enter__(self):
        self.folder.mkdir()
        if os.geteuid() == 0 and self._try_ext4():
            self.kind = "ext4"
        elif os.geteuid() == 0 and subprocess.run(
                ["mount", "-t", "tmpfs", "-o", f"size={self.mib}m", "tmpfs", self.folder],
                check=False).returncode == 0:
            self.kind = "tmpfs"
        else:
            raise rig.Broken("no file system can be mounted here: run it as root")
        return self

    def _try_ext4(self):
        with open(self.image, "wb") as image:
            image.truncate(self.mib << 20)
        made = subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", "-O", "^has_journal", self.image],
                              check=False, capture_output=True).returncode == 0
        return made and subprocess.run(["mount", "-o", "loop", self.image, self.folder],
                                       check=False, capture_output=True).returncode == 0

    def __exit__(self, kind, value, trace):
        if self.kind is not None:
            subprocess.run(["umount", "-l", self.folder], check=False)
        self.image.unlink(missing_ok=True)


def fill(r, seed, size, refusals, seconds=120, jobs=None):
    words = ["--jobs", jobs] if jobs else []
    code, text = r.run("crash_fill", "--seed", seed, "--bytes", size, "--refusals", refusals,
                       "--channel", CHANNEL, *words, seconds=seconds,
                       environment={"LEAT_HISTORY": str(r.history)})
    if code != 0:
        raise rig.Broken(f"crash_fill ends with {code}: {text}\n{r.tail('broker')}")
    return json.loads(text.splitlines()[-1])


def wait_for_sends(r, seed):
    """Until a batch is taken again: seconds."""
    began = time.monotonic()
    while fill(r, seed, 200, 1, jobs=20)["accepted"] == 0:
        if time.monotonic() - began > 60:
            raise rig.Broken(f"sends are refused for ever: {r.leat('status')['broker']}")
        time.sleep(0.05)
        seed += 100000
    return time.monotonic() - began


def must_live(r):
    if not r.is_alive("broker"):
        raise rig.Broken(f"the broker has ended:\n{r.tail('broker')}")
    if "store.commit" in r.log("broker").read_text(errors="replace"):
        raise rig.Broken(f"a commit has failed:\n{r.tail('broker')}")


def cycle(r, number, figures):
    seed = number * 1000000
    large = number % 3 == 2
    filled = fill(r, seed, LARGE if large else 200, 20)
    figures["jobs"].append(filled["accepted"])
    figures["refused"] += filled["refused"]
    figures["slowest_us"] = max(figures["slowest_us"], filled["slowest_us"])
    if large: # small ones beside them
        filled = fill(r, seed + 1, 200, 5)
        figures["refused"] += filled["refused"]
    status = r.leat("status")["broker"]
    if number % 2 == 1:
        r.kill("broker")
        r.start_broker()
        figures["restarts"] += 1
        fill(r, seed + 2, 200, 1)
    for n in range(2):
        r.start_worker(f"w{n}", "--channel", CHANNEL, "--log-level", "warn", slots=8, history=True)
    r.wait_ended(120)
    must_live(r)
    figures["again_s"].append(wait_for_sends(r, seed + 3))
    r.wait_ended(60)
    for n in range(2):
        if r.stop(f"w{n}") != 0:
            raise rig.Broken(f"a worker has failed:\n{r.tail(f'w{n}')}")
    must_live(r)
    rig.say(f"cycle {number}: {figures['jobs'][-1]} jobs{' of 1 MB' if large else ''}, file "
            f"{status['file_bytes']}, promised {status['promised_bytes']}, again after "
            f"{figures['again_s'][-1]:.2f} s")


def run_cycles(options):
    figures = {"jobs": [], "refused": 0, "slowest_us": 0, "restarts": 0, "again_s": []}
    with rig.Rig(options, "full") as r, Disk(r.folder / "disk") as disk:
        figures["file_system"] = disk.kind
        r.store = disk.folder / "store"
        try:
            r.start_broker()
            for number in range(options.cycles):
                cycle(r, number, figures)
            if r.stop("broker") != 0:
                raise rig.Broken(f"the broker has failed:\n{r.tail('broker')}")
            # Looked at where there is space: on the full disk history would go on leaving meanwhile.
            r.store = pathlib.Path(shutil.copytree(r.store, r.folder / "copy"))
            found = r.check("--ended")
        except rig.Broken:
            r.keep = True
            raise
        finally:
            for name in list(r.programs):
                r.kill(name)
        if not found["valid"]:
            r.keep = True
        return found, figures


def run_control(options):
    """Without the account a commit meets the end of the disk. True: that was noticed."""
    with rig.Rig(options, "full_control") as r, Disk(r.folder / "disk") as disk:
        r.store = disk.folder / "store"
        try:
            r.start_broker(fault=CONTROL)
            fill(r, 1, 200, 1, jobs=200000)
            must_live(r)
            return False
        except rig.Broken:
            return True
        finally:
            for name in list(r.programs):
                r.kill(name)


def main():
    options = rig.arguments(__doc__, cycles=(3, 20, "times that the disk is filled"))
    violations, unproven, report = [], [], {"cycles": options.cycles}
    try:
        found, figures = run_cycles(options)
        report.update({key: value for key, value in found.items()
                       if key not in ("valid", "inconclusive")})
        report.update(file_system=figures["file_system"], restarts=figures["restarts"],
                      jobs_a_cycle=rig.median(figures["jobs"]), refused=figures["refused"],
                      slowest_refusal_ms=figures["slowest_us"] / 1000,
                      again_worst_s=round(max(figures["again_s"]), 2))
        if found["inconclusive"]:
            unproven.append("the checker cannot tell")
        elif not found["valid"]:
            violations.append("the checker has found something, see above")
        if figures["refused"] < options.cycles:
            unproven.append("the disk was not full in every cycle")
        if not run_control(options):
            unproven.append(f"the bug {CONTROL} was not noticed")
    except rig.Broken as broken:
        violations.append(str(broken))
    rig.finish("full", violations, unproven, **report)


if __name__ == "__main__":
    sys.exit(main())
