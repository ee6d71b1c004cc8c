#!/usr/bin/env python3
"""Calls of the broker on its store that fail, one in each life.

strace lets the Nth call of one kind on the store's files fail with EIO, ENOSPC or EINTR, at the start
or under way, also those of the helper that extends the file. The broker may go on where it can; else
it ends with a sentence and a code, never by a signal. After a write or sync of a commit that failed
it has to end: what is on disk is not known any more. Every few lives a broker without errors is
started, all jobs have to end, and the checker must find everything that was acknowledged. The
negative control is a broker that takes a failed commit for a good one.
"""
# needs: strace

import re
import sys
import time

import rig

COMMIT = ("pwrite64", "pwritev", "fdatasync")
CALLS = COMMIT + ("fsync", "write", "ftruncate", "fallocate", "openat", "mmap", "fstat", "pread64")
ERRORS = ("EIO", "ENOSPC", "EINTR")
CONTROL = "errors_ignored"
EVERY = 20  # lives between two looks at everything
JOBS = 60


class Case:
    def __init__(self, random):
        # Commits most of all: they are what is promised.
        self.call = random.choice(COMMIT * 3 + CALLS)
        self.error = random.choice(ERRORS)
        late = self.call in COMMIT + ("write", "fsync")
        self.at = random.randrange(1, 16 if late else 6)

    def __str__(self):
        return f"{self.call} {self.error} at {self.at}"


def wrap(r, case):
    """The words before the broker."""
    paths = [word for name in ("data.mdb", "lock.mdb", "leat.lock") for word in
             ("-P", str(r.store / name))]
    return ["strace", "-D", "-f", "-qq", "-o", str(r.folder / "trace"), *paths, "-P", str(r.store),
            "-e", f"trace={case.call}", "-e", f"inject={case.call}:error={case.error}:when={case.at}"]


def was_injected(r):
    trace = r.folder / "trace"
    return trace.exists() and "(INJECTED)" in trace.read_text(errors="replace")


def in_commit(r):
    """The error was in the commit thread's work on the data file: writes of the helper are `write`."""
    text = (r.folder / "trace").read_text(errors="replace")
    return any(re.search(r"(pwrite64|pwritev|fdatasync)\(", line) for line in text.splitlines()
               if "(INJECTED)" in line)


def end_of(r, before):
    """What is wrong with how the broker has ended, or None."""
    code = r.programs.pop("broker").wait()
    words = r.log("broker").read_text(errors="replace")[before:]
    if code < 0 or code > 127:
        return f"the broker is ended by a signal ({code})"
    if code != 0 and "leat-broker: " not in words:
        return f"the broker ends with {code} and no sentence"
    return None


def live(r, case, fault=None):
    """One life of the broker. Returns (what is wrong or None, whether the error was met)."""
    (r.folder / "trace").unlink(missing_ok=True)
    before = len(r.log("broker").read_text(errors="replace")) if r.log("broker").exists() else 0
    environment = {"LEAT_FAULT": fault} if fault else {}
    r.start("broker", "broker_faults" if fault else "leat-broker", "--bind", r.url, "--data", r.store,
            wrap=wrap(r, case), environment=environment)
    began = time.monotonic()
    while r.is_alive("broker") and time.monotonic() - began < 20 and \
            rig.READY not in r.log("broker").read_text(errors="replace")[before:]:
        time.sleep(0.01)
    if r.is_alive("broker"):
        r.start("fill", "crash_fill", "--seed", r.random.randrange(1 << 40), "--jobs", JOBS,
                "--channel", "errors", history=True)
        while r.is_alive("fill") and r.is_alive("broker") and time.monotonic() - began < 30:
            time.sleep(0.01)
        # It may end a moment after the error.
        end = time.monotonic() + (5 if was_injected(r) and in_commit(r) else 0)
        while r.is_alive("broker") and time.monotonic() < end:
            time.sleep(0.01)
        r.kill("fill")
    met = was_injected(r)
    if not r.is_alive("broker"):
        return end_of(r, before), met
    wrong = None
    if met and in_commit(r) and case.error == "EIO":
        wrong = "a commit has failed, and the broker goes on"
    r.signal("broker", 15)
    began = time.monotonic()
    while r.is_alive("broker") and time.monotonic() - began < 20:
        time.sleep(0.01)
    if r.is_alive("broker"):
        r.kill("broker")
        return "the broker does not end when it is told to", met
    return wrong or end_of(r, before), met


def look(r):
    """All jobs end, and nothing is missing."""
    r.start_broker()
    r.wait_ended(120)
    if r.stop("broker") != 0:
        raise rig.Broken(f"the broker has failed:\n{r.tail('broker')}")


def begin(r):
    r.store.mkdir(parents=True, exist_ok=True)
    for n in range(2):
        r.start_worker(f"w{n}", "--channel", "errors", "--log-level", "error", history=True)


def run_cases(options, figures):
    violations = []
    with rig.Rig(options, "errors") as r:
        begin(r)
        for number in range(options.cases):
            case = Case(r.random)
            wrong, met = live(r, case)
            figures["met"] += met
            if wrong:
                violations.append(f"{case}: {wrong}")
                rig.say(r.tail("broker", 5))
            if (number + 1) % EVERY == 0:
                look(r)
        look(r)
        for n in range(2):
            r.stop(f"w{n}")
        found = r.check("--ended")
        r.keep = bool(violations) or not found["valid"]
    return violations, found


def run_control(options):
    """A broker that ignores a failed commit: it goes on, or something is missing."""
    with rig.Rig(options, "errors_control") as r:
        begin(r)
        for at in range(6, 30, 3):
            case = Case(r.random)
            case.call, case.error, case.at = "fdatasync", "EIO", at
            wrong, met = live(r, case, CONTROL)
            if met and wrong:
                rig.say(f"control: {wrong}")
                return True
        return False


def main():
    options = rig.arguments(__doc__, cases=(60, 1000, "lives, each with one call that fails"))
    unproven, figures = [], {"cases": options.cases, "met": 0}
    violations = []
    try:
        violations, found = run_cases(options, figures)
        figures.update({key: value for key, value in found.items()
                        if key not in ("valid", "inconclusive")})
        rig.say(f"{options.cases} lives, in {figures['met']} the error was met, "
                f"{found['acknowledged']} acknowledged, {found['lost']} lost")
        if not found["valid"] and not found["inconclusive"]:
            violations.append("the checker has found something, see above")
        if figures["met"] < options.cases / 4:
            unproven.append("too few errors were met")
        if not run_control(options):
            unproven.append(f"the bug {CONTROL} was not noticed")
    except rig.Broken as broken:
        violations.append(str(broken))
    rig.finish("errors", violations, unproven, **figures)


if __name__ == "__main__":
    sys.exit(main())
