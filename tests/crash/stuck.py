#!/usr/bin/env python3
"""One of many workers stops reading.

Before and after, the others work at a rate that their slots set and not the machine: at least 95 %
of it has to be kept. A probe asks the broker meanwhile: what it waits for an answer is above the
length of a turn, and has to stay within 50 ms (99 of 100). The stuck worker is also the receiver of
large payloads; what the broker has in memory for it may be its credit and no more. The negative
controls: a tenth of the workers stands still, and so does the broker for a moment.
"""

import re
import signal
import sys
import time

import rig

NAP_MS, SLOTS = 400, 2
WINDOW_S = (4, 6)  # short, usual; less than the 10 s after which the worker is given up
KEPT_MIN = 0.95
TURN_MAX_US = 50000
CREDIT_BYTES = 64 << 20  # what a worker says that may lie with it (worker/parts.h)
LARGE_BYTES, LARGE_JOBS = 60000, 2000


def now_us():
    return time.monotonic_ns() // 1000


def anonymous_bytes(pid):
    """Memory that is the process's own, without mapped files."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(r"RssAnon:\s+(\d+)", file.read())[1]) * 1024


class Mill:
    """Many workers at work, and the probe."""

    def __init__(self, r, count):
        self.r, self.count = r, count
        r.start_broker()
        for n in range(count):
            r.start_worker(f"w{n}", "--threads", 1, "--log-level", "warn", "--channel", "naps",
                           *(("--channel", "large") if n == 0 else ()), slots=SLOTS, history=True)
        rig.wait_until(lambda: r.leat("status")["workers"]["up"] == count, 120, "all workers are up")
        rate = count * SLOTS * 1000 / NAP_MS
        r.submit("naps", "sleep", [f"{NAP_MS}ms"] * int(rate * 45), seconds=120)
        r.start("probe", "crash_probe", 5)
        time.sleep(2)

    def pids(self, numbers):
        return {self.r.programs[f"w{n}"].pid for n in numbers}

    def pause(self, numbers, seconds):
        """Stop these workers; two moments, between which they stood still."""
        for n in numbers:
            self.r.signal(f"w{n}", signal.SIGSTOP)
        began = now_us()
        time.sleep(seconds)
        ended = now_us()
        for n in numbers:
            self.r.signal(f"w{n}", signal.SIGCONT)
        return began, ended

    def ends(self, left_out, windows):
        """Jobs that workers other than these have ended, a second, in each window."""
        counts = [0] * len(windows)
        for history in self.r.notes("worker"):
            if not history or history[0].process in left_out:
                continue
            for note in history:
                if note.operation == rig.END:
                    for i, (began, ended) in enumerate(windows):
                        counts[i] += began <= note.time_us < ended
        return [count * 1e6 / (ended - began) for count, (began, ended) in zip(counts, windows)]

    def latencies(self, window):
        """What the probe waited then, sorted; after it has been stopped."""
        rows = [tuple(map(int, line.split()))
                for line in self.r.log("probe").read_text().splitlines() if line[:1].isdigit()]
        return sorted(took for when, took in rows if window[0] <= when < window[1])


def quiet_window(seconds):
    began = now_us()
    time.sleep(seconds)
    return began, now_us()


def run_main(options, violations, unproven, figures):
    window_s = WINDOW_S[0 if options.short else 1]
    with rig.Rig(options, "stuck") as r:
        mill = Mill(r, options.workers)
        before = quiet_window(window_s)
        broker = r.programs["broker"].pid
        memory = anonymous_bytes(broker)
        stuck = mill.pids([0])
        r.signal("w0", signal.SIGSTOP)  # before the large ones come: it will not read them
        r.submit("large", "noop", ["x" * LARGE_BYTES] * LARGE_JOBS, seconds=60)
        grown = anonymous_bytes(broker) - memory
        window = mill.pause([0], window_s)
        grown = max(grown, anonymous_bytes(broker) - memory)
        time.sleep(1)
        # The controls, on the same mill.
        tenth = range(1, 1 + max(1, options.workers // 10))
        slow = mill.pause(tenth, window_s)
        time.sleep(1)
        halt = now_us()
        r.signal("broker", signal.SIGSTOP)
        time.sleep(0.2)
        r.signal("broker", signal.SIGCONT)
        time.sleep(1)
        r.stop("probe")
        usual, kept, with_slow = mill.ends(stuck, [before, window, slow])
        waits = mill.latencies(window)
        figures.update(
            workers=options.workers, usual_per_s=round(usual), others_per_s=round(kept),
            kept=round(kept / usual, 3), probe_median_us=rig.median(waits),
            probe_p99_us=waits[len(waits) * 99 // 100], probe_worst_us=waits[-1],
            grown_bytes=grown, credit_bytes=CREDIT_BYTES,
            control_kept=round(with_slow / usual, 3),
            control_worst_us=max(mill.latencies((halt - 1000000, halt + 1000000)), default=0))
        busy_s = r.busy.between(*before) + r.busy.between(*window)
    rig.say(f"{figures}")
    rig.say(f"the others kept {figures['kept']:.1%}; the probe waited {figures['probe_p99_us']} us "
            f"(99 of 100), {figures['probe_worst_us']} us at worst; {grown >> 10} KiB more in memory "
            f"(credit {CREDIT_BYTES >> 10} KiB)")
    too_busy = busy_s > 0.5
    for wrong, sentence in ((figures["kept"] < KEPT_MIN, "the others were held up"),
                            (figures["probe_p99_us"] > TURN_MAX_US, "turns of the broker are long")):
        if wrong and too_busy:
            unproven.append(f"{sentence}, on a machine that was busy for {busy_s:.1f} s")
        elif wrong:
            violations.append(sentence)
    if grown > CREDIT_BYTES:
        violations.append(f"{grown} bytes were kept for a worker that does not read")
    if figures["control_kept"] >= KEPT_MIN:
        unproven.append("that a tenth of the workers stood still was not noticed")
    if figures["control_worst_us"] < 100000:
        unproven.append("that the broker stood still was not noticed")


def main():
    options = rig.arguments(__doc__, workers=(40, 100, "workers"))
    violations, unproven, figures = [], [], {}
    try:
        run_main(options, violations, unproven, figures)
        if violations:  # rates on a shared machine: what is true is true again
            rig.say(f"again, after: {'; '.join(violations)}")
            violations, unproven = [], []
            run_main(options, violations, unproven, figures)
    except rig.Broken as broken:
        violations.append(str(broken))
    rig.finish("stuck", violations, unproven, **figures)


if __name__ == "__main__":
    sys.exit(main())
