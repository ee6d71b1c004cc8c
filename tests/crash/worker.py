#!/usr/bin/env python3
"""kill -9 of workers that sleep, compute, run programs, and hold jobs that have not started.

What slept or had not started comes back uncounted: its jobs allow a single loss and have to be done
all the same. What ran code inside the worker's process is a suspect and runs alone, and a loss
counts only there: with a single loss allowed, a computing job may be dead only if it was killed
twice. How long until the jobs of the dead worker are started elsewhere is measured. The negative
controls: a broker that counts a loss for jobs that slept, and a worker that is stopped instead of
killed, whose jobs have to be found late.

Programs have grandchildren in sessions of their own, one of them deaf to signals, when their worker
is killed: nothing of them may run five seconds later, what ran has lost one attempt, and what had
not begun none. Controls: a process that is left on purpose, and a broker that counts a loss for all
that a worker has.
"""

import os
import signal
import sys
import time

import rig

BACK_MAX_S = 3
REPORTED_S = 1  # an end that is older than this when its worker is killed has been reported
INSIDE = "burn"
FEW_KILLS = 20
CONTROL_TRIES = 5  # the kills of a control may meet nothing that shows its bug


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
        # A few kills have to meet jobs that compute: there is work for both cores until the last.
        queue(r, 120, 48 if kills < FEW_KILLS else 16)
        time.sleep(r.random.uniform(0.3, 1.2))
        name = r.random.choice(workers)
        pid = r.programs[name].pid
        killed.append((pid, time.monotonic_ns() // 1000))
        r.kill(name)
        workers.remove(name)
        time.sleep(r.random.uniform(0, 0.5))
        workers.append(start_victim(r, 3 + n))
    r.wait_ended(900)  # suspects run alone, and two cores are not many
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
        if min(figures["back_slept"], figures["back_ran"]) < max(1, options.kills // 4):
            unproven.append(f"the kills met {figures['back_slept']} jobs that slept and "
                            f"{figures['back_ran']} that ran")
        if violations:
            r.keep = True
    rig.say(f"{options.kills} kills: {figures}")


def control_counts(options, unproven):
    """A broker that counts a loss for what slept."""
    for _ in range(CONTROL_TRIES):
        with rig.Rig(options, "worker_control") as r:
            wrong = judge(r, run_kills(r, 3, fault="sleep_counts"), {}, [])
        noticed = [sentence for sentence in wrong if "only slept" in sentence]
        if noticed:
            rig.say(f"control: sleep_counts was noticed: {noticed[0]}")
            return
    unproven.append("a loss that was counted for a sleeping job was not noticed")


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


# ------------------------------------------------------------------ programs

GONE_MAX_S = 5
TREE = """
test -e release && exit 0
setsid sh -c 'trap "" TERM HUP INT; while :; do sleep 100; done' &
(setsid sleep 1000 &)
touch began-$LEAT_JOB_ID
sleep 1000
exit 1
"""


def start_commands(r, number):
    r.start_worker(f"c{number}", "--channel", "trees", "--allow-commands", "--log-level", "info",
                   slots=2, history=True)


def submit_trees(r, losses, count):
    code, text = r.run("leat", "submit", "--channel", "trees", "--losses", losses, "sh", "-c", TREE,
                       ":::", *range(count), environment={"LEAT_HISTORY": str(r.history)})
    if code != 0:
        raise rig.Broken(f"commands are refused: {text}")
    r.batches.append(int(text))
    return r.batches[-1]


def began(r):
    return {int(path.name.partition("-")[2]) for path in r.folder.glob("began-*")}


def seconds_until_gone(r):
    """How long after now something is left; of that, lost by the machine."""
    since = time.monotonic()
    since_us = time.monotonic_ns() // 1000
    while r.strays() and time.monotonic() - since < 4 * GONE_MAX_S:
        time.sleep(0.02)
    return time.monotonic() - since, r.busy.between(since_us, time.monotonic_ns() // 1000)


def run_trees(r, kills, fault=None):
    """Returns ([(pid, when in us)], [(seconds until all was gone, of them lost)], batches that may
    lose one attempt)."""
    r.start_broker(fault=fault)
    start_commands(r, 0)
    # The broker has to know that they are short, or it hands out none beyond the slots.
    r.run("leat", "run", "--progress", "none", "--channel", "trees", "true", ":::", *range(200))
    killed, gone, once = [], [], []
    for n in range(kills):
        (r.folder / "release").unlink(missing_ok=True)
        before = len(began(r))
        r.leat("channel", "pause", "trees")  # one slot for each of them, and not both for the first
        once.append(submit_trees(r, 1, 8))
        submit_trees(r, 2, 8)
        r.leat("channel", "resume", "trees")
        rig.wait_until(lambda b=before: len(began(r)) == b + 2, 20, "two programs run")
        killed.append((r.programs[f"c{n}"].pid, time.monotonic_ns() // 1000))
        (r.folder / "release").touch()
        r.kill(f"c{n}")
        start_commands(r, n + 1)
        gone.append(seconds_until_gone(r))
        r.wait_ended()
    return killed, gone, once


def judge_trees(r, once, figures):
    """Sentences about losses that are wrong."""
    wrong = []
    outcomes = r.outcomes()
    shown = {note.job: note for history in r.notes("client") for note in history
             if note.operation == rig.SHOWN}
    ran = began(r)
    for job, note in sorted(shown.items()):
        dead = outcomes[job] == rig.DEAD
        if note.batch not in once:
            if dead:
                wrong.append(f"job {job} has lost one attempt of two and is dead")
        elif dead and job not in ran:
            wrong.append(f"job {job} had not begun, and its loss was counted")
        elif not dead and job in ran:
            wrong.append(f"job {job} ran when its worker was killed, and lost nothing")
        elif dead:
            wrong += judge_death(r, job)
        else:
            figures["given_back"] += note.attempt > 1
    figures["ran"] += len(ran)
    return wrong


def judge_death(r, job):
    """One loss, and it is told where."""
    record = r.leat("dead", "show", job)
    attempts = [(one["end"], one["worker"][:1]) for one in record["attempt_list"]]
    if record["lost"] == 1 and record["failed"] == 0 and attempts == [("lost", "c")]:
        return []
    return [f"job {job} was lost once, and it is told: {record['lost']} lost, {attempts}"]


def run_programs(options, violations, unproven, figures):
    with rig.Rig(options, "worker") as r:
        killed, gone, once = run_trees(r, options.kills)
        violations += judge_trees(r, once, figures)
        back = Ledger(r).times_back(killed)[0]
        figures.update(trees_gone_worst_s=round(max(gone)[0], 3), trees_back=len(back),
                       trees_back_worst_s=round(max(back)[0], 3) if back else None)
        for seconds, lost in gone:
            if seconds - lost > GONE_MAX_S:
                violations.append(f"{seconds:.1f} s after the kill of a worker something of its "
                                  f"programs was left: {r.strays()}")
        if any(seconds - lost > BACK_MAX_S for seconds, lost in back):
            violations.append(f"a program came back {max(back)[0]:.1f} s after the kill")
        if figures["given_back"] == 0 or len(back) == 0:
            unproven.append(f"the kills met {figures['given_back']} programs that had not begun, and "
                            f"{len(back)} came back")
        control_left(r, unproven)
        r.stop(f"c{options.kills}")
        violations += [f"left running: {stray}" for stray in r.strays()]
        if violations:
            r.keep = True
    rig.say(f"{options.kills} kills beside programs: {figures}")


def control_left(r, unproven):
    """A process that is nobody's child."""
    r.run("/bin/sh", "-c", "setsid sleep 60 >/dev/null 2>&1 & echo $! >left")
    left = int((r.folder / "left").read_text())
    until = time.monotonic() + GONE_MAX_S  # it may not be that program yet
    while not (seen := [stray for stray in r.strays() if "sleep 60" in stray]):
        if time.monotonic() > until:
            break
        time.sleep(0.1)
    os.kill(left, signal.SIGKILL)
    if seen:
        rig.say(f"control: what was left on purpose was noticed: {seen[0]}")
    else:
        unproven.append("a process that was left on purpose was not noticed")


def control_all_count(options, unproven):
    """A broker that counts a loss for everything that a lost worker had."""
    with rig.Rig(options, "worker_control") as r:
        _, _, once = run_trees(r, 2, fault="all_count")
        wrong = judge_trees(r, once, {"given_back": 0, "ran": 0})
    if any("had not begun" in sentence for sentence in wrong):
        rig.say(f"control: all_count was noticed: {wrong[0]}")
    else:
        unproven.append("a loss that was counted for a program that had not begun was not noticed")


def main():
    options = rig.arguments(__doc__, kills=(3, 30, "kills of a worker"))
    violations, unproven, figures = [], [], {"kills": options.kills}
    try:
        run_main(options, violations, unproven, figures)
        control_counts(options, unproven)
        control_late(options, unproven)
        figures.update(given_back=0, ran=0)
        run_programs(options, violations, unproven, figures)
        control_all_count(options, unproven)
    except rig.Broken as broken:
        violations.append(str(broken))
    rig.finish("worker", violations, unproven, **figures)


if __name__ == "__main__":
    sys.exit(main())
