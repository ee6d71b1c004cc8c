#!/usr/bin/env python3
"""The store does not grow without bound while jobs live that end in any order.

So many jobs stay alive: for each that ends another one comes, a quarter of them delayed; a tenth of
the attempts fails and comes again; a worker holds half of all and ends whichever chance says. All
the while the file may have at most four times the bytes of what is alive and kept, what is reserved
for the ends of what is alive, and 64 MiB. What
a live job needs is measured in the beginning, when nothing has ended; what a kept one needs is the
least that can be said of an end. Of what has ended as much is kept as is alive. A store may extend
its file ahead: pages in use and the file are told apart. The negative control is a broker whose
store never lets go of what has ended: it has to break the limit.
"""

import os
import subprocess
import sys
import time

import rig

TIMES = 4
SPARE = 64 << 20
KEPT_BYTES = 67  # of an end without result: completion 39, batch and position 16, its row of the log 12
CONTROL_JOBS = 20_000
PATIENCE_S = 60
CONTROL_SECONDS = 120
MIB = 1 << 20


def status(r):
    """`leat status`, also of a broker that is so busy that it lets a new client wait."""
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            return r.leat("status")
        except rig.Broken:
            if not r.is_alive("broker") or time.monotonic() > end:
                raise
            time.sleep(1)


class Growth:
    """What the store was seen to be."""

    def __init__(self, live_bytes, jobs):
        self.live_bytes = live_bytes  # of one job
        self.worst = 0.0
        self.limit = TIMES * jobs * live_bytes + SPARE  # so many have just been alive
        self.largest = self.used = self.looks = 0

    def look(self, r):
        seen = status(r)
        broker = seen["broker"]
        size = os.stat(r.store / "data.mdb").st_size
        live = sum(channel[state] for channel in seen["channels"]
                   for state in ("ready", "running", "delayed", "held"))
        kept = broker["history_jobs"]
        # What was taken for the ends of live jobs, so that a full disk cannot hold them up, is
        # neither waste nor data. The file does not shrink when less is kept.
        limit = TIMES * (live * self.live_bytes + kept * KEPT_BYTES) + SPARE + \
            int(broker["promised_bytes"])
        limit = self.limit = max(self.limit, limit)
        self.looks += 1
        self.largest = max(self.largest, size)
        self.used = max(self.used, broker["used_bytes"])
        self.worst = max(self.worst, size / limit)
        return f"live {live}, kept {kept}, used {broker['used_bytes'] / MIB:.0f} MiB, " \
               f"file {size / MIB:.0f} of {limit / MIB:.0f} MiB"


def measure_live(r, jobs):
    """Bytes of the store for a job that waits, before anything has ended."""
    before = status(r)["broker"]["used_bytes"]
    code, text = r.run("depth", "fill", "--jobs", jobs, "--broker", r.url, "--channel", "still")
    if code != 0:
        raise rig.Broken(f"depth fill: {text}")
    time.sleep(0.5)
    bytes_a_job = (status(r)["broker"]["used_bytes"] - before) / jobs
    r.leat("channel", "rm", "still", "--purge", "--yes")
    return bytes_a_job


def churn(options, jobs, seconds, fault=None):
    """Returns what was seen and how many jobs have ended. A broker with a fault is left as soon as
    it has broken the limit."""
    with rig.Rig(options, "growth") as r:
        r.start_broker("--keep-jobs", jobs, fault=fault)
        growth = Growth(measure_live(r, jobs), jobs)
        load = r.start("churn", "depth", "churn", "--broker", r.url, "--jobs", jobs, "--hold",
                       max(1024, jobs // 2), "--seconds", int(seconds))
        told = 0
        end = time.monotonic() + seconds + 60
        while load.poll() is None:
            if time.monotonic() > end:
                raise rig.Broken("the load does not end")
            seen = growth.look(r)
            if time.monotonic() - told > 10:
                told = time.monotonic()
                rig.say(f"  {seen}")
            if fault is not None and growth.worst > 1:
                break
            time.sleep(0.2)
        ended = status(r)["channels"]
        ended = sum(channel["done"] for channel in ended if channel["name"] == "default")
        if load.poll() not in (None, 0):
            raise rig.Broken(f"the load has failed:\n{r.tail('churn')}")
        return growth, ended


def main():
    options = rig.arguments(__doc__, minutes=(1 / 3, 10.0, "how long"),
                            jobs=(50_000, 1_000_000, "jobs that are alive"))
    violations, unproven = [], []
    growth, ended = churn(options, options.jobs, options.minutes * 60)
    rig.say(f"{options.jobs} jobs alive, {ended} ended in {options.minutes:.1f} min: file at most "
            f"{growth.largest / MIB:.0f} MiB, in use {growth.used / MIB:.0f} MiB; "
            f"{growth.live_bytes:.0f} bytes a waiting job; worst {growth.worst:.2f} of the limit")
    if growth.worst > 1:
        violations.append(f"the file has passed the limit: {growth.worst:.2f} of it")
    if ended < 2 * options.jobs:
        unproven.append(f"only {ended} jobs have ended, of {options.jobs} that are alive")
    if growth.looks < 10:
        unproven.append(f"only {growth.looks} looks")

    rig.say("control: nothing that has ended leaves the store")
    control, _ = churn(options, min(CONTROL_JOBS, options.jobs), CONTROL_SECONDS, fault="no_trim")
    rig.say(f"control: {control.worst:.2f} of the limit")
    if control.worst <= 1:
        unproven.append(f"the broken store has stayed below the limit: {control.worst:.2f} of it")
    rig.finish("growth", violations, unproven, jobs=options.jobs, ended=ended,
               minutes=round(options.minutes, 2), worst=round(growth.worst, 3),
               file_mib=round(growth.largest / MIB), used_mib=round(growth.used / MIB),
               live_bytes=round(growth.live_bytes, 1), control=round(control.worst, 3))


if __name__ == "__main__":
    try:
        main()
    except (rig.Broken, subprocess.SubprocessError) as broken:
        rig.finish("growth", [], [str(broken)])
    sys.exit(rig.INCONCLUSIVE)
