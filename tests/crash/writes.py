#!/usr/bin/env python3
"""Disks as a power cut may leave them: lost, torn and reordered writes.

A broker is told the small story of crash_script and killed in the middle of it a few times, while
crash_disk.so writes down every call that changes the files of its store. crash_states makes disks
from that: everything that was synced, and of the rest any part. Each is opened as a store, and must
hold what had been promised by then, and nothing else.

The control is a broker that does not sync: of its disks some must have lost something.
"""

import json
import pathlib
import shutil
import tempfile

import rig

KILLS = 3  # of the broker while it is recorded: what the next one writes first is tried as well
PAUSE_MS = 230  # so that history is moved
CALLS_BETWEEN = (20, 90)  # that change the store, from one kill to the next
CONTROL_STATES = 150


def memory_folder():
    """Thousands of disks are written: where it costs least."""
    shm = pathlib.Path("/dev/shm")
    return tempfile.mkdtemp(prefix="leat_writes.", dir=shm if shm.is_dir() else None)


class Recording:
    """A broker whose writes go into a trace, and what it promised."""

    def __init__(self, r, fault=None):
        self.rig, self.fault, self.kills = r, fault, 0
        self.folder = pathlib.Path(memory_folder())
        self.trace, self.promises = self.folder / "trace", self.folder / "promises"
        (self.folder / "disk").mkdir()
        (self.folder / "scratch").mkdir()
        r.store = self.folder / "disk" / "var" / "store"

    def start(self, kill_at=0):
        """kill_at: the broker dies after so many calls, counted from the start of the trace. Between
        two calls, so that the trace has none that did not happen."""
        try:
            self.rig.start_broker(fault=self.fault, environment={
                "LD_PRELOAD": str(self.rig.build / "crash_disk.so"),
                "CRASH_DISK_ROOT": str(self.folder / "disk"),
                "CRASH_DISK_TRACE": str(self.trace),
                "CRASH_DISK_KILL": str(kill_at),
                "CRASH_DISK_HOW": "after"})
        except rig.Broken as broken: # a start changes the store, too: it may die in the middle of it
            if kill_at == 0 or "(code -9)" not in str(broken):
                raise

    def run(self, rounds, kills):
        """The story, from a folder that is not there to the end. False: it did not end well."""
        ends = [0]
        for _ in range(kills):
            ends.append(ends[-1] + self.rig.random.randint(*CALLS_BETWEEN))
        ends = ends[1:] + [0]
        self.start(ends[0])
        script = self.rig.start("script", "crash_script", "--broker", self.rig.url, "--promises",
                                self.promises, "--trace", self.trace, "--rounds", rounds,
                                "--pause", PAUSE_MS, "--resume")
        for at in ends[1:]:
            rig.wait_until(lambda: not self.rig.is_alive("broker") or script.poll() is not None, 60,
                           "the broker dies, or the story ends")
            if script.poll() is not None:
                break
            self.rig.kill("broker")
            self.start(at)
            self.kills += 1
        rig.wait_until(lambda: script.poll() is not None, 120, "the story ends")
        self.rig.kill("broker")
        code = self.rig.programs.pop("script").returncode
        if code != 0:
            rig.say(f"the story ended with {code}: {self.rig.tail('script')}")
        return code == 0

    def states(self, count, seed, show=True):
        """Try so many disks: what crash_states found."""
        code, text = self.rig.run("crash_states", "--trace", self.trace, "--promises",
                                  self.promises, "--store", "var/store", "--scratch",
                                  self.folder / "scratch", "--states", count, "--seed", seed,
                                  seconds=60 + count)
        lines = text.splitlines()
        if code not in (0, 1) or not lines:
            raise rig.Broken(f"crash_states ends with {code}:\n{text[-2000:]}")
        for line in lines[:-1] if show else ():
            rig.say(f"  {line}")
        return json.loads(lines[-1])

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


def bad(found):
    return sum(found[key] for key in ("lost", "phantom", "twice", "unopened", "crashed"))


def main():
    given = rig.arguments(__doc__, states=(2000, 20000, "disks"), rounds=(2, 6, "of the story"))
    violations, unproven = [], []
    with rig.Rig(given, "writes") as r:
        recording, control = Recording(r), None
        try:
            if not recording.run(given.rounds, KILLS):
                violations.append("the story did not go as PROTOCOL.md says")
            found = recording.states(given.states, given.seed)
            rig.say(f"{found['states']} disks from {found['ops']} ops of {recording.kills + 1} brokers, "
                    f"{found['checked']} promises looked up, {bad(found)} findings")
            control = Recording(r, "no_sync")
            control.run(1, 0)
            seen = control.states(CONTROL_STATES, given.seed, show=False)
            rig.say(f"control, a broker that does not sync: {seen['lost']} of {seen['states']} "
                    "disks have lost something")
        finally:
            if not given.keep:
                recording.remove()
                if control is not None:
                    control.remove()
    if bad(found):
        violations.append(f"{bad(found)} findings in {found['states']} disks: {found}")
    if found["checked"] < found["states"]:
        unproven.append("too little was promised")
    if seen["lost"] < seen["states"] // 4:
        unproven.append("a broker that does not sync was hardly noticed")
    rig.finish("writes", violations, unproven, **found,
               kills=recording.kills, control_lost=seen["lost"],
               control_states=seen["states"])


if __name__ == "__main__":
    try:
        main()
    except rig.Broken as broken:
        rig.finish("writes", [str(broken)], [])
