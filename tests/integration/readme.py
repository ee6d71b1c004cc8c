#!/usr/bin/env python3
"""The README's first five minutes, typed as they stand there.

readme.py ROOT BUILD: runs each line of the fenced blocks of that section in one shell, with the
programs of BUILD and folders of its own in the place of the user's, and checks what the README says
of it: exit codes, the number alone, the answer, the message, and that nothing runs afterwards.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

SECTION = "## The first five minutes"


def lines(text):
    """Those of the fenced blocks."""
    blocks = re.findall(r"^```\n(.*?)^```", text, re.M | re.S)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def commands(readme):
    return lines(readme.split(SECTION)[1].split("\n## ")[0])


def environment(folder):
    """Folders of its own in the place of the user's."""
    for name in ("run", "state", "config"):
        os.mkdir(f"{folder}/{name}", 0o700)
    return {
        "HOME": folder,
        "PATH": os.environ["PATH"],
        "TMPDIR": folder,
        "XDG_RUNTIME_DIR": f"{folder}/run",
        "XDG_STATE_HOME": f"{folder}/state",
        "XDG_CONFIG_HOME": f"{folder}/config",
    }


class Shell:
    """Runs lines one by one; each with the environment that the one before it left."""

    def __init__(self, root, environment):
        self.root = root
        self.environment = environment

    def run(self, line):
        script = f"{line}\nstatus=$?\nexport -p >&9\nexit $status\n"
        with tempfile.TemporaryFile("w+") as exported:
            end = subprocess.run(
                ["bash", "-c", f"exec 9>&{exported.fileno()}\n{script}"],
                cwd=self.root,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=60,
                pass_fds=[exported.fileno()],
            )
            exported.seek(0)
            for name, value in re.findall(r'^declare -x (\w+)="(.*)"$', exported.read(), re.M):
                self.environment[name] = value
        print(f"$ {line}\n{end.stdout}{end.stderr}", end="", flush=True)
        return end


def left_running(folder, patience_s=5):
    """Processes that were started with our folder as their home, and do not end soon."""
    until = time.monotonic() + patience_s
    while (found := running(folder)) and time.monotonic() < until:
        time.sleep(0.05)
    return found


def running(folder):
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if f"HOME={folder}\0".encode() in (process / "environ").read_bytes():
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ")
                found.append(f"{process.name} {command.decode(errors='replace')}")
        except OSError:
            pass
    return found


# What a line must print on standard output, whole; a line that is not here must only succeed.
EXPECTED = {
    "leat submit": r"\d+\n",
    "leat result": r"9592\n?",
    "leat recv": r"hello\n",
    "leat status": r"(?s).*\bdefault\b.*",
    "leat worker ls": r"(?s).+",
}


def main():
    root, build = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
    wrong, seen = [], set()
    with tempfile.TemporaryDirectory(prefix="leat-readme-") as folder:
        shell = Shell(root, environment(folder))
        for line in commands((root / "README.md").read_text()):
            end = shell.run(line.replace("$PWD/build/release", str(build)))
            if end.returncode != 0:
                wrong.append(f"exit code {end.returncode}: {line}")
            for start, pattern in EXPECTED.items():
                if line.startswith(start):
                    seen.add(start)
                    if not re.fullmatch(pattern, end.stdout):
                        wrong.append(f"not what the README says: {line}")
        wrong += [f"the README does not show: {start}" for start in EXPECTED.keys() - seen]
        wrong += [f"still running: {process}" for process in left_running(folder)]
        if wrong:
            shell.run("leat down")
    print("\n".join(wrong) or "as the README says")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
