#!/usr/bin/env python3
"""The programs of docs/channels.md print what the page says.

channels.py ROOT BUILD CC: each section with a C program is compiled against BUILD's libleat and run
with a broker of its own; its Go program is run too where there is go. Both must print the block that
follows them.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time


def sections(page):
    """(title, {language: text}) of each section."""
    for part in re.split(r"^## ", page, flags=re.M)[1:]:
        blocks = re.findall(r"^```(\w+)\n(.*?)^```$", part, re.M | re.S)
        yield part.splitlines()[0], dict(blocks)


def run(command, **more):
    """What it prints, or what is wrong with it."""
    try:
        end = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, **more
        )
    except subprocess.TimeoutExpired:
        return "(still running after 60 s)\n"
    return end.stdout if end.returncode == 0 else f"{end.stdout}{end.stderr}(exit {end.returncode})\n"


def with_broker(build, folder, command, environment):
    """Run the command while a new broker listens."""
    log = pathlib.Path(folder) / "broker.log"
    environment = environment | {"LEAT_BROKER": f"ipc://{folder}/broker.sock"}
    words = [build / "leat-broker", "--bind", environment["LEAT_BROKER"], "--data", f"{folder}/store"]
    with log.open("w") as out:
        broker = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=out)
    try:
        for _ in range(1000):
            if "at=broker.start" in log.read_text():
                return run(command, env=environment)
            if broker.poll() is not None:
                break
            time.sleep(0.01)
        return f"(the broker does not start)\n{log.read_text()}"
    finally:
        broker.terminate()
        broker.wait()


def run_c(root, build, cc, header, text):
    with tempfile.TemporaryDirectory(prefix="leat-channels-") as folder:
        for name, content in (("go.h", header), ("example.c", text)):
            (pathlib.Path(folder) / name).write_text(content)
        compiled = run(
            [cc, "-D_GNU_SOURCE", "-std=c17", "-Wall", "-Wextra", "-Werror"]
            + [f"-I{root}/client/include", f"{folder}/example.c", "-o", f"{folder}/example"]
            + [f"-L{build}", f"-L{build}/client", "-lleat", "-lpthread"]
        )
        if compiled:
            return compiled
        libraries = {"LD_LIBRARY_PATH": f"{build}:{build}/client"}
        return with_broker(build, folder, [f"{folder}/example"], os.environ | libraries)


def run_go(go, text):
    with tempfile.TemporaryDirectory(prefix="leat-channels-") as folder:
        source = pathlib.Path(folder) / "example.go"
        source.write_text(text)
        mine = {"GOCACHE": f"{folder}/cache", "GOPATH": f"{folder}/path", "CGO_ENABLED": "0"}
        environment = os.environ | {"GO111MODULE": "off"} | mine
        if "GOCACHE" in os.environ:
            environment["GOCACHE"] = os.environ["GOCACHE"]
        return run([go, "run", source], env=environment, cwd=folder)


def main():
    root, build = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
    cc = sys.argv[3]
    go = shutil.which("go")
    header, seen, wrong = None, 0, 0
    for title, blocks in sections((root / "docs/channels.md").read_text()):
        if blocks.get("c", "").startswith("/* go.h */"):
            header = blocks["c"]
            continue
        if not {"go", "c", "text"} <= blocks.keys():
            sys.exit(f"channels: section \"{title}\" has not the three blocks go, c and text")
        seen += 1
        results = {"c": run_c(root, build, cc, header, blocks["c"])}
        if go:
            results["go"] = run_go(go, blocks["go"])
        for language, printed in results.items():
            if printed != blocks["text"]:
                wrong += 1
                print(f"{title}: {language} prints\n{printed}instead of\n{blocks['text']}", flush=True)
    print(f"channels: {seen} examples{', with go' if go else ''}, {wrong} differences")
    return 1 if wrong or seen < 10 else 0


if __name__ == "__main__":
    sys.exit(main())
