#!/usr/bin/env python3
"""kill -9 of the broker at random moments, under a load of everything.

After each kill it is started again on the same store; clients and workers find it by themselves. In
the end every job has to end, and the checker has to find nothing. The negative controls are brokers
that say too early that something is on disk, and that take a repeated frame for a new one: the
checker has to find that.
"""

import os
import subprocess
import sys
import time

import rig

BACKLOG = "backlog"
CONTROLS = ("told_early", "dedupe")
CONTROL_KILLS = 120
# Clients have to be connected when they end: who cannot say good-bye leaves a session that may come
# back for an hour, and a batch that it has not sealed stays open so long.
LAST_S = 3
LONG_S = 2.5


def start(r):
    """The broker, keeping all that has ended: what is forgotten cannot be judged."""
    return r.start_broker("--keep-jobs", 10**9, "--keep-bytes", 2**40, "--keep-dead", 10**7,
                          fault=r.fault)


def kill_once(r, lives, longest_s):
    """One life of the broker, from its start to its end. Returns how long the start took."""
    began = time.monotonic_ns()
    took_s = start(r)
    # Most lives are short: what is young (sessions that come back) is where it is difficult. Some
    # last until everybody is back, so that the time until the first answer can be measured.
    if r.random.random() < 0.1:
        time.sleep(LONG_S)
    else:
        time.sleep(r.random.uniform(0, longest_s) * r.random.random())
    r.kill("broker")
    lives.append((began // 1000, time.monotonic_ns() // 1000))
    return took_s


def add_backlog(r, jobs):
    """Jobs that no worker takes before the end: a store that is not empty."""
    r.submit(BACKLOG, "noop", range(jobs))


def begin(r, options, fault=None):
    r.fault = fault
    start(r)
    add_backlog(r, options.live if fault is None else 100)
    r.start_loads(options.loads)
    for n in range(2):
        r.start_mill(f"w{n}")
    time.sleep(1)
    r.kill("broker")


def run_kills(options):
    """The run itself. Returns the checker's findings and the seconds that starts took."""
    with rig.Rig(options, "kill") as r:
        began = time.monotonic()
        lives, starts = [], []
        begin(r, options)
        while len(starts) < options.kills:
            starts.append(kill_once(r, lives, 1.2))
            if len(starts) % 50 == 0:
                rig.say(f"{len(starts)} kills in {time.monotonic() - began:.0f} s")
        start(r)
        time.sleep(LAST_S)
        r.stop_loads()
        r.start_worker("last", "--channel", BACKLOG, slots=50, history=True)
        r.wait_ended()
        for name in ("w0", "w1", "last", "broker"):
            if r.stop(name) != 0:
                raise rig.Broken(f"{name} has failed:\n{r.tail(name)}")
        (r.folder / "lives").write_text("".join(f"{a} {b}\n" for a, b in lives))
        found = r.check("--ended", "--moments", r.folder / "lives", *rig.LOAD_MEMORY)
        if not found["valid"]:
            r.keep = True
        return found, starts


def run_control(options, fault):
    """The same with a bug, until the checker notices. Returns how many kills that took, or None.
    Between a commit and its answer there are microseconds; beside programs that compute there are
    more, and a kill meets them."""
    busy = [subprocess.Popen(["sh", "-c", "while :; do :; done"])
            for _ in range(2 * (os.cpu_count() or 1))]
    try:
        return kill_until_noticed(options, fault)
    finally:
        for program in busy:
            program.kill()
            program.wait()


def kill_until_noticed(options, fault):
    kills = 0
    while kills < CONTROL_KILLS:
        with rig.Rig(options, "kill_control") as r:
            begin(r, options, fault)
            for _ in range(5):
                kill_once(r, [], 0.7)
                kills += 1
            start(r)
            time.sleep(1)
            for name in list(r.programs):
                r.kill(name)
            found = r.check(*rig.LOAD_MEMORY)
            r.keep = False
            if not found["valid"] and not found["inconclusive"]:
                rig.say(f"control: {fault} was noticed after {kills} kills")
                return kills
    return None


def main():
    options = rig.arguments(__doc__, kills=(30, 300, "kills of the broker"),
                            loads=(2, 4, "clients that send"),
                            live=(20000, 100000, "jobs that lie in the store meanwhile"))
    violations, unproven, figures = [], [], {"kills": options.kills}
    try:
        found, starts = run_kills(options)
        figures.update(found, start_median_s=round(rig.median(starts), 3),
                       start_worst_s=round(max(starts), 3),
                       first_ok_median_s=found["median_us"] / 1e6,
                       first_ok_worst_s=found["worst_us"] / 1e6)
        rig.say(f"{options.kills} kills, {found['acknowledged']} acknowledged, "
                f"{found['unknown']} unknown, {found['redelivered']} started again; the broker is "
                f"ready after {figures['start_median_s']} s (worst {figures['start_worst_s']}), the "
                f"first answer comes after {figures['first_ok_median_s']:.2f} s (worst "
                f"{figures['first_ok_worst_s']:.2f})")
        if not found["valid"] and not found["inconclusive"]:
            violations.append("the checker has found something, see above")
        if found["acknowledged"] - options.live < 100 * options.kills:
            unproven.append(f"only {found['acknowledged']} records were acknowledged")
        for fault in CONTROLS:
            kills = run_control(options, fault)
            figures[f"control_{fault}_kills"] = kills
            if kills is None:
                unproven.append(f"the bug {fault} was not noticed")
    except rig.Broken as broken:
        violations.append(str(broken))
    rig.finish("kill", violations, unproven, **{k: v for k, v in figures.items()
                                                if k not in ("valid", "inconclusive")})


if __name__ == "__main__":
    sys.exit(main())
