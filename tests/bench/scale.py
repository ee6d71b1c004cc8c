#!/usr/bin/python3
"""scale.py BUILD [--what LIST] [--quick] [--rounds N]: what it costs to have many of something.

  workers   1, 10, 100, 1 000 busy workers with room for 64 000 jobs together; 1 000 with more, and with one
  idle      10 000 idle encrypted connections beside a pair that works
  sleep     1 000 000 jobs that sleep for a second on one worker
  payload   1 MiB there and back, in memory and on disk
  channels  100 000 channels of messages
  batches   1 000 000 finished batches that are kept

Workers and idle clients are simulated, many in a process, over connections of their own (scale.c); all
else is the real programs. Every row has a yardstick of the same run beside it: bare ZeroMQ (frames.c),
or the same without the many. What is compared runs in turn, some rounds; medians are printed. Other
work on the machine changes figures more than ratios. The last line is one JSON object.
"""

# needs: golang-go

import argparse
import json
import os
import pathlib
import resource
import subprocess
import sys
import time
import types

import compare
import stand

PARTS = ("workers", "idle", "sleep", "payload", "channels", "batches")
ROOM = 64_000  # jobs at all workers together
JOB_BYTES, END_BYTES = 84, 31  # of a job of 64 bytes in JOBS, of its end in DONE
MIB = 1 << 20


class Table:
    """Rows as they come: what, figure, beside, ratio, target."""

    FORMAT = "{:<50}{:>14}{:>14}{:>8}  {}"

    def __init__(self):
        self.rows = []
        print(self.FORMAT.format("", "figure", "beside", "ratio", "target; what is beside"), flush=True)

    def add(self, part, what, figure, beside=None, ratio=None, limit=None, note=""):
        """limit: (">=" or "<=", number) for the ratio, or for the figure where there is none."""
        judged = ratio if ratio is not None else figure
        met = None if limit is None else judged >= limit[1] if limit[0] == ">=" else judged <= limit[1]
        self.rows.append({"part": part, "what": what, "figure": figure, "beside": beside,
                          "ratio": ratio, "limit": limit, "met": met, "note": note})
        target = "" if limit is None else f"{limit[0]} {show(limit[1])}{'' if met else ' MISSED'}; "
        print(self.FORMAT.format(what, show(figure), show(beside), "" if ratio is None else f"{ratio:.2f}",
                                 target + note), flush=True)


def show(value):
    if value is None:
        return ""
    return compare.number(value) if abs(value) >= 1000 else f"{value:.3g}"


def cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Broker:
    """A broker on a free port with a store of its own, its memory and its CPU time."""

    count = 0

    def __init__(self, s, *options, keys=None):
        Broker.count += 1
        self.s = s
        self.name = f"broker-{Broker.count}"
        self.url = f"tcp://127.0.0.1:{s.port()}"
        self.key = []
        if keys is not None:
            self.make_keys(keys)
            options += ("--keys", str(keys / "keys"))
        else:
            options += ("--insecure-loopback",)
        self.argv = [s.program("leat-broker"), "--bind", self.url, "--log-level", "warn",
                     "--data", str(s.folder / self.name), *options]
        self.start()

    def make_keys(self, folder):
        folder.mkdir()
        for principal in ("client", "worker"):
            subprocess.run([self.s.program("leat"), "key", "new", principal, "--role", principal,
                            "--keys", "keys", "--broker", self.url], cwd=folder, check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.key = ["--key-file", str(folder / "client.key")]

    def start(self):
        self.pid = self.s.spawn(self.name, self.argv)
        self.leat("broker", "wait", "--timeout", "60")

    def stop(self):
        self.s.stop(self.name, grace_s=20)

    def kill(self):
        process = self.s.servers.pop(self.name)
        process.kill()
        process.wait()

    def leat(self, *options, **how):
        return self.s.text([self.s.program("leat"), "--broker", self.url, *self.key, *options], **how)

    def bench(self, *options):
        return self.s.leat("--broker", self.url, *self.key, *options)

    def rate(self, jobs, *options):
        return self.bench("--jobs", jobs, *options)["jobs_per_second"]

    def seconds(self, *options):
        """Of a command of leat, its start and connection included."""
        began = time.monotonic()
        self.leat(*options)
        return time.monotonic() - began

    def worker(self, *options):
        name = f"{self.name}-worker"
        self.s.spawn(name, [self.s.program("leat-worker"), "--broker", self.url, "--name", name,
                            *options])
        until = time.monotonic() + 15
        while "worker.up" not in (self.s.folder / f"{name}.log").read_text():
            if time.monotonic() > until:
                raise stand.Broken("the worker is not up")
            time.sleep(0.02)
        return name

    def run(self, *options):
        """Seconds that a part of scale.c has measured itself."""
        return float(self.s.text([self.s.program("scale"), *options[:1], "--broker", self.url,
                                  *map(str, options[1:])]).split()[0])

    def memory(self):
        kib = 0
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(("RssAnon:", "RssShmem:")):
                kib += int(line.split()[1])
        return kib * 1024

    def cpu_s(self):
        return cpu_s(self.pid)


class Crowd:
    """Peers of scale.c in some processes; they are up when this is made."""

    count = 0

    def __init__(self, broker, part, peers, processes, *options):
        self.s = broker.s
        self.names = []
        for i in range(processes):
            Crowd.count += 1
            self.names.append(f"crowd-{Crowd.count}")
            share = peers // processes + (i < peers % processes)
            self.s.spawn(self.names[-1], [self.s.program("scale"), part, "--broker", broker.url,
                                          "--count", str(share), *map(str, options)])
        until = time.monotonic() + 180
        while not all(self.log(name).startswith("up ") for name in self.names):
            if time.monotonic() > until or any(self.s.servers[n].poll() is not None for n in self.names):
                raise stand.Broken(f"{part}: not all are up: {' '.join(map(self.log, self.names))}")
            time.sleep(0.05)

    def log(self, name):
        return (self.s.folder / f"{name}.log").read_text()

    def cpu_s(self):
        return sum(cpu_s(self.s.servers[name].pid) for name in self.names)

    def alive(self):
        return all(self.s.servers[name].poll() is None for name in self.names)

    def end(self):
        """They say good-bye."""
        for name in self.names:
            self.s.servers[name].terminate()
        for name in self.names:
            self.s.stop(name, grace_s=60)


def bare(s, *options):
    return s.json([s.program("frames"), *map(str, options)])


# ---------------------------------------------------------------- parts

def workers(s, table, quick, rounds):
    """CPU time is counted besides, of client, broker and workers: it hangs less on who else is busy."""
    broker = Broker(s)
    broker.leat("channel", "new", "m", "--durability", "memory")
    jobs = 200_000 if quick else 1_000_000
    cases = [(n, ROOM // n) for n in (1, 10, 100, 1000)] + [(1000, 256), (1000, 1)]
    rates, cpu, limits = ({case: [] for case in cases} for _ in range(3))
    for _ in range(rounds):
        for case in cases:
            n, room = case
            processes = min(n, 4)
            crowd = Crowd(broker, "workers", n, processes, "--slots", room, "--channel", "m")
            asked = jobs // 5 if room == 1 else jobs
            used = broker.cpu_s() + crowd.cpu_s()
            # All are on their way at once: nobody waits for the client.
            figures = broker.bench("--jobs", asked, "--channel", "m", "--window", asked)
            used = broker.cpu_s() + crowd.cpu_s() - used + figures["client_cpu_s"]
            rates[case].append(figures["jobs_per_second"])
            cpu[case].append(used / asked * 1e6)
            crowd.end()
            size = min(room, 512)
            limits[case].append(bare(s, "turn", "--count", n, "--processes", processes, "--bytes",
                                     150 + size * JOB_BYTES, "--answer", 50 + size * END_BYTES,
                                     "--frames", 50_000))
    broker.stop()
    one = cases[0]
    for case in cases:
        n, room = case
        rate, base = stand.median(rates[case]), stand.median(rates[one])
        target = (">=", 0.8) if n > 1 and room > 1 else None
        table.add("workers", f"{n} workers, room for {room} each: jobs/s", rate, base, rate / base, target,
                  "one worker")
        ours, base = stand.median(cpu[case]), stand.median(cpu[one])
        table.add("workers", "  … CPU us a job, all processes", ours, base, ours / base,
                  None if target is None else ("<=", 1.25), "one worker")
        if n == 1000:
            limit = 3 * stand.median([row["cpu_us"] for row in limits[case]]) / room
            table.add("workers", "  … what that is more", ours - base, limit, (ours - base) / limit, None,
                      f"a frame for {room} of JOBS, DONE and ACKED each, between bare ROUTER and DEALERs")
            if room == 1:
                table.add("workers", "  … frames/s to and from workers", 3 * rate,
                          stand.median([row["frames_per_second"] for row in limits[case]]), None, None,
                          "bare ROUTER and DEALERs")


def idle(s, table, quick, rounds):
    count = 1000 if quick else 10_000
    jobs = 100_000 if quick else 500_000
    broker = Broker(s, keys=s.folder / f"idle-{time.monotonic_ns()}")
    worker = broker.worker("--slots", "2", "--key-file", broker.key[1].replace("client.", "worker."))
    broker.rate(jobs)
    alone = [broker.rate(jobs) for _ in range(rounds)]
    before, cpu = broker.memory(), broker.cpu_s()
    began = time.monotonic()
    crowd = Crowd(broker, "idle", count, 5, "--key-file", broker.key[1])
    table.add("idle", f"{count} encrypted clients come: seconds", time.monotonic() - began, broker.cpu_s() - cpu,
              None, None, "CPU seconds of the broker")
    time.sleep(10)  # until all have beaten, and were answered
    each = (broker.memory() - before) / count
    limit = bare(s, "idle", "--count", count, "--processes", 5, "--curve", "--seconds", 1)
    table.add("idle", "bytes of the broker's memory a connection", each, limit["bytes_a_connection"],
              each / limit["bytes_a_connection"], None, "bare ROUTER, idle CURVE connections")
    table.add("idle", "… KiB", each / 1024, None, None, ("<=", 64))
    cpu, began = broker.cpu_s(), time.monotonic()
    time.sleep(10)
    table.add("idle", "cores that the broker uses while they idle",
              (broker.cpu_s() - cpu) / (time.monotonic() - began))
    beside = [broker.rate(jobs) for _ in range(rounds)]
    if not crowd.alive():
        raise stand.Broken("idle clients have lost their connection")
    crowd.end()
    time.sleep(2)
    alone += [broker.rate(jobs) for _ in range(rounds)]
    rate, base = stand.median(beside), stand.median(alone)
    table.add("idle", "jobs/s of a pair beside them, on disk", rate, base, rate / base, (">=", 0.8),
              "the pair alone, before and after")
    s.stop(worker)
    broker.stop()


def sleep(s, table, quick, rounds):
    jobs = 100_000 if quick else 1_000_000
    go = compare.go_program(s, types.SimpleNamespace(missing=[]))
    ours, theirs = [], []
    for _ in range(1 if quick else min(rounds, 2)):
        ours.append(s.leat("--handler", "sleep:1000", "--jobs", jobs, "--payload", 6))
        if go is not None:
            theirs.append(s.json([go, "sleep", str(jobs)]))

    def ratio(key, name, limit, divide=1):
        figure = stand.median([row[key] for row in ours]) / divide
        other = stand.median([row[name] for row in theirs])
        other = None if other is None else other / divide
        return figure, other, None if other is None else figure / other, limit

    table.add("sleep", "seconds from the last start to the last end",
              stand.median([row["last_start_to_end_s"] for row in ours]), None, None, ("<=", 3))
    table.add("sleep", f"seconds for {jobs} jobs of 1 s on one worker",
              *ratio("seconds", "seconds", ("<=", 0.5)), "as many goroutines, in one process")
    table.add("sleep", "bytes of the worker's memory a sleeping job",
              *ratio("worker_peak_rss_bytes", "peak_rss_bytes", ("<=", 0.2), jobs), "a goroutine")
    table.add("sleep", "…", stand.median([row["worker_peak_rss_bytes"] for row in ours]) / jobs, None, None,
              ("<=", 400))


def payload(s, table, quick, rounds):
    jobs = 200 if quick else 1000
    broker = Broker(s)
    broker.leat("channel", "new", "m", "--durability", "memory")
    worker = broker.worker("--slots", "4", "--channel", "default", "--channel", "m")
    results = {"bare": [], "m": [], "default": []}
    for _ in range(rounds):
        results["bare"].append(bare(s, "relay", "--bytes", MIB, "--frames", jobs, "--window", 16))
        for channel in ("m", "default"):
            results[channel].append(s.json([s.program("payload"), "--broker", broker.url, "--channel",
                                            channel, "--jobs", str(jobs), "--window", "16"]))
    rate = {name: stand.median([row["bytes_per_second"] for row in rows]) / MIB
            for name, rows in results.items()}
    for channel, where in (("m", "in memory"), ("default", "on disk")):
        table.add("payload", f"1 MiB there and back, {where}: MiB/s", rate[channel], rate["bare"],
                  rate[channel] / rate["bare"], None, "bare DEALER, ROUTER, DEALER and back")
    s.stop(worker)
    broker.stop()


def channels(s, table, quick, rounds):
    count = 10_000 if quick else 99_990  # with those that are there already, all there may be
    messages = 100_000 if quick else 300_000
    broker = Broker(s, "--channel-default", "durability=memory")
    worker = broker.worker("--slots", "2")
    one = ("messages", "--channel", "one", "--count", messages, "--each", 1)
    many = ("messages", "--channels", count, "--count", messages, "--each", 1)
    broker.run(*one)
    broker.rate(100_000)
    alone = [broker.run(*one) for _ in range(rounds)]
    jobs_alone = [broker.rate(500_000) for _ in range(rounds)]
    list_alone = broker.seconds("channel", "ls", "--json")
    before = broker.memory()
    table.add("channels", f"{count} channels are made by a message each: seconds",
              broker.run("messages", "--channels", count, "--count", count, "--each", 1))
    table.add("channels", "bytes of the broker's memory a channel", (broker.memory() - before) / count)
    spread = [broker.run(*many) for _ in range(rounds)]
    beside = [broker.run(*one) for _ in range(rounds)]
    jobs_beside = [broker.rate(500_000) for _ in range(rounds)]
    rate, base = messages / stand.median(spread), messages / stand.median(alone)
    table.add("channels", "messages/s over all of them, one a frame", rate, base, rate / base, None,
              "over one channel")
    rate = messages / stand.median(beside)
    table.add("channels", "messages/s over one channel beside them", rate, base, rate / base, (">=", 0.8),
              "without them")
    rate, base = stand.median(jobs_beside), stand.median(jobs_alone)
    table.add("channels", "jobs/s in memory beside them", rate, base, rate / base, (">=", 0.8),
              "without them")
    seconds = stand.median([broker.seconds("channel", "ls", "--json") for _ in range(rounds)])
    table.add("channels", "channel ls: seconds", seconds, list_alone, None, None, "without them")
    s.stop(worker)
    broker.stop()
    broker = Broker(s)
    table.add("channels", "made and read empty on disk: seconds",
              broker.run("messages", "--channels", count, "--count", count, "--each", 1))
    began = time.monotonic()
    broker.kill()
    broker.start()
    table.add("channels", "restart with them: seconds", time.monotonic() - began)
    broker.stop()


def batches(s, table, quick, rounds):
    count = 100_000 if quick else 1_000_000
    jobs = 100_000 if quick else 500_000
    broker = Broker(s, "--keep-batches", str(count), "--keep-jobs", str(2 * count + 10 * jobs))
    worker = broker.worker("--slots", "2")

    def look():
        rates = [broker.rate(jobs) for _ in range(rounds)]
        trips = [broker.bench("--latency", "--jobs", 1000)["p50_us"] for _ in range(rounds)]
        status = stand.median([broker.seconds("status", "--json") for _ in range(rounds)])
        return stand.median(rates), stand.median(trips), status

    broker.rate(jobs)
    rate0, trip0, status0 = look()
    empty = broker.memory()
    table.add("batches", f"{count} batches of two jobs are sent, synced: seconds",
              broker.run("batches", "--count", count, "--each", 2))
    broker.rate(1000)  # behind them in line: they have ended
    time.sleep(3)
    full = broker.memory()
    table.add("batches", "bytes of the broker's memory a finished batch", (full - empty) / count)
    table.add("batches", "bytes of the store's file a finished batch",
              (s.folder / broker.name / "data.mdb").stat().st_size / count)
    rate, trip, status = look()
    table.add("batches", "jobs/s on disk beside them", rate, rate0, rate / rate0, (">=", 0.8), "before them")
    table.add("batches", "submit to end, p50 in us, on disk", trip, trip0, trip / trip0, ("<=", 1.25),
              "before them")
    table.add("batches", "status: seconds", status, status0, None, None, "before them")
    s.stop(worker)
    began = time.monotonic()
    broker.kill()
    broker.start()
    table.add("batches", "restart with them: seconds", time.monotonic() - began)
    table.add("batches", "bytes of memory a finished batch after it", broker.memory() / count)
    worker = broker.worker("--slots", "2")
    rate = stand.median([broker.rate(jobs) for _ in range(rounds)])
    table.add("batches", "jobs/s on disk after it", rate, rate0, rate / rate0, (">=", 0.8), "before them")
    s.stop(worker)
    broker.stop()


def main():
    parser = argparse.ArgumentParser(prog="./dev bench scale", description=__doc__.split("\n\n")[0],
                                     epilog=__doc__.split("\n\n", 1)[1], allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--what", default=",".join(PARTS), help="some of them, with commas (all)")
    parser.add_argument("--quick", action="store_true", help="a tenth of everything, one round")
    parser.add_argument("--rounds", type=int, default=3, help="of what is compared (3)")
    given = parser.parse_args()
    parts = given.what.split(",")
    unknown = [part for part in parts if part not in PARTS]
    if unknown or given.rounds < 1:
        parser.error(f"there is no part {', '.join(unknown)}" if unknown else "at least one round")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    facts = {"rounds": 1 if given.quick else given.rounds, "quick": given.quick,
             "cores": os.cpu_count(), "load_before": stand.load()}
    table, broken = Table(), {}
    with stand.Stand(given.build) as s:
        for part in parts:
            try:
                globals()[part](s, table, given.quick, facts["rounds"])
            except stand.Broken as why:
                stand.say(f"{part}: {why}")
                broken[part] = str(why)
                for name in list(s.servers):
                    s.stop(name)
    facts["load_after"] = stand.load()
    print(f"medians of {facts['rounds']}; {facts['cores']} cores, load {facts['load_before']:.1f} before, "
          f"{facts['load_after']:.1f} after")
    print(json.dumps({**facts, "rows": table.rows, "broken": broken}))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
