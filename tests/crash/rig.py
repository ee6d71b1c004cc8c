"""What the runs of ./dev crash share: a folder, real programs in it, the checker, and the last line.

A run is a script SUB.py beside this one, called as

    SUB.py BUILD [OPTION…]

BUILD is the folder of the programs. Each run knows --short (the form for every change) and --keep
(leave the folder); what else it counts is its own. It prints what it did, and as its last line one
JSON object with "run", "valid", "inconclusive" and its figures. Exit codes: 0 valid · 1 something
was violated · 2 inconclusive: too little happened, or a bug put in on purpose was not noticed.

A run that needs a package says so in a line "# needs: PACKAGE…", which ./dev reads.

    arguments = rig.arguments(__doc__, kills=(50, 300, "kills of the broker"))
    with rig.Rig(arguments) as r:
        r.start_broker()
        r.start("load", "crash_load", "--seed", "1", history=True)
        r.kill("broker")
        ...
    rig.finish("kill", violations, unproven, kills=50)
"""

import argparse
import collections
import ctypes
import json
import os
import pathlib
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time

READY = "at=broker.start"
LOAD_CHANNELS = ("load-work", "load-small", "load-mem")
LOAD_MEMORY = ("--memory", "load-mem")
VALID, VIOLATED, INCONCLUSIVE = 0, 1, 2
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


# proto/base/recorder.h
Note = collections.namedtuple("Note", "time_us number job batch hash process epoch attempt extra "
                                      "operation phase code flags crc")
_NOTE = struct.Struct("=QQQQQIIIIBBBBI")
SEND, SHOWN, START, END, REPORT = 4, 6, 10, 11, 12
DONE, DEAD = 1, 2  # outcomes
INVOKE, OK, FAIL, UNKNOWN = 1, 2, 3, 4


class Broken(Exception):
    """The rig itself cannot go on; the run is inconclusive."""


def say(text):
    print(text, flush=True)


def arguments(description, **counts):
    """The command line. counts: name=(short, usual, help)."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0], allow_abbrev=False)
    parser.add_argument("build", type=lambda text: pathlib.Path(text).resolve())
    parser.add_argument("--short", action="store_true", help="the form for every change")
    parser.add_argument("--keep", action="store_true", help="leave the folder in the end")
    parser.add_argument("--seed", type=int, default=None, help="of all that is random")
    for name, (short, usual, text) in counts.items():
        parser.add_argument(f"--{name}", type=type(usual), default=None,
                            help=f"{text} ({usual}; short: {short})")
    given = parser.parse_args()
    for name, (short, usual, _) in counts.items():
        if getattr(given, name) is None:
            setattr(given, name, short if given.short else usual)
    if given.seed is None:
        given.seed = random.SystemRandom().randrange(1 << 32)
    say(f"seed {given.seed}")
    return given


def finish(run, violations, unproven, **figures):
    """The last line, and the end. violations, unproven: sentences."""
    for sentence in violations:
        say(f"VIOLATED: {sentence}")
    for sentence in unproven:
        say(f"inconclusive: {sentence}")
    say(json.dumps({"run": run, "valid": not violations and not unproven,
                    "inconclusive": not violations and bool(unproven), **figures}))
    sys.exit(VIOLATED if violations else INCONCLUSIVE if unproven else VALID)


def wait_until(condition, seconds, what):
    """What condition() answers as soon as it is true. Raises Broken after so long."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Broken(f"not within {seconds} s: {what}")
        time.sleep(0.005)


def median(values):
    return sorted(values)[len(values) // 2] if values else None


def name_hash(name):
    """leat_note_name: the CRC-32C of a name."""
    crc = 0xffffffff
    for byte in name.encode():
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def _ancestors(pid):
    """Parents of a process, up to the first one."""
    found = set()
    while pid > 1 and pid not in found:
        found.add(pid)
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text(errors="replace")
        pid = int(stat.rpartition(")")[2].split()[1])
    return found


class Busy:
    """How late the machine lets somebody run who asks for little: what a time limit is to be
    compared without. A thread that sleeps and looks how long it has slept."""

    STEP_S = 0.02

    def __init__(self):
        self.late = []  # (when in us, how many us)
        self.over = False
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self):
        before = time.monotonic_ns()
        while not self.over:
            time.sleep(self.STEP_S)
            now = time.monotonic_ns()
            late_us = (now - before) // 1000 - int(self.STEP_S * 1e6)
            if late_us > 5000:
                self.late.append((now // 1000, late_us))
            before = now

    def between(self, begin_us, end_us):
        """Seconds that were lost in that time, at most."""
        return sum(late for when, late in self.late if begin_us < when < end_us + late) / 1e6

    def end(self):
        self.over = True


def _die_with_parent(parent):
    def call():
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(127)
    return call


class Rig:
    """A folder with a store, a socket, histories and logs, and the programs that work in it."""

    def __init__(self, options, name="crash"):
        self.build = options.build
        self.keep = options.keep
        self.random = random.Random(options.seed)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"leat_{name}."))
        self.store = self.folder / "store"
        self.history = self.folder / "history"
        self.history.mkdir()
        self.url = f"ipc://{self.folder}/broker.sock"
        self.programs = {}  # name: Popen
        self.batches = []  # of submit
        self.busy = Busy()
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("LEAT_")}
        for variable in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "HOME"):
            self.environment[variable] = str(self.folder)
        self.environment["LEAT_BROKER"] = self.url

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        for name in list(self.programs):
            self.kill(name)
        self.busy.end()
        if self.keep or kind is not None:
            say(f"kept: {self.folder}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    # ------------------------------------------------------------------ programs

    def log(self, name):
        return self.folder / f"{name}.log"

    def tail(self, name, lines=20):
        text = self.log(name).read_text(errors="replace") if self.log(name).exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def start(self, name, program, *words, history=False, wrap=(), environment=None):
        """Start a program of the build under a name; its output is appended to NAME.log. It dies
        with this process. wrap: words before it (strace …)."""
        assert name not in self.programs, name
        variables = dict(self.environment)
        if history:
            variables["LEAT_HISTORY"] = str(self.history)
        variables.update(environment or {})
        path = pathlib.Path(program)
        command = [*wrap, str(path if path.is_absolute() else self.build / program), *map(str, words)]
        with open(self.log(name), "ab") as log:
            self.programs[name] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=variables,
                cwd=self.folder, preexec_fn=_die_with_parent(os.getpid()))
        return self.programs[name]

    def start_broker(self, *words, fault=None, program=None, wait_s=60, **how):
        """Start the broker and wait until it says that it is ready. fault: a name for LEAT_FAULT.
        Returns the seconds that it took."""
        program = program or ("broker_faults" if fault else "leat-broker")
        if fault:
            how["environment"] = {**(how.get("environment") or {}), "LEAT_FAULT": fault}
        log = self.log("broker")
        seen = log.stat().st_size if log.exists() else 0
        began = time.monotonic()
        self.start("broker", program, "--bind", self.url, "--data", self.store, *words, **how)

        def is_ready():
            if self.programs["broker"].poll() is not None:
                code = self.programs.pop("broker").returncode
                raise Broken(f"the broker does not start (code {code}):\n{self.tail('broker')}")
            with open(log, "rb") as file:
                file.seek(seen)
                return READY.encode() in file.read()
        wait_until(is_ready, wait_s, "the broker is ready")
        return time.monotonic() - began

    def start_worker(self, name, *words, slots=4, **how):
        return self.start(name, "leat-worker", "--name", name, "--slots", slots, *words, **how)

    def is_alive(self, name):
        return name in self.programs and self.programs[name].poll() is None

    def signal(self, name, number):
        self.programs[name].send_signal(number)

    def kill(self, name):
        """kill -9, and wait for the end. Fine if it has ended."""
        program = self.programs.pop(name, None)
        if program is not None:
            program.kill()
            program.wait()

    def stop(self, name, seconds=60):
        """SIGTERM, and its exit code. Broken if it does not end."""
        program = self.programs.pop(name)
        program.terminate()
        try:
            return program.wait(seconds)
        except subprocess.TimeoutExpired:
            program.kill()
            program.wait()
            raise Broken(f"{name} does not end:\n{self.tail(name)}") from None

    def run(self, program, *words, seconds=60, environment=None):
        """A program to its end: (code, what it printed)."""
        try:
            end = subprocess.run([str(self.build / program), *map(str, words)],
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, text=True, timeout=seconds, check=False,
                                 env={**self.environment, **(environment or {})}, cwd=self.folder)
        except subprocess.TimeoutExpired:
            raise Broken(f"{program} {' '.join(map(str, words))} does not end") from None
        return end.returncode, end.stdout

    def leat(self, *words, seconds=60):
        """`leat … --json`, decoded. Broken if it fails."""
        code, text = self.run("leat", *words, "--json", seconds=seconds)
        if code != 0:
            raise Broken(f"leat {' '.join(map(str, words))} ends with {code}: {text}")
        return json.loads(text.splitlines()[-1])

    def notes(self, front=""):
        """The notes of all histories whose names begin so, each history by itself."""
        for path in sorted(self.history.glob(f"{front}*.history")):
            yield [note for note in map(Note._make, _NOTE.iter_unpack(path.read_bytes()))
                   if note.operation != 0]

    def strays(self):
        """Processes that came out of this rig and are nobody's children: neither its programs nor
        what descends from one of them."""
        known = {program.pid for program in self.programs.values()}
        mine = f"XDG_STATE_HOME={self.folder}".encode()
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) in known:
                continue
            try:
                if (mine in (entry / "environ").read_bytes().split(b"\0") and
                        not known & _ancestors(int(entry.name))):
                    found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                continue
        return found

    def submit(self, channel, handler, payloads, *words, seconds=60):
        """A batch of jobs, noted in a history; its number."""
        lines = self.folder / "payloads"
        lines.write_text("".join(f"{payload}\n" for payload in payloads))
        code, text = self.run("leat", "submit", "--channel", channel, "--handler", handler, *words,
                              "--arg-file", lines, seconds=seconds,
                              environment={"LEAT_HISTORY": str(self.history)})
        if code != 0:
            raise Broken(f"jobs are refused: {text}")
        self.batches.append(int(text))
        return self.batches[-1]

    def outcomes(self):
        """How the jobs of all submits have ended, as a waiter is shown it: {job: outcome}."""
        for batch in self.batches:
            self.run("leat", "wait", batch, seconds=120,
                     environment={"LEAT_HISTORY": str(self.history)})
        return {note.job: note.code for history in self.notes("client") for note in history
                if note.operation == SHOWN}

    # ------------------------------------------------------------------ the usual load

    def start_loads(self, count, first_seed=1):
        """Clients that do everything (load.c), l1 … lN."""
        for i in range(count):
            self.start(f"l{i + 1}", "crash_load", "--seed", first_seed + i, history=True)

    def start_mill(self, name, *words, slots=50, **how):
        """A worker for their channels."""
        channels = [word for channel in LOAD_CHANNELS for word in ("--channel", channel)]
        return self.start_worker(name, *channels, *words, "--log-level", "warn", slots=slots,
                                 history=True, **how)

    def stop_loads(self):
        for name in [name for name in self.programs if name.startswith("l")]:
            if self.stop(name) != 0:
                raise Broken(f"{name} has failed:\n{self.tail(name)}")

    def live_jobs(self):
        """Jobs that have not ended, by the broker's own count."""
        return sum(channel[state] for channel in self.leat("status")["channels"]
                   if channel["kind"] == "jobs" for state in ("ready", "running", "delayed", "held"))

    def wait_ended(self, seconds=180):
        """Until no job lives."""
        end = time.monotonic() + seconds
        while (left := self.live_jobs()) > 0:
            if time.monotonic() > end:
                raise Broken(f"{left} jobs do not end within {seconds} s: {self.leat('status')}")
            time.sleep(0.2)

    # ------------------------------------------------------------------ checking

    def check(self, *words, seconds=600):
        """The checker over this rig's histories and store; the broker must be stopped. Prints its
        witnesses."""
        code, text = self.run("crash_check", "--store", self.store, *words, self.history,
                              seconds=seconds)
        lines = text.splitlines()
        try:
            found = json.loads(lines[-1])
        except (IndexError, ValueError):
            raise Broken(f"crash_check ends with {code}:\n{text[-2000:]}") from None
        for line in lines[:-1][:20]:
            say(f"  {line}")
        return found
