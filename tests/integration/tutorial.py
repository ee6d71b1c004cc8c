#!/usr/bin/env python3
"""A page that shows what is typed and what comes: typed, and compared.

tutorial.py ROOT BUILD PAGE LINES [CONTAINER]: in fenced blocks a line behind "$ " is a command, the lines below it
are what it prints, both streams. "…" is anything within a line. Every command runs in one shell after
the other, in an empty folder, with the programs of BUILD; there are at least LINES of them. Then each
expectation is spoilt by a word and must not fit any more, else the run proves nothing (exit 2).
With a CONTAINER all of it happens there, with the programs that it has.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

import readme

# How far it is: a line of its own where nobody looks at it.
PROGRESS = r"^leat: batch \d+: +(\d+% )?\d+/\d+.*\n"


def steps(text):
    """(command, [lines that it prints])."""
    found = []
    for block in re.findall(r"^```\n(.*?)^```", text, re.M | re.S):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif found:
                found[-1][1].append(line)
    return found


def fits(wanted, got):
    patterns = [".*".join(map(re.escape, line.split("…"))) for line in wanted]
    return re.fullmatch("".join(f"{pattern}[ ]*\n" for pattern in patterns), got) is not None


def main():
    root, build = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
    page, least = sys.argv[3], int(sys.argv[4])
    inside = ["docker", "exec", "-w", "/tmp/page/work", "-e", "HOME=/tmp/page", "-e",
              "LC_ALL=C.UTF-8", sys.argv[5]] if len(sys.argv) > 5 else []
    wrong, spoilt = [], 0
    all_steps = steps((root / page).read_text())
    with tempfile.TemporaryDirectory(prefix="leat-page-", dir="/tmp") as folder:
        environment = readme.environment(folder)
        environment.update(PATH=f"{build}:{os.environ['PATH']}", LC_ALL="C.UTF-8")
        work = pathlib.Path(folder) / "work"
        work.mkdir()
        if inside:
            subprocess.run(["docker", "exec", sys.argv[5], "mkdir", "-p", "/tmp/page/work"], check=True)
        for command, wanted in all_steps:
            end = subprocess.run(
                # Over there both streams are one before they travel: else their order is lost.
                [*inside, "bash", "-c", f"exec 2>&1\n{command}"],
                cwd=work,
                env=os.environ if inside else environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=60,
            )
            printed = re.sub(PROGRESS, "", end.stdout, flags=re.M)
            print(f"$ {command}\n{printed}", end="", flush=True)
            if not fits(wanted, printed):
                wrong.append(f"{page} says otherwise: $ {command}")
            elif any(line.strip("… ") for line in wanted):
                index = next(i for i, line in enumerate(wanted) if line.strip("… "))
                other = [*wanted]
                other[index] = f"zebra {wanted[index].strip('…')}"
                if fits(other, printed):
                    print(f"inconclusive: anything fits: $ {command}")
                    return 2
                spoilt += 1
        wrong += [f"still running: {process}" for process in readme.left_running(folder)]
        if wrong and not inside:
            subprocess.run(["bash", "-c", "leat down"], env=environment, check=False)
    print("\n".join(wrong) or f"{len(all_steps)} commands, {spoilt} answers, as the page says")
    return 1 if wrong or len(all_steps) < least else 0


if __name__ == "__main__":
    sys.exit(main())
