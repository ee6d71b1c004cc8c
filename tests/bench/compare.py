#!/usr/bin/python3
"""compare.py BUILD [OPTION…]: Leat, other systems, and the limit of this machine, in turn.

Each round runs everything once, so that a minute in which the machine is busy hits all alike;
medians of the rounds and their ratios are printed. What a system does for a job, and what it does
not, is said beside its figure. Servers are started on free ports and ended; systems that are not
installed are named.
"""

# needs: redis-server nats-server beanstalkd gearman-job-server golang-go

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import time

import stand

SECOND = 1_000_000

# What each does for a job, and what it leaves out.
PUT_TAKE = {
    "leat memory": "put, taken, done; completion delivered and acknowledged",
    "leat disk": "the same; synced before each ok, history kept",
    "limit memory": "dataplane: bytes through the same sockets, nothing else",
    "limit disk": "the same, and one synced LMDB commit a turn",
    "redis memory": "RPUSH, LMOVE, LREM + INCR; no completion delivered",
    "redis disk": "the same, appendfsync always",
    "nats memory": "JetStream work queue, publish acked, explicit acks; no completion",
    "nats disk": "the same, file store: does not sync before its ok",
    "beanstalkd memory": "put, reserve, delete; no completion",
    "beanstalkd disk": "the same, -f 0: synced before each ok",
    "gearmand memory": "background job, grab, complete; no result kept or delivered",
    "go unbuffered": "three goroutines in one process, an id through a channel",
    "go buffered": "the same, a channel with room for 1024",
}

TRIPS = {
    "libzmq": "dataplane --latency: DEALER, ROUTER, ROUTER, DEALER and no work",
    "redis": "RPUSH and BLPOP of a job, RPUSH and BLPOP of its result",
    "leat memory": "job and completion, through the broker",
    "leat disk": "the same, synced twice on the way",
    "leat memory ipc": "Leat memory on a socket of this machine instead of TCP",
    "leat disk ipc": "the same on disk",
}


def others(s, system, port, jobs, *more):
    return lambda: s.json([s.program("others"), "--system", system, "--port", str(port),
                           "--jobs", str(jobs), *more])


def limit(s, *options, **how):
    """dataplane prints words, the first is the figure: "9200000 jobs/s …", "p50 31.0 us  p99 …"."""
    words = s.text([s.program("dataplane"), *options], **how).split()
    if words[0] == "p50":
        return {"p50_us": float(words[1]), "p99_us": float(words[4])}
    return {"jobs_per_second": float(words[0])}


class Servers:
    """What is started for the whole run. Each server idles while others are measured."""

    def __init__(self, s):
        self.s = s
        self.missing = []

    def start(self, name, program, argv):
        path = stand.find(program)
        if path is None:
            self.missing.append(program)
            return None
        return self.s.start(name, [path, *argv])

    def redis(self, name, *options):
        return self.start(name, "redis-server",
                          ["--port", "{port}", "--bind", "127.0.0.1", "--save", "",
                           "--dir", "{folder}", *options])

    def nats(self):
        """A new one each time: a stream has one name."""
        folder = self.s.folder / f"nats-{time.monotonic_ns()}"
        return self.start("nats", "nats-server", ["-a", "127.0.0.1", "-p", "{port}", "-js", "-sd",
                                                  str(folder)])


def nats_run(s, servers, jobs, *more):
    def run():
        port = servers.nats()
        try:
            return others(s, "nats", port, jobs, *more)()
        finally:
            s.stop("nats")
    return run


def go_program(s, servers):
    go = stand.find("go")
    if go is None:
        servers.missing.append("go")
        return None
    target = s.build / "channels"
    source = pathlib.Path(__file__).with_name("channels.go")
    subprocess.run([go, "build", "-o", str(target), str(source)], check=True,
                   env={**os.environ, "GOFLAGS": "-mod=mod", "GOCACHE": str(s.build / "go-cache")})
    return str(target)


# ---------------------------------------------------------------- encrypted

class Encrypted:
    """A broker with keys, a worker and a client: every byte is encrypted on all ways."""

    def __init__(self, s):
        self.s = s
        self.folder = s.folder / "keys"
        self.folder.mkdir()
        url = f"tcp://127.0.0.1:{s.port()}"
        for principal in ("client", "worker"):
            subprocess.run([s.program("leat"), "key", "new", principal, "--role", principal,
                            "--keys", "keys", "--broker", url], cwd=self.folder, check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.key = str(self.folder / "client.key")
        s.spawn("secure", [s.program("leat-broker"), "--bind", url, "--keys",
                           str(self.folder / "keys"), "--data", str(self.folder / "store")])
        s.text([s.program("leat"), "--key-file", self.key, "broker", "wait", "--timeout", "10"])
        s.spawn("secure-worker", [s.program("leat-worker"), "--key-file",
                                  str(self.folder / "worker.key"), "--name", "w", "--slots", "2",
                                  "--channel", "default", "--channel", "m"])

    def run(self, channel, jobs):
        return lambda: self.s.leat("--key-file", self.key, "--broker", self.url(),
                                   "--channel", channel, "--jobs", jobs)

    def url(self):
        for line in pathlib.Path(self.key).read_text().splitlines():
            if "tcp://" in line:
                return line[line.index("tcp://"):].strip().strip('"')
        raise stand.Broken("no address in the key file")


# ---------------------------------------------------------------- without TCP

def ipc(s):
    """A broker and a worker on a socket of this machine; what they answer to."""
    url = f"ipc://{s.short_folder}/broker.sock"
    leat = [s.program("leat"), "--broker", url]
    s.spawn("ipc", [s.program("leat-broker"), "--bind", url, "--data", str(s.folder / "ipc-store")])
    s.text([*leat, "broker", "wait", "--timeout", "10"])
    s.text([*leat, "channel", "new", "m", "--durability", "memory"])
    s.spawn("ipc-worker", [s.program("leat-worker"), "--broker", url, "--name", "w", "--slots", "1",
                           "--channel", "default", "--channel", "m"])
    return url


# ---------------------------------------------------------------- sleeping, computing, mixed

def burn_bare(processes, us):
    """The same CPU time without Leat: seconds until all processes have used theirs."""
    loop = "import sys,time\nwhile time.process_time() < float(sys.argv[1]): pass"
    began = time.monotonic()
    running = [subprocess.Popen([sys.executable, "-S", "-c", loop, str(us / 1e6)])
               for _ in range(processes)]
    for process in running:
        process.wait()
    return time.monotonic() - began


def compute(s, us, jobs):
    def run():
        cores = os.cpu_count() or 1
        bare = burn_bare(cores, jobs * us / cores)
        figures = s.leat("--handler", f"burn:{us}", "--jobs", jobs)
        figures["bare_seconds"] = bare
        figures["efficiency"] = bare / figures["seconds"]
        figures["in_handlers"] = jobs * us / 1e6 / figures["worker_cpu_s"]
        return figures
    return run


def mixed(s, long):
    """A channel of long jobs whose cap leaves one of two slots free, and short ones beside it. The
    long ones sleep: what is asked is how jobs are handed out, not how much CPU is left for them."""
    def run():
        url = f"tcp://127.0.0.1:{s.port()}"
        leat = [s.program("leat"), "--broker", url]
        s.spawn("mixed", [s.program("leat-broker"), "--bind", url, "--insecure-loopback", "--data",
                          str(s.folder / f"mixed-{time.monotonic_ns()}")])
        s.text([*leat, "broker", "wait", "--timeout", "10"])
        try:
            for number in (1, 2):
                s.spawn(f"mixed-worker-{number}",
                        [s.program("leat-worker"), "--broker", url, "--slots", "1", "--name",
                         f"w{number}", "--channel", "long", "--channel", "short"])
            if long:
                s.text([*leat, "channel", "new", "long", "--running-max", "1"])
                s.text([*leat, "submit", "--handler", "sleep", "--channel", "long", "-a", "-"],
                       stdin="1s\n" * 10000)
            return s.leat("--broker", url, "--channel", "short", "--handler", "burn:1000",
                          "--pace", "500", "--jobs", "3000")
        finally:
            for name in ("mixed-worker-1", "mixed-worker-2", "mixed"):
                s.stop(name, grace_s=0.2)
    return run


# ---------------------------------------------------------------- the run

def throughput(s, servers, scale):
    def jobs(n):
        return max(1000, int(n * scale))

    memory = "--channel-durability", "memory"
    rows = [
        ("limit memory", lambda: limit(s, "--jobs", str(jobs(3 * SECOND)))),
        ("leat memory", lambda: s.leat("--jobs", jobs(SECOND), *memory)),
        ("redis memory", "redis", jobs(200_000), ()),
        ("nats memory", "nats", jobs(100_000), ()),
        ("beanstalkd memory", "beanstalkd", jobs(50_000), ()),
        ("gearmand memory", "gearmand", jobs(200_000), ()),
        ("go unbuffered", "go", "unbuffered", jobs(4 * SECOND)),
        ("go buffered", "go", "buffered", jobs(10 * SECOND)),
        ("limit disk", lambda: limit(s, "--durable", "--jobs", str(jobs(2 * SECOND)))),
        ("leat disk", lambda: s.leat("--jobs", jobs(SECOND))),
        ("redis disk", "redis-disk", jobs(100_000), ()),
        ("nats disk", "nats", jobs(100_000), ("--file",)),
        ("beanstalkd disk", "beanstalkd-disk", jobs(5_000), ()),
    ]
    ports = {
        "redis": servers.redis("redis", "--appendonly", "no"),
        "redis-disk": servers.redis("redis-disk", "--appendonly", "yes", "--appendfsync", "always"),
        "beanstalkd": servers.start("beanstalkd", "beanstalkd", ["-l", "127.0.0.1", "-p", "{port}"]),
        "beanstalkd-disk": servers.start("beanstalkd-disk", "beanstalkd",
                                         ["-l", "127.0.0.1", "-p", "{port}", "-b", "{folder}",
                                          "-f", "0"]),
        "gearmand": servers.start("gearmand", "gearmand",
                                  ["-L", "127.0.0.1", "-p", "{port}", "-l", "{folder}/log"]),
        "nats": stand.find("nats-server"),
    }
    if ports["nats"] is None:
        servers.missing.append("nats-server")
    go = go_program(s, servers)
    measurements = []
    for row in rows:
        name = row[0]
        if callable(row[1]):
            measurements.append((name, row[1]))
        elif row[1] == "go":
            if go is not None:
                measurements.append((name, lambda row=row: s.json([go, row[2], str(row[3])])))
        elif row[1] == "nats":
            if ports["nats"] is not None:
                measurements.append((name, nats_run(s, servers, row[2], *row[3])))
        elif ports[row[1]] is not None:
            system = row[1].split("-")[0]
            measurements.append((name, others(s, system, ports[row[1]], row[2], *row[3])))
    return measurements, ports, go


def trips(s, ports, jobs):
    """Everything unpinned, then everything on core 0; servers are moved there and back."""
    def redis(cores):
        def run():
            pid = s.servers["redis"].pid
            every = os.sched_getaffinity(0)
            try:
                for task in os.listdir(f"/proc/{pid}/task"):
                    os.sched_setaffinity(int(task), cores or every)
                return s.json([s.program("others"), "--system", "redis", "--port",
                               str(ports["redis"]), "--jobs", str(jobs), "--latency"], cores=cores)
            finally:
                for task in os.listdir(f"/proc/{pid}/task"):
                    os.sched_setaffinity(int(task), every)
        return run

    rows = []
    for suffix, cores in (("", None), (" on one core", {0})):
        cpu = ["--cpu", "0"] if cores else []
        rows.append((f"trip libzmq{suffix}", lambda cores=cores: limit(
            s, "--latency", "--jobs", str(jobs), cores=cores)))
        if ports["redis"] is not None:
            rows.append((f"trip redis{suffix}", redis(cores)))
        rows.append((f"trip leat memory{suffix}", lambda cpu=cpu: s.leat(
            "--latency", "--jobs", jobs, "--channel-durability", "memory", *cpu)))
        rows.append((f"trip leat disk{suffix}", lambda cpu=cpu: s.leat(
            "--latency", "--jobs", jobs // 4, *cpu)))
    url = ipc(s)
    rows.append(("trip leat memory ipc", lambda: s.leat(
        "--broker", url, "--latency", "--jobs", jobs, "--channel", "m")))
    rows.append(("trip leat disk ipc", lambda: s.leat(
        "--broker", url, "--latency", "--jobs", jobs // 4)))
    return rows


def figure(results, name, key):
    return stand.median([row[key] for row in results.get(name, []) if key in row])


def number(value):
    return "-" if value is None else f"{value:,.0f}".replace(",", " ")


def ratio(a, b):
    return "-" if not a or not b else f"{a / b:.2f}"


def table(head, rows):
    """Aligned columns. Leat is written as a name here: `leat …` in a page is a command."""
    widths = [max(len(str(row[i])) for row in [head, *rows]) for i in range(len(head))]
    lines = []
    for row in [head, *rows]:
        cells = [str(cell).ljust(width) if i in (0, len(row) - 1) else str(cell).rjust(width)
                 for i, (cell, width) in enumerate(zip(row, widths))]
        lines.append(re.sub("^leat ", "Leat ", "  ".join(cells).rstrip()))
    return "\n".join(lines)


def spread(results, name, key="jobs_per_second"):
    values = [row[key] for row in results.get(name, []) if key in row]
    return f"{number(min(values))} … {number(max(values))}" if values else "-"


def throughput_table(results):
    blocks = []
    for kind in ("memory", "disk"):
        ours = figure(results, f"leat {kind}", "jobs_per_second")
        rows = []
        for name in PUT_TAKE:
            if name not in results or not (name.endswith(kind) or
                                           (kind == "memory" and name.startswith("go"))):
                continue
            theirs = figure(results, name, "jobs_per_second")
            rows.append((name, number(theirs), spread(results, name), ratio(ours, theirs),
                         PUT_TAKE[name]))
        if rows:
            blocks.append(table((f"in {kind}" if kind == "memory" else "on disk", "jobs/s",
                                 "least … most", "leat / it", ""), rows))
    return "\n\n".join(blocks)


def trip_table(results):
    rows = []
    for suffix in ("", " on one core"):
        ours = figure(results, f"trip leat memory{suffix}", "p50_us")
        for name, does in TRIPS.items():
            p50 = figure(results, f"trip {name}{suffix}", "p50_us")
            p99 = figure(results, f"trip {name}{suffix}", "p99_us")
            if p50 is not None:
                rows.append((name + suffix, f"{p50:.0f}", f"{p99:.0f}", ratio(ours, p50), does))
    head = ("one job at a time", "p50 us", "p99 us", "leat memory / it", "")
    return table(head, rows) if rows else ""


def long_table(results):
    rows = []

    def row(name, what, value):
        if results.get(name):
            rows.append((name, what, value))

    sleep, go = results.get("leat sleep"), results.get("go sleep")
    if sleep:
        jobs = sleep[0]["jobs"]
        peak = figure(results, "leat sleep", "worker_peak_rss_bytes") or 0
        row("leat sleep", f"{number(jobs)} jobs of 1 s on one worker: seconds",
            f"{figure(results, 'leat sleep', 'seconds'):.1f}")
        row("leat sleep", "seconds from the last start to the last completion",
            f"{figure(results, 'leat sleep', 'last_start_to_end_s'):.1f}")
        row("leat sleep", "bytes of the worker's memory a job", f"{peak / jobs:.0f}")
        if go:
            row("go sleep", "as many goroutines: seconds", f"{figure(results, 'go sleep', 'seconds'):.1f}")
            row("go sleep", "bytes of memory a goroutine",
                f"{figure(results, 'go sleep', 'peak_rss_bytes') / jobs:.0f}")
    for name in ("leat burn 1 ms", "leat burn 10 ms"):
        if results.get(name):
            row(name, "part of the worker's CPU time that is spent in handlers",
                f"{figure(results, name, 'in_handlers'):.3f}")
            row(name, "time of the same loops without Leat / with it",
                f"{figure(results, name, 'efficiency'):.2f}")
    for name, what in (("leat alone", "1 ms of CPU at 500/s in one of two slots: p50, p99 in ms"),
                       ("leat mixed", "the same beside 10 000 long jobs that may run one at a time")):
        if results.get(name):
            row(name, what, f"{figure(results, name, 'p50_us') / 1000:.1f}, "
                            f"{figure(results, name, 'p99_us') / 1000:.1f}")
    for kind in ("memory", "disk"):
        plain = figure(results, f"leat {kind}", "jobs_per_second")
        secret = figure(results, f"leat {kind} encrypted", "jobs_per_second")
        if secret:
            row(f"leat {kind} encrypted", "jobs/s with keys (part of without)",
                f"{number(secret)} ({ratio(secret, plain)})")
    return table(("also", "", ""), rows) if rows else ""


def report(results, facts):
    parts = [throughput_table(results), trip_table(results), long_table(results)]
    lines = [part for part in parts if part]
    lines.append(f"{facts['machine']}; medians of {facts['rounds']} rounds, jobs of 64 bytes; "
                 f"load of the machine {facts['load_before']:.1f} before, "
                 f"{facts['load_after']:.1f} after")
    if facts["missing"]:
        lines.append(f"not installed, so not measured: {', '.join(facts['missing'])}")
    for name, why in facts["broken"].items():
        lines.append(f"failed: {name}: {why}")
    return "\n\n".join(lines)


def into_page(page, text, command):
    """Replace what stands between the marks of a page."""
    begin, end = "<!-- table -->", "<!-- /table -->"
    before, rest = page.read_text().split(begin)
    _, after = rest.split(end)
    page.write_text(f"{before}{begin}\n```\n$ {command}\n{text}\n```\n{end}{after}")


def main():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__.splitlines()[0],
                                     allow_abbrev=False)
    parser.add_argument("build")
    parser.add_argument("--rounds", type=int, default=5, help="of each measurement (5)")
    parser.add_argument("--scale", type=float, default=1.0, help="times as many jobs (1)")
    parser.add_argument("--only", default="", help="throughput, trips, long; with commas")
    parser.add_argument("--json", action="store_true", help="all figures as one JSON object")
    parser.add_argument("--write", metavar="PAGE", help="put the table into this page")
    given = parser.parse_args()
    parts = given.only.split(",") if given.only else ["throughput", "trips", "long"]
    facts = {"rounds": given.rounds, "load_before": stand.load()}
    results, broken = {}, {}

    def measure(measurements, rounds):
        more, why = stand.rounds_of(measurements, rounds)
        results.update(more)
        broken.update(why)

    with stand.Stand(given.build) as s:
        servers = Servers(s)
        rows, ports, go = throughput(s, servers, given.scale)
        if "long" in parts:
            encrypted = Encrypted(s)
            s.text([s.program("leat"), "--broker", encrypted.url(), "--key-file", encrypted.key,
                    "channel", "new", "m", "--durability", "memory"])
        if "throughput" in parts:
            if "long" in parts:
                jobs = max(1000, int(SECOND * given.scale))
                rows += [("leat memory encrypted", encrypted.run("m", jobs)),
                         ("leat disk encrypted", encrypted.run("default", jobs))]
            measure(rows, given.rounds)
        if "trips" in parts:
            measure(trips(s, ports, max(200, int(10_000 * given.scale))), given.rounds)
        if "long" in parts:
            sleepers = max(1000, int(SECOND * given.scale))
            burns = max(0.05, given.scale)
            late = [("leat sleep", lambda: s.leat("--handler", "sleep:1000", "--jobs", sleepers,
                                                  "--payload", 6)),
                    ("leat burn 1 ms", compute(s, 1000, int(4000 * burns))),
                    ("leat burn 10 ms", compute(s, 10_000, int(400 * burns))),
                    ("leat alone", mixed(s, False)), ("leat mixed", mixed(s, True))]
            if go is not None:
                late.insert(1, ("go sleep", lambda: s.json([go, "sleep", str(sleepers)])))
            measure(late, max(1, given.rounds // 2))
    results = {name: rows for name, rows in results.items() if rows}
    facts.update(load_after=stand.load(), missing=sorted(set(servers.missing)), broken=broken,
                 machine=next((row["machine"] for rows in results.values() for row in rows
                               if "machine" in row), "this machine"))
    text = report(results, facts)
    if given.json:
        print(json.dumps({**facts, "results": results}))
    else:
        print(text)
    if given.write:
        into_page(pathlib.Path(given.write), text,
                  f"./dev bench --rounds {given.rounds} --scale {given.scale:g}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
