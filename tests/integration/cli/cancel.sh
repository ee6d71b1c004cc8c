#!/bin/sh
# cancel and explain: ending jobs before their time, and why they have not begun.
# shellcheck disable=SC1091,SC2154 # it sets $dir
. "$(dirname "$0")/../../lib/story.sh"

start_broker
start_worker w1 2
workers_up 1
running() {
    leat status "$1" | grep -q "$2 running"
}

# some of it, then the rest
run 0 leat submit --handler sleep ::: 30s 30s 30s 30s 30s 30s
batch=$(cat "$dir/out")
until_true 10 running "$batch" 2
run 0 leat explain "$batch"
grep -q "^$batch: 4 waiting, 2 running$" "$dir/out" || fail "not the figures"
grep -q "  4: all slots are busy" "$dir/out" || fail "not why"
grep -q '  2: runs, or is next, on worker "w1"' "$dir/out" || fail "not where"
run 0 leat explain "$batch/6"
grep -qx "  all slots are busy" "$dir/out" || fail "not why of one job"
run 0 leat cancel "$batch/6"
said "job $batch/6: 1 cancelled, 0 running told to stop, 0 had ended"
run 0 leat cancel "$batch/4-6" --json
printed "{\"batch\":\"$batch\",\"from\":4,\"upto\":6,\"cancelled\":2,\"stopping\":0,\"ended\":1,\"in_background\":false}"
said_nothing
run 0 leat cancel "$batch/6"
said "job $batch/6: nothing to cancel, all had ended"
run 0 leat cancel last
said "batch $batch: 1 cancelled, 2 running told to stop, 3 had ended"
run 1 leat wait --timeout 20s
said "6 jobs: 0 ok, 6 failed"
run 0 leat cancel "$batch"
said "nothing to cancel"
run 0 leat explain "$batch"
printed "$batch: nothing of it waits or runs"
run 0 leat explain "$batch/2"
printed "$batch/2: it has ended"

# a batch of many goes on in the background
seq 5000 | run 0 leat submit --handler echo --channel nobody -
batch=$(cat "$dir/out")
run 0 leat cancel "$batch/1-4500"
said "jobs $batch/1-4500: 4500 cancelled"
seq 5000 | run 0 leat submit --handler echo --channel nobody -
batch=$(cat "$dir/out")
run 0 leat cancel "$batch"
said "5000 cancelled, 0 running told to stop, 0 had ended; the broker goes on with it"
run 1 leat wait --timeout 20s -q

# why: nobody offers it
run 0 leat submit --handler thumb x
run 0 leat explain last
grep -q 'no worker offers handler "thumb" .* leat worker ls' "$dir/out" || fail "not why"
run 0 leat explain last --json
is "$(wc -l <"$dir/out")" 1
grep -q '"reasons":\[{"jobs":1,"reason":"no worker offers' "$dir/out" || fail "not why as JSON"
LC_ALL=C run 0 leat explain last
if grep -q "[^ -~]" "$dir/out"; then
    fail "not ASCII in the C locale"
fi
run 124 leat wait --timeout 2s
said "leat explain"

# all of them, but not by mistake
run 0 leat submit --in 1h --handler echo ::: a b c
run 0 leat submit --in 1h --handler echo d
run 2 leat cancel all
said "--yes"
run 0 leat cancel all --yes
said "cancelled, 0 running told to stop"
run 0 leat list --plain
[ ! -s "$dir/out" ] || fail "something is left"
run 0 leat cancel all --yes
said "nothing to cancel"
run 0 leat cancel all --yes --json
printed '{"batches":0,"cancelled":0,"stopping":0}'

# what is not there, and what is no selector
for command in cancel explain; do
    run 3 leat $command 99999999999
    said "there is no batch 99999999999"
    run 3 leat $command "$batch/5001"
    run 3 leat $command 99999999999/1
    run 2 leat $command
    said "give one batch"
    run 2 leat $command 1 2
    run 2 leat $command x
    said '"x" names no batch'
    run 3 leat $command @nightly
    said 'there is no batch named "nightly"'
    run 2 leat $command "$batch/failed"
    said "has ended"
    run 2 leat $command 1/99999999999
done
run 2 leat explain "$batch/1-2"
said "one job, or the whole batch"
run 3 leat cancel 99999999999 --json
said '{"error":{"code":"NOT_FOUND"'
run 2 leat cancle 42
said 'Did you mean "cancel"?'
