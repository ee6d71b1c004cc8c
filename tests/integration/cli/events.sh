#!/bin/sh
# events: lines of JSON of what happens, also while it happens and over a restart.
# shellcheck disable=SC1091,SC2154 # it sets $dir
. "$(dirname "$0")/../../lib/story.sh"

start_broker
run 0 leat events
grep -q '^{"number":1,"event":"broker.started","software":"leat [0-9.]*","at":"20[0-9T:.-]*Z"}$' "$dir/out" ||
    fail "not as JSON"
is "$(wc -l <"$dir/out")" 1

words() {
    grep -o '"event":"[a-z.]*"' "$1" | cut -d'"' -f4 | tr '\n' ' '
}
tells() {
    words "$dir/told" | grep -qF "$1"
}

leat events -f >"$dir/told" 2>"$dir/told.err" &
teller=$!
pids="$pids $teller"
until_true 10 tells "broker.started"
start_worker w1 2
until_true 10 tells "worker.up"
run 1 leat run --handler fail --retries 0 --name nightly --progress none "disk full"
bad=$(cat "$dir/state/leat/last")
until_true 10 tells "batch.submitted batch.sealed job.dead batch.finished"
grep -q '"event":"job.dead","batch":"'"$bad"'","place":1,.*"channel":"default","error":"disk full"' "$dir/told" ||
    fail "not which job"
grep -q '"event":"batch.finished","batch":"'"$bad"'","name":"nightly","channel":"default","jobs":1,"done":0,"failed":1' \
    "$dir/told" || fail "not which batch"
run 0 leat submit --handler echo alone # it is told, since somebody follows
until_true 10 tells "batch.finished batch.submitted batch.finished"
run 0 leat channel pause default
run 0 leat channel resume default
until_true 10 tells "channel.pause channel.resume"
kill -TERM "$worker_pid"
until_true 10 tells "worker.left"

# over a restart
stop_broker KILL
start_broker
until_true 15 tells "worker.left broker.started"
run 0 leat submit --handler echo ::: 1 2
until_true 10 tells "broker.started batch.submitted batch.sealed"

# Ctrl-C ends it, and what was told is whole
kill -INT "$teller"
code=0
wait "$teller" || code=$?
is "$code" 130
grep -qv '^{.*}$' "$dir/told" && fail "a line that is no object"
run 0 leat events
is "$(words "$dir/out")" "broker.started batch.submitted batch.sealed "
leat events | head -n 1 >"$dir/out" 2>"$dir/err" || :
said_nothing

wrong() {
    sentence=$1
    shift
    run 2 leat "$@"
    said "$sentence"
}
wrong "events takes no operands" events 42
wrong 'Did you mean "events"?' event
