#!/bin/sh
# How jobs are to be treated: what submit's options do, and which of their values are refused.
# shellcheck disable=SC1091,SC2154 # it sets $dir
. "$(dirname "$0")/../../lib/story.sh"

start_broker
start_worker w1 4 --trait zone=a --trait disk=ssd --have gpu=1
workers_up 1

# submit, with its number in $batch
submit() {
    run 0 leat submit "$@"
    batch=$(cat "$dir/out")
}
explains() {
    leat explain "$1" | grep -qF -- "$2"
}

# retries, with the pauses between them
submit --handler fail --retries 3 --backoff 1ms..4ms boom
run 1 leat wait
said "dead after 4 attempts on w1: boom"
submit --handler fail --retries 0 boom
run 1 leat wait
said "dead after 1 attempt on w1"

# a run that takes too long is stopped
submit --handler sleep --retries 0 --run-limit 100ms --grace 100ms 30s
run 1 leat wait --timeout 20s
said "it ran longer than its limit"

# later: in a while, at a time, and what is of no use by then
submit --handler echo --in 1h x
run 0 leat explain "$batch"
grep -q "1 delayed" "$dir/out" || fail "not delayed"
submit --handler echo --at 2999-01-01T00:00:00Z x
run 0 leat explain "$batch" --json
grep -q '"delayed":1' "$dir/out" || fail "not delayed until a time"
submit --handler echo --at 1999-12-31T23:59:59+01:00 x # has come long ago
run 0 leat wait
submit --handler echo --at "$(date -d '-1 minute' +%H:%M 2>/dev/null || date +%H:%M)" x
run 0 leat explain "$batch" # it was a minute ago, so it means tomorrow
grep -q "1 delayed" "$dir/out" || fail "not until tomorrow"
submit --handler echo --channel nobody --expires 50ms x
run 1 leat wait --timeout 20s
said "$batch/1  expired"

# after another batch: done, ended, or failed
submit --handler sleep 400ms
first=$batch
submit --handler echo --after "$first" ok
ok=$batch
submit --handler echo --after "$first:any" any
any=$batch
submit --handler echo --after last:failed none # after a batch that will not fail
never=$batch
explains "$ok" "waits for batch $first" || fail "not held"
explains "$ok" "leat explain $first" || fail "does not say how to go on"
run 0 leat wait "$ok" "$any"
run 1 leat wait "$never"
said "$never/1  skipped"
submit --handler fail --retries 0 x
submit --handler echo --after "$batch:failed" sad
run 0 leat wait
run 3 leat submit --handler echo --after 999999 x
said "there is no batch"

# what follows: the last one first; a job in the place of a dead one; each completion as a message
submit --handler fail --retries 0 --recover echo=cure --reply ends --finally echo=2 \
    --finally echo boom
run 0 leat wait
run 0 leat result "$batch"
grep -qF '"error":"boom","payload":"boom","with":"cure"' "$dir/out" || fail "not what it died of"
run 0 leat recv ends --timeout 20s
grep -q "^{\"job\":\"$batch\",\"batch\":\"$batch\",\"place\":1,\"outcome\":\"done\"" "$dir/out" ||
    fail "not the completion"
submit --handler echo --reply answers --reply-handler echo "the result"
run 0 leat wait
run 0 leat channel info answers
grep -q "1 ready" "$dir/out" || fail "no job with the result"

# unique: the second one joins the first, and both have its result
submit --handler sleep --unique nightly 500ms
first=$batch
submit --handler sleep --unique nightly --unique-for 1m 30s
[ "$batch" != "$first" ] || fail "the same batch"
run 0 leat wait "$first" "$batch" --timeout 20s
said "2 jobs: 2 ok"

# what a worker must have: an amount, a trait
submit --handler sleep --needs gpu=1 ::: 50ms 50ms
run 0 leat wait
submit --handler sleep --needs mem=1K,gpu=1,cpus=1 1ms
run 0 leat wait
submit --handler echo --needs gpu=2 x
explains "$batch" "no worker has as much as gpu=2" || fail "not why"
submit --handler echo --on zone=a --on disk=ssd x
run 0 leat wait
submit --handler echo --on zone=b x
explains "$batch" "no worker has the traits zone=b" || fail "not why"

# of a key one at a time, when the channel says so
run 0 leat channel set default --key-max 1
submit --handler sleep --key a ::: 300ms 300ms
until_true 5 explains "$batch" 'of key "a"'
run 0 leat wait
run 0 leat channel set default --unset key-max

# flows share
submit --handler echo --flow tenant-1 --losses 3 --snoozes 5 --priority 9 ::: a b
run 0 leat wait

# the rest of a batch is given up
submit --handler sleep --halt now,fail=1 --retries 0 ::: nonsense 30s 30s 30s 30s 30s
run 1 leat wait --timeout 20s
said "6 jobs: 0 ok, 6 failed"
run 0 leat status "$batch"
grep -q "halted" "$dir/out" || fail "does not say that it was halted"
submit --handler sleep --needs gpu=1 --halt soon,success=25% ::: 50ms 50ms 50ms 50ms 50ms 50ms 50ms 50ms
run 1 leat wait --timeout 20s
run 0 leat status "$batch"
grep -q "halted" "$dir/out" || fail "not halted by a percentage"

# what is no value is refused before anything is sent, and named
wrong() {
    sentence=$1
    shift
    run 2 leat submit --handler echo "$@" x
    said "$sentence"
    said "Help: leat submit -h"
    [ ! -s "$dir/out" ] || fail "a number for what was refused"
}
wrong '--at "25:00": a time is 18:30' --at 25:00
wrong '--at "2030-02-29T00:00:00Z"' --at 2030-02-29T00:00:00Z
wrong '--at "2030-01-01T00:00:00"' --at 2030-01-01T00:00:00
wrong '--in and --at both say when' --in 1s --at 10:00
wrong '"abc" names no batch' --after abc
wrong 'whole batches' --after 42/17
wrong '--after "42:anny": behind ":" stands ok, any or failed' --after 42:anny
wrong '--finally "": a name has 1 to 128 bytes' --finally =x
wrong '--recover "": a name' --recover =
wrong '--unique-for goes with --unique KEY' --unique-for 3s
wrong '--reply-handler goes with --reply CHANNEL' --reply-handler echo
wrong '--needs "gpu": a "=" is missing' --needs gpu
wrong '--needs "gpu=0": an amount is a whole number above 0' --needs gpu=0
wrong '--needs "mem=2X": an amount' --needs mem=2X
wrong '--needs "gpu=1,gpu=2": a name stands there twice' --needs gpu=1,gpu=2
wrong '--needs "GPU=1": a name has 1 to 32 of a-z' --needs GPU=1
wrong '--needs: at most 8' --needs a=1,b=1,c=1,d=1,e=1,f=1,g=1,h=1,i=1
wrong '--on "zone=": a value has 1 to 64' --on zone=
wrong '--on "zone=b": a name stands there twice' --on zone=a --on zone=b
wrong '--backoff "5s..1s": two durations' --backoff 5s..1s
wrong '--backoff "0s": two durations' --backoff 0s
wrong '--halt "fail=1": now or soon, then fail, success or done' --halt fail=1
wrong '--halt "now,fail=101%"' --halt now,fail=101%
wrong '--halt "now,fail=0"' --halt now,fail=0
wrong '--halt "soon,failed=1"' --halt soon,failed=1
wrong '--key "": a name' --key ''
wrong '"--run-limit": 0 is less than 1ms' --run-limit 0
wrong '"--grace": 2h is more than 1h' --grace 2h
wrong '"--losses": 256 is more than 255' --losses 256
wrong 'no option "--neds", did you mean "--needs"?' --neds gpu=1
while [ $# -lt 18 ]; do set -- "$@" --finally echo; done
wrong '--finally: at most 8 jobs can follow' "$@"
run 2 leat submit --handler '' x
said '--handler ""'
run 2 leat submit --handler echo --channel "$(printf 'a\nb')" x
said '--channel "a b": a name'
run 2 leat submit --handler echo --json --halt x y
said '{"error":{"code":"WRONG_USE","message":"--halt'
