#!/bin/sh
# leat demo: the seed's transcript from real processes over TCP, and nothing left of it.
# shellcheck disable=SC1091,SC2154 # it sets $dir
. "$(dirname "$0")/../../lib/story.sh"

# line TEXT: its number in the transcript
line() {
    grep -nx -e "$1" "$dir/out" | cut -d: -f1
}

transcript_is_right() {
    is "$(sed -n 1p "$dir/out")" "Waiting for workers to finish..."
    for i in $(seq "$1"); do
        [ "$(line "Worker $i starting")" -lt "$(line "Worker $i done")" ] || fail "$i: done too early"
        [ "$(line "Worker $i done")" -lt "$(line "Received $i")" ] || fail "$i: received too early"
    done
    is "$(line "All workers are done")" $(($1 * 3 + 2))
    is "$(wc -l <"$dir/out")" $(($1 * 3 + 3))
    grep -qE "^$1 jobs? in [0-9.]+ s: 1 on w[0-9]+" "$dir/out" || fail "no last line"
    said_nothing
}

nothing_is_left() {
    is "$(ls "$dir/tmp")" ""
}

run 0 leat demo
transcript_is_right 3
nothing_is_left

run 0 leat demo --workers 8
transcript_is_right 8
nothing_is_left

# one JSON value on stdout; the transcript is for people
run 0 leat demo --workers 2 --json
is "$(wc -l <"$dir/out")" 1
grep -q '^{"jobs":2,"failed":0,"took_s":' "$dir/out" || fail "not the summary as JSON"
said "Worker 2 done"

# no setting of the user's reaches the demo
mkdir -p "$dir/config/leat"
printf 'nonsense = 1\n' >"$dir/config/leat/broker.ini"
printf 'nonsense = 1\n' >"$dir/config/leat/worker.ini"
LEAT_SLOTS=none run 2 leat demo
LEAT_DATA=/proc/none LEAT_BIND=ipc:///proc/none/x run 0 leat demo --workers 1
transcript_is_right 1
rm -r "$dir/config"

# a reader that goes away, Ctrl-C and TERM leave nothing behind
leat demo 2>"$dir/err" | head -n 1 >"$dir/out"
said_nothing
until_true 5 nothing_is_left
for pair in INT:130 TERM:143; do
    signal=${pair%:*}
    want=${pair#*:}
    rm -f "$dir/out"
    leat demo --workers 20 >"$dir/out" 2>"$dir/err" &
    demo=$!
    pids="$pids $demo"
    until_true 10 grep -q Waiting "$dir/out"
    kill "-$signal" "$demo"
    code=0
    wait "$demo" || code=$?
    is "$code" "$want"
    nothing_is_left
done

# killed: the children go with it
rm -f "$dir/out"
leat demo --workers 4 >"$dir/out" 2>"$dir/err" &
demo=$!
until_true 10 grep -q Waiting "$dir/out"
children=$(cat "/proc/$demo/task/$demo/children" 2>/dev/null || :)
kill -KILL "$demo"
wait "$demo" 2>/dev/null || :
for child in $children; do
    until_true 5 [ ! -e "/proc/$child/exe" ]
done
rm -rf "$dir/tmp"/*

# with --broker it starts nothing and uses the workers that are there
start_broker
start_worker elsewhere 2
workers_up 1
run 0 leat demo --workers 2
is "$(grep -c Worker "$dir/out")" 0
is "$(grep -c '^Received [12]$' "$dir/out")" 2
grep -q "1 on elsewhere, 2 on elsewhere" "$dir/out" || fail "not the worker's name"
is "$(grep -c '^Worker [12] done$' "$dir/elsewhere.out")" 2
nothing_is_left

# programs that are not there are named
unset LEAT_BROKER
LEAT_BIN_DIR="$dir/tmp" run 125 leat demo
said "leat-broker"
