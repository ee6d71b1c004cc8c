#!/usr/bin/python3
"""looks.py BUILD [--write PAGE]: what people see, taken from a terminal of 80 and of 40 columns.

A terminal that nobody sits at (tmux) shows a shell in which a broker and a worker run; what stands on
its screen is printed, or put between the marks of a page. Everything is in a folder of its own.
"""

# needs: tmux

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

LIMIT_S = 20
HEIGHT = 24


class Terminal:
    """A shell on a screen of so many columns."""

    def __init__(self, folder, environment, columns):
        self.socket = str(folder / f"tmux-{columns}")
        subprocess.run(["tmux", "-S", self.socket, "-f", "/dev/null", "new-session", "-d", "-x",
                        str(columns), "-y", str(HEIGHT), "env", "-i",
                        *[f"{k}={v}" for k, v in environment.items()], "sh"], check=True)
        self.shows(lambda text: "$" in text)

    def tmux(self, *words):
        return subprocess.run(["tmux", "-S", self.socket, *words], check=True, text=True,
                              capture_output=True).stdout

    def screen(self):
        return re.sub(r"[ \t]+$", "", self.tmux("capture-pane", "-p"), flags=re.M).strip("\n")

    def shows(self, wanted):
        """What stands there as soon as it is what is wanted."""
        until = time.monotonic() + LIMIT_S
        while time.monotonic() < until:
            text = self.screen()
            if wanted(text):
                return text
            time.sleep(0.05)
        sys.exit(f"looks: this was waited for in vain:\n{self.screen()}")

    def type(self, line):
        self.tmux("send-keys", "-l", line)
        self.tmux("send-keys", "Enter")

    def take(self, line, wanted, leave=None):
        """Type a line on an empty screen; what it shows, with the line. leave: the key that ends it."""
        self.tmux("send-keys", "-R")
        self.type("clear")
        self.shows(lambda text: text == "$")
        self.type(line)
        text = self.shows(wanted)
        if leave:
            self.tmux("send-keys", leave)
            self.shows(lambda text: text.endswith("$"))
        return re.sub(r"\n\$$", "", text)

    def end(self):
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], check=False)


def done(text):
    return text.endswith("\n$")


def take_all(folder, environment, columns):
    """[(title, screen)]"""
    terminal = Terminal(folder, environment, columns)
    try:
        terminal.type("leat up -d -q -j 4")
        terminal.shows(done)
        terminal.type("leat channel new thumbs; leat submit --channel thumbs sleep 1 ::: 1 2 3")
        terminal.shows(done)
        looks = [
            ("Jobs on their way", terminal.take(
                "seq 201 240 | sed 's,$,ms,' | leat run --handler sleep",
                lambda text: re.search(r" [3-9]\d% ", text))),
        ]
        terminal.shows(done)
        looks += [
            ("Some fail", terminal.take("leat run sh -c 'exit {}' ::: 0 0 3", done)),
            ("Everything at a glance", terminal.take("leat channel pause thumbs -q; leat status", done)),
            ("Why does it not run?", terminal.take("leat explain 1", done)),
        ]
        if re.search("^  top ", subprocess.run(["leat", "help"], env=environment, check=True, text=True,
                                               capture_output=True).stdout, re.M):
            terminal.type("seq 400 | leat submit -q --handler burn ::: 200ms 300ms 400ms 500ms")
            looks.append(("All the time", terminal.take(
                "leat top", lambda text: "CHANNEL" in text and "$" not in text.splitlines()[-1], "q")))
        return looks
    finally:
        subprocess.run(["leat", "down", "-q"], env=environment, check=False)
        terminal.end()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("build")
    parser.add_argument("--write", metavar="PAGE")
    given = parser.parse_args()
    parts = []
    for columns in (80, 40):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="leat-", dir="/tmp"))
        try:
            environment = {"PATH": f"{pathlib.Path(given.build).resolve()}:/usr/bin:/bin",
                           "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder), "PS1": "$ ",
                           "XDG_STATE_HOME": str(folder / "state"), "TERM": "screen",
                           "LC_ALL": "C.UTF-8"}
            for title, screen in take_all(folder, environment, columns):
                parts.append(f"{title}, {columns} columns:\n\n```\n{screen}\n```\n")
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    text = "\n".join(parts)
    if given.write:
        page = pathlib.Path(given.write)
        before, rest = page.read_text().split("<!-- looks -->")
        _, after = rest.split("<!-- /looks -->")
        page.write_text(f"{before}<!-- looks -->\n{text}<!-- /looks -->{after}")
    else:
        print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
