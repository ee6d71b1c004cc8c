#!/usr/bin/python3
"""startup.py BUILD [--runs N]: how long commands take from their start to their end, beside `true`.

Medians of N runs, in turn, so that a busy minute hits all alike. `leat status` asks a broker that runs.
"""

import argparse
import os
import subprocess
import sys
import time

import stand


def once(argv, environment):
    begin = time.monotonic()
    subprocess.run(argv, env=environment, check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - begin


def main():
    parser = argparse.ArgumentParser(prog="./dev bench startup", allow_abbrev=False)
    parser.add_argument("build")
    parser.add_argument("--runs", type=int, default=20)
    given = parser.parse_args()
    with stand.Stand(given.build) as s:
        leat = s.program("leat")
        environment = {**os.environ, "LEAT_BROKER": f"ipc://{s.short_folder}/broker.sock"}
        s.spawn("broker", [s.program("leat-broker"), "--bind", environment["LEAT_BROKER"], "--data",
                           str(s.folder / "store")])
        s.text([leat, "broker", "wait", "--timeout", "10"], env=environment)
        rows = [["true"], [leat, "--help"], [leat, "version"], [leat, "status"],
                [leat, "submit", "--handler", "noop"]]
        times = [[] for _ in rows]
        for _ in range(given.runs):
            for row, taken in zip(rows, times):
                taken.append(once(row, environment))
    print(f"{'from start to end, ms':<28} {'median':>8} {'least':>8} {'most':>8}")
    for row, taken in zip(rows, times):
        name = " ".join(["leat", *row[1:]] if row[0] == leat else row)
        print(f"{name:<28} {stand.median(taken) * 1000:8.1f} {min(taken) * 1000:8.1f} "
              f"{max(taken) * 1000:8.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
