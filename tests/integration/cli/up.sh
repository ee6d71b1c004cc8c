#!/bin/sh
# leat up and down: a broker and a worker of one's own.
# shellcheck disable=SC1091,SC2154 # it sets $dir
. "$(dirname "$0")/../../lib/story.sh"

# in the background: it answers when the command ends
run 0 leat up -d -j 3
grep -q "ipc://$dir/run/leat/broker.sock" "$dir/out" || fail "no address"
grep -q "Try:   leat submit" "$dir/out" || fail "no line to try"
run 0 leat submit --handler echo hello
first=$(cat "$dir/out")
run 0 leat wait
run 0 leat status
grep -q "^broker   ipc (yours)   up " "$dir/out" || fail "not the user's own"
grep -q "^workers  1 up .*slots 0/3 busy" "$dir/out" || fail "not the slots"

# a second one says that it runs and where
run 0 leat up -d
said "is up already: ipc://$dir/run/leat/broker.sock, 3 slots"
run 0 leat up --json
grep -q '"already":true' "$dir/out" || fail "does not say already"

# down drains: what runs is finished, and the next up has everything
run 0 leat submit --handler sleep ::: 700ms 700ms 700ms 700ms 700ms 700ms
batch=$(cat "$dir/out")
runs() { leat status "$batch" | grep -q "$1 running"; }
until_true 5 runs 3
run 0 leat down
said "Leat is down"
run 3 leat down
run 125 leat status
run 0 leat up -d
run 0 leat wait "$batch"
said "6 jobs: 6 ok"
run 0 leat result "$first"
is "$(cat "$dir/out")" hello

# who dies is started again
supervisor=$(sed -n 1p "$dir/state/leat/up.pid")
for name in leat-worker leat-broker; do
    killed=""
    read -r children <"/proc/$supervisor/task/$supervisor/children" || :
    for child in $children; do
        [ "$(cat "/proc/$child/comm")" = "$name" ] && killed=$child
    done
    kill -KILL "$killed"
    until_true 5 grep -q "the ${name#leat-} runs again" "$dir/state/leat/up.log"
    run 0 timeout 10 leat submit --handler echo again
    run 0 timeout 10 leat wait
done
run 0 leat down

# in the foreground: Ctrl-C drains, and is a good end
leat up -j 1 >"$dir/up.out" 2>"$dir/up.err" &
up=$!
pids="$pids $up"
until_true 10 grep -q "Leat is up" "$dir/up.out"
run 0 leat submit --handler sleep 500ms
batch=$(cat "$dir/out")
until_true 5 runs 1
kill -INT "$up"
code=0
wait "$up" || code=$?
is "$code" 0
grep -q "draining" "$dir/up.err" || fail "does not say that it drains"
# … and the second one stops at once
rm "$dir/up.out" "$dir/up.err"
leat up -j 1 >"$dir/up.out" 2>"$dir/up.err" &
up=$!
pids="$pids $up"
until_true 10 grep -q "Leat is up" "$dir/up.out"
run 0 leat wait "$batch"
run 0 leat submit --handler sleep 1h
batch=$(cat "$dir/out")
until_true 5 runs 1
kill -INT "$up"
until_true 5 grep -q "draining" "$dir/up.err"
kill -INT "$up"
wait "$up" || fail "exit $?"
grep -q "stopping at once" "$dir/up.err" || fail "does not say that it stops"

# -- CMD: a broker for one command, its exit code, and nothing left
run 0 leat up -- sh -c 'leat submit --handler echo hi >/dev/null && leat wait -q && leat result last'
is "$(cat "$dir/out")" hi
run 7 leat up -- sh -c 'exit 7'
run 137 leat up -- sh -c 'kill -9 $$'
run 127 leat up -- no-such-program
said '"no-such-program"'
run 126 leat up -- "$dir"
is "$(ls "$dir/tmp")" ""
run 2 leat up --

# somebody else's broker on the same socket is not taken for ours
leat-broker --data "$dir/other" >"$dir/broker.log" 2>&1 &
other=$!
pids="$pids $other"
leat broker wait
run 125 leat up
said "a broker that leat up has not started"
kill "$other"
wait "$other" || :

# a folder that cannot be used is named
XDG_STATE_HOME=/proc/none run 125 leat up
said "/proc/none/leat"
