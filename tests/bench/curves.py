#!/usr/bin/python3
"""curves.py BUILD [OPTION…]: how figures of leat bench change with one option, as pictures.

Throughput over jobs a frame, over the window, over the depth of the channel and over workers; CPU
time a job and latency over the load. Every point is the median of some rounds, which go through all
points in turn. The pictures are SVG files beside docs/performance.md; --json has the points.
"""

import argparse
import json
import pathlib
import sys

import picture
import stand

MEMORY = ("--channel-durability", "memory")
KINDS = {"memory": MEMORY, "disk": ()}
FRAMES = (1, 4, 16, 64, 256, 1024)
WINDOWS = (1, 10, 100, 1000, 10_000, 100_000)
DEPTHS = (1000, 10_000, 100_000, 1_000_000)
WORKERS = (1, 2, 4, 8, 16)
LOADS = (1000, 3000, 10_000, 30_000, 100_000, 300_000)


def points(scale):
    """[(curve, line, x, options of leat bench)]"""
    def jobs(n):
        return "--jobs", max(20, int(n * scale))

    for kind, durability in KINDS.items():
        for n in FRAMES:
            yield "frame", kind, n, ("--frame", n, *jobs(20_000 * min(n, 25)), *durability)
        for n in WINDOWS:
            yield "window", kind, n, ("--window", n, *jobs(min(500_000, n * 500)), *durability)
        for n in DEPTHS:
            yield "depth", kind, n, ("--depth", n, *jobs(500_000), *durability)
        for n in WORKERS:
            yield "workers", kind, n, ("--workers", n, *jobs(500_000), *durability)
    for n in LOADS:
        yield "load", "memory", n, ("--pace", n, *jobs(n), *MEMORY)


def rate(row):
    return row["jobs_per_second"]


def cpu_us(key):
    return lambda row: row[key] / row["jobs"] * 1e6


# file: (curve, title, x, y, logarithmic, {name: (line, figure)})
BOTH = {kind: (kind, rate) for kind in KINDS}
PICTURES = {
    "frame": ("frame", "Throughput over jobs a frame", "jobs a frame at most", "jobs/s", True, BOTH),
    "window": ("window", "Throughput over the window", "jobs on their way", "jobs/s", True, BOTH),
    "depth": ("depth", "Throughput over depth", "jobs waiting in the channel", "jobs/s", False,
              BOTH),
    "workers": ("workers", "Throughput over workers", "worker processes on two cores", "jobs/s",
                False, BOTH),
    "cpu": ("load", "CPU time a job over load, memory", "jobs/s offered", "us a job", True,
            {name: ("memory", cpu_us(f"{name}_cpu_s")) for name in ("client", "broker", "worker")}),
    "latency": ("load", "Latency over load, memory", "jobs/s offered", "us", True,
                {key: ("memory", lambda row, key=key: row[f"{key}_us"]) for key in ("p50", "p99")}),
}


def main():
    parser = argparse.ArgumentParser(prog="./dev bench curves", allow_abbrev=False,
                                     description=__doc__.splitlines()[0])
    parser.add_argument("build")
    parser.add_argument("--rounds", type=int, default=3, help="of each point (3)")
    parser.add_argument("--scale", type=float, default=1.0, help="times as many jobs (1)")
    parser.add_argument("--only", help="one of " + ", ".join(PICTURES))
    parser.add_argument("--into", default="docs/performance", help="folder of the pictures")
    parser.add_argument("--json", action="store_true", help="the points as one JSON object")
    given = parser.parse_args()
    wanted = {name: how for name, how in PICTURES.items() if given.only in (None, name)}
    if not wanted:
        parser.error(f"no picture {given.only}")
    curves = {how[0] for how in wanted.values()}
    with stand.Stand(given.build) as s:
        measurements = [((curve, line, x), lambda options=options: s.leat(*options))
                        for curve, line, x, options in points(given.scale) if curve in curves]
        results, broken = stand.rounds_of(measurements, given.rounds)
    folder = pathlib.Path(given.into)
    folder.mkdir(parents=True, exist_ok=True)
    for name, (curve, title, x_name, y_name, log, lines) in wanted.items():
        series = {}
        for label, (line, figure) in lines.items():
            series[label] = [(x, stand.median([figure(row) for row in rows]))
                             for (c, li, x), rows in results.items()
                             if c == curve and li == line and rows]
        series = {label: line for label, line in series.items() if line}
        if series:
            (folder / f"{name}.svg").write_text(picture.chart(title, x_name, y_name, series, log))
            stand.say(f"{folder / name}.svg")
    if given.json:
        print(json.dumps({"/".join(map(str, key)): rows for key, rows in results.items()}))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
