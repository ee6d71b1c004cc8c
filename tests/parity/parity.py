#!/usr/bin/env python3
"""Go's channels and Leat's, program by program.

parity.py BUILD [--go never|auto|always] [--update] [--disk] [NAME…]

Each NAME of programs.def is run as C, by BUILD's parity, against a broker of its own, and must print
NAME.txt. Where there is go, the programs are run with real channels first and must print the same;
--update writes what they print into NAME.txt. --disk: channels that are on disk.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
LIMIT_S = 60


def names():
    found = re.findall(r"^X\((\w+)\)", (HERE / "programs.def").read_text(), re.M)
    wanted = {f"{name}{ending}" for name in found for ending in (".c", ".go", ".txt")}
    there = {path.name for path in HERE.glob("*") if path.suffix in (".c", ".go", ".txt")}
    odd = (wanted ^ there) - {"main.c", "main.go"}
    if odd:
        sys.exit(f"parity: programs.def and the files do not agree: {', '.join(sorted(odd))}")
    return found


def run(command, environment):
    """What it prints, or what is wrong with it."""
    try:
        end = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
        )
    except subprocess.TimeoutExpired as expired:
        return f"{(expired.stdout or b'').decode()}(still running after {LIMIT_S} s)\n"
    return end.stdout if end.returncode == 0 else f"{end.stdout}{end.stderr}(exit {end.returncode})\n"


class Go:
    def __init__(self, go, folder):
        self.program = f"{folder}/parity-go"
        environment = {"GOCACHE": f"{folder}/cache", "GOPATH": f"{folder}/path"}
        self.environment = os.environ | environment | {"GO111MODULE": "off", "CGO_ENABLED": "0"}
        sources = sorted(str(path) for path in HERE.glob("*.go"))
        subprocess.run(
            [go, "build", "-o", self.program, *sources], env=self.environment, cwd=folder, check=True
        )

    def run(self, name):
        return run([self.program, name], self.environment)


class Leat:
    """A broker, and the programs that use it."""

    def __init__(self, build, folder, disk):
        self.build = build
        self.environment = os.environ | {"LEAT_BROKER": f"ipc://{folder}/broker.sock"}
        if disk:
            self.environment["PARITY_ON_DISK"] = "1"
        self.log = pathlib.Path(folder) / "broker.log"
        command = [build / "leat-broker", "--bind", self.environment["LEAT_BROKER"]]
        with self.log.open("w") as log:
            self.broker = subprocess.Popen(
                [*command, "--data", f"{folder}/store"], stdin=subprocess.DEVNULL, stderr=log
            )
        for _ in range(1000):
            if "at=broker.start" in self.log.read_text():
                return
            if self.broker.poll() is not None:
                break
            time.sleep(0.01)
        self.end()
        sys.exit(f"parity: the broker does not start\n{self.log.read_text()}")

    def run(self, name):
        if self.broker.poll() is not None:
            return f"(the broker has ended: {self.broker.returncode})\n{self.log.read_text()[-2000:]}"
        return run([self.build / "parity", name], self.environment)

    def end(self):
        self.broker.terminate()
        self.broker.wait()


def differs(name, who, got, expected):
    if got == expected:
        return False
    print(f"{name}: {who} prints\n{got}instead of\n{expected}", flush=True)
    return True


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("--go", choices=("never", "auto", "always"), default="auto")
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--disk", action="store_true")
    parser.add_argument("names", nargs="*")
    asked = parser.parse_intermixed_args()
    chosen = asked.names or names()
    go = None if asked.go == "never" else shutil.which("go")
    if go is None and (asked.go == "always" or asked.update):
        sys.exit("parity: there is no go (Debian: golang-go)")
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="leat-parity-") as folder:
        real = Go(go, folder) if go else None
        leat = Leat(asked.build, folder, asked.disk)
        try:
            for name in chosen:
                stored = HERE / f"{name}.txt"
                if real and asked.update:
                    stored.write_text(real.run(name))
                expected = stored.read_text()
                if real:
                    wrong += differs(name, "go", real.run(name), expected)
                wrong += differs(name, "leat", leat.run(name), expected)
        finally:
            leat.end()
    print(f"parity: {len(chosen)} programs{', with go' if real else ''}, {wrong} differences")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
