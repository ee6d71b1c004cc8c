#!/usr/bin/env python3
"""Writes the test vectors of LEAT/1 (NAME.txt beside this file), the hex blocks of proto/PROTOCOL.md
that carry a vector's name, and the fuzzers' seeds (tests/fuzz/corpus).

It is a second writer of the protocol on purpose: it knows the byte tables and nothing of the C
code, so a vector that the C code reads and writes to the same bytes has been seen by two.

    make.py            write everything
    make.py --check    write nothing; exit 1 and name what differs
"""
import json
import os
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.normpath(os.path.join(HERE, "..", "..", ".."))

COMMANDS = {
    "HELLO": 1, "WELCOME": 2, "HEARTBEAT": 3, "BYE": 4, "ERROR": 5, "QUERY": 7, "COMMAND": 8,
    "REPLY": 9, "SEND": 16, "SENT": 17, "CREDIT": 18, "JOBS": 19, "DONE": 20, "ACKED": 21,
    "ITEMS": 22, "ACK": 23, "CANCEL": 24, "STOP": 25, "RELEASE": 26, "SNOOZE": 27, "CLAIM": 28,
    "END": 29, "RECALL": 30, "PROGRESS": 31, "LOG": 32, "CHECKPOINT": 33, "SELECT": 34, "SELECTED": 35, "WITHDRAW": 36, "WITHDRAWN": 37,
}
OUTCOMES = {1: "done", 2: "dead", 3: "cancelled", 4: "expired", 5: "skipped", 6: "lost"}
ERRORS = {"MALFORMED": 2, "FULL": 8, "CLOSED": 9, "STALE": 12, "HELLO_FIRST": 14,
          "SESSION_UNKNOWN": 15, "VERSION": 16, "TIMEOUT": 18, "TOO_LATE": 24}
# Settings of SEND: key, and a struct's form or what else the value is.
SETTINGS = {
    "priority": (1, "B"), "failures": (2, "H"), "delay_ms": (3, "Q"), "run_limit_ms": (4, "Q"),
    "name": (5, "text"), "losses": (6, "H"), "snoozes": (7, "H"), "backoff_min_ms": (8, "Q"),
    "backoff_max_ms": (9, "Q"), "grace_ms": (10, "Q"), "at_ms": (11, "Q"), "expires_ms": (12, "Q"),
    "unique": (13, "text"), "unique_for_ms": (14, "Q"), "flow": (15, "text"), "key": (16, "text"),
    "needs": (17, "text"), "traits": (18, "text"), "reply": (19, "text"),
    "reply_handler": (20, "text"), "after": (21, "after"), "finally": (22, "follower"),
    "recover": (23, "follower"), "halt": (24, "halt"), "labels": (25, "text"),
}


def quoted(data):
    text = "".join(chr(b) if 0x20 <= b <= 0x7e and b not in b'"\\' else "\\x%02x" % b for b in data)
    return '"%s"' % text


def shown(data):
    return "".join(chr(b) if 0x20 <= b <= 0x7e else "." for b in data)


class Vector:
    """A frame under construction: bytes with a comment each, and the fields that they mean."""

    all = []

    def __init__(self, name, says, sender, command, count=1, sequence=0, seen=0,
                 magic=0x4C54, version=1, number=None, error=None):
        self.name, self.says, self.sender, self.error = name, says, sender, error
        self.pieces, self.fields = [], []
        Vector.all.append(self)
        self.add(struct.pack(">H", magic), 'magic "LT"' if magic == 0x4C54 else "not the magic")
        self.add(bytes([version]), "version %d" % version)
        number = COMMANDS[command] if number is None else number
        self.add(bytes([number]), "command %d, %s" % (number, command))
        self.field("command", command)
        self.u16("count", count, "%d record%s" % (count, "" if count == 1 else "s"))
        self.u16("shard", 0)
        self.u64("sequence", sequence)
        self.u64("seen", seen)

    def add(self, data, comment):
        self.pieces.append((data, comment))

    def field(self, name, value):
        self.fields.append("%s %s" % (name, value))

    def number(self, form, name, value, comment=None, field=True):
        self.add(struct.pack(">" + form, value), comment or "%s %d" % (name, value))
        if field:
            self.field(name, value)
        return self

    def u8(self, name, value, comment=None, field=True):
        return self.number("B", name, value, comment, field)

    def u16(self, name, value, comment=None, field=True):
        return self.number("H", name, value, comment, field)

    def u32(self, name, value, comment=None, field=True):
        return self.number("I", name, value, comment, field)

    def u64(self, name, value, comment=None, field=True):
        return self.number("Q", name, value, comment, field)

    def text(self, form, name, value):
        data = value.encode() if isinstance(value, str) else value
        self.add(struct.pack(">" + form, len(data)), "%s: %d bytes" % (name, len(data)))
        if data:
            self.add(data, '"%s"' % shown(data) if len(data) <= 16 else "")
        self.field(name, quoted(data))
        return self

    def text8(self, name, value):
        return self.text("B", name, value)

    def text16(self, name, value):
        return self.text("H", name, value)

    def bytes32(self, name, value):
        return self.text("I", name, value)

    def json(self, value, fields=None):
        self.add(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode(), "")
        if fields is None:
            self.field("json", json.dumps(value, separators=(",", ":"), ensure_ascii=False))
        for name, field in fields or []:
            self.field(name, field)
        return self

    def token(self, job, attempt, epoch):
        return self.u64("id", job).u32("attempt", attempt).u64("epoch", epoch)

    def bytes(self):
        return b"".join(data for data, _ in self.pieces)

    def hex_lines(self):
        """Sixteen bytes a line at most; text without a comment is shown beside its bytes."""
        lines = []
        for data, comment in self.pieces:
            for at in range(0, len(data), 16):
                part = data[at:at + 16]
                said = comment if at == 0 and comment else shown(part)
                lines.append("%-48s; %s" % (part.hex(" "), said))
        return lines

    def file_text(self):
        out = ["# " + line for line in self.says.split("\n")] + ["from " + self.sender, "", "hex"]
        out += self.hex_lines() + [""]
        out += ["error " + self.error] if self.error else ["fields"] + self.fields
        return "\n".join(out) + "\n"


# ------------------------------------------------------------------------------------ the vectors

EPOCH = 1763000000
CLIENT = "5c0f6e0e3f7a4b1d9a2c8d7e6f504132"
WORKER = "b7d1a9c04e5f4a3389ab12cd34ef5678"
BROKER = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"


def hello(name, says, role, session, resume, connection, floor, seen, who="", slots=None,
          handlers=(), channels=(), traits=(), haves=()):
    body = {"role": role, "session": session, "resume": resume, "connection": connection,
            "floor": str(floor), "software": "example 1.0"}
    if who:
        body["name"] = who
    body["host"] = "mill"
    body["pid"] = 4711
    fields = [("role", role), ("session", session), ("resume", "true" if resume else "false"),
              ("connection", connection), ("floor", floor), ("software", '"example 1.0"'),
              ("name", '"%s"' % who), ("host", '"mill"'), ("pid", 4711), ("slots", slots or 0)]
    if role == "worker":
        body["slots"] = slots
        body["handlers"] = [{"name": n, "runs": r} for n, r in handlers]
        body["channels"] = list(channels)
        for n, r in handlers:
            fields += [("handler", '"%s"' % n), ("runs", r)]
        fields += [("channel", '"%s"' % c) for c in channels]
        if traits:
            body["traits"] = dict(traits)
        for n, value in traits:
            fields += [("trait", '"%s"' % n), ("value", '"%s"' % value)]
        if haves:
            body["have"] = {n: str(amount) for n, amount in haves}
        for n, amount in haves:
            fields += [("have", '"%s"' % n), ("amount", amount)]
    Vector(name, says, "peer", "HELLO", seen=seen).json(body, fields)


def welcome(name, says, resumed, sequence, seen):
    terms = [("heartbeat_busy_ms", 1000), ("heartbeat_idle_ms", 5000), ("lost_ms", 10000),
             ("frame_bytes_max", 1314816), ("payload_bytes_max", 1048576), ("window_frames", 1024)]
    body = {"broker": BROKER, "epoch": str(EPOCH), "resumed": resumed, "software": "leat 0.1.0"}
    body.update(terms)
    fields = [("broker", BROKER), ("epoch", EPOCH), ("resumed", "true" if resumed else "false"),
              ("software", '"leat 0.1.0"')] + terms
    Vector(name, says, "broker", "WELCOME", sequence=sequence, seen=seen).json(body, fields)


def setting_pieces(name, value):
    """The value of one setting: (bytes, comment) pieces, and its fields."""
    form = SETTINGS[name][1]
    if form == "text":
        data = value.encode()
        return [(data, '%s "%s"' % (name, value))], [(name, quoted(data))]
    if form == "after":
        batch, when = value
        return [(struct.pack(">QB", batch, when), "after batch %d, when %d" % (batch, when))], \
            [("after_batch", batch), ("after", when)]
    if form == "follower":
        handler, payload = value
        pieces = [(bytes([len(handler)]) + handler.encode(), '%s: handler "%s"' % (name, handler))]
        if payload:
            pieces.append((payload, 'with "%s"' % shown(payload)))
        return pieces, [(name, '"%s"' % handler), ("with", quoted(payload))]
    if form == "halt":
        on, running, percent, n = value
        return [(struct.pack(">BBBI", on, running, percent, n),
                 "halt %d, running %d, percent %d, n %d" % value)], \
            [("halt", on), ("halt_running", running), ("halt_percent", percent), ("halt_n", n)]
    return [(struct.pack(">" + form, value), "%s %d" % (name, value))], [(name, value)]


def setting(v, name, value):
    """Short ones stand in one line with their key and size."""
    pieces, fields = setting_pieces(name, value)
    size = sum(len(data) for data, _ in pieces)
    head = struct.pack(">BH", SETTINGS[name][0], size)
    said = "setting %d, %d byte%s" % (SETTINGS[name][0], size, "" if size == 1 else "s")
    if len(pieces) == 1 and len(head) + size <= 16:
        v.add(head + pieces[0][0], "%s: %s" % (said, pieces[0][1]))
    else:
        v.add(head, said)
        for data, comment in pieces:
            v.add(data, comment if len(data) <= 16 else "")
    for field in fields:
        v.field(*field)


def send_head(v, flags, channel, handler, batch, tag, settings=()):
    """settings: (name, value), or (bytes, comment) of what is no good setting."""
    v.u8("flags", flags).text8("channel", channel).text8("handler", handler)
    v.u64("batch", batch).u32("tag", tag)
    at = len(v.pieces)
    for name, value in settings:
        if isinstance(name, bytes):
            v.add(name, value)
        else:
            setting(v, name, value)
    size = sum(len(data) for data, _ in v.pieces[at:])
    v.pieces.insert(at, (struct.pack(">H", size), "settings_bytes %d" % size))


def sent(v, sequence, batch, first_id, accepted, code=0, sentence=""):
    v.u64("sequence", sequence, "answers frame %d" % sequence).u64("batch", batch)
    v.u64("first_id", first_id)
    v.u32("accepted", accepted).u16("code", code).text16("sentence", sentence)


def job(v, number, attempt, place, payload):
    v.u64("id", number).u32("attempt", attempt).u32("place", place).bytes32("payload", payload)


def done(v, number, attempt, end, run_us, result):
    v.token(number, attempt, EPOCH).u8("end", end).u64("run_us", run_us).bytes32("result", result)


def completion(v, number, place, attempt, outcome, worker, ended_ms, run_us, result):
    v.u64("job", number).u32("place", place).u32("attempt", attempt)
    v.u8("outcome", outcome, "outcome %d, %s" % (outcome, OUTCOMES[outcome]), field=False)
    v.field("outcome", OUTCOMES[outcome])
    v.u16("worker", worker).u64("ended_ms", ended_ms).u64("run_us", run_us)
    v.bytes32("result", result)


def counters(v, total, done_, dead=0, cancelled=0, expired=0, skipped=0):
    v.u64("total", total).u64("done", done_).u64("dead", dead).u64("cancelled", cancelled)
    v.u64("expired", expired).u64("skipped", skipped)


def session_vectors():
    hello("hello-client", "A client opens a new session.", "client", CLIENT, False, 1, 0, 0)
    hello("hello-worker", "A worker with four slots and two handlers opens a new session.",
          "worker", WORKER, False, 1, 0, 0, "w1", 4, [("echo", "inline"), ("thumb", "child")],
          ["default"])
    hello("hello-worker-again", "The same session on its second connection: frames up to its own "
          "number 1\nhave been answered, and it has read the broker's frames up to 4.",
          "worker", WORKER, True, 2, 1, 4, "w1", 4, [("echo", "inline"), ("thumb", "child")],
          ["default"])
    hello("hello-worker-able", "A worker that says where it is, and what it has to share out.",
          "worker", WORKER, False, 1, 0, 0, "gpu1", 8, [("train", "child")], ["default"],
          [("arch", "x86_64"), ("zone", "a")], [("cpus", 8), ("gpu", 2)])
    hello("hello-beat", "The thread that beats for the worker's session, on a connection of its "
          "own.", "beat", WORKER, True, 1, 0, 0)
    welcome("welcome-new", "The broker has made the session.", False, 1, 0)
    welcome("welcome-again", "The broker knows the session; it has read its frame 1, not 2.", True,
            5, 1)
    v = Vector("heartbeat-worker", "A worker that has started jobs up to number 3 and runs one.",
               "peer", "HEARTBEAT", seen=3)
    v.u64("started", 3).u32("running", 1)
    v = Vector("heartbeat-broker", "The broker is alive.", "broker", "HEARTBEAT", sequence=4,
               seen=1)
    v.u64("started", 0).u32("running", 0)
    Vector("bye", "A client ends its session.", "peer", "BYE", count=0, seen=3)
    v = Vector("error-hello-first", "The first frame of a connection was no HELLO.", "broker",
               "ERROR")
    v.u16("code", ERRORS["HELLO_FIRST"], "code 14, HELLO_FIRST").u64("sequence", 0)
    v.text16("sentence", "the first frame of a connection must be HELLO")
    v = Vector("error-malformed", "The frame 2 of this session could not be read: it is decided, "
               "as refused.", "broker", "ERROR", sequence=3, seen=2)
    v.u16("code", ERRORS["MALFORMED"], "code 2, MALFORMED")
    v.u64("sequence", 2, "answers frame 2")
    v.text16("sentence", "SEND: the body is not 2 records")


def control_vectors():
    Vector("query-ping", "Is the broker there?", "peer", "QUERY", seen=1).json(
        {"id": "7", "query": "ping", "arguments": {}})
    Vector("reply-ping", "It is.", "broker", "REPLY", sequence=2).json(
        {"id": "7", "result": {"broker": BROKER, "epoch": str(EPOCH), "software": "leat 0.1.0",
                               "pid": 812, "uptime_s": 1.5, "store": "lmdb, synced"}})
    Vector("command-seal", "Seal a batch without sending a job.", "peer", "COMMAND", sequence=2,
           seen=3).json({"command": "batch.seal", "arguments": {"batch": "42"}})
    Vector("reply-seal", "Done; the reply names the frame that it answers.", "broker", "REPLY",
           sequence=4, seen=2).json({"sequence": "2", "result": {}})
    Vector("command-channel", "Make a channel of messages with room for 10, nothing on disk.",
           "peer", "COMMAND", sequence=1, seen=1).json(
               {"command": "channel.new", "arguments": {
                   "channel": "news", "kind": "messages", "durability": "memory",
                   "capacity": 10}})
    Vector("command-cancel", "Cancel the jobs of a batch from the third on.", "peer", "COMMAND",
           sequence=3, seen=3).json(
               {"command": "batch.cancel", "arguments": {"batch": "42", "from": 3}})
    Vector("reply-cancel", "Two waited and are cancelled, one runs and is being stopped, one had "
           "ended.", "broker", "REPLY", sequence=5, seen=3).json(
               {"sequence": "3", "result": {"cancelled": "2", "stopping": "1", "ended": "1",
                                            "marked": False}})
    Vector("query-explain", "Why does nothing of this batch run?", "peer", "QUERY", seen=4).json(
        {"id": "9", "query": "explain", "arguments": {"batch": "42"}})
    Vector("reply-explain", "Because no worker has what it needs.", "broker", "REPLY", sequence=5,
           seen=4).json(
               {"id": "9", "result": {
                   "batch": "42", "ready": "3", "running": "0", "delayed": "0", "held": "0",
                   "reasons": [{"jobs": "3", "reason": "no worker has gpu=4",
                                "hint": "start a worker with --have gpu=4"}]}})
    Vector("reply-not-found", "A query for a batch that does not exist.", "broker", "REPLY",
           sequence=4, seen=1).json(
               {"id": "8", "error": {"code": "NOT_FOUND", "message": "no batch 43"}})


def sending_vectors():
    v = Vector("send-three-jobs", "Three jobs for handler \"echo\"; the batch that this session "
               "calls 1, complete.", "peer", "SEND", count=3, sequence=1, seen=1)
    send_head(v, 1, "default", "echo", 0, 1)
    for payload in (b"a", b"bc", b""):
        v.bytes32("payload", payload)
    v = Vector("send-settings", "One job with some settings.", "peer", "SEND", sequence=3, seen=4)
    send_head(v, 0, "imports", "thumb", 42, 0, [
        ("priority", 9), ("failures", 1), ("delay_ms", 60000), ("run_limit_ms", 5000),
        ("name", "night"), ("key", "user 7"), ("needs", "gpu=1,mem=1024")])
    v.bytes32("payload", b"{\"image\":7}")
    v = Vector("send-every-setting", "One job with every setting.", "peer", "SEND", sequence=4,
               seen=4)
    send_head(v, 0, "imports", "thumb", 42, 0, [
        ("priority", 0), ("failures", 65535), ("delay_ms", 1), ("run_limit_ms", 31622400000),
        ("name", "night"), ("losses", 255), ("snoozes", 3), ("backoff_min_ms", 50),
        ("backoff_max_ms", 100), ("grace_ms", 3600000), ("at_ms", 253402300799999),
        ("expires_ms", 60000), ("unique", "image 7"), ("unique_for_ms", 1000), ("flow", "größer"),
        ("key", "user 7"), ("needs", "cpus=2,gpu=1"), ("traits", "arch=x86_64,zone=a"),
        ("reply", "results"), ("reply_handler", "collect"), ("after", (41, 3)),
        ("finally", ("last", b"")), ("finally", ("first", b"\x00\xff")), ("recover", ("mend", b"x")),
        ("halt", (1, 1, 1, 100))])
    v.bytes32("payload", b"")
    v = Vector("send-followers", "A job, what follows its end (\"report\" first, then \"cleanup\"), "
               "and what\ntries to mend it when it is dead. The batch gives up after three ends "
               "other than done.", "peer", "SEND", sequence=5, seen=5)
    send_head(v, 1, "imports", "thumb", 0, 2, [
        ("finally", ("cleanup", b"/tmp/7")), ("finally", ("report", b"")),
        ("recover", ("mend", b"gently")), ("halt", (1, 0, 0, 3))])
    v.bytes32("payload", b"{\"image\":7}")
    v = Vector("send-after", "A job that waits until batch 42 has ended with all jobs done.", "peer",
               "SEND", sequence=6, seen=5)
    send_head(v, 1, "imports", "publish", 0, 3, [("after", (42, 1))])
    v.bytes32("payload", b"")
    v = Vector("send-wait", "Three messages for a channel with room for one: the others wait in "
               "line.", "peer", "SEND", count=3, sequence=2, seen=2)
    send_head(v, 0, "news", "", 0, 0)
    v.bytes32("payload", b"one").bytes32("payload", b"two").bytes32("payload", b"three")
    sent(Vector("sent-withdrawn", "Two went in before the wait was given up.", "broker", "SENT",
                sequence=3, seen=2), 2, 61, 61, 2, ERRORS["TIMEOUT"],
         'the channel "news" was full until you gave up')
    v = Vector("send-messages", "Two messages: no handler.", "peer", "SEND", count=2, sequence=1,
               seen=1)
    send_head(v, 2, "news", "", 0, 0)
    v.bytes32("payload", "größer".encode()).bytes32("payload", b"\x00\xff")
    v = Vector("send-cut", "A SEND that announces two records and brings one.", "peer", "SEND",
               count=2, sequence=2, seen=2, error="MALFORMED")
    send_head(v, 0, "default", "echo", 0, 2)
    v.bytes32("payload", b"a")
    sent(Vector("sent-three-jobs", "All three are in and on disk.", "broker", "SENT", sequence=2,
                seen=1), 1, 42, 43, 3)
    v = Vector("sent-refused", "Two answers in one frame: one accepted, one for a closed channel.",
               "broker", "SENT", count=2, sequence=3, seen=3)
    sent(v, 2, 46, 46, 1)
    sent(v, 3, 0, 0, 0, ERRORS["CLOSED"], 'the channel "news" is closed')


def waiting_vectors():
    v = Vector("credit-wait", "Hand me batch 42 from its start until every job has ended, at most "
               "256\ncompletions beyond what I have acknowledged.", "peer", "CREDIT", seen=2)
    v.u8("kind", 3, "kind 3, WAIT").u64("batch", 42).u64("position", 0)
    v.u8("goal_kind", 0, "goal_kind 0, ALL").u64("goal", 0).u32("items", 256)
    v = Vector("credit-recv", "At most 10 messages of channel \"news\" unacknowledged here; and no "
               "more of \"old\".", "peer", "CREDIT", count=2, seen=1)
    v.u8("kind", 2, "kind 2, RECV").text8("channel", "news").u32("items", 10).u64("receives", 0)
    v.u8("kind", 2, "kind 2, RECV").text8("channel", "old").u32("items", 0).u64("receives", 0)
    v = Vector("credit-receive", "The seventh receive from \"tasks\" over this connection has "
               "begun.", "peer", "CREDIT", seen=6)
    v.u8("kind", 2, "kind 2, RECV").text8("channel", "tasks").u32("items", 8).u64("receives", 7)
    v = Vector("withdraw", "Give up: what waits as frame 2, and the receive from \"tasks\".",
               "peer", "WITHDRAW", count=2, seen=2)
    v.u8("kind", 1, "kind 1, SEQUENCE").u64("sequence", 2)
    v.u8("kind", 2, "kind 2, RECV").text8("channel", "tasks")
    v = Vector("withdrawn", "Six messages of \"tasks\" came over this connection, and no more will.",
               "broker", "WITHDRAWN", sequence=7, seen=6)
    v.text8("channel", "tasks").u64("served", 6)
    v = Vector("items-completions", "The three completions of batch 42, and a run that says: the "
               "batch is finished\nand the goal reached.", "broker", "ITEMS", count=2, sequence=3,
               seen=1)
    v.u8("kind", 1, "kind 1, COMPLETIONS").u64("batch", 42).u64("first_position", 1)
    counters(v, 3, 2, 1)
    v.u8("flags", 1, "flags: SEALED")
    v.u16("workers", 2).text8("worker", "w1").text8("worker", "w2").u16("n", 3)
    completion(v, 43, 1, 1, 1, 0, 1763000001500, 12, b"a")
    completion(v, 45, 3, 1, 1, 1, 1763000001500, 15, b"")
    completion(v, 44, 2, 3, 2, 0, 1763000004250, 90, b"no such image")
    v.u8("kind", 1, "kind 1, COMPLETIONS").u64("batch", 42).u64("first_position", 4)
    counters(v, 3, 2, 1)
    v.u8("flags", 7, "flags: SEALED, FINISHED, GOAL").u16("workers", 0).u16("n", 0)
    v = Vector("items-no-completions", "Counters only: nothing new to read, and the batch of a "
               "memory channel is lost.", "broker", "ITEMS", sequence=6, seen=2)
    v.u8("kind", 1, "kind 1, COMPLETIONS").u64("batch", 42).u64("first_position", 4)
    counters(v, 0, 0)
    v.u8("flags", 8, "flags: LOST").u16("workers", 0).u16("n", 0)
    v = Vector("items-messages", "Two messages, the first for the second time; then the channel is "
               "closed and empty.", "broker", "ITEMS", count=2, sequence=5, seen=1)
    v.u8("kind", 2, "kind 2, MESSAGES").text8("channel", "news").u8("flags", 0).u16("n", 2)
    v.u64("id", 50).u8("flags", 1, "flags: AGAIN").bytes32("payload", b"old")
    v.u64("id", 51).u8("flags", 0).bytes32("payload", b"new")
    v.u8("kind", 2, "kind 2, MESSAGES").text8("channel", "shut")
    v.u8("flags", 64, "flags: CLOSED").u16("n", 0)
    v = Vector("ack-batch", "Everything up to position 3 of batch 42 is read.", "peer", "ACK",
               seen=3)
    v.u8("kind", 1, "kind 1, BATCH").u64("batch", 42).u64("position", 3)
    v = Vector("ack-messages", "Two messages are done with; sequenced, answered ACKED.", "peer",
               "ACK", count=2, sequence=2, seen=5)
    v.u8("kind", 2, "kind 2, MESSAGE").u64("id", 50)
    v.u8("kind", 2, "kind 2, MESSAGE").u64("id", 51)


def select_vectors():
    v = Vector("select", "Send to \"out\" or receive from \"in\" or \"stop\", whichever can.",
               "peer", "SELECT", count=3, sequence=3, seen=3)
    v.u8("flags", 0)
    v.u8("kind", 1, "kind 1, send").text8("channel", "out").bytes32("payload", b"tick")
    v.u8("kind", 2, "kind 2, receive").text8("channel", "in").bytes32("payload", b"")
    v.u8("kind", 2, "kind 2, receive").text8("channel", "stop").bytes32("payload", b"")
    v = Vector("select-default", "A receive that does not wait.", "peer", "SELECT", sequence=4,
               seen=4)
    v.u8("flags", 1, "flags: DEFAULT")
    v.u8("kind", 2, "kind 2, receive").text8("channel", "in").bytes32("payload", b"")

    def selected(v, sequence, index, code, number, flags, payload, sentence=""):
        v.u64("sequence", sequence, "answers frame %d" % sequence)
        v.u16("case", index, "case %d%s" % (index, ", none" if index == 65535 else ""))
        v.u16("code", code).u64("id", number).u8("flags", flags).bytes32("payload", payload)
        v.text16("sentence", sentence)

    selected(Vector("selected", "Case 1: a message from \"in\".", "broker", "SELECTED", sequence=4,
                    seen=3), 3, 1, 0, 70, 0, b"hello")
    v = Vector("selected-none", "Nothing could proceed (frame 4), and one was withdrawn (frame 5).",
               "broker", "SELECTED", count=2, sequence=5, seen=4)
    selected(v, 4, 65535, ERRORS["FULL"], 0, 0, b"", "no case can proceed")
    selected(v, 5, 65535, ERRORS["TIMEOUT"], 0, 0, b"", "you gave up")
    v = Vector("selected-closed", "Case 2: its channel is closed and empty.", "broker", "SELECTED",
               sequence=6, seen=5)
    selected(v, 6, 2, ERRORS["CLOSED"], 0, 0, b"", 'the channel "stop" is closed')


def working_vectors():
    v = Vector("credit-work", "Up to 68 jobs and 8 MiB outstanding for all handlers together.",
               "peer", "CREDIT", seen=1)
    v.u8("kind", 1, "kind 1, WORK").u16("handler", 65535, "handler 65535, all together")
    v.u32("items", 68).u32("bytes", 8388608)
    v = Vector("jobs", "Two runs: two jobs of handler \"echo\", one of \"thumb\" with a run limit\nand amounts.",
               "broker", "JOBS", count=2, sequence=2, seen=0)
    v.u64("epoch", EPOCH).u64("first_number", 1)
    v.u16("jobs", 2).text8("channel", "default").text8("handler", "echo")
    v.u64("batch", 42).u64("run_limit_ms", 0).text8("needs", "")
    job(v, 43, 1, 1, b"a")
    job(v, 45, 1, 3, b"")
    v.u16("jobs", 1).text8("channel", "default").text8("handler", "thumb")
    v.u64("batch", 46).u64("run_limit_ms", 5000).text8("needs", "gpu=1,mem=1024")
    job(v, 46, 2, 1, b"{\"image\":7}")
    v = Vector("done", "Two jobs have ended, one of them without success; job number 3 has been "
               "started too.", "peer", "DONE", count=2, sequence=1, seen=2)
    v.u64("started", 3)
    done(v, 43, 1, 1, 12, b"a")
    done(v, 45, 1, 2, 15, b"empty input")
    v = Vector("done-last", "The job that still ran; its answer will be lost with the connection.",
               "peer", "DONE", sequence=2, seen=4)
    v.u64("started", 4)
    done(v, 46, 2, 1, 2400000, b"ok")
    v = Vector("done-last-again", "The same frame on the next connection: only `seen` differs.",
               "peer", "DONE", sequence=2, seen=5)
    v.u64("started", 4)
    done(v, 46, 2, 1, 2400000, b"ok")
    v = Vector("acked", "Everything in frame 1 was processed.", "broker", "ACKED", sequence=3,
               seen=1)
    v.u64("sequence", 1, "answers frame 1").u16("code", 0).u16("exceptions", 0)
    v = Vector("acked-stale", "Frame 2 was processed, but job 46 was not this session's any more.",
               "broker", "ACKED", sequence=6, seen=2)
    v.u64("sequence", 2, "answers frame 2").u16("code", 0).u16("exceptions", 1)
    v.u64("id", 46).u32("attempt", 2).u16("code", ERRORS["STALE"], "code 12, STALE")
    v = Vector("stop", "Stop job 46 within 10 s: its run limit is over. Drop job 47 at once.",
               "broker", "STOP", count=2, sequence=5, seen=1)
    v.token(46, 2, EPOCH).u8("reason", 2, "reason 2, LIMIT").u32("grace_ms", 10000)
    v.token(47, 1, EPOCH).u8("reason", 3, "reason 3, STALE").u32("grace_ms", 0)
    v = Vector("stop-cancel", "Stop job 43 within 5 s: somebody has cancelled it.", "broker",
               "STOP", sequence=3, seen=1)
    v.token(43, 1, EPOCH).u8("reason", 1, "reason 1, CANCEL").u32("grace_ms", 5000)
    v = Vector("cancel", "Two jobs are to be cancelled.", "peer", "CANCEL", count=2, sequence=2,
               seen=2)
    v.u64("id", 43).u64("id", 44)
    v = Vector("acked-cancel", "Job 43 is cancelled or told to stop; 44 has ended before.",
               "broker", "ACKED", sequence=3, seen=2)
    v.u64("sequence", 2, "answers frame 2").u16("code", 0).u16("exceptions", 1)
    v.u64("id", 44).u32("attempt", 0).u16("code", ERRORS["TOO_LATE"], "code 24, TOO_LATE")
    Vector("recall", "Give back up to 20 jobs that have not started.", "broker", "RECALL",
           sequence=8, seen=7).u32("items", 20)
    Vector("release", "Job 47 was not started and goes back.", "peer", "RELEASE", sequence=3,
           seen=6).token(47, 1, EPOCH)
    Vector("snooze", "Not now: job 47 again in a minute.", "peer", "SNOOZE", sequence=4,
           seen=6).token(47, 1, EPOCH).u64("delay_ms", 60000)
    Vector("claim", "After a reconnect: I still hold job 47, and it is running.", "peer", "CLAIM",
           seen=5).token(47, 1, EPOCH).u8("started", 1)
    Vector("end", "That was all that I hold: one claim.", "peer", "END", seen=5).u64("claims", 1)


def told_vectors():
    def teller(v, job_id, attempt, batch, place, gap):
        return v.token(job_id, attempt, EPOCH).u64("batch", batch).u32("place", place) \
            .u32("gap", gap)

    v = Vector("progress", "Job 43 has done 300 of 1000; job 45 does not know how much there is.",
               "peer", "PROGRESS", count=2, seen=3)
    teller(v, 43, 1, 0, 0, 0).u64("done", 300).u64("of", 1000).text16("text", "reading b.csv")
    teller(v, 45, 1, 0, 0, 0).u64("done", 7).u64("of", 0).text16("text", "")
    v = Vector("progress-watched", "The same for somebody who watches batch 42; two before it were "
               "dropped.", "broker", "PROGRESS", sequence=9, seen=4)
    teller(v, 43, 1, 42, 1, 2).u64("done", 300).u64("of", 1000).text16("text", "reading b.csv")
    v = Vector("progress-over", "Nothing more will be told of batch 42.", "broker", "PROGRESS",
               sequence=10, seen=4)
    v.u64("id", 0).u32("attempt", 0).u64("epoch", 0).u64("batch", 42).u32("place", 0)
    v.u32("gap", 0).u64("done", 0).u64("of", 0).text16("text", "")
    v = Vector("log", "A line on job 43's standard output, behind 120 bytes.", "peer", "LOG",
               seen=3)
    teller(v, 43, 1, 0, 0, 0).u8("stream", 1, "stream 1, standard output").u64("offset", 120)
    v.bytes32("data", b"row 300\n")
    v = Vector("log-watched", "The same for somebody who watches batch 42.", "broker", "LOG",
               sequence=11, seen=4)
    teller(v, 43, 1, 42, 1, 0).u8("stream", 1, "stream 1, standard output").u64("offset", 120)
    v.bytes32("data", b"row 300\n")
    v = Vector("checkpoint", "Job 46 has come so far: its next attempt will be told.", "peer",
               "CHECKPOINT", sequence=4, seen=6)
    v.token(46, 2, EPOCH).bytes32("data", b'{"row":300}')
    v = Vector("jobs-checkpoint", "The third attempt of job 46 goes on where the second came to.",
               "broker", "JOBS", sequence=12, seen=7)
    v.u64("epoch", EPOCH).u64("first_number", 9)
    v.number("H", "jobs_with_checkpoints", 0x8001, "1 job, with a checkpoint", field=False)
    v.field("jobs_with_checkpoints", 1)
    v.text8("channel", "default").text8("handler", "thumb")
    v.u64("batch", 46).u64("run_limit_ms", 0).text8("needs", "")
    job(v, 46, 3, 1, b"{\"image\":7}")
    v.bytes32("checkpoint", b'{"row":300}')
    v = Vector("bad-log-stream", "A stream that there is not.", "peer", "LOG", error="MALFORMED")
    teller(v, 43, 1, 0, 0, 0).u8("stream", 4).u64("offset", 0).bytes32("data", b"")
    v = Vector("bad-progress-text", "257 bytes of words.", "peer", "PROGRESS", error="TOO_LARGE")
    teller(v, 43, 1, 0, 0, 0).u64("done", 1).u64("of", 2).text16("text", "x" * 257)
    v = Vector("query-watch", "Tell what the jobs of batch 42 tell.", "peer", "QUERY")
    v.json({"id": "8", "query": "watch", "arguments": {"batch": "42"}})
    v = Vector("reply-watch", "They are told from now on.", "broker", "REPLY", sequence=8)
    v.json({"id": "8", "result": {"batch": "42", "over": False}})


def refused_vectors():
    bad = dict(error="MALFORMED")
    Vector("bad-magic", "Not Leat at all.", "peer", "BYE", count=0, magic=0x4854, **bad)
    Vector("bad-version", "A version from the future.", "peer", "BYE", count=0, version=2,
           error="VERSION")
    Vector("bad-command", "A number without a row.", "peer", "BYE", count=0, number=99, **bad)
    Vector("bad-direction", "WELCOME is never sent by a peer.", "peer", "WELCOME", **bad).json({})
    Vector("bad-count", "A SEND without a record.", "peer", "SEND", count=0, **bad)
    v = Vector("bad-setting", "A setting below 128 that this version does not know.", "peer",
               "SEND", sequence=1, seen=1, error="UNSUPPORTED")
    send_head(v, 0, "default", "echo", 0, 0, [(b"\x7f\x00\x00", "setting 127, 0 bytes")])
    v.bytes32("payload", b"a")
    for name, says, pieces in [
            ("twice", "A setting twice.", [("priority", 5), ("priority", 5)]),
            ("size", "A priority of two bytes.", [(b"\x01\x00\x02\x00\x05", "setting 1, 2 bytes")]),
            ("range", "A priority that is not there.", [("priority", 10)]),
            ("needs", "Needs whose names do not rise.", [("needs", "gpu=1,cpus=2")]),
            ("traits", "A trait without a value.", [("traits", "zone=")]),
            ("after", "Waiting for no batch.", [("after", (0, 1))]),
            ("halt", "More than all jobs.", [("halt", (1, 0, 1, 101))]),
            ("finally", "Nine jobs that follow.", [("finally", ("h", b""))] * 9)]:
        v = Vector("bad-setting-" + name, says, "peer", "SEND", sequence=1, seen=1, **bad)
        send_head(v, 0, "default", "echo", 0, 0, pieces)
        v.bytes32("payload", b"a")
    v = Vector("bad-select-payload", "A receive with something to send.", "peer", "SELECT",
               sequence=1, seen=1, **bad)
    v.u8("flags", 0).u8("kind", 2).text8("channel", "in").bytes32("payload", b"x")
    v = Vector("bad-select-cases", "One case more than there may be.", "peer", "SELECT", count=65,
               sequence=1, seen=1, **bad)
    v.u8("flags", 0)
    for _ in range(65):
        v.u8("kind", 2).text8("channel", "in").bytes32("payload", b"")
    v = Vector("bad-withdraw", "A kind of wait that there is not.", "peer", "WITHDRAW", seen=1,
               **bad)
    v.u8("kind", 3).text8("channel", "in")
    v = Vector("bad-jobs-needs", "A run whose needs are none.", "broker", "JOBS", sequence=2, **bad)
    v.u64("epoch", EPOCH).u64("first_number", 1).u16("jobs", 1).text8("channel", "default")
    v.text8("handler", "echo").u64("batch", 42).u64("run_limit_ms", 0).text8("needs", "gpu=0")
    job(v, 43, 1, 1, b"a")
    Vector("bad-json-key", "A key twice, once written with an escape.", "peer", "QUERY",
           error="MALFORMED").add(b'{"id":"7","i\\u0064":"8"}', "")


# ----------------------------------------------------------------------------------------- output

def protocol_text(text, vectors):
    """text with the inside of every ```hex NAME block replaced by that vector's lines."""
    out, name = [], None
    for line in text.split("\n"):
        if name is not None:
            if line == "```":
                out += vectors[name].hex_lines() + [line]
                name = None
            continue
        out.append(line)
        if line.startswith("```hex "):
            name = line[len("```hex "):]
    return "\n".join(out)


def seeds():
    """(folder, name, bytes) of the fuzzers' corpora."""
    by_name = {v.name: v for v in Vector.all}
    for v in Vector.all:
        data = v.bytes()
        command, is_json = data[3], data[3] in (1, 2, 6, 7, 8, 9)
        if v.name.startswith("bad-") or v.name in ("hello-client", "welcome-new", "query-ping"):
            yield "frame", v.name, data
        if is_json and not v.name.startswith("bad-d"):
            yield "control", v.name, data[24:]
        elif v.name[4:] not in ("magic", "version", "command", "direction", "count") \
                and command != 4:
            # command, count, body: what fuzz_records reads
            yield "records", v.name, bytes([command]) + data[4:6] + data[24:]
    yield "frame", "short", b"LT\x01"
    yield "frame", "bye", by_name["bye"].bytes()
    yield "frame", "send", by_name["send-settings"].bytes()
    for name in ("send-settings", "send-every-setting", "send-followers", "send-after",
                 "bad-setting", "bad-setting-twice", "bad-setting-halt", "bad-setting-finally"):
        data = by_name[name].bytes()[24:]
        at = 1
        at += 1 + data[at]
        at += 1 + data[at] + 12
        yield "settings", name, data[at + 2:at + 2 + struct.unpack_from(">H", data, at)[0]]
    yield "settings", "needs", b"cpus=2,gpu=1,mem=18446744073709551615"
    yield "settings", "traits", b"arch=x86_64,os=Debian 12 = bookworm,zone=a"
    yield "control", "escapes", \
        '{"a":"\\ud83d\\ude00 \\n\\"\\\\/","b":[1,-2.5e3,0.1,true,false,null],"ä":{"a":{}}}'.encode()
    yield "control", "deep", b'{"a":' + b"[" * 15 + b"]" * 15 + b"}"
    yield "control", "blanks", b' { "a" : [ 1 , 2 ] ,\t"b" : { } }\r\n'


def main():
    check = "--check" in sys.argv[1:]
    session_vectors()
    control_vectors()
    sending_vectors()
    waiting_vectors()
    select_vectors()
    working_vectors()
    told_vectors()
    refused_vectors()
    vectors = {v.name: v for v in Vector.all}
    files = {os.path.join(HERE, v.name + ".txt"): v.file_text().encode() for v in Vector.all}
    protocol = os.path.join(ROOT, "proto", "PROTOCOL.md")
    if os.path.exists(protocol):
        with open(protocol, encoding="utf-8") as file:
            files[protocol] = protocol_text(file.read(), vectors).encode()
    for folder, name, data in seeds():
        files[os.path.join(ROOT, "tests", "fuzz", "corpus", folder, name)] = data

    wrong = []
    for path, data in sorted(files.items()):
        old = None
        if os.path.exists(path):
            with open(path, "rb") as file:
                old = file.read()
        if old == data:
            continue
        wrong.append(os.path.relpath(path, ROOT))
        if not check:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(data)
    for path in wrong:
        print(("differs: " if check else "wrote ") + path)
    return 1 if check and wrong else 0


if __name__ == "__main__":
    sys.exit(main())
