#!/usr/bin/env python3
"""The commands of docs/store.md, typed as they stand there.

store.py ROOT BUILD: runs each line of the page's fenced blocks in one shell, with the programs of
BUILD and folders of its own in the place of the user's. Each must end with 0, what the page says of
ids after a restore must be so, and nothing may be left running.
"""

import pathlib
import sys
import tempfile

import readme


def main():
    root, build = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
    wrong, ids = [], []
    with tempfile.TemporaryDirectory(prefix="leat-store-") as folder:
        shell = readme.Shell(root, readme.environment(folder))
        shell.environment["PATH"] = f"{build}:{shell.environment['PATH']}"
        lines = readme.lines((root / "docs/store.md").read_text())
        for line in lines:
            end = shell.run(line)
            if end.returncode != 0:
                wrong.append(f"exit code {end.returncode}: {line}")
            if line.startswith("leat submit"):
                ids.append(int(end.stdout or 0))
        if len(ids) != 2 or ids[1] - ids[0] < 1 << 32:
            wrong.append(f"no ids are left out after a restore: {ids}")
        wrong += [f"still running: {process}" for process in readme.left_running(folder)]
        if wrong:
            shell.run("leat down")
    print("\n".join(wrong) or f"{len(lines)} commands, as the page says")
    return 1 if wrong or len(lines) < 15 else 0


if __name__ == "__main__":
    sys.exit(main())
