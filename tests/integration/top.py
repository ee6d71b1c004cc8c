"""leat top on a terminal: what it draws at 80 and 40 columns, how it ends, and what it leaves.

top.py BIN: BIN has leat, leat-broker and leat-worker. Everything is in a folder of its own."""
import fcntl
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

BIN = pathlib.Path(sys.argv[1]).resolve()
DIR = pathlib.Path(tempfile.mkdtemp(prefix="leat-top.", dir="/tmp"))
ENV = {
    "PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(DIR), "XDG_RUNTIME_DIR": str(DIR),
    "XDG_STATE_HOME": str(DIR / "state"), "XDG_CONFIG_HOME": str(DIR / "config"),
    "TMPDIR": str(DIR), "TERM": "xterm", "LC_ALL": "C.UTF-8",
    "LEAT_BROKER": f"ipc://{DIR}/broker.sock",
}
LIMIT_S = 30


def fail(why):
    raise SystemExit(f"top: {why}")


def leat(*words, code=0):
    done = subprocess.run(["leat", *words], env=ENV, capture_output=True, text=True, timeout=LIMIT_S)
    if done.returncode != code:
        fail(f"{words}: exit {done.returncode}: {done.stderr}")
    return done.stdout


def take_terminal():
    """Ctrl-C reaches who has the terminal as its own."""
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Terminal:
    """leat top with a terminal of its own."""

    def __init__(self, columns, rows=24, **more):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.slave = slave
        self.before = termios.tcgetattr(slave)
        self.text = ""
        self.process = subprocess.Popen(["leat", "top"], env={**ENV, **more}, stdin=slave,
                                        stdout=slave, stderr=subprocess.PIPE,
                                        preexec_fn=take_terminal)

    def read(self):
        if select.select([self.master], [], [], 0.1)[0]:
            self.text += os.read(self.master, 65536).decode("utf-8", "replace")

    def until(self, want):
        end = time.monotonic() + LIMIT_S
        while want not in self.text:
            if time.monotonic() > end or self.process.poll() is not None:
                fail(f"never shown: {want!r} in {self.text[-2000:]!r}")
            self.read()

    def key(self, key):
        os.write(self.master, key)

    def ends(self, code):
        end = time.monotonic() + LIMIT_S
        while self.process.poll() is None:
            if time.monotonic() > end:
                fail("it does not end")
            self.read()
        self.read()
        self.process.stderr.close()
        if self.process.returncode != code:
            fail(f"exit {self.process.returncode}, not {code}")
        if not self.text.rstrip("\r\n").endswith("\x1b[?25h\x1b[?1049l"):
            fail(f"the screen is not given back: {self.text[-200:]!r}")
        if termios.tcgetattr(self.slave) != self.before:
            fail("the terminal is not as it was")
        os.close(self.slave)
        os.close(self.master)

    def is_at_most(self, columns):
        """No line that was drawn is wider than the terminal."""
        text = self.text.replace("\x1b[H", "\n") # the next picture begins
        for line in re.sub(r"\x1b\[[0-9?;]*[A-Za-z]", "", text).split("\n"):
            if len(line.rstrip("\r")) > columns:
                fail(f"wider than {columns}: {line!r}")


def story():
    leat("broker", "wait", "--timeout", "10s")
    batch = leat("submit", "--handler", "sleep", "--name", "nightly", ":::", "1h", "1h", "1h").strip()
    end = time.monotonic() + LIMIT_S
    while "2 running" not in leat("status", batch):
        if time.monotonic() > end:
            fail("nothing runs")

    # where there is no terminal: one picture, without a sign that steers one
    once = leat("top")
    for want in ("broker   ipc", "workers  1 up", "slots 2/2 busy", "CHANNEL", "nightly", "0/3",
                 "batch.sealed"):
        if want not in once:
            fail(f"not in the picture: {want!r} of {once}")
    if "\x1b" in once:
        fail("an escape code without a terminal")
    json = leat("top", "--json")
    if '"batches":[{' not in json or json.count("\n") != 1:
        fail("not as JSON")
    if "\x1b" in leat("top", "--plain"):
        fail("an escape code with --plain")

    # live, and it ends by q, Ctrl-C and SIGTERM
    wide = Terminal(80)
    wide.until("q ends")
    wide.until("▕")
    leat("channel", "pause", "default")
    wide.until("channel.pause")
    wide.until("paused")
    wide.key(b"q")
    wide.ends(0)
    wide.is_at_most(80)

    narrow = Terminal(40)
    narrow.until("q ends")
    narrow.until("slots")
    narrow.key(b"\x03")
    narrow.ends(130)
    narrow.is_at_most(40)

    told = Terminal(80, rows=8, LC_ALL="C", NO_COLOR="1")
    told.until("q ends")
    told.process.send_signal(signal.SIGTERM)
    told.process.send_signal(signal.SIGTERM)
    told.ends(143)
    if not told.text.isascii():
        fail("other than ASCII in an ASCII locale")

    dumb = Terminal(80, TERM="dumb")
    dumb.process.wait(timeout=LIMIT_S)
    dumb.read()
    dumb.process.stderr.close()
    if "\x1b" in dumb.text or "CHANNEL" not in dumb.text:
        fail("a dumb terminal is not told the picture alone")


def main():
    broker = subprocess.Popen(["leat-broker", "--bind", ENV["LEAT_BROKER"], "--data",
                               str(DIR / "store")], env=ENV, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    worker = subprocess.Popen(["leat-worker", "--slots", "2", "--name", "w1"], env=ENV,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        story()
    finally:
        for process in (worker, broker):
            process.kill()
            process.wait()
        shutil.rmtree(DIR, ignore_errors=True)


main()
