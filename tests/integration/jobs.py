#!/usr/bin/env python3
"""The commands of docs/jobs.md, typed as they stand there.

jobs.py ROOT BUILD: runs each line of the page's fenced blocks in one shell, with the programs of
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
    wrong, seen = [], 0
    with tempfile.TemporaryDirectory(prefix="leat-jobs-") as folder:
        shell = readme.Shell(root, readme.environment(folder))
        shell.environment["PATH"] = f"{build}:{shell.environment['PATH']}"
        for line in readme.lines((root / "docs/jobs.md").read_text()):
            code = re.search(r"# exit (\d+)$", line)
            end = shell.run(line)
            seen += 1
            if end.returncode != int(code[1] if code else 0):
                wrong.append(f"exit code {end.returncode}: {line}")
        wrong += [f"still running: {process}" for process in readme.left_running(folder)]
        if wrong:
            shell.run("leat down")
    print("\n".join(wrong) or f"{seen} commands, as the page says")
    return 1 if wrong or seen < 50 else 0


if __name__ == "__main__":
    sys.exit(main())
