#!/usr/bin/python3
"""Flipped bits and cut files: damage of a store is found, and never believed.

A store with live, ended and dead jobs and with messages is damaged in one bit, or cut short, as
often as is asked for. Each time `leat store check` looks at it and a broker is started on it, with a
worker; every payload carries a hash of its own. Then the same with a broker that runs already.

Violated: a payload or result that is not what was sent; a job that is missing although nothing was
found; a broker that ends by a signal start after start; a store that is changed by who refuses it.
Control: a broker that does not look at checksums must deliver a wrong payload.
"""

import hashlib
import json
import re
import subprocess
import time

import rig

LIVE, ENDED, DEAD, MESSAGES = 40, 20, 4, 20
PAGE_BYTES = 4096
LIVES = 5  # starts of one broker after another; three that a signal ends are allowed
FREE = ("a flip that changes nothing lies in a free page, behind the last row of a page, or in the "
        "older of the two first pages: nothing reads it before it is written anew")


def payload(text):
    return f"{text}:{hashlib.sha256(text.encode()).hexdigest()[:24]}"


def is_sound(text):
    name, _, digest = text.rpartition(":")
    return payload(name) == text and digest != ""


class Bits:
    def __init__(self, r):
        self.r = r
        self.data = r.store / "data.mdb"
        self.found = {"crc": 0, "totals": 0, "structure": 0, "nothing": 0}
        self.refused = self.served = self.signals = self.set_aside = 0
        self.violations = []

    # ---------------------------------------------------------------- the store

    def make(self):
        r = self.r
        r.start_broker()
        r.start_worker("w", slots=4)
        texts = lambda kind, n: [payload(f"{kind}-{i}-" + "x" * r.random.choice((20, 200, 5000)))
                                 for i in range(n)]
        self.ended = texts("ended", ENDED)
        done = self.leat("submit", "--handler", "echo", ":::", *self.ended).strip()
        self.leat("wait", done)
        dead = self.leat("submit", "--handler", "fail", "--retries", "0", ":::",
                         *texts("dead", DEAD)).strip()
        self.leat("wait", dead, "--exit", "none")
        r.stop("w")
        self.live = texts("live", LIVE)
        batch = self.leat("submit", "--handler", "echo", ":::", *self.live).strip()
        self.messages = texts("message", MESSAGES)
        for text in self.messages:
            self.leat("send", "news", text)
        self.batches = (batch, done)
        if r.stop("broker") != 0:
            raise rig.Broken("the broker does not stop")
        self.good = self.data.read_bytes()
        code, text = r.run("leat", "store", "check", "--data", r.store, "--json")
        if code != 0:
            raise rig.Broken(f"the store is damaged before anything was done to it: {text}")
        # What lies behind was taken ahead, and holds nothing.
        self.used = json.loads(text)["pages"] * PAGE_BYTES

    def leat(self, *words):
        code, text = self.r.run("leat", *words)
        if code != 0:
            raise rig.Broken(f"leat {words[0]} ends with {code}: {text}")
        return text

    def put(self, data):
        for path in self.r.store.iterdir():
            path.unlink()
        self.data.write_bytes(data)

    def flipped(self, at=None):
        at = self.r.random.randrange(self.used) if at is None else at
        data = bytearray(self.good)
        data[at] ^= 1 << self.r.random.randrange(8)
        return bytes(data), f"bit in byte {at}"

    def cut(self):
        size = self.r.random.randrange(self.used)
        return self.good[:size], f"cut to {size} bytes"

    def in_payload(self):
        """A place in a live job's payload."""
        text = self.r.random.choice(self.live).encode()
        return self.good.index(text) + self.r.random.randrange(len(text))

    # ---------------------------------------------------------------- looking and serving

    def check(self):
        """What `leat store check` names, or None if it ends otherwise than it should."""
        end = subprocess.run([self.r.build / "leat", "store", "check", "--data", self.r.store, "--json"],
                             capture_output=True, text=True, timeout=60, check=False,
                             env=self.r.environment)
        if end.returncode not in (0, 1):
            self.violations.append(f"check ends with {end.returncode}: {end.stderr}")
            return []
        told = json.loads(end.stdout)
        if told["damaged"] != (end.returncode == 1):
            self.violations.append("check says one thing, and its exit code another")
        return told["found"]

    def count(self, found):
        kinds = {"crc" if "checksum" in line else "totals" if "were written" in line else "structure"
                 for line in found}
        for kind in ("structure", "totals", "crc"):
            if kind in kinds:
                self.found[kind] += 1
                return
        self.found["nothing"] += 1

    def begin(self, fault=None):
        """Start a broker. None: it is ready; else its exit code."""
        r = self.r
        log = r.log("broker")
        seen = log.stat().st_size if log.exists() else 0
        program = r.start("broker", "broker_faults" if fault else "leat-broker", "--bind", r.url,
                          "--data", r.store, environment={"LEAT_FAULT": fault} if fault else None)
        end = time.monotonic() + 30
        while time.monotonic() < end:
            code = program.poll()
            if code is not None:
                r.programs.pop("broker")
                return code
            with open(log, "rb") as file:
                file.seek(seen)
                if rig.READY.encode() in file.read():
                    return None
            time.sleep(0.002)
        raise rig.Broken("the broker neither starts nor ends")

    def ask(self, *words):
        """What `leat` prints; of one that waits for a broker that has ended, what it has printed."""
        r = self.r
        with open(r.folder / "asked", "w+", encoding="utf-8") as out:
            asking = subprocess.Popen([r.build / "leat", *words], stdin=subprocess.DEVNULL, stdout=out,
                                      stderr=subprocess.DEVNULL, env=r.environment)
            end = time.monotonic() + 20
            while asking.poll() is None:
                if not r.is_alive("broker") or time.monotonic() > end:
                    asking.kill()
                    asking.wait()
                    if r.is_alive("broker"):
                        self.violations.append(f"leat {' '.join(words)} has no end")
                time.sleep(0.002)
            out.seek(0)
            return [json.loads(line) for line in out.read().splitlines() if line.endswith("}")]

    def drain(self):
        """Run all that is there. Results and messages as they come out, and how many were set
        aside."""
        self.r.start_worker("w", slots=8)
        out, aside = [], 0
        self.ask("wait", self.batches[0], "--exit", "none", "--timeout", "10s", "-q")
        for batch in self.batches:
            for row in self.ask("result", batch, "--json"):
                if row.get("outcome") == "done":
                    out.append(row.get("result", "no text"))
                elif "damaged" in str(row.get("result")):
                    aside += 1
        out += [row.get("data", "no text")
                for row in self.ask("recv", "news", "-n", str(MESSAGES), "--try", "--json")
                if "channel" in row]
        self.r.kill("w")
        return out, aside

    def live_on(self, what, meanwhile=None, fault=None):
        """Lives of a broker on the store, until one serves all that it can or refuses. What came
        out, or None if it was refused."""
        for _ in range(LIVES):
            before = self.data.read_bytes()
            code = self.begin(fault)
            if code is not None and code < 0:
                self.signals += 1
                continue
            if code is not None:
                self.refused += 1
                if self.data.read_bytes() != before:
                    self.violations.append(f"{what}: it was refused, and changed")
                if not self.r.tail("broker", 1).startswith("leat-broker: "):
                    self.violations.append(f"{what}: refused without a sentence")
                return None
            if meanwhile:
                meanwhile()
                meanwhile = None
            out, aside = self.drain()
            if self.r.is_alive("broker"):
                self.r.stop("broker")
                self.served += 1
                self.set_aside += aside
                return out
            code = self.r.programs.pop("broker").returncode
            if code >= 0:
                self.refused += 1
                return out
            self.signals += 1
            self.wrong(out, what)
        self.violations.append(f"{what}: {LIVES} brokers in a row ended by a signal")
        return None

    def wrong(self, out, what):
        for text in out:
            if not is_sound(text):
                self.violations.append(f"{what}: delivered is {text[:60]}")
                return True
        return False

    # ---------------------------------------------------------------- the runs

    def one(self, data, what):
        self.put(data)
        found = self.check()
        if self.data.read_bytes() != data:
            self.violations.append(f"{what}: check has changed the store")
        self.count(found)
        out = self.live_on(what)
        if out is None:
            if not found:
                self.violations.append(f"{what}: refused, and check finds nothing")
            return
        self.wrong(out, what)
        missing = set(self.live + self.ended + self.messages) - set(out)
        if missing and not found:
            self.violations.append(f"{what}: {len(missing)} missing, nothing found: "
                                   f"{sorted(missing)[0][:30]}")
        rows = {line for line in found if re.match(r"table (history|logs): row", line)}
        left = rows - set(self.check()) if rows else set()
        if left:
            self.violations.append(f"{what}: was deleted: {sorted(left)[0]}")

    def beside(self):
        """A bit of the file of a broker that runs."""
        at = self.in_payload() if self.r.random.random() < 0.5 else None
        self.put(self.good)

        def flip():
            where = at if at is not None else self.r.random.randrange(self.data.stat().st_size)
            with open(self.data, "r+b") as file:
                file.seek(where)
                byte = file.read(1)[0]
                file.seek(where)
                file.write(bytes([byte ^ 1 << self.r.random.randrange(8)]))
        out = self.live_on(f"beside a broker, {at}", meanwhile=flip)
        if out is not None:
            self.wrong(out, f"beside a broker, {at}")

    def control(self):
        """Without checksums a flipped payload is delivered as it is."""
        for _ in range(3):
            data, what = self.flipped(self.in_payload())
            self.put(data)
            kept = self.violations
            self.violations = []
            out = self.live_on(what, fault="NO_CRC")
            caught = out is not None and self.wrong(out, what)
            self.violations = kept
            if caught:
                return True
        return False


def main():
    arguments = rig.arguments(__doc__, flips=(60, 2000, "bits flipped, a tenth of them cuts instead"))
    unproven = []
    began = time.monotonic()
    with rig.Rig(arguments, "bits") as r:
        bits = Bits(r)
        bits.make()
        if bits.check():
            raise rig.Broken("the store is damaged before anything was done to it")
        rig.say(f"a store of {len(bits.good)} bytes: {LIVE} live, {ENDED} ended, {DEAD} dead jobs, "
                f"{MESSAGES} messages")
        for i in range(arguments.flips):
            bits.one(*(bits.cut() if i % 10 == 9 else bits.flipped()))
            if len(bits.violations) > 20:
                break
        f = bits.found
        rig.say(f"{arguments.flips} flips and cuts: found by checksum {f['crc']}, by totals "
                f"{f['totals']}, by structure {f['structure']}; {f['nothing']} change nothing")
        rig.say(FREE)
        rig.say(f"{bits.refused} starts refused with a sentence, {bits.served} stores served, "
                f"{bits.signals} brokers ended by a signal")
        refused, served = bits.refused, bits.served
        beside = max(6, arguments.flips // 20)
        for _ in range(beside):
            bits.beside()
        rig.say(f"{beside} flips beside a broker that runs: {bits.set_aside} jobs set aside as "
                f"damaged, {bits.signals} brokers ended by a signal in all")
        caught = bits.control()
        rig.say(f"control: without checksums a wrong payload {'is' if caught else 'IS NOT'} delivered")
        if not caught:
            unproven.append("the control was not caught")
        if not all((f["crc"], f["structure"], f["nothing"], refused, served, bits.set_aside)):
            unproven.append("not every kind of damage has come up")
        figures = {"flips": arguments.flips, **{f"found_by_{k}": v for k, v in f.items()},
                   "refused": refused, "served": served, "beside": beside,
                   "set_aside": bits.set_aside, "signals": bits.signals,
                   "seconds": round(time.monotonic() - began, 1)}
    rig.finish("bits", bits.violations, unproven, **figures)


if __name__ == "__main__":
    main()
