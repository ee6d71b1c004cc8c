#!/usr/bin/env python3
"""The examples in C of docs/workers.md, as their readers have them.

workers_in_c.py ROOT BUILD CC PKG_CONFIG: installs BUILD below a prefix of its own, builds the program and
the plug-in in clean folders against it, and has jobs run by both with a broker of its own. The last
step is the check's own: a plug-in that was built without its table must not be taken.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

LONGEST = 30  # lines of the example of a worker in one's own program


class Wrong(Exception):
    pass


def run(words, **more):
    end = subprocess.run(
        [str(word) for word in words],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, **more,
    )
    if end.returncode != 0:
        raise Wrong(f"{words}: exit {end.returncode}\n{end.stdout}{end.stderr}")
    return end.stdout


class Stage:
    """An installed prefix, a broker, and what runs beside it."""

    def __init__(self, folder, build):
        self.folder = folder
        self.prefix = folder / "prefix"
        self.running = []
        run(["cmake", "--install", build, "--prefix", self.prefix])
        library = next(self.prefix.glob("lib*/**/libleat.so")).parent
        self.environment = os.environ | {
            "LEAT_BROKER": f"ipc://{folder}/broker.sock",
            "LD_LIBRARY_PATH": str(library),
            "PKG_CONFIG_PATH": f"{library}/pkgconfig",
            "XDG_STATE_HOME": str(folder),
            "XDG_CONFIG_HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder),
        }

    def start(self, words, ready=""):
        log = self.folder / f"{len(self.running)}.log"
        with log.open("w") as out:
            process = subprocess.Popen(
                [str(word) for word in words],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=self.environment,
            )
        self.running.append(process)
        for _ in range(3000):
            if ready in log.read_text():
                return process
            if process.poll() is not None:
                break
            time.sleep(0.01)
        raise Wrong(f"{words} does not start: {log.read_text()}")

    def stop(self, process):
        process.terminate()
        code = process.wait(timeout=60)
        if code != 0:
            raise Wrong(f"{process.args}: exit {code}")

    def job(self, handler, payload):
        leat = self.prefix / "bin/leat"
        run([leat, "submit", "--handler", handler, payload], env=self.environment)
        run([leat, "wait", "--timeout", "60s"], env=self.environment)
        return run([leat, "result", "last"], env=self.environment).strip()

    def end(self):
        for process in self.running:
            if process.poll() is None:
                process.kill()
                process.wait()


def must_be(got, wanted):
    if got != wanted:
        raise Wrong(f"{got!r} instead of {wanted!r}")


def program(stage, root, cc, pkg_config):
    source = root / "docs/workers/greet.c"
    lines = source.read_text().count("\n")
    if lines > LONGEST:
        raise Wrong(f"{source} has {lines} lines")
    flags = run(
        [pkg_config, f"--define-variable=prefix={stage.prefix}", "--cflags", "--libs", "leat"],
        env=stage.environment,
    )
    greet = stage.folder / "greet"
    run([cc, "-std=c17", "-Wall", "-Wextra", "-Werror", source, "-o", greet] + flags.split())
    worker = stage.start([greet])
    must_be(stage.job("greet", "world"), "hello, world")
    stage.stop(worker)


def plug_in(stage, root, cc):
    folder = stage.folder / "words"
    shutil.copytree(root / "docs/workers/words", folder)
    run(["cmake", "-S", folder, "-B", folder / "build", f"-DCMAKE_PREFIX_PATH={stage.prefix}",
         f"-DCMAKE_C_COMPILER={cc}"])
    run(["cmake", "--build", folder / "build"])
    leat_worker = stage.prefix / "bin/leat-worker"
    words = folder / "build/libwords.so"
    if "words     a text: how many words it has" not in run([leat_worker, "--plugin", words, "-h"]):
        raise Wrong("--help does not name the handler")
    worker = stage.start([leat_worker, "--plugin", words, "--slots", "2"], "at=worker.up")
    must_be(stage.job("words", "one two  three"), "3")
    stage.stop(worker)

    # Without the table it is an object like any other.
    text = (folder / "words.c").read_text()
    (folder / "words.c").write_text(text.replace("LEAT_PLUGIN(handlers)", "const void *all = handlers;"))
    run(["cmake", "--build", folder / "build"])
    try:
        run([leat_worker, "--plugin", words], env=stage.environment)
    except Wrong as refused:
        if "exit 2\n" not in str(refused) or "is no plug-in of Leat" not in str(refused):
            raise
        return
    raise Wrong("a plug-in without a table was taken")


def main():
    root, build = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
    cc, pkg_config = sys.argv[3:5]
    with tempfile.TemporaryDirectory(prefix="leat-in-c-") as name:
        folder = pathlib.Path(name)
        stage = Stage(folder, build)
        try:
            stage.start([stage.prefix / "bin/leat-broker", "--bind", stage.environment["LEAT_BROKER"],
                         "--data", folder / "store"], "at=broker.start")
            program(stage, root, cc, pkg_config)
            plug_in(stage, root, cc)
        except Wrong as wrong:
            print(wrong)
            return 1
        finally:
            stage.end()
    print("a program and a plug-in, built and run as the page says")
    return 0


if __name__ == "__main__":
    sys.exit(main())
