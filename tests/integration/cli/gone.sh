#!/bin/sh
# The broker dies and comes back while commands wait for it.
# shellcheck disable=SC1091,SC2154 # it sets $dir
. "$(dirname "$0")/../../lib/story.sh"

start_broker
start_worker w1 2
workers_up 1

# a wait goes on, and says what happened
run 0 leat submit --handler sleep ::: 100ms 200ms 3s 3s
batch=$(cat "$dir/out")
leat wait "$batch" 2>"$dir/wait.err" &
waiter=$!
pids="$pids $waiter"
until_true 10 grep -q "50% 2/4" "$dir/wait.err"
stop_broker KILL
until_true 10 grep -q "reconnecting" "$dir/wait.err"
start_broker
wait "$waiter" || fail "the wait ended with exit $?"
grep -q "4 jobs: 4 ok" "$dir/wait.err" || fail "not all completions came"
is "$(grep -c "reconnecting" "$dir/wait.err")" 1

# so does a receive: its first message shows that it is connected, and is out of the way when the
# broker has nothing of it any more
is_empty() { leat status --plain | grep -q "^news$(printf '\t0\t0\t')"; }
leat recv news -n 2 >"$dir/news" 2>"$dir/recv.err" &
receiver=$!
pids="$pids $receiver"
run 0 leat send news first
until_true 10 grep -q "first" "$dir/news"
until_true 10 is_empty
stop_broker KILL
until_true 10 grep -q "the broker is gone" "$dir/recv.err"
start_broker
run 0 leat send news back
wait "$receiver"
is "$(tail -n 1 "$dir/news")" back
grep -q "connected again" "$dir/recv.err" || fail "does not say that it is connected again"

# Ctrl-C gets out of waiting for a broker that is gone
rm "$dir/news" "$dir/recv.err"
leat recv news -n 2 >"$dir/news" 2>"$dir/recv.err" &
receiver=$!
pids="$pids $receiver"
run 0 leat send news third
until_true 10 grep -q "third" "$dir/news"
until_true 10 is_empty
stop_broker KILL
until_true 10 grep -q "the broker is gone" "$dir/recv.err"
kill -INT "$receiver"
code=0
wait "$receiver" || code=$?
is "$code" 130
