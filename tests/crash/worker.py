#!/usr/bin/env python3
"""kill -9 of workers that sleep, compute and hold jobs that have not started.

What slept or had not started comes back uncounted: its jobs allow a single loss and have to be done
all the same. What ran code inside the worker's process is a suspect and runs alone, and a loss
counts only there: with a single loss allowed, a computing job may be dead only if it was killed
twice. How long until the jobs of the dead worker are started elsewhere is measured. The negative
controls: a broker that counts a loss for jobs that slept, and a worker that is stopped instead of
killed, whose jobs have to be found late.
"""

import signal
import sys
import time

import rig

BACK_MAX_S = 3
REPORTED_S = 1  # an end that is older than this when its worker is killed has been reported
INSIDE = "burn"


def queue(r, sleepers, computing):
    """Work for a while; all may be lost once only."""
    once = ("--losses", "1", "--retries", "0")
    naps = [r.random.choice(("500ms", "1s", "2s")) for _ in range(sleepers)]
    r.submit("naps", "sleep", naps, *once)
    sums = [f"{r.random.randrange(30, 120)}ms" for _ in range(computing)]
    r.sums.add(r.submit("sums", INSIDE, sums, *once))


def start(r, name, *channels, slots=60):
    words = [word for channel in channels for word in ("--channel", channel)]
    r.start_worker(name, *words, "--log-level", "info", "--threads", 2, slots=slots, history=True)
    return name


def start_victim(r, number):
    return start(r, f"w{number}", "naps", "sums")


def run_kills(r, kills, fault=None):
    """Returns [(pid, when in us)] of the killed."""
    r.sums = set()  # batches
    r.start_broker(fault=fault)
    workers = [start_victim(r, n) for n in range(3)]
    # Who waits to be alone with a suspect takes nothing else meanwhile: so others have to be there,
    # or the time until a job is back is that of the jobs before it.
    spare = [start(r, "naps", "naps", slots=1000), start(r, "sums", "sums", slots=2)]
    killed = []
    for n in range(kills):
        queue(r, 120, 16)
        time.sleep(r.random.uniform(0.3, 1.2))
        name = r.random.choice(workers)
        pid = r.programs[name].pid
        killed.append((pid, time.monotonic_ns() // 1000))
        r.kill(name)
        workers.remove(name)
        time.sleep(r.random.uniform(0, 0.5))
        workers.append(start_victim(r, 3 + n))
    r.wait_ended()
    for name in workers + spare:
        r.stop(name)
    return killed


class Ledger:
    """What the workers' histories say of each job."""

    def __init__(self, r):
        self.histories = list(r.notes("worker"))
        self.burn = rig.name_hash(INSIDE)
        self.busy = r.busy
        self.starts = {}  # job: [(time_us, process, attempt, handler)]
        self.ended = {}  # (job, attempt): when
        for history in self.histories:
            for note in history:
                if note.operation == rig.START:
                    self.starts.setdefault(note.job, []).append(note)
                elif note.operation == rig.END:
                    self.ended[note.job, note.attempt] = note.time_us
        for starts in self.starts.values():
            starts.sort(key=lambda note: note.time_us)

    def cut(self, job):
        """Starts of this job that were killed."""
        return [note for note in self.starts[job] if (job, note.attempt) not in self.ended]

    def reported(self, job, when):
        """Attempts of this job that had ended, and not just now, when their worker was killed. (One
        that is seen to start and not to end may have been given back: it had not begun.)"""
        return [note.attempt for note in self.starts.get(job, ())
                if (job, note.attempt) in self.ended and
                (note.process not in when or
                 when[note.process] - self.ended[job, note.attempt] > REPORTED_S * 1e6)]

    def times_back(self, killed):
        """From a kill to the next start: [(seconds, of them lost by the machine)], for jobs that
        slept, and for those that ran."""
        when = dict(killed)
        slept, ran = [], []
        for job, starts in self.starts.items():
            for note in self.cut(job):
                # An attempt between the two was with somebody who was killed before its start.
                later = [other.time_us for other in starts if other.attempt == note.attempt + 1]
                if note.process in when and later:
                    times = ran if note.extra == self.burn else slept
                    began = when[note.process]
                    times.append(((min(later) - began) / 1e6, self.busy.between(began, min(later))))
        return slept, ran

    def is_elsewhere(self, key, now_us):
        """The job has been started again since: this attempt was given back."""
        job, attempt = key
        return any(other.attempt > attempt and other.time_us <= now_us for other in self.starts[job])

    def not_alone(self, when):
        """Starts of suspects beside something else in the same worker. What it has given back had
        not begun."""
        found = []
        suspects = {(job, note.attempt) for job, starts in self.starts.items()
                    for before, note in zip(starts, starts[1:])
                    if before.extra == self.burn and (job, before.attempt) not in self.ended and
                    when.get(before.process, sys.maxsize) <= note.time_us}
        for history in self.histories:
            running = set()
            for note in history:
                key = (note.job, note.attempt)
                if note.operation == rig.START:
                    if key not in self.ended and note.process not in when:
                        continue
                    running = {key for key in running if not self.is_elsewhere(key, note.time_us)}
                    if running and (key in suspects or running & suspects):
                        found.append(note.job)
                    running.add(key)
                elif note.operation == rig.END:
                    running.discard(key)
        return found


def judge(r, killed, figures, unproven):
    """Sentences about what is wrong."""
    wrong = []
    ledger = Ledger(r)
    slept, ran = ledger.times_back(killed)
    dead = {job for job, outcome in r.outcomes().items() if outcome == rig.DEAD}
    batch_of = {note.job: note.batch for history in r.notes("client") for note in history
                if note.operation == rig.SHOWN}
    when = dict(killed)
    for job in sorted(dead):
        if batch_of[job] not in r.sums:
            wrong.append(f"job {job} only slept, and its loss was counted")
        elif ledger.reported(job, when):
            wrong.append(f"job {job} is dead, and attempt {ledger.reported(job, when)[0]} of it "
                         "was not lost")
    for job in ledger.not_alone(when):
        wrong.append(f"job {job} was a suspect and did not run alone")
    figures.update(back_slept=len(slept), back_ran=len(ran), dead=len(dead))
    for name, times in (("slept", slept), ("ran", ran)):
        if times:
            figures[f"back_{name}_median_s"] = round(rig.median(times)[0], 3)
            figures[f"back_{name}_worst_s"] = round(max(times)[0], 3)
    late = [(back, lost) for back, lost in slept if back > BACK_MAX_S]
    if any(back - lost > BACK_MAX_S for back, lost in late):
        wrong.append(f"a job came back {max(late)[0]:.1f} s after the kill of its worker")
    elif late:
        unproven.append(f"a job came back after {max(late)[0]:.1f} s, but the machine was busy with "
                        f"other things for {max(late)[1]:.1f} s of them")
    return wrong


def run_main(options, violations, unproven, figures):
    with rig.Rig(options, "worker") as r:
        killed = run_kills(r, options.kills)
        violations += judge(r, killed, figures, unproven)
        for stray in r.strays():
            violations.append(f"left running: {stray}")
        r.stop("broker")
        found = r.check("--ended")
        figures.update({name: found[name] for name in ("acknowledged", "starts", "redelivered",
                                                       "lost", "attempts_exceeded")})
        if not found["valid"]:
            violations.append("the checker has found something, see above")
        if figures["back_slept"] < options.kills or figures["back_ran"] < options.kills:
            unproven.append(f"the kills met {figures['back_slept']} jobs that slept and "
                            f"{figures['back_ran']} that ran")
        if violations:
            r.keep = True
    rig.say(f"{options.kills} kills: {figures}")


def control_counts(options, unproven):
    """A broker that counts a loss for what slept."""
    figures = {}
    with rig.Rig(options, "worker_control") as r:
        wrong = judge(r, run_kills(r, 3, fault="sleep_counts"), figures, [])
    if not any("only slept" in sentence for sentence in wrong):
        unproven.append("a loss that was counted for a sleeping job was not noticed")
    else:
        rig.say(f"control: sleep_counts was noticed: {wrong[0]}")


def control_late(options, unproven):
    """A worker that is stopped, and seen as lost only after 10 s."""
    with rig.Rig(options, "worker_control") as r:
        r.start_broker()
        start_victim(r, 0)
        r.submit("naps", "sleep", ["500ms"] * 20)
        time.sleep(0.3)
        pid = r.programs["w0"].pid
        stopped = time.monotonic_ns() // 1000
        r.signal("w0", signal.SIGSTOP)
        start_victim(r, 1)
        r.wait_ended(40)
        slept, _ = Ledger(r).times_back([(pid, stopped)])
    if not slept or max(slept)[0] <= BACK_MAX_S:
        unproven.append("jobs that came back late were not noticed")
    else:
        rig.say(f"control: jobs of a stopped worker came back after {max(slept)[0]:.1f} s")


def main():
    options = rig.arguments(__doc__, kills=(3, 30, "kills of a worker"))
    violations, unproven, figures = [], [], {"kills": options.kills}
    try:
        run_main(options, violations, unproven, figures)
        control_counts(options, unproven)
        control_late(options, unproven)
    except rig.Broken as broken:
        violations.append(str(broken))
    rig.finish("worker", violations, unproven, **figures)


if __name__ == "__main__":
    sys.exit(main())
