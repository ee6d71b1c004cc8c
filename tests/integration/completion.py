#!/usr/bin/env python3
"""leat completion: the three shells, asked as they are when somebody presses the tabulator.

completion.py BUILD SHELL: a broker with channels, a worker and a batch; then lines are typed into
SHELL (bash and zsh on a terminal of their own, fish by `complete -C`) and what it offers, or what
becomes of the line, is looked at. The same once more with a script that asks in vain: that has to be
noticed, else nothing is proven. Exit 77: there is no such shell here; 2: inconclusive.
"""

import os
import pathlib
import pty
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

PATIENCE_S = 30

# The line, what must be among the offers, what must not.
OFFERS = [
    ("leat sub", ["submit"], ["send"]),
    ("leat channel ", ["ls", "new", "rm"], ["pause-all"]),
    ("leat -q worker l", ["ls", "launch"], ["drain"]),
    ("leat run --pro", ["--progress"], ["--priority"]),
    ("leat wait --exit ", ["any", "job", "count", "none"], ["some"]),
    ("leat wait --exit=c", ["count"], ["none"]),
    ("leat --color al", ["always"], ["auto"]),
    ("leat help exi", ["exit-codes"], ["env"]),
    ("leat help schedule ad", ["add"], ["ls"]),
    ("leat completion ", ["bash", "zsh", "fish"], ["ksh"]),
    ("leat submit -a inp", ["input.txt"], ["inside"]),
    ("leat run --cwd ins", ["inside"], ["input.txt"]),
    ("leat run ls inp", ["input.txt"], ["--progress"]),
    ("leat submit --handler ec", ["echo"], ["sleep"]),
    # from the broker
    ("leat submit --channel ne", ["news"], ["default"]),
    ("leat channel info ne", ["news"], ["default"]),
    ("leat close two", ["two words"], ["news"]),
    ("leat worker info w", ["w1"], ["news"]),
    ("leat schedule rm ni", ["nightly"], ["weekly"]),
    ("leat wait la", ["last"], ["news"]),
    ("leat status BAT", ["BATCH"], ["last"]),
    ("leat --broker ipc:///nobody channel info ne", [], ["news"]),
]
# The line, and the line after the tabulator.
LINES = [
    ("leat chan", "leat channel "),
    ("leat wait --exit=c", "leat wait --exit=count "),
    ("leat channel info ne", "leat channel info news "),
    ("leat channel info two", "leat channel info two\\ words "),
    ("leat submit -a inp", "leat submit -a input.txt "),
    ("leat run --cwd=ins", "leat run --cwd=inside/"),
    ("leat run cat inp", "leat run cat input.txt "),
]


class Terminal:
    """A shell on a pseudo terminal."""

    def __init__(self, command, environment, folder):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execvpe(command[0], command, environment)

    def type(self, text):
        os.write(self.fd, text.encode())

    def drain(self, seconds):
        """What it prints is read, or it would wait; nobody looks at it."""
        while select.select([self.fd], [], [], seconds)[0]:
            try:
                if not os.read(self.fd, 65536):
                    return
            except OSError:
                return
            seconds = 0

    def until(self, path):
        end = time.monotonic() + PATIENCE_S
        while not path.exists():
            if time.monotonic() > end:
                sys.exit(f"the shell has not written {path.name}")
            self.drain(0.02)
        text = path.read_text()
        path.unlink()
        return text

    def close(self):
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


class Bash:
    # What readline is told is written down; the line itself by a key of its own.
    setup = """PS1= ; bind 'set enable-bracketed-paste off'
source <({script})
probe() {{ _leat "$@"; printf '%s\\n' "${{COMPREPLY[@]}}" >"{dir}/new"; mv "{dir}/new" "{dir}/offers"; }}
dump() {{ printf '%s' "$READLINE_LINE" >"{dir}/new"; mv "{dir}/new" "{dir}/line"; READLINE_LINE=; }}
bind -x '"\\C-t": dump'
complete -F probe leat
printf ok >"{dir}/new" && mv "{dir}/new" "{dir}/ready"
"""
    command = ["bash", "--norc", "--noprofile", "-i"]

    def __init__(self, environment, folder, script):
        self.folder = folder
        self.terminal = Terminal(self.command, {**environment, "TERM": "dumb"}, folder)
        self.terminal.type(self.setup.format(dir=folder, script=script))
        self.terminal.until(folder / "ready")

    def offers(self, line):
        self.terminal.type(line + "\t")
        text = self.terminal.until(self.folder / "offers")
        self.line("")  # forget it
        # A part behind "=" is replaced by itself; blanks are behind a backslash.
        return [row.replace("\\ ", " ").rstrip("/") for row in text.splitlines() if row]

    def line(self, line):
        self.terminal.type((line + "\t" if line else "") + "\x14")
        text = self.terminal.until(self.folder / "line")
        (self.folder / "offers").unlink(missing_ok=True)
        return text

    def close(self):
        self.terminal.close()


class Zsh(Bash):
    setup = """PS1= ; unsetopt zle_bracketed_paste prompt_cr; autoload -Uz compinit; compinit -u -D
source <({script})
dump() {{ print -rn -- "$BUFFER" >"{dir}/new"; mv "{dir}/new" "{dir}/line"; BUFFER= }}
zle -N dump; bindkey '^T' dump
printf ok >"{dir}/new" && mv "{dir}/new" "{dir}/ready"
"""
    command = ["zsh", "-f", "-i"]
    offers = None  # what it shows is a picture on the screen; the lines tell enough


class Fish:
    line = None

    def __init__(self, environment, folder, script):
        self.environment, self.folder, self.script = environment, folder, script

    def offers(self, line):
        script = f"{self.script} | source; complete -C $argv[1]"
        run = subprocess.run(
            ["fish", "--no-config", "-c", script, line],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        if run.stderr:
            sys.exit(f"fish: {line}: {run.stderr}")
        words = [row.split("\t")[0] for row in run.stdout.splitlines()]
        return [word.split("=")[-1].replace("\\ ", " ").rstrip("/") for word in words]

    def close(self):
        pass


class Rig:
    """A broker, a worker, channels, a schedule and a batch, in a folder of their own."""

    def __init__(self, build, folder):
        self.folder = pathlib.Path(folder)
        self.environment = {
            "HOME": folder,
            "PATH": f"{build}:{os.environ['PATH']}",
            "LC_ALL": "C.UTF-8",
            "TERM": "xterm",
            "LEAT_BROKER": f"ipc://{folder}/socket",
            "XDG_STATE_HOME": f"{folder}/state",
            "XDG_CONFIG_HOME": f"{folder}/config",
            "XDG_RUNTIME_DIR": f"{folder}/run",
        }
        self.processes = []
        for name in ("run", "inside"):
            (self.folder / name).mkdir(mode=0o700)
        (self.folder / "input.txt").write_text("a\n")

    def start(self, *command):
        log = open(self.folder / "log", "a")
        self.processes.append(
            subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
        )

    def leat(self, *words):
        return subprocess.run(
            ["leat", *words],
            env=self.environment,
            check=True,
            timeout=PATIENCE_S,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout.strip()

    def begin(self):
        # By path: the interpreter looks commands up in its own PATH.
        programs = self.environment["PATH"].split(":")[0]
        os.environ["PATH"] = self.environment["PATH"]
        bind = ["--bind", self.environment["LEAT_BROKER"], "--data", f"{self.folder}/store"]
        self.start(f"{programs}/leat-broker", *bind)
        self.leat("broker", "wait", "--timeout", "20s")
        self.start(f"{programs}/leat-worker", "--name", "w1", "--slots", "2")
        self.leat("channel", "new", "news", "--kind", "messages")
        self.leat("channel", "new", "two words", "--kind", "messages")
        self.leat("schedule", "add", "nightly", "@daily", "--handler", "noop")
        batch = self.leat("submit", "--handler", "noop", ":::", "a", "b")
        self.leat("wait", "--timeout", "20s")
        return batch

    def end(self):
        for process in self.processes:
            process.kill()
            process.wait()


def noise(rig):
    """What is said although no broker answers: there is none, or it has stopped."""
    broker, nowhere = rig.processes[0], {"LEAT_BROKER": f"ipc://{rig.folder}/nobody"}
    for case, variables in (("no broker", nowhere), ("a broker that stands still", {})):
        if not variables:
            broker.send_signal(signal.SIGSTOP)
        run = subprocess.run(
            ["leat", "__complete", "channel", "info", ""],
            env={**rig.environment, **variables},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        broker.send_signal(signal.SIGCONT)
        if (run.returncode, run.stdout, run.stderr) != (0, "words\n", ""):
            yield f"{case}: {run}"


def tried(rig, name, batch, script, tries=1):
    """The differences in a shell that has read what the script prints."""
    shell = {"bash": Bash, "zsh": Zsh, "fish": Fish}[name](rig.environment, rig.folder, script)
    try:
        return list(differences(shell, batch, tries))
    finally:
        shell.close()


def differences(shell, batch, tries):
    """What is offered or made of a line otherwise than it should be. On a busy machine half a second
    may be too short for the broker, so several tries count as one."""

    def lasting(ask, line, is_good):
        for _ in range(tries):
            got = ask(line)
            if is_good(got):
                break
        return got

    for line, wanted, unwanted in OFFERS if shell.offers else []:
        line, wanted = line.replace("BAT", batch[:1]), [w.replace("BATCH", batch) for w in wanted]
        got = lasting(shell.offers, line, lambda words: set(wanted) <= set(words))
        print(f"{line!r}: {got[:8]}", flush=True)
        for word in wanted:
            if word not in got:
                yield f"{line!r} does not offer {word!r}: {got}"
        for word in unwanted:
            if word in got:
                yield f"{line!r} offers {word!r}"
    for line, wanted in LINES if shell.line else []:
        got = lasting(shell.line, line, lambda text: text == wanted)
        print(f"{line!r} becomes {got!r}", flush=True)
        if got != wanted:
            yield f"{line!r} becomes {got!r}, not {wanted!r}"


def main():
    build, name = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2]
    if shutil.which(name) is None:
        print(f"{name} is not installed: left out")
        return 77
    script = pathlib.Path(__file__).parents[2] / f"client/cli/completion/leat.{name}"
    printed = subprocess.run([build / "leat", "completion", name], stdout=subprocess.PIPE, check=True)
    wrong = [] if printed.stdout == script.read_bytes() else [f"{script.name} is not what is printed"]
    if subprocess.run([name, "-n", script], stdin=subprocess.DEVNULL).returncode != 0:
        wrong.append(f"{name} -n {script.name} complains")
    with tempfile.TemporaryDirectory(prefix="leat-tab-", dir="/tmp") as folder:
        rig = Rig(build, folder)
        try:
            batch = rig.begin()
            wrong += tried(rig, name, batch, f"leat completion {name}", tries=20)
            wrong += noise(rig)
            print("with a script that asks in vain:")
            planted = tried(
                rig, name, batch, f"leat completion {name} | sed s/__complete/__nothing/"
            )
        finally:
            rig.end()
    if not wrong and len(planted) < 5:
        print(f"{name}: inconclusive, a useless script is hardly noticed: {planted}")
        return 2
    print("\n".join(wrong) or f"{name}: as it should be")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
