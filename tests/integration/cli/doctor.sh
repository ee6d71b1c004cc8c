#!/bin/sh
# doctor: each thing that is not well has a line and what to do; and the line and codes of a plug-in.
# shellcheck disable=SC1091,SC2154 # it sets $dir
. "$(dirname "$0")/../../lib/story.sh"

# state CHECK: its states, in order, as the last doctor --plain printed them.
state() {
    awk -F'\t' -v c="$1" '$2 == c { printf "%s%s", n++ ? " " : "", $1 }' "$dir/out"
}

# found CHECK TEXT: a line of that check has it, or its advice.
found() {
    awk -F'\t' -v c="$1" '$2 == c' "$dir/out" | grep -qF -e "$2" || fail "$1 does not say: $2: $(cat "$dir/out")"
}

# ---- nobody there
run 2 leat doctor --plain
is "$(state broker)" fail
found broker 'no broker answered'
found broker 'leat up'
said '1 failed, 0 to look at'

# ---- all is well
start_broker
start_worker w1 2
workers_up 1
# Of a busy machine with a slow disk it may say so.
got_code=0
leat doctor --plain >"$dir/out" 2>"$dir/err" || got_code=$?
is "$got_code" "$(cut -f1 "$dir/out" | grep -c '^warn$' | sed 's/^[1-9].*/1/')"
for check in leat-broker leat-worker socket state version clock store workers channels; do
    is "$check $(state $check)" "$check ok"
done
for check in broker disk sync limits; do
    case $(state $check) in ok | warn) ;; *) fail "no $check: $(cat "$dir/out")" ;; esac
done
found disk "$dir/store"
found leat-broker 'settings are understood'
if [ "$got_code" = 0 ]; then said 'nothing to do'; else said ' to look at'; fi
is "$(find "$dir/store" -type f | wc -l)" "$(find "$dir/store" -name '*.mdb' -o -name leat.lock | wc -l)"
leat doctor >"$dir/out" 2>"$dir/err" || :
grep -q '^ok    workers     1 up, 0 of 2 slots busy$' "$dir/out" || fail "not for people: $(cat "$dir/out")"
leat doctor --json >"$dir/out" 2>"$dir/err" || :
/usr/bin/python3 - "$dir/out" <<'PY' || fail "the JSON is another"
import json, sys
answer = json.load(open(sys.argv[1]))
assert answer["state"] in ("ok", "warn") and len(answer["checks"]) >= 13, answer
assert all(set(row) == {"check", "state", "found", "advice"} for row in answer["checks"]), answer
PY

# ---- something to look at
run 0 leat submit -q --handler nowhere x
run 0 leat channel new slow
run 0 leat channel pause slow
run 0 leat submit -q --handler fail --retries 0 x
run 1 leat wait -q
run 1 leat doctor --plain
is "$(state channel)" "warn warn"
found channel 'leat channel resume slow'
found channel 'no worker'
is "$(state dead)" warn
found dead 'leat dead ls'
said '0 failed, '
kill "$worker_pid"
until_true 10 are_up 0
run 1 leat doctor --plain
is "$(state workers)" warn
found workers 'leat-worker --slots 4'
run 0 leat channel rm slow --yes

# ---- files that are wrong
mkdir -p "$dir/config/leat"
echo 'slotz = 4' >"$dir/config/leat/worker.ini"
run 2 leat doctor --plain
is "$(state leat-worker)" fail
found leat-worker 'did you mean "slots"?'
is "$(state leat-broker)" ok
rm "$dir/config/leat/worker.ini"
run 0 leat key new w1 --role worker -o "$dir/w1.key"
run 1 leat doctor --plain --key-file "$dir/w1.key" --broker "$LEAT_BROKER"
is "$(state key) $(state keys)" "ok ok"
chmod 644 "$dir/w1.key"
run 2 leat doctor --plain --key-file "$dir/w1.key" --broker "$LEAT_BROKER"
is "$(state key)" fail
found key 'mode 0644'
found key 'chmod 600'
chmod 644 "$dir/state/leat/keys/broker.key"
run 2 leat doctor --plain
is "$(state keys)" fail
found keys 'whoever has read it can be the broker'
chmod 600 "$dir/state/leat/keys/broker.key"
chmod 777 "$dir/state/leat/keys"
run 2 leat doctor --plain
found keys 'others may let keys in'
rm -r "$dir/state/leat/keys"
XDG_RUNTIME_DIR="$dir/open" && mkdir -p "$dir/open/leat" && chmod 777 "$dir/open/leat"
run 2 leat doctor --plain
is "$(state socket)" fail
export XDG_RUNTIME_DIR="$dir/run"

# ---- few descriptors
stop_broker
prlimit --nofile=600 leat-broker --bind "$LEAT_BROKER" --data "$dir/store" >>"$dir/broker.log" 2>&1 &
broker_pid=$!
pids="$pids $broker_pid"
leat broker wait --timeout 10s
run 1 leat doctor --plain
is "$(state limits)" warn
found limits 'the broker may have 600 files open'

# ---- a channel, for monitoring
run 0 leat submit -q --channel 'a|b' --handler nowhere ::: 1 2 3
line() { grep -q "$1" "$dir/out" || fail "not this line: $(cat "$dir/out")"; }
run 0 leat doctor channel 'a|b'
line '^LEAT OK - a/b: 3 ready, 0 running, 0 delayed, 0 held, 0 dead, oldest [0-9.]*s | ready=3;;;0 running=0;;;0 delayed=0;;;0 held=0;;;0 dead=0;;;0 oldest=[0-9.]*s;;;0$'
run 0 leat doctor channel 'a|b' --warn ready=3 --crit ready=3
run 1 leat doctor channel 'a|b' --warn ready=2,oldest=1h --crit ready=1_000
line '^LEAT WARNING - a/b: 3 ready, .* | ready=3;2;1000;0 .* oldest=[0-9.]*s;3600;;0$'
run 2 leat doctor channel 'a|b' --warn ready=1 --crit ready=2
line '^LEAT CRITICAL - a/b: 3 ready'
is "$(wc -l <"$dir/out")" 1
run 2 leat doctor channel 'a|b' --crit ready=2 --json
line '^{"channel":"a|b","state":"fail","ready":3,'
run 0 leat channel pause 'a|b'
run 0 leat doctor channel 'a|b'
line ', paused | ready=3'
run 3 leat doctor channel none --warn ready=1
line '^LEAT UNKNOWN - none: there is no such channel$'
run 3 leat doctor channel 'a|b' --warn reddy=1
line 'LEAT UNKNOWN - a/b: --warn: no figure "reddy", did you mean "ready"?$'
run 3 leat doctor channel 'a|b' --crit oldest=old
run 3 leat doctor channel 'a|b' --crit ready=-1
run 3 leat doctor channel 'a|b' --crit ready
stop_broker
run 2 leat doctor channel 'a|b' --warn ready=1
line '^LEAT CRITICAL - a/b: no broker answered'
run 2 leat doctor --warn ready=1
run 2 leat doctor chanel x
