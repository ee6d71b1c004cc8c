#!/usr/bin/env python3
"""The commands of a page, typed as they stand there.

jobs.py ROOT BUILD [PAGE LINES]: runs each line of the fenced blocks of PAGE (docs/jobs.md), which has
at least LINES of them (50), in one shell, with the programs of
BUILD and folders of its own in the place of the user's. Each must end with 0, or with the code that
stands behind it ("# exit 1"), and nothing may be left running.
"""

import pathlib
import re
import sys
import tempfile

import readme


def main():
    root, build = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
    page, least = sys.argv[3:5] if len(sys.argv) > 3 else ("docs/jobs.md", "50")
    wrong, seen = [], 0
    with tempfile.TemporaryDirectory(prefix="leat-jobs-") as folder:
        shell = readme.Shell(root, readme.environment(folder))
        shell.environment["PATH"] = f"{build}:{shell.environment['PATH']}"
        for line in readme.lines((root / page).read_text()):
            code = re.search(r"# exit (\d+)$", line)
            end = shell.run(line)
            seen += 1
            if end.returncode != int(code[1] if code else 0):
                wrong.append(f"exit code {end.returncode}: {line}")
        wrong += [f"still running: {process}" for process in readme.left_running(folder)]
        if wrong:
            shell.run("leat down")
    print("\n".join(wrong) or f"{seen} commands, as the page says")
    return 1 if wrong or seen < int(least) else 0


if __name__ == "__main__":
    sys.exit(main())
