#!/usr/bin/env python3
"""The pages of the manual say what the programs say.

manual.py ROOT BUILD: each page is shown by `man` without a warning; every command and option that `-h`
knows stands on its page, as `-h` has it; every key that a file may hold, and no other, is on
leat.ini(5); what `leat help cheat` advises works, and so do the lines of docs/running.md;
pages and completions are installed with their programs. Then a row is taken out of each page, and
that has to be noticed. Exit 77: there is no `man` here; 2: inconclusive.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import readme

PAGES = (
    "leat.1",
    "leat-run.1",
    "leat-broker.8",
    "leat-worker.8",
    "leat.ini.5",
    "leat-protocol.7",
    "libleat.3",
)
INSTALLED = {
    "cli": (
        "man1/leat.1",
        "man1/leat-run.1",
        "man5/leat.ini.5",
        "bash-completion/completions/leat",
        "fish/vendor_completions.d/leat.fish",
        "_leat",
    ),
    "broker": ("man8/leat-broker.8",),
    "worker": ("man8/leat-worker.8",),
    "dev": ("man7/leat-protocol.7", "man3/libleat.3"),
}


# Without these a command complains of them and not of its options.
OPERANDS = {
    "wait": ["1"],
    "channel new": ["x"],
    "channel set": ["x"],
    "schedule add": ["x", "@daily", "--handler=echo"],
    "key new": ["k"],
    "key allow": ["k", "--public=" + "0123456789" * 4],
}


def said(*command, code=0, **more):
    run = subprocess.run(
        command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, **more
    )
    if code is not None and run.returncode != code:
        sys.exit(f"{' '.join(map(str, command))}: exit {run.returncode}: {run.stderr}")
    return run


def plain(text):
    """Without what a terminal does with it: blanks, ends of lines."""
    return " ".join(text.replace("…", "...").split())


def shown(path):
    """The page as text, and what `man` had to complain about."""
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "1000", "MANPAGER": "cat"}
    run = said("man", "--warnings", "--nh", "--nj", "-l", path, env=environment)
    ascii_only = said("man", "--warnings", "-l", path, env={**environment, "LC_ALL": "C"})
    return re.sub(r".\x08", "", run.stdout), (run.stderr + ascii_only.stderr).strip()


def block(text, title):
    """The rows under a title of -h, as pairs of what is typed and what it does."""
    found = re.search(rf"^{re.escape(title)}[^\n]*\n(.*?)(?=\n\n|\Z)", text, re.M | re.S)
    lines = found[1].splitlines() if found else []
    rows = [re.fullmatch(r"  +(\S.*?)(?: {2,}(.*))?", line) for line in lines]
    return [(row[1], row[2] or "") for row in rows if row]


class Programs:
    """What they say about themselves; and what the sources do where no program says it."""

    def __init__(self, build, root):
        header = (root / "client/include/leat.h").read_text()
        self.functions = re.findall(r"^LEAT_API [^;{]*?\b(leat_\w+)\(", header, re.M)
        self.wire = re.findall(r"^X\((\w+), (\d+),", (root / "proto/commands.def").read_text(), re.M)
        self.errors = re.findall(
            r'^    X\((\w+), (\d+), "([^"]+)"\)', (root / "proto/base/err.h").read_text(), re.M
        )
        def run(*words):
            return said(build / words[0], *words[1:]).stdout

        whole = run("leat", "-h")
        self.commands = [name for name, _ in block(whole, "Commands:")]
        self.common = block(whole, "Options of every command:")
        self.options = {
            name: block(run("leat", *name.split(), "-h"), "Options:") for name in self.commands
        }
        self.broker = block(run("leat-broker", "-h"), "Options:")
        helped = run("leat-worker", "-h")
        self.worker = block(helped, "Options (each is also")
        self.handlers = block(helped, "Handlers:")


def section(page, name):
    """What stands under a command's own heading; None: there is no such heading."""
    found = re.search(rf"^   leat {name}\n(.*?)(?=^ {{0,3}}\S|\Z)", page, re.M | re.S)
    return found[1] if found else None


def missing(where, text, rows):
    """Rows that are not there, with all that is said of them."""
    text = plain(text)
    for typed, does in rows:
        if plain(f"{typed} {does}") not in text:
            yield f"{where}: no row {typed!r}"


def not_declared(pages, programs):
    """Functions of leat.h that libleat(3) has not, and rows of leat-protocol(7)."""
    for name in programs.functions:
        if not re.search(rf"^ +[\w *]*\b{name}\(", pages["libleat.3"], re.M):
            yield f"libleat.3: no function {name}"
    page = plain(pages["leat-protocol.7"])
    for name, number in programs.wire:
        if f"{number} {name} " not in page:
            yield f"leat-protocol.7: no command {name}"
    for name, number, sentence in programs.errors:
        if f"{number} {name} {sentence}" not in page:
            yield f"leat-protocol.7: no error {name}"
    if min(map(len, (programs.functions, programs.wire, programs.errors))) < 25:
        yield "leat.h, commands.def or err.h are not read as they are written"


def differences(pages, programs):
    yield from not_declared(pages, programs)
    for name in programs.commands:
        own = section(pages["leat.1"], name)
        if own is None:
            yield f"leat.1: no command {name!r}"
        elif name == "run":
            yield from missing("leat-run.1", pages["leat-run.1"], programs.options[name])
        else:
            yield from missing(f"leat.1, {name}", own, programs.options[name])
    for page in ("leat.1", "leat-run.1"):
        yield from missing(page, pages[page], programs.common)
    yield from missing("leat-broker.8", pages["leat-broker.8"], programs.broker)
    for rows in (programs.worker, programs.handlers):
        yield from missing("leat-worker.8", pages["leat-worker.8"], rows)


def keys(rows):
    return {re.search(r"--(\S+)", typed)[1] for typed, _ in rows}


def wrong_keys(page, programs, build, folder):
    """Keys are tried out: a file that holds one must be refused for its name, or not."""
    every = keys(programs.common).union(*(keys(rows) for rows in programs.options.values()))
    none = f"{folder}/none"
    tries = {
        "CLIENT.INI": (every, ("leat", "status", "--broker", f"ipc://{none}")),
        "BROKER.INI": (keys(programs.broker), ("leat-broker", "--check", "--data", none)),
        "WORKER.INI": (keys(programs.worker), ("leat-worker", "--broker", "nowhere")),
    }
    file = pathlib.Path(folder) / "try.ini"
    tried = 0
    for title, (names, command) in tries.items():
        text = page.split(f"\n{title}\n")[1].split("\nEXAMPLES")[0]
        text = re.split(r"\n[A-Z]+\.INI\n", text)[0]
        on_page = set(re.findall(r"^ +(\S+) = ", text, re.M))
        yield from (f"leat.ini.5: {title}: {name} is no option" for name in on_page - names)
        for name in sorted(names):
            file.write_text(f"{name} = zzz\n")
            run = said(build / command[0], *command[1:], "--config", file, code=None, cwd=folder)
            is_key = f"{file}:1: no key" not in run.stderr and "cannot stand in" not in run.stderr
            tried += 1
            if is_key != (name in on_page):
                yield f"leat.ini.5: {title}: {name} is {'not ' if is_key else ''}there: {run.stderr}"
    if tried < 60:
        yield f"only {tried} keys were tried"


def planted(pages, programs):
    """A row less on each page; what is noticed of that."""
    for page, rows in (
        ("leat.1", programs.options["submit"]),
        ("leat.1", programs.common),
        ("leat-run.1", programs.options["run"]),
        ("leat-broker.8", programs.broker),
        ("leat-worker.8", programs.worker),
        ("leat-worker.8", programs.handlers),
    ):
        typed, _ = rows[len(rows) // 2]
        # Not a row of that name elsewhere on the page.
        whole = pages[page]
        own = (section(whole, "submit") or "") if rows is programs.options["submit"] else whole
        less = own.replace(f"       {typed}\n", "")
        yield f"{page}: {typed}", {**pages, page: whole.replace(own, less)}
    whole = pages["libleat.3"]
    yield "libleat.3: leat_wait_next", {**pages, "libleat.3": whole.replace("leat_wait_next(", "(")}
    whole = pages["leat-protocol.7"]
    yield "leat-protocol.7: STALE", {**pages, "leat-protocol.7": whole.replace(" STALE\n", "\n")}
    whole = pages["leat.1"]
    yield "leat.1: leat wait", {**pages, "leat.1": whole.replace("\n   leat wait\n", "\n")}


def bad_page(root, build, folder):
    """The lines of docs/running.md about this, as they stand there, with the build that is tried."""
    text = (root / "docs/running.md").read_text().split("## Manual and completions")[1]
    lines = readme.lines(text.split("\n## ")[0])
    home = pathlib.Path(folder) / "home"
    home.mkdir()
    shell = readme.Shell(root, readme.environment(home))
    shell.environment["PATH"] = f"{home}/.local/bin:{shell.environment['PATH']}"
    for line in lines:
        end = shell.run(line.replace("build/release", str(build)))
        if end.returncode != 0 or end.stderr:
            yield f"docs/running.md: {line}: exit {end.returncode}"
        if line == "man leat-run" and "--keep-order" not in end.stdout:
            yield f"docs/running.md: {line}: not that page"
    if len(lines) < 4:
        yield f"docs/running.md: only {len(lines)} lines"


def bad_advice(build, folder):
    """leat help cheat, line by line, in a folder where there is what it speaks of."""
    work = pathlib.Path(folder) / "work"
    (work / "docs").mkdir(parents=True)
    (work / "docs" / "Makefile").write_text("all:\n\t@echo made\n")
    for name in ("a.md", "b.md"):
        (work / name).write_text("one\ntwo\n")
    shell = readme.Shell(work, readme.environment(folder))
    shell.environment["PATH"] = f"{build}:{shell.environment['PATH']}"
    advice = said(build / "leat", "help", "cheat").stdout
    lines = re.findall(r"^  (\S.*?) {2,}\S", advice, re.M)
    try:
        for line in lines:
            end = shell.run(line)
            nothing_dead = line == "leat retry --dead" and end.returncode == 3
            if end.returncode != 0 and not nothing_dead:
                yield f"leat help cheat: {line}: exit {end.returncode}"
    finally:
        shell.run("leat down")
    if len(lines) < 15:
        yield f"leat help cheat: only {len(lines)} lines"
    yield from (f"still running: {process}" for process in readme.left_running(folder))


def not_completed(programs, build, folder):
    """Options that the completion does not know, and values that it offers and the command refuses,
    or the other way round."""
    environment = {"HOME": folder, "LEAT_BROKER": f"ipc://{folder}/none", "PATH": os.environ["PATH"]}

    def leat(*words):
        return said(build / "leat", *words, code=None, env=environment, cwd=folder)

    def offered(*words):
        return [line.split("\t")[0] for line in leat("__complete", *words).stdout.splitlines()[1:]]

    values = 0
    for name, rows in programs.options.items():
        words = name.split()
        known = offered(*words, "--")
        own = rows + (programs.common if name == "status" else [])
        yield from (f"{name}: --{key} is not completed" for key in keys(own) if f"--{key}" not in known)
        # Behind a flag an operand comes, which is none of its values.
        for key in sorted(keys(row for row in own if re.search(r"--\S+ \S", row[0]))):
            for value in [*offered(*words, f"--{key}", ""), "zebra"]:
                if value == "zebra" and not offered(*words, f"--{key}", ""):
                    continue
                end = leat(*words, *OPERANDS.get(name, []), f"--{key}={value}")
                refused = end.returncode == 2 and f"--{key}" in end.stderr
                values += 1
                if refused != (value == "zebra"):
                    yield f"{name} --{key} {value}: {end.stderr}"
    if values < 30:
        yield f"only {values} values were tried"


def not_installed(build, folder):
    for component, files in INSTALLED.items():
        prefix = pathlib.Path(folder) / f"prefix-{component}"
        said("cmake", "--install", build, "--prefix", prefix, "--component", component)
        there = [str(path) for path in prefix.rglob("*") if path.is_file()]
        for file in files:
            if not any(path.endswith(f"/{file}") for path in there):
                yield f"{file} is not installed with {component}"


def main():
    build = pathlib.Path(sys.argv[2]).resolve()
    if shutil.which("man") is None:
        print("there is no man here: left out")
        return 77
    wrong, pages, programs = [], {}, Programs(build, pathlib.Path(sys.argv[1]).resolve())
    for name in PAGES:
        pages[name], complaints = shown(build / "manual" / name)
        wrong += [f"{name}: {complaints}"] if complaints else []
    wrong += differences(pages, programs)
    with tempfile.TemporaryDirectory(prefix="leat-man-", dir="/tmp") as folder:
        wrong += wrong_keys(pages["leat.ini.5"], programs, build, folder)
        wrong += not_installed(build, folder)
        wrong += not_completed(programs, build, folder)
        wrong += bad_page(pathlib.Path(sys.argv[1]).resolve(), build, folder)
        wrong += bad_advice(build, folder)
    if not wrong:
        for what, spoilt in planted(pages, programs):
            noticed = list(differences(spoilt, programs))
            print(f"taken out, {what}: {noticed}")
            if len(noticed) != 1:
                print("inconclusive: that was not noticed, or too much was")
                return 2
    rows = sum(map(len, programs.options.values())) + len(programs.common)
    print("\n".join(wrong) or f"{len(programs.commands)} commands and {rows} options of leat")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
