"""What the measurements of ./dev bench share: a folder, servers on free ports of 127.0.0.1 that are
ended with it, programs whose last line is JSON, medians.

    with stand.Stand(build) as s:
        port = s.start("redis", ["redis-server", "--port", "{port}", "--dir", "{folder}"])
        figures = s.json(["build/release/others", "--system", "redis", "--port", str(port)])
"""

import ctypes
import json
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

LIMIT_S = 600  # no single measurement takes longer
_libc = ctypes.CDLL(None, use_errno=True)


class Broken(Exception):
    """A measurement failed: what it would have shown is not known."""


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def median(values):
    return statistics.median(values) if values else None


def find(program):
    """Where it is, also where daemons lie; None: not installed."""
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin:/sbin")


def _die_with_parent():
    _libc.prctl(1, signal.SIGKILL)


class Stand:
    def __init__(self, build):
        self.build = pathlib.Path(build).resolve()
        # Not /tmp: that may be no disk.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-", dir=self.build))
        # For sockets: a path of one ends at 107 bytes.
        self.short_folder = pathlib.Path(tempfile.mkdtemp(prefix="leat-", dir="/tmp"))
        self.servers = {}
        self.count = 0

    def __enter__(self):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        return self

    def __exit__(self, *_):
        for name in list(self.servers):
            self.stop(name)
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self.short_folder, ignore_errors=True)

    def program(self, name):
        return str(self.build / name)

    def port(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    def start(self, name, argv, cores=None):
        """Start a server in a folder of its own and wait until it listens; its port."""
        self.count += 1
        folder = self.folder / f"{name}-{self.count}"
        folder.mkdir()
        port = self.port()
        argv = [part.format(port=port, folder=folder) for part in argv]
        self.spawn(name, argv, folder, cores)
        until = time.monotonic() + 15
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return port
            if self.servers[name].poll() is not None or time.monotonic() > until:
                log = (folder / "log").read_text(errors="replace")[-800:]
                raise Broken(f"{name} does not listen:\n{log}")
            time.sleep(0.02)

    def spawn(self, name, argv, folder=None, cores=None):
        """Start a process that is ended with the stand."""
        folder = folder or self.folder
        with open(folder / ("log" if folder != self.folder else f"{name}.log"), "ab") as log:
            self.servers[name] = subprocess.Popen(
                argv, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=lambda: self._prepare(cores))
        return self.servers[name].pid

    def stop(self, name, grace_s=3):
        process = self.servers.pop(name, None)
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(grace_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    @staticmethod
    def _prepare(cores):
        _die_with_parent()
        if cores is not None:
            os.sched_setaffinity(0, cores)

    def text(self, argv, cores=None, env=None, stdin=None):
        """Run a program; its stdout. What fails is said with its own words."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("LEAT_")}
        environment["TMPDIR"] = str(self.folder)
        environment.update(env or {})
        process = subprocess.Popen(
            argv, stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
            preexec_fn=lambda: self._prepare(cores))
        try:
            out, err = process.communicate(stdin, timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            raise Broken(f"{' '.join(argv)}: not done after {LIMIT_S} s") from None
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        if process.returncode != 0:
            raise Broken(f"{' '.join(argv)}: exit {process.returncode}\n{err[-800:]}")
        return out

    def json(self, argv, **how):
        return json.loads(self.text(argv, **how).strip().splitlines()[-1])

    def leat(self, *options, **how):
        """leat bench with these options; its figures. Every job has come back, or it has failed."""
        figures = self.json([self.program("leat"), "bench", "--json", *map(str, options)], **how)
        if figures["completions"] != figures["jobs"]:
            raise Broken("leat bench counts wrong")
        return figures


def rounds_of(measurements, rounds):
    """Run each measurement once a round, in turn; {name: [figures, …]}, {name: why it has none}."""
    results = {name: [] for name, _ in measurements}
    broken = {}
    for number in range(1, rounds + 1):
        for name, run in measurements:
            say(f"round {number} of {rounds}: {name}")
            try:
                results[name].append(run())
            except Broken as why:
                say(str(why))
                broken[name] = str(why).splitlines()[0]
    return results, broken


def load():
    return os.getloadavg()[0]
