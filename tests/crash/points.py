#!/usr/bin/env python3
"""A kill of the broker at every call that changes its store.

The small story of crash_script begins with a store that is not there. crash_disk.so counts the calls
and kills the broker at the Nth: before it, after it, or in the middle of a write. What it leaves is
held against what was promised (crash_verify); then a broker is started on it, the story comes back,
says again what has no answer, and goes on to its end; and its store is held against the promises
once more.

That no call escapes the counting is seen by strace, which counts the system calls on the same
files. The control is a broker that answers before its commit: some of these kills must lose
something.
"""
# needs: strace

import collections
import json
import os
import pathlib
import re
import shutil
import signal
import struct
import subprocess
import time

import rig

HOWS = ("before", "half", "after")
PAUSE_MS = 230  # so that history is moved
CONTROLS = range(24, 60, 4)  # calls at which a broker that answers early is killed
CONTROL_S = 5  # it may hang before
WRITES = {"pwrite64", "pwritev", "pwritev2", "write", "writev"}
SYNCS = {"fsync", "fdatasync", "sync_file_range"}
NAMES = {"rename", "renameat", "renameat2", "unlink", "unlinkat", "mkdir", "mkdirat"}
SIZES = {"ftruncate", "fallocate"}
ESCAPES = {"msync", "copy_file_range", "sendfile", "splice", "io_uring_setup", "truncate"}
# of tests/crash/disk.h
KINDS = {2: "writes", 4: "sizes", 5: "syncs", 6: "names", 7: "names", 8: "names", 9: "syncs"}
# of tests/crash/promise.h
PROMISES_AT = 64
PROMISE = struct.Struct("<QQQIIIIIBBH16s")
PROMISE_FIELDS = ("at", "id", "batch", "kind", "op", "n", "attempt", "bytes", "end", "flags", "code",
                  "spare")
SENDING, ACCEPTED, GIVEN, ENDING, ENDED, CANCELLING, CANCELLED = range(1, 8)
MESSAGE_OR_JOIN = 1 | 8
HEAD, OP = struct.Struct("<QQQ40x"), struct.Struct("<IIQQQQ")


class Point:
    """A store of its own for one kill."""

    def __init__(self, r, number):
        self.rig = r
        self.folder = r.folder / f"point{number}"
        self.folder.mkdir()
        self.trace, self.promises = self.folder / "trace", self.folder / "promises"
        r.store = self.folder / "disk" / "store"
        r.store.parent.mkdir()
        r.url = f"ipc://{self.folder}/broker.sock"

    def start_watched(self, program, kill_at, how, fault=None, wrap=()):
        """A broker that dies at a call; it may be before it is ready."""
        variables = {"CRASH_DISK_ROOT": str(self.folder / "disk"),
                     "CRASH_DISK_TRACE": str(self.trace),
                     "CRASH_DISK_KILL": str(kill_at), "CRASH_DISK_HOW": how}
        preload = str(self.rig.build / "crash_disk.so")
        if wrap:  # strace itself is not to be watched
            wrap = (*wrap, "-E", f"LD_PRELOAD={preload}")
        else:
            variables["LD_PRELOAD"] = preload
        if fault:
            variables["LEAT_FAULT"] = fault
        self.rig.start("broker", program, "--bind", self.rig.url, "--data", self.rig.store,
                       "--log-level", "warn", wrap=wrap, environment=variables)

    def start_story(self):
        """Before the broker, which may die at once: from here on there is a file of promises."""
        self.rig.start("script", "crash_script", "--broker", self.rig.url, "--promises",
                       self.promises, "--pause", PAUSE_MS, "--resume")
        rig.wait_until(lambda: self.promises.exists() and self.promises.stat().st_size > 0, 30,
                       "the story begins")

    def wait_broken(self, seconds=30):
        """Until the broker has died, or the story has ended without that. True: it has died."""
        script = self.rig.programs["script"]
        rig.wait_until(lambda: not self.rig.is_alive("broker") or script.poll() is not None, seconds,
                       "the broker dies, or the story ends")
        return not self.rig.is_alive("broker")

    def end_story(self):
        """Its exit code."""
        script = self.rig.programs["script"]
        rig.wait_until(lambda: script.poll() is not None, 60, "the story ends")
        return self.rig.programs.pop("script").returncode

    def verify(self):
        """What crash_verify finds, and its sentences."""
        code, text = self.rig.run("crash_verify", self.rig.store, self.promises)
        lines = text.splitlines()
        if code not in (0, 1) or not lines or not lines[-1].startswith("{"):
            return {"valid": False, "lost": 0, "acknowledged": 0}, [f"crash_verify ends with {code}", text]
        return json.loads(lines[-1]), lines[:-1]

    def calls(self):
        """How many calls there were, and what they were."""
        with open(self.trace, "rb") as file:
            _, size, calls = HEAD.unpack(file.read(HEAD.size))
            data, at, kinds = file.read(size), 0, collections.Counter()
        while at < size:
            kind, *_, bytes_of = OP.unpack_from(data, at)
            if kind in KINDS:
                kinds[KINDS[kind]] += 1
            at += (OP.size + bytes_of + 7) & ~7
        return calls, kinds

    def remove(self):
        for name in ("broker", "script"):
            self.rig.kill(name)
        shutil.rmtree(self.folder, ignore_errors=True)


def count_calls(r):
    """The story without a kill: so many calls are there to be cut."""
    point = Point(r, 0)
    try:
        point.start_story()
        point.start_watched("leat-broker", 0, "after")
        if point.end_story() != 0:
            raise rig.Broken(f"the story does not end well:\n{r.tail('script')}")
        r.kill("broker")
        found, sentences = point.verify()
        if not found["valid"]:
            raise rig.Broken(f"the story without a kill: {sentences}")
        return point.calls()[0], found["history"], unnoticed_lies(point)
    finally:
        point.remove()


def lies():
    """Changes of the promises, each of which makes the store a wrong one: name, and a function that
    is given a promise as a dict and answers whether it has changed it. The first that is changed is
    the only one, but for those that take away all of a kind."""
    def change(of, once=True, **fields):
        def call(promise):
            if promise["kind"] not in of or (once and promise["flags"] & MESSAGE_OR_JOIN):
                return False
            promise.update({key: value(promise) for key, value in fields.items()})
            return True
        call.once = once
        return call

    def drop(promise):
        return promise["kind"] + 100  # none that is known
    return {
        "one more was accepted": change({ACCEPTED}, n=lambda p: p["n"] + 1),
        "another id was accepted": change({ACCEPTED}, id=lambda p: p["id"] + 1),
        "nobody has sent": change({SENDING}, False, kind=drop),
        "nobody has cancelled": change({CANCELLING}, False, kind=drop),
        "no attempt has ended": change({ENDING, ENDED}, False, kind=drop),
        "a later attempt was given out": change({GIVEN}, attempt=lambda p: p["attempt"] + 5),
        "what was cancelled is done": change({CANCELLED}, kind=lambda p: ENDED, attempt=lambda p: 1,
                                             end=lambda p: 1),
    }


def unnoticed_lies(point):
    """crash_verify must refuse each changed history. Names of those that it does not."""
    unnoticed, true = [], point.promises.read_bytes()[:1 << 20]
    count = struct.unpack_from("<Q", true)[0]
    for name, lie in lies().items():
        data = bytearray(true)
        for i in range(count):
            at = PROMISES_AT + i * PROMISE.size
            promise = dict(zip(PROMISE_FIELDS, PROMISE.unpack_from(data, at)))
            if lie(promise):
                PROMISE.pack_into(data, at, *(promise[key] for key in PROMISE_FIELDS))
                if lie.once:
                    break
        with open(point.promises, "r+b") as file:
            file.write(data)
        if point.verify()[0]["valid"]:
            unnoticed.append(name)
    return unnoticed


def strace_counts(log, disk):
    """What strace has seen on files below a folder, by kind, and calls that must not be there."""
    seen, escapes = collections.Counter(), []
    for line in log.read_text(errors="replace").splitlines():
        match = re.match(r"(?:\[pid +\d+\] |\d+ +)?(\w+)\((.*)", line)
        if not match or f"{disk}" not in line or " = -1 E" in line:
            continue
        call, words = match.groups()
        for kind, names in (("writes", WRITES), ("syncs", SYNCS), ("names", NAMES), ("sizes", SIZES)):
            seen[kind] += call in names
        shared = call == "mmap" and "PROT_WRITE" in words and "MAP_SHARED" in words
        if call in ESCAPES or (shared and "lock.mdb" not in words):
            escapes.append(line)
    return seen, escapes


def compare_with_strace(r):
    """A sentence for each kind of call that escapes crash_disk.so, and None if there is no strace."""
    calls = sorted(WRITES | SYNCS | NAMES | SIZES | ESCAPES | {"mmap"})
    if not shutil.which("strace") or subprocess.run(
            ["strace", "-qq", "-o", os.devnull, "true"], check=False).returncode != 0:
        return None
    point = Point(r, 0)
    log = point.folder / "strace.log"
    try:
        point.start_story()
        point.start_watched("leat-broker", 0, "after", wrap=(
            "strace", "-f", "-qq", "-y", "-s", "0", "-o", str(log), "-e", f"trace={','.join(calls)}"))
        if point.end_story() != 0:
            raise rig.Broken(f"under strace the story does not end well:\n{r.tail('script')}")
        strace = r.programs["broker"].pid
        children = pathlib.Path(f"/proc/{strace}/task/{strace}/children").read_text().split()
        for child in children:  # strace ends with it, and has written everything then
            os.kill(int(child), signal.SIGTERM)
        r.programs["broker"].wait(30)
        seen, escapes = strace_counts(log, point.folder / "disk")
        kinds = point.calls()[1]
        rig.say(f"strace: {dict(seen)}; crash_disk.so: {dict(kinds)}")
        return [f"strace saw {seen[kind]} {kind}, crash_disk.so {kinds[kind]}"
                for kind in sorted({*seen, *kinds}) if seen[kind] != kinds[kind]] + escapes
    finally:
        point.remove()


def try_point(r, number, kill_at, how):
    """Sentences for what is wrong, whether the kill came at all, and what was looked up."""
    point, wrong, looked_up, died = Point(r, number), [], 0, False
    try:
        point.start_story()
        point.start_watched("leat-broker", kill_at, how)
        died = point.wait_broken()
        if died:
            r.kill("broker")
            found, sentences = point.verify()
            looked_up += found["acknowledged"]
            if not found["valid"]:
                wrong += ["after the kill: " + " ".join(sentences)]
            r.start_broker("--log-level", "info")
        if point.end_story() != 0:
            wrong.append(f"the story did not go on: {r.tail('script', 3)}")
        r.kill("broker")
        found, sentences = point.verify()
        looked_up += found["acknowledged"]
        if not found["valid"]:
            wrong += ["after the story: " + " ".join(sentences)]
    except rig.Broken as broken:
        wrong.append(str(broken))
    finally:
        point.remove()
    return [f"call {kill_at}, {how}: {sentence}" for sentence in wrong], died, looked_up


def control_loses(r, number, kill_at):
    """A broker that answers before its commit, killed before a call: is it noticed?"""
    point = Point(r, number)
    try:
        point.start_story()
        point.start_watched("broker_faults", kill_at, "before", fault="told_early")
        point.wait_broken(CONTROL_S)
        r.kill("broker")
        r.kill("script")
        return not point.verify()[0]["valid"]
    except rig.Broken:
        return False
    finally:
        point.remove()


def evenly(things, count):
    """So many of them. More than there are: again from the start, since threads meet in other ways
    each time. 0: each once."""
    if count <= 0:
        return things
    if count >= len(things):
        return [things[i % len(things)] for i in range(count)]
    return [things[i * len(things) // count] for i in range(count)]


def main():
    given = rig.arguments(__doc__, points=(36, 0, "kills, evenly chosen; 0: at every call"))
    violations, unproven, looked_up, kills = [], [], 0, 0
    with rig.Rig(given, "points") as r:
        calls, history, unnoticed = count_calls(r)
        points = evenly([(at, how) for at in range(1, calls + 1) for how in HOWS], given.points)
        rig.say(f"{calls} calls change the store; {len(points)} kills")
        began = time.monotonic()
        for number, (at, how) in enumerate(points, 1):
            wrong, died, seen = try_point(r, number, at, how)
            violations += wrong
            kills += died
            looked_up += seen
        point_s = (time.monotonic() - began) / len(points)
        rig.say(f"{kills} times the broker died, {looked_up} records looked up, "
                f"{point_s * 1000:.0f} ms a point, {len(violations)} findings")
        lost = sum(control_loses(r, number, at) for number, at in enumerate(CONTROLS, 1))
        rig.say(f"control, a broker that answers before its commit: {lost} of {len(CONTROLS)} kills "
                "have lost something")
        escaped = compare_with_strace(r)
    if escaped is None:
        unproven.append("strace is missing or may not trace: nobody has counted the calls again")
    unproven += escaped or []
    unproven += [f"crash_verify does not see the lie: {name}" for name in unnoticed]
    if history == 0:
        unproven.append("nothing was moved into history")
    if kills < len(points) * 3 // 4:  # how many calls there are depends on how threads meet
        unproven.append(f"only {kills} of {len(points)} kills have come")
    if lost == 0:
        unproven.append("a broker that answers before its commit was not noticed")
    rig.finish("points", violations[:20], unproven, calls=calls, points=len(points), kills=kills,
               looked_up=looked_up, lies_noticed=len(lies()) - len(unnoticed), found=len(violations), control_lost=lost,
               control_kills=len(CONTROLS), point_ms=round(point_s * 1000))


if __name__ == "__main__":
    try:
        main()
    except rig.Broken as broken:
        rig.finish("points", [str(broken)], [])
