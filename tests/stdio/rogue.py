#!/usr/bin/env python3
"""A program over stdio that breaks every rule, as the payload says. rogue.py [MARK]"""

import base64
import json
import os
import signal
import sys
import time

before = None  # the job that was answered last


def write(text):
    os.write(1, text.encode())


def say(job, **what):
    write(json.dumps({"job": job, **what}) + "\n")


def sleep_for_ever():
    while True:
        time.sleep(10)


def hold_until_stopped(job):
    """The other side of the rules: it listens for the order to stop, and answers it."""
    say(job, progress=1, message="holding")
    order = json.loads(sys.stdin.readline())
    say(job, fail=f"stopped as asked: {order['reason']} {order['stop'] == job}")


def break_rule(job, rule):
    if rule == "rubbish":
        write("hello world\n")
    elif rule == "half a line":
        write('{"job":"')
        sys.exit(3)
    elif rule == "half a line and hangs":
        write('{"job":"')
        sleep_for_ever()
    elif rule == "gigabyte":
        for _ in range(1024):
            os.write(1, b"x" * (1 << 20))
    elif rule == "silent":
        sleep_for_ever()
    elif rule == "stranger":
        say("999999999", result="")
        sleep_for_ever()
    elif rule == "twice":
        write(2 * (json.dumps({"job": job, "result": "once"}) + "\n"))
    elif rule == "the one before":
        say(before, result="again")
        sleep_for_ever()
    elif rule == "closes stdout":
        os.close(1)
        sleep_for_ever()
    elif rule == "closes stdin":
        say(job, result="the last one")
        os.close(0)
        sleep_for_ever()
    elif rule == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sleep_for_ever()
    elif rule == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif rule == "raise":
        raise ValueError("no such rule")
    elif rule == "huge checkpoint":
        say(job, checkpoint="x" * 65537)
    elif rule == "too late":
        say(job, result="in time")
        say(job, progress=7)
        say(job, log="a word more")
    else:
        return False
    return True


def obey(order):
    global before
    job, wish = order["job"], order.get("payload", "")
    if "payload_b64" in order:
        say(job, result_b64=order["payload_b64"])
    elif wish == "pid":
        say(job, result=str(os.getpid()))
    elif wish == "hold":
        hold_until_stopped(job)
    elif wish == "snooze" and order["attempt"] == 1:
        say(job, snooze_ms=20)
    elif wish == "resume" and "checkpoint_b64" not in order:
        say(job, checkpoint_b64=base64.b64encode(b"half\xff").decode())
        sys.exit(1)
    elif wish == "resume":
        say(job, result=f"{order['attempt']} {order['checkpoint_b64']}")
    elif wish == "fail":
        say(job, fail="it did not work out")
    elif wish == "result that is too large":
        say(job, result="x" * (1048576 + 1))
    elif wish == "variables":
        say(job, result=" ".join(sorted(order["variables"])))
    elif wish == "environment":
        say(job, result=" ".join(sorted(name for name in os.environ if name.startswith("LEAT_"))))
    elif not break_rule(job, wish):
        say(job, result=f"{wish} {order['attempt']}")
    before = job


for order in map(json.loads, iter(sys.stdin.readline, "")):
    if "job" in order:
        obey(order)
