#!/usr/bin/env python3
"""A broker whose wall clock jumps by an hour and by a day, both ways, and runs at half and twice its
rate.

Leases live by the monotonic clock: none may end early. Delayed jobs follow the wall clock: none may
start before its time has been reached, all have to start once it is, and none twice. The negative
controls are a broker that ends delays a second early, and leases that are lost because their worker
is killed.
"""

import mmap
import struct
import sys
import time

import rig

HOUR, DAY = 3600, 86400
STEP_S = 1.5
START_MAX_S = 3
WALL, MONO = 8, 32  # offsets in the file of clock.c


class Clocks:
    """What the broker is shown, and a memory of it."""

    def __init__(self, r):
        path = r.folder / "clocks"
        path.write_bytes(bytes(64))
        with open(path, "r+b") as file:
            self.file = mmap.mmap(file.fileno(), 64)
        self.environment = {"LD_PRELOAD": str(r.build / "libcrash_clock.so"),
                            "LEAT_CLOCK_FILE": str(path)}
        now = time.monotonic_ns()
        self.segments = [(now, time.time_ns(), 1.0)]  # from (monotonic), shown, rate
        self._write(WALL, self.segments[0])
        self._write(MONO, (now, now, 1.0))

    def _write(self, at, face):
        sequence = struct.unpack_from("=Q", self.file, 0)[0]
        struct.pack_into("=Q", self.file, 0, sequence + 1)
        struct.pack_into("=qqd", self.file, at, *face)
        struct.pack_into("=Q", self.file, 0, sequence + 2)

    def wall_ns(self, mono_ns):
        began, shown, rate = [s for s in self.segments if s[0] <= mono_ns][-1]
        return shown + int((mono_ns - began) * rate)

    def jump(self, seconds=0, rate=1.0):
        now = time.monotonic_ns()
        self.segments.append((now, self.wall_ns(now) + seconds * 10**9, rate))
        self._write(WALL, self.segments[-1])
        time.sleep(STEP_S)

    def monotonic_rate(self, rate):
        now = time.monotonic_ns()
        self._write(MONO, (now, now, rate))

    def reached_ns(self, wall_ns, from_ns):
        """When the wall clock has first shown this, from then on; None: not yet."""
        ends = [began for began, _, _ in self.segments[1:]] + [time.monotonic_ns()]
        for (began, shown, rate), end in zip(self.segments, ends):
            first = max(began, from_ns)
            if end <= first:
                continue
            when = began + int((wall_ns - shown) / rate)
            if when < end:
                return max(when, first)
        return None


class Delays:
    """Jobs that are sent with a delay, and when they may start."""

    def __init__(self, r, clocks):
        self.r, self.clocks = r, clocks
        self.batches = []  # (batch, jobs, delay in s, submit began, submit ended)

    def send(self, *delays):
        for text, seconds in delays:
            began = time.monotonic_ns()
            batch = self.r.submit("later", "noop", range(5), "--in", text)
            self.batches.append((batch, 5, seconds, began, time.monotonic_ns()))

    def judge(self, figures, violations, unproven):
        starts = {}
        for history in self.r.notes("worker"):
            for note in history:
                if note.operation == rig.START:
                    starts.setdefault(note.job, []).append(note.time_us * 1000)
        figures["delayed"] = figures["early"] = figures["twice"] = 0
        worst = 0
        for batch, jobs, delay, began, ended in self.batches:
            earliest = self.clocks.reached_ns(self.clocks.wall_ns(began) + delay * 10**9, began)
            latest = self.clocks.reached_ns(self.clocks.wall_ns(ended) + delay * 10**9, ended)
            for job in range(batch + 1, batch + 1 + jobs):
                figures["delayed"] += 1
                if len(starts.get(job, ())) != 1:
                    figures["twice"] += 1
                    violations.append(f"delayed job {job} was started {len(starts.get(job, ()))} "
                                      "times")
                    continue
                start = starts[job][0]
                if earliest is None or start < earliest - 20 * 10**6:
                    figures["early"] += 1
                elif latest is not None and start > latest:
                    late = (start - latest) / 1e9
                    busy = self.r.busy.between(latest // 1000, start // 1000)
                    worst = max(worst, late)
                    if late - busy > START_MAX_S:
                        violations.append(f"delayed job {job} was started {late:.1f} s late")
                    elif late > START_MAX_S:
                        unproven.append(f"delayed job {job} was late on a busy machine")
        if figures["early"]:
            violations.append(f"{figures['early']} delayed jobs were started early")
        figures["start_worst_s"] = round(worst, 3)


def begin(r, fault=None):
    clocks = Clocks(r)
    r.start_broker(fault=fault, environment=clocks.environment)
    r.start_worker("held", "--channel", "held", slots=200, history=True)
    r.start_worker("later", "--channel", "later", slots=100, history=True)
    return clocks, Delays(r, clocks)


def hold(r, jobs, seconds):
    """Leases that last."""
    batch = r.submit("held", "sleep", [f"{seconds}s"] * jobs)
    rig.wait_until(lambda: len(attempts(r, batch, jobs)) == jobs, 30, "all leases are held")
    return batch


def attempts(r, batch, jobs):
    """The starts of these jobs; their numbers follow the batch's."""
    return [note for history in r.notes("worker") for note in history
            if note.operation == rig.START and batch < note.job <= batch + jobs]


def run_jumps(options, violations, unproven, figures):
    with rig.Rig(options, "clock") as r:
        clocks, delays = begin(r)
        batch = hold(r, options.leases, int(14 * STEP_S))
        delays.send(("1s", 1), ("3s", 3), ("30m", 1800), ("12h", 12 * HOUR), ("30h", 30 * HOUR))
        clocks.jump(HOUR)
        clocks.jump(-HOUR)
        delays.send(("3s", 3))
        clocks.jump(-HOUR)
        delays.send(("1s", 1))
        clocks.jump(HOUR)
        clocks.jump(DAY)
        clocks.jump(-DAY)
        clocks.jump(-DAY)
        delays.send(("2s", 2))
        clocks.jump(DAY)
        clocks.jump(rate=2.0)
        delays.send(("4s", 4))
        clocks.jump(rate=2.0)
        clocks.jump(rate=0.5)
        delays.send(("1s", 1))
        clocks.jump(rate=0.5)
        clocks.jump(2 * DAY)
        r.wait_ended(60)
        again = len(attempts(r, batch, options.leases)) - options.leases
        for name in ("held", "later", "broker"):
            r.stop(name)
        delays.judge(figures, violations, unproven)
        found = r.check("--ended")
        figures.update(jumps=len(clocks.segments) - 1, leases=options.leases, leases_lost=again)
        if again:
            violations.append(f"{again} leases ended early")
        if not found["valid"]:
            violations.append("the checker has found something, see above")
        r.keep = r.keep or bool(violations)
    rig.say(f"{figures['jumps']} changes of the wall clock: {again} of {options.leases} leases lost, "
            f"{figures['early']} of {figures['delayed']} delayed jobs early, {figures['twice']} not "
            "run once")


def control_delays(options, unproven):
    with rig.Rig(options, "clock_control") as r:
        _, delays = begin(r, fault="too_soon")
        delays.send(("2s", 2))
        r.wait_ended(20)
        figures, found = {}, []
        delays.judge(figures, found, [])
    if figures["early"] == 0:
        unproven.append("delays that ended early were not noticed")
    else:
        rig.say(f"control: {figures['early']} delays ended early, and were noticed")


def control_leases(options, unproven):
    """Leases that really are lost have to be seen: those of a worker that is killed."""
    with rig.Rig(options, "clock_control") as r:
        begin(r)
        batch = hold(r, 20, 6)
        r.kill("held")
        r.start_worker("again", "--channel", "held", slots=200, history=True)
        try:
            rig.wait_until(lambda: len(attempts(r, batch, 20)) > 20, 15, "a lease is lost")
        except rig.Broken:
            unproven.append("leases that were lost were not noticed")
            return
    rig.say("control: leases that were lost were noticed")


def main():
    options = rig.arguments(__doc__, leases=(50, 100, "leases meanwhile"))
    violations, unproven, figures = [], [], {}
    try:
        run_jumps(options, violations, unproven, figures)
        control_delays(options, unproven)
        control_leases(options, unproven)
    except rig.Broken as broken:
        violations.append(str(broken))
    rig.finish("clock", violations, unproven, **figures)


if __name__ == "__main__":
    sys.exit(main())
