#!/usr/bin/python3
"""count.py BUILD [--update] [--table] [--write PAGE]: instructions a job, counted by callgrind.

Three parts of the way of a job are driven without sockets, threads and clocks (tests/bench/count):
the core with codec and memory store, libleat, and the worker. What is counted does not hang on how
busy the machine is, so a slow-down of some percent is seen where no stop watch would see it. The
figures are compared with counts.json; they hold for one compiler and one libc, with others the
comparison says that it is inconclusive.

Exit: 0 all within the tolerance · 1 something got slower (or faster: then --update) · 2 inconclusive.
"""

# needs: valgrind python3

import argparse
import json
import os
import pathlib
import platform
import re
import subprocess
import sys
import tempfile

JOBS = 20_000
TOLERANCE = 0.05
ROWS = 14  # of the table, a part
STORED = pathlib.Path(__file__).with_name("counts.json")
PARTS = {
    "core": ("leat_count_core", ["count_core"]),
    "client": ("leat_count_client", ["count_peers", "client"]),
    "worker": ("leat_count_worker", ["count_peers", "worker"]),
}


def fail(text, code=2):
    print(f"count: {text}", file=sys.stderr)
    sys.exit(code)


def surroundings(build):
    """What the figures hang on beside our own sources."""
    cache = (build / "CMakeCache.txt").read_text()
    compiler = re.search(r"^CMAKE_C_COMPILER:\w+=(.*)$", cache, re.M).group(1)
    flags = re.search(r"^CMAKE_C_FLAGS_RELWITHDEBINFO:\w+=(.*)$", cache, re.M).group(1)
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True)
    return {"compiler": version.stdout.splitlines()[0], "flags": flags,
            "libc": " ".join(platform.libc_ver()), "machine": platform.machine()}


def count(build, part, folder):
    """Instructions a job inside the part's function; the callgrind file."""
    function, program = PARTS[part]
    out = folder / f"{part}.out"
    # One way of copying memory, whatever this processor could do.
    environment = {**os.environ, "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-AVX512F,-ERMS,-FSRM"}
    run = subprocess.run(
        ["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={out}",
         f"--toggle-collect={function}", str(build / program[0]), *program[1:], str(JOBS),
         str(folder)], capture_output=True, text=True, env=environment, timeout=300)
    if run.returncode != 0:
        fail(f"{part}: {run.stderr.strip() or run.stdout.strip()}")
    total = int(re.search(r"^summary: (\d+)", out.read_text(), re.M).group(1))
    jobs = int(run.stdout)
    if total == 0:
        fail(f"{part}: nothing was counted, {function} is not there")
    return total / jobs, jobs, out


def functions(out, jobs):
    """[(instructions a job, function, file)], those that cost most first; by callgrind_annotate."""
    text = subprocess.run(["callgrind_annotate", "--auto=no", "--threshold=100", str(out)],
                          capture_output=True, text=True, check=True).stdout
    sums = {}
    for line in text.splitlines():
        row = re.match(r"\s*([\d,]+) \([ \d.]+%\)\s+(\S+):(\S+)", line)
        if row is None:
            continue
        name = re.sub(r"\.(part|isra|constprop|cold)\.\d+|'\d+$", "", row.group(3))
        ours = re.search(r"(?:^|/\.\./\.\./)((?:broker|proto|client|worker|tests)/\S+)", row.group(2))
        where = ours.group(1) if ours else "libc"
        # What is inlined from a header belongs to the function that it was put into.
        known = sums.setdefault(name, [0, where])
        known[0] += int(row.group(1).replace(",", ""))
        if ours and where.endswith(".c"):
            known[1] = where
    return sorted(((n / jobs, name, where) for name, (n, where) in sums.items()), reverse=True)


def table(part, counted, jobs, out):
    lines = [f"| {part} | {counted:.0f} | |", "|---|--:|---|"]
    rest = counted
    for instructions, name, where in functions(out, jobs)[:ROWS]:
        lines.append(f"| `{name}` | {instructions:.0f} | {where} |")
        rest -= instructions
    lines.append(f"| everything else | {rest:.0f} | |")
    return "\n".join(lines)


def into_page(page, text):
    before, rest = page.read_text().split("<!-- instructions -->")
    after = rest.split("<!-- /instructions -->")[1]
    page.write_text(f"{before}<!-- instructions -->\n{text}\n<!-- /instructions -->{after}")


def judge(figures, now, stored):
    known = {key: stored.get(key) for key in now}
    if known != now:
        differing = [f"{key}: {known[key]} there, {now[key]} here" for key in now
                     if known[key] != now[key]]
        print("count: inconclusive, the stored figures are of another machine: " +
              "; ".join(differing))
        return 2
    code = 0
    for part, counted in figures.items():
        before = stored["instructions_a_job"].get(part)
        if before is None:
            print(f"count: {part}: no stored figure")
            code = 1
            continue
        change = counted / before - 1
        if abs(change) > TOLERANCE:
            print(f"count: {part}: {counted:.1f} instructions a job, {before:.1f} stored: "
                  f"{change:+.1%}, more than {TOLERANCE:.0%}. If that is meant: ./dev count --update")
            code = 1
    return code


def main():
    parser = argparse.ArgumentParser(prog="./dev count", description=__doc__.splitlines()[0],
                                     allow_abbrev=False)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--update", action="store_true", help="store these figures")
    parser.add_argument("--table", action="store_true", help="where the instructions go")
    parser.add_argument("--write", type=pathlib.Path, metavar="PAGE",
                        help="put the tables between the marks of this page")
    parser.add_argument("--json", action="store_true", help="the figures as one JSON object")
    given = parser.parse_args()
    build = given.build.resolve()
    now = surroundings(build)
    figures, tables = {}, []
    with tempfile.TemporaryDirectory(dir=build) as name:
        folder = pathlib.Path(name)
        for part in PARTS:
            figures[part], jobs, out = count(build, part, folder)
            if given.table or given.write:
                tables.append(table(part, figures[part], jobs, out))
    figures = {part: round(counted, 1) for part, counted in figures.items()}
    result = {**now, "jobs": JOBS, "instructions_a_job": figures}
    if given.json:
        print(json.dumps(result))
    else:
        for part, counted in figures.items():
            print(f"{part:8} {counted:8.1f} instructions a job")
    if given.table:
        print("\n\n".join(tables))
    if given.write:
        into_page(given.write, "\n\n".join([*tables, f"{now['compiler']}, {now['flags']}."]))
    if given.update:
        STORED.write_text(json.dumps(result, indent=2) + "\n")
        return 0
    return judge(figures, now, json.loads(STORED.read_text()) if STORED.exists() else {})


if __name__ == "__main__":
    sys.exit(main())
