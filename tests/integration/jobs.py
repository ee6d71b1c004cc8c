#!/usr/bin/env python3
"""The commands of a page, typed as they stand there.

jobs.py ROOT BUILD [PAGE LINES]: runs each line of the fenced blocks of PAGE (docs/jobs.md), which has
at least LINES of them (50), in one shell, with the programs of
BUILD and folders of its own in the place of the user's. Each must end with 0, or with the code that
stands behind it ("# exit 1"), and nothing may be left running. A line that ends with " &" runs beside
the others until "kill %1", and must end well then.

Files that the page shows (NAME: "This is `NAME`", with the next indented block) are as it shows them.
"""

import pathlib
import re
import subprocess
import sys
import tempfile
import textwrap

import readme


class Beside:
    """A program of the page that runs beside its other lines."""

    def __init__(self, shell, line):
        print(f"$ {line}", flush=True)
        self.process = subprocess.Popen(
            ["bash", "-c", f"exec {line.removesuffix('&')}"],
            cwd=shell.root,
            env=shell.environment,
            stdin=subprocess.DEVNULL,
        )

    def end(self):
        self.process.terminate()
        return self.process.wait(timeout=60)


def shown_otherwise(root, page):
    """Files that the page shows, and that are not as it shows them."""
    text = (root / page).read_text()
    for name, block in re.findall(r"This is `([^`]+)`.*?\n\n((?:(?: {4}[^\n]+)?\n)+)", text, re.S):
        if textwrap.dedent(block).strip() != (root / name).read_text().strip():
            yield f"{page} shows {name} otherwise"


def main():
    root, build = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
    page, least = sys.argv[3:5] if len(sys.argv) > 3 else ("docs/jobs.md", "50")
    wrong, seen, beside = list(shown_otherwise(root, page)), 0, []
    with tempfile.TemporaryDirectory(prefix="leat-jobs-") as folder:
        shell = readme.Shell(root, readme.environment(folder))
        shell.environment["PATH"] = f"{build}:{shell.environment['PATH']}"
        for line in readme.lines((root / page).read_text()):
            seen += 1
            if line.endswith(" &"):
                beside.append(Beside(shell, line))
                continue
            code = re.search(r"# exit (\d+)$", line)
            end = beside.pop(0).end() if line == "kill %1" else shell.run(line).returncode
            if end != int(code[1] if code else 0):
                wrong.append(f"exit code {end}: {line}")
        wrong += [f"still running: {one.process.args}" for one in beside if one.end() is not None]
        wrong += [f"still running: {process}" for process in readme.left_running(folder)]
        if wrong:
            shell.run("leat down")
    print("\n".join(wrong) or f"{seen} commands, as the page says")
    return 1 if wrong or seen < int(least) else 0


if __name__ == "__main__":
    sys.exit(main())
