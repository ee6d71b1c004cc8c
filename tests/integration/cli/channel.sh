#!/bin/sh
# channel new, info, set, pause, resume, purge, rm, ls.
# shellcheck disable=SC1091,SC2154 # it sets $dir
. "$(dirname "$0")/../../lib/story.sh"

start_broker
start_worker w1 2 --channel work
workers_up 1
info() {
    run 0 leat channel info "$1"
    grep -qE -- "$2" "$dir/out" || fail "not in the info of $1: $2"
}

# made with settings, and shown with them
run 0 leat channel new work --capacity 100 --rate 0.5 --burst 20 --running-max 4 --key-max 1 \
    --weight 3 --priority 7 --retries 4 --losses 2 --snoozes 9 --backoff 1s..10m --run-limit 90s \
    --grace 2s --expires 1h
said 'channel "work" is made'
info work '^channel +work: jobs, on disk$'
info work '^settings +capacity 100, running-max 4, key-max 1, rate 0.5, burst 20, weight 3$'
info work '^jobs +priority 7, retries 4, losses 2, snoozes 9, backoff 1s..10m, run-limit 1m30s, grace 2s, expires 1h$'
info work '^next +nothing waits$'
run 125 leat channel new work --weight 2
said 'there is a channel "work" already'
said 'leat channel set'
run 0 leat channel new fast --kind messages --durability memory --capacity 0 --json
printed '{"channel":"fast","made":true}'
said_nothing
info fast 'messages, in memory'
info fast 'capacity 0'

# what jobs do not say is as the channel has it
run 0 leat channel set work --retries 0 --unset backoff --unset rate --unset burst
said 'channel "work" is changed'
info work '^settings +capacity 100, running-max 4, key-max 1, (burst [0-9]+, )?weight 3$'
info work '^jobs +priority 7, retries 0, losses 2, snoozes 9, run-limit 1m30s'
run 0 leat submit --handler fail --channel work x
run 1 leat wait
said "dead after 1 attempt"
# a variable that is meant for submit changes no channel
run 0 env LEAT_RETRIES=9 leat channel set work --capacity none
info work 'capacity none'
info work 'retries 0,'

# a pause holds what waits, and explain and info say so
run 0 leat channel pause work
said 'Go on: leat channel resume work'
run 0 leat submit --handler echo --channel work a
batch=$(cat "$dir/out")
info work '^channel .*, paused$'
info work '^next +channel "work" is paused .* leat channel resume work$'
run 0 leat explain "$batch"
grep -qF 'channel "work" is paused' "$dir/out" || fail "not why"
grep -qF 'leat channel resume work' "$dir/out" || fail "not what to do"
run 0 leat explain "$batch/1" --json
grep -qF '"hint":"leat channel resume work"' "$dir/out" || fail "no whole hint"
run 0 leat channel ls
grep -q '^work .* paused$' "$dir/out" || fail "the list does not say it"
run 0 leat channel resume work
said 'goes on'
run 0 leat wait "$batch" --timeout 20s
run 0 leat channel pause work --for 500ms --json
printed '{"channel":"work","paused":true}'
run 0 leat submit --handler echo --channel work a
run 0 leat wait --timeout 20s # by itself

# at most so many at once
run 0 leat channel set work --running-max 1
run 0 leat submit --handler sleep --channel work ::: 300ms 300ms
until_true 5 sh -c 'leat channel info work | grep -q "runs at most 1 jobs at once"'
run 0 leat wait --timeout 20s

# nobody serves it
run 0 leat channel new alone
run 0 leat submit --handler echo --channel alone ::: 1 2 3
batch=$(cat "$dir/out")
info alone '^next +no worker for channel "alone"$'
run 0 leat explain "$batch"
grep -q 'no worker for channel "alone" .* leat-worker --channel alone$' "$dir/out" || fail "no way out"
run 0 leat channel info alone --json
grep -q '"capacity":null.*"ready":3,.*"holds":"no worker' "$dir/out" || fail "not as JSON"
run 0 leat channel info alone --plain
grep -q "^ready$(printf '\t')3$" "$dir/out" || fail "not plain"

# purge and rm want to be sure
run 2 leat channel purge alone
said 'add --yes'
run 2 leat channel rm alone </dev/null
said 'add --yes'
run 125 leat channel rm alone --yes
said 'not empty: 3 wait, 0 run'
said 'leat channel rm --purge'
run 0 leat channel purge alone --yes
said '3 items of channel "alone" are gone'
run 1 leat wait "$batch" --timeout 20s
said "3 jobs: 0 ok, 3 failed"
run 0 leat channel purge alone --yes --json
printed '{"channel":"alone","purged":0}'
run 0 leat channel rm alone --yes
said 'channel "alone" is removed'
run 3 leat channel info alone
said 'there is no channel "alone"'
run 3 leat channel rm alone --yes
run 0 leat submit --handler echo --channel heap ::: 1 2
run 0 leat channel rm heap --purge --yes --json
printed '{"channel":"heap","removed":true}'
run 1 leat wait --timeout 20s

# on a terminal they ask
if script -qec true /dev/null </dev/null >/dev/null 2>&1; then # a terminal can be had
    run 0 leat send box a b
    echo n | script -qec "leat channel purge box; echo code \$?" /dev/null >"$dir/terminal"
    grep -q 'cancel all that waits in channel "box"? \[y/N\]' "$dir/terminal" || fail "does not ask"
    grep -q 'code 1' "$dir/terminal" || fail "not refused by n"
    info box '2 ready'
    echo y | script -qec "leat channel purge box" /dev/null >"$dir/terminal"
    info box '0 ready'
    script -qec "leat channel purge box --no-input; echo code \$?" /dev/null </dev/null \
        >"$dir/terminal"
    grep -q 'code 2' "$dir/terminal" || fail "--no-input asks"
fi

# the list
run 0 leat channel ls --plain
is "$(cut -f1 "$dir/out" | grep -c '^work$')" 1
grep -q '^alone' "$dir/out" && fail "a channel that was removed is listed"
run 0 leat channel ls --json
is "$(wc -l <"$dir/out")" 1
grep -q '^{"channels":\[{"name":' "$dir/out" || fail "no list"

# over a restart
run 0 leat channel set work --weight 5 --capacity 7
stop_broker KILL
start_broker
info work 'capacity 7, running-max 1, .*weight 5$'
info work 'priority 7'

# what is wrong is refused before anything is sent
wrong() {
    sentence=$1
    shift
    run 2 leat channel "$@"
    said "$sentence"
}
wrong 'nothing to set' set work
wrong '--capacity "-1": a whole number from 0, or none' set work --capacity -1
wrong '--capacity "many"' new more --capacity many
wrong '--running-max "0": a whole number from 1, or none' set work --running-max 0
wrong '--key-max "1.5"' set work --key-max 1.5
wrong '--rate "0": items in a second, 0.001 to 4000000, or none' set work --rate 0
wrong '--rate "1e3"' set work --rate 1e3
wrong '--rate "1.2.3"' set work --rate 1.2.3
wrong '"--weight": 1001 is more than 1000' set work --weight 1001
wrong '"--burst": 0 is less than 1' set work --burst 0
wrong '--backoff "x"' set work --backoff x
wrong '--unset: no setting "retires", did you mean "retries"?' set work --unset retires
wrong '--rate is set and unset' set work --rate 3 --unset rate
wrong '--kind is jobs or messages, not "mail"' new more --kind mail
wrong '--durability is disk or memory, not "ram"' new more --durability ram
wrong 'no option "--kind"' set work --kind messages
wrong 'give one channel' info
wrong 'give one channel' pause a b
wrong 'the channel "": a name' info ''
wrong 'no command "channel purg". Did you mean "purge"?' purg work
wrong 'channel ls takes no operands' ls work
for line in "set none --weight 2" "pause none" "resume none" "purge none --yes" "rm none --yes" \
    "info none"; do
    # shellcheck disable=SC2086
    run 3 leat channel $line
    said 'there is no channel "none"'
done
run 3 leat channel info none --json
said '{"error":{"code":"NOT_FOUND"'
[ ! -s "$dir/out" ] || fail "stdout is not empty on an error"
