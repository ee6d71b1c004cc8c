#!/bin/sh
# --history: what was sent, shown, started and reported is in files afterwards, and agrees with the
# store; without it nothing is written.
# shellcheck disable=SC1091,SC2154 # it sets $dir
. "$(dirname "$0")/../../lib/story.sh"

histories="$dir/histories"
mkdir "$histories"
start_broker
start_worker w1 4 --history "$histories"
workers_up 1

run 0 leat submit --handler echo hello
is "$(find "$histories" -name 'client-*' | wc -l)" 0

# by option, by variable
run 0 leat submit --history "$histories" --handler echo ::: a b c
batch=$(cat "$dir/out")
is "$(find "$histories" -name 'client-*' | wc -l)" 1
export LEAT_HISTORY="$histories"
run 0 leat wait "$batch"
run 0 leat submit --handler fail --retries 0 ::: x y
dead=$(cat "$dir/out")
run 1 leat wait "$dead"
run 0 leat retry "$dead"
run 0 leat send letters one two
run 0 leat recv letters
printed one
run 0 leat select recv letters
unset LEAT_HISTORY

# a folder that is not there, or not ours
run 2 leat submit --history "$dir/none" --handler echo x
said "cannot write the history $dir/none/"
run 2 leat-worker --history "$dir/none"
said "--history"

# everything that was acknowledged is there
kill -TERM "$(sed -n 's/.*at=worker.start.* pid=\([0-9]*\).*/\1/p' "$dir/w1.log" | head -n 1)"
until_true 10 grep -q at=worker.stop "$dir/w1.log"
stop_broker
figure() { sed -n "s/.*\"$1\": \([a-z0-9]*\).*/\1/p" "$dir/out"; }
code=0
crash_check --store "$dir/store" --at-least 7 "$histories" >"$dir/out" || code=$?
# (one job was sent without a history: the judge takes it for one that nobody has sent)
is "$code" 1
is "$(figure phantom)" 1
is "$(figure lost)" 0
is "$(figure acknowledged)" 7
is "$(figure messages)" 2
is "$(figure received)" 2
is "$(figure shown)" 5
is "$(figure starts)" 8
is "$(figure accepted)" 8
