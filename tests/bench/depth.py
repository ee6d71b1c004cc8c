"""depth.py BUILD [--jobs N,…] [--order fifo,flows,random,lone] [--drain N] [--folder DIR]

What depth costs. For each depth a broker of its own with a store on disk gets so many waiting jobs
of 64 bytes; then memory and file are read, the broker is killed and started again until a worker
has done one job, and a number of jobs is drained. Only ratios within one run mean something: the
smallest depth is measured first and last, and the row beside it says how much the disk has changed
in between.

  fifo    one batch, ended in its order            flows   1 000 flows, 16 jobs of one beside each other
  random  a worker with up to 1 000 000 jobs in     lone    every job is a batch of its own
          hand ends whichever chance says

Targets: ≤ 100 bytes of RssAnon + RssShmem a job; the first job ≤ 15 s after the kill; throughput
≥ 0.8 of that at the smallest depth, random order ≥ 0.5. They are printed beside the figures."""

import argparse
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

BYTES_A_JOB = 100
RESTART_S = 15
RATIO = {"fifo": 0.8, "flows": 0.8, "random": 0.5, "lone": 0.8}
HOLD = 20_000
HOLD_MAX = 1_000_000  # slots of one worker
FLOWS = 1_000
HEADER = """\
                              bytes a waiting job     file  restart            drained, to that      CPU   mapped     file
order      waiting   filled/s   filled   started    a job        s  drained/s   at{base:>5} at{middle:>7} us a job      MiB      MiB
target                          <= 100    <= 100              <= 15             0.8/0.5  0.8/0.5"""
ROUNDS_MAX = 100  # of a depth that is smaller than what is drained


class Broker:
    """One broker with a store of its own; `kill` and `start` again keep the store."""

    def __init__(self, build, folder):
        self.build = build
        self.data = pathlib.Path(folder) / "store"
        self.log = open(pathlib.Path(folder) / "broker.log", "ab")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.url = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
        self.process = None

    def start(self, wait=True):
        self.process = subprocess.Popen(
            [self.build / "leat-broker", "--bind", self.url, "--data", self.data, "--insecure-loopback"],
            stdout=self.log,
            stderr=self.log,
        )
        if wait:
            subprocess.run(
                [self.build / "leat", "--broker", self.url, "broker", "wait", "--timeout", "60"],
                check=True,
                stdout=subprocess.DEVNULL,
            )

    def kill(self):
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def memory(self):
        """RssAnon + RssShmem, and RssFile, in bytes."""
        figures = {}
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            key, _, value = line.partition(":")
            if key.startswith("Rss"):
                figures[key] = int(value.split()[0]) * 1024
        return figures["RssAnon"] + figures["RssShmem"], figures["RssFile"]

    def cpu_s(self):
        """Of the broker so far: what other programs of the machine do is not in it."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def file_bytes(self):
        return os.stat(self.data / "data.mdb").st_size

    def status(self):
        out = subprocess.run(
            [self.build / "leat", "--broker", self.url, "status", "--json"], check=True, capture_output=True
        )
        return json.loads(out.stdout)["broker"]

    def depth(self, *arguments):
        """Seconds that a fill or a drain has measured itself."""
        out = subprocess.run(
            [self.build / "depth", "--broker", self.url, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=3600,
        )
        if out.returncode != 0:
            sys.exit(f"depth.py: {' '.join(map(str, arguments))}: {out.stderr.strip()}")
        return float(out.stdout.split()[0])


def fill(broker, order, jobs):
    kind = {"flows": ["--flows", FLOWS], "lone": ["--lone"]}.get(order, [])
    return broker.depth("fill", "--jobs", jobs, *kind)


def drain(broker, order, jobs, depth):
    if order == "random":
        hold = max(2, min(depth // 2, HOLD_MAX))
        return broker.depth("drain", "--jobs", jobs, "--hold", hold, "--shuffle")
    return broker.depth("drain", "--jobs", jobs, "--hold", min(HOLD, max(depth, 1)))


def restart(broker):
    """Seconds from the kill to the answer to the first job's end."""
    began = time.monotonic()
    broker.kill()
    broker.start(wait=False)
    broker.depth("drain", "--jobs", 1, "--hold", 1)
    return time.monotonic() - began


def rate(broker, order, depth, drained):
    """Jobs/s of a drain, and the broker's CPU µs a job. A depth that is smaller than it is filled
    again, unmeasured, each time."""
    seconds = jobs = cpu = 0
    if depth > drained:
        before = broker.cpu_s()
        seconds = drain(broker, order, drained, depth)
        return drained / seconds, (broker.cpu_s() - before) / drained * 1e6
    for _ in range(min(ROUNDS_MAX, max(1, drained // depth))):
        fill(broker, order, depth)
        before = broker.cpu_s()
        seconds += drain(broker, order, depth, depth)
        cpu += broker.cpu_s() - before
        jobs += depth
    return jobs / seconds, cpu / jobs * 1e6


def measure(build, order, depth, drained, parent):
    folder = tempfile.mkdtemp(prefix="depth-", dir=parent)
    broker = Broker(build, folder)
    try:
        broker.start()
        empty = broker.memory()[0]
        row = {"order": order, "depth": depth, "fill_per_s": depth / fill(broker, order, depth)}
        time.sleep(0.5)
        row["bytes"] = (broker.memory()[0] - empty) / depth
        row["file"] = broker.file_bytes() / depth
        row["restart_s"] = restart(broker)
        anon, mapped = broker.memory()
        row["bytes_again"] = (anon - empty) / depth
        row["mapped_mib"] = mapped / 2**20
        if depth <= drained:  # what is left of the first filling
            drain(broker, order, depth - 1, depth)
        row["per_s"], row["cpu_us"] = rate(broker, order, depth, drained)
        row["file_after_mib"] = broker.file_bytes() / 2**20
        return row
    finally:
        broker.kill()
        broker.log.close()
        shutil.rmtree(folder)


def short(number):
    """10M, 300k, 1k."""
    for unit, size in (("M", 10**6), ("k", 10**3)):
        if number >= size and number % size == 0:
            return f"{number // size}{unit}"
    return str(number) if number else "-"


def words(row, base, middle):
    def judged(text, ok):
        return f"{text}{' ' if ok else '!'}"

    def compared(base):
        if base is None:
            return f"{'':9}"
        ratio = row["per_s"] / base
        return judged(format(ratio, "8.2f"), ratio >= RATIO[row["order"]])

    deep = row["depth"] >= 100_000  # below, what a broker needs at all is shared by too few jobs
    return (
        f"{row['order']:<7}{row['depth']:>11}{row['fill_per_s']:>11.0f}"
        f"{judged(format(row['bytes'], '9.1f'), not deep or row['bytes'] <= BYTES_A_JOB)}"
        f"{judged(format(row['bytes_again'], '9.1f'), not deep or row['bytes_again'] <= BYTES_A_JOB)}"
        f"{row['file']:>9.0f}"
        f"{judged(format(row['restart_s'], '9.2f'), row['restart_s'] <= RESTART_S)}"
        f"{row['per_s']:>11.0f}"
        f"{compared(base)}{compared(middle)}"
        f"{row['cpu_us']:>9.2f}{row['mapped_mib']:>9.0f}{row['file_after_mib']:>9.0f}"
    )


def main():
    parser = argparse.ArgumentParser(prog="depth", description=__doc__.splitlines()[2])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--jobs", default="1000,300000,1000000", help="depths, the smallest first")
    parser.add_argument("--order", default="fifo,flows,random,lone")
    parser.add_argument("--drain", type=int, default=300_000, help="jobs of each drain")
    parser.add_argument("--folder", type=pathlib.Path, help="where the stores lie (the build folder)")
    arguments = parser.parse_args()
    build = arguments.build.resolve()
    depths = [int(d) for d in arguments.jobs.split(",")]
    orders = arguments.order.split(",")
    unknown = [o for o in orders if o not in RATIO]
    if unknown or min(depths) < 2:
        parser.error(f"no such order: {', '.join(unknown)}" if unknown else "a depth is at least 2")
    if len(depths) == 1:
        depths.insert(0, 1_000)
    parent = arguments.folder or build
    print(HEADER.format(base=short(depths[0]), middle=short(next((d for d in depths if d >= arguments.drain), 0))), flush=True)
    for order in orders:
        base = middle = None
        for depth in depths + depths[:1]:
            row = measure(build, order, depth, arguments.drain, parent)
            base = base or row["per_s"]
            if middle is None and depth >= arguments.drain:
                middle = row["per_s"]
            print(words(row, base, middle), flush=True)
    print(
        f"! misses the target. {arguments.drain} jobs are drained of each depth. A depth below that is"
        " filled again and again, and the time of a commit decides: so there are ratios to the first"
        " depth and to the first one that is not. Each order ends with its first depth again: how"
        " much the disk has changed meanwhile."
    )


if __name__ == "__main__":
    main()
