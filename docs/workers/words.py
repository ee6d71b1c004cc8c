#!/usr/bin/env python3
"""A worker over stdio: counts the words of a text, line by line."""

import json
import sys


def say(job, **what):
    print(json.dumps({"job": job, **what}), flush=True)


for order in map(json.loads, sys.stdin):
    if "stop" in order:
        continue  # what it means has been answered already
    job, lines = order["job"], order.get("payload", "").splitlines()
    done, words = json.loads(order.get("checkpoint", "[0, 0]"))
    if not lines:
        say(job, fatal="there is nothing to count")
        continue
    for number, text in enumerate(lines[done:], done + 1):
        words += len(text.split())
        say(job, progress=number, of=len(lines), message="counting")
        if number % 1000 == 0:
            say(job, checkpoint=json.dumps([number, words]))
    say(job, log=f"{len(lines)} lines")
    say(job, result=str(words))
