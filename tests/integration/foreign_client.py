#!/usr/bin/python3
"""A client of LEAT/1 in another language, written from proto/PROTOCOL.md alone.

    foreign_client.py tcp://127.0.0.1:PORT

Sends 1000 jobs for handler "echo" in one frame, waits for all of them and prints
`1000 completions`. Needs a worker that offers echo. One connection, no second try: a program that
lives longer comes back with `resume` true, as sections 4 and 5 say.
"""
import json
import os
import struct
import sys

import zmq

HELLO, WELCOME, HEARTBEAT, BYE, ERROR, SEND, SENT, CREDIT, ITEMS, ACK = 1, 2, 3, 4, 5, 16, 17, 18, 22, 23
JOBS = 1000
seen = 0  # section 5: the highest number of a broker's frame that was read

# Section 2: one DEALER socket is one connection, and ZeroMQ never makes another by itself.
context = zmq.Context()
socket = context.socket(zmq.DEALER)
for option, value in ((zmq.RECONNECT_IVL, -1), (zmq.LINGER, 500), (zmq.IMMEDIATE, 1), (zmq.SNDTIMEO, 5000)):
    socket.setsockopt(option, value)
socket.connect(sys.argv[1])


def send(command, count, body=b"", sequence=0):
    socket.send(struct.pack(">HBBHHQQ", 0x4C54, 1, command, count, 0, sequence, seen) + body)


def read(wanted, lost_ms=10000):
    """Count and body of the next frame of this command. What comes in between is confirmed by a
    HEARTBEAT, so the broker's own beats make ours (sections 4 and 5)."""
    global seen
    while socket.poll(lost_ms):
        frame = socket.recv()
        magic, version, command, count, _, sequence, _ = struct.unpack_from(">HBBHHQQ", frame)
        assert (magic, version) == (0x4C54, 1)
        seen = max(seen, sequence)
        if command == wanted:
            return count, frame[24:]
        if command in (ERROR, BYE):
            sys.exit("the broker says: " + frame[36:].decode())
        send(HEARTBEAT, 1, bytes(12))
    sys.exit("no word from the broker for %d ms" % lost_ms)


# Section 4: begin a session.
send(HELLO, 1, json.dumps({"role": "client", "session": os.urandom(16).hex(), "resume": False,
                           "connection": 1, "software": "foreign_client"}).encode())
assert json.loads(read(WELCOME)[1])["payload_bytes_max"] >= 8

# Section 8: flags SEAL, channel, handler, batch 0, tag 1, no settings; then the jobs.
payloads = {place: b"job %d" % place for place in range(1, JOBS + 1)}
head = struct.pack(">BB7sB4sQIH", 1, 7, b"default", 4, b"echo", 0, 1, 0)
send(SEND, JOBS, head + b"".join(struct.pack(">I", len(p)) + p for p in payloads.values()), sequence=1)
answered, batch, first_id, accepted, code = struct.unpack_from(">QQQIH", read(SENT)[1])
assert (answered, accepted, code) == (1, JOBS, 0), (answered, accepted, code)

# Section 9: hand me the batch from its start until every job has ended, 256 ahead of my ACK.
send(CREDIT, 1, struct.pack(">BQQBQI", 3, batch, 0, 0, 0, 256))

# Section 10: runs of completions.
results, position, goal = {}, 0, False
while not goal:
    runs, body = read(ITEMS)
    at = 0
    for _ in range(runs):
        kind, of, first, *_, flags, workers = struct.unpack_from(">BQQ6QBH", body, at)
        assert (kind, of, flags & (8 | 32)) == (1, batch, 0), "the batch is lost"
        goal = goal or bool(flags & 4)
        at += 68
        for _ in range(workers):  # their names: text8
            at += 1 + body[at]
        n = struct.unpack_from(">H", body, at)[0]
        at += 2
        for here in range(first, first + n):
            job, place, _, outcome, _, _, _, size = struct.unpack_from(">QIIBHQQI", body, at)
            if here > position:  # else it was handed out before
                assert here == position + 1 and place not in results and outcome == 1
                assert job == first_id + place - 1
                results[place], position = body[at + 39:at + 39 + size], here
            at += 39 + size
    assert at == len(body)
    send(ACK, 1, struct.pack(">BQQ", 1, batch, position))

send(BYE, 0)
assert results == payloads, "a result is not its payload"
print("%d completions" % len(results))
socket.close()
context.term()
