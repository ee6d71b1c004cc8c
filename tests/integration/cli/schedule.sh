#!/bin/sh
# schedule add, ls, pause, resume, run, rm: jobs that come again by the clock.
# shellcheck disable=SC1091,SC2154,SC2016 # it sets $dir; what is in single quotes is the job's
. "$(dirname "$0")/../../lib/story.sh"

start_broker
start_worker w1 2
workers_up 1
run 0 leat schedule ls
said "no schedules"
run 0 leat schedule ls --json
printed '{"schedules":[]}'

# each second, with its payload, for as long as it is there
run 0 leat schedule add beat '@every 1s' --handler echo tick
said 'schedule "beat": next at '
ran() {
    last=$(leat schedule ls --plain | grep '^beat' | cut -f6)
    [ "$last" != - ] && [ "$last" != "$1" ]
}
until_true 10 ran -
first=$last
until_true 10 ran "$first"
run 0 leat result "$first"
is "$(cat "$dir/out")" tick

# a pause, and its end
run 0 leat schedule pause beat
said 'leat schedule resume beat'
run 0 leat schedule ls
grep -q '^beat .* paused$' "$dir/out" || fail "does not say that it is paused"
run 0 leat schedule resume beat --json
printed '{"name":"beat","paused":false}'
run 0 leat schedule rm beat
said 'schedule "beat" is removed'
run 0 leat schedule ls
said "no schedules"

# a program, with options before it and words of its own behind; what runs it may be a shell
start_worker w2 1 --allow-commands
workers_up 2
cd "$dir" || exit
run 0 leat schedule add copy --env WHO=me '@daily' sh -c 'printf "%s %s" "$WHO" "$1" >made' sh --json
run 0 leat schedule run copy
until_true 10 [ -s made ]
is "$(cat made)" "me --json"
run 0 leat schedule rm copy
run 0 leat schedule add text '@daily' --shell 'echo {} | tee told'
run 0 leat schedule run text
until_true 10 [ -s told ]
is "$(cat told)" "{}"
run 0 leat schedule rm text
run 2 leat schedule add none '@daily'
said "give a name, when, and what"
run 2 leat schedule add both '@daily' --handler echo --shell x
said "give one"
run 127 leat schedule add typo '@daily' 'no such program'

# by the clock of a zone, with options of its jobs
run 0 leat schedule add report '0 9 * * MON-FRI' --tz UTC --overlap queue --handler sleep \
    --channel mail --priority 3 --retries 0 --backoff 1s..2s --run-limit 10s --grace 1s \
    --expires 1h --unique report --unique-for 1m --flow f --key k --needs mem=1K --on zone=a \
    --losses 2 --snoozes 2 1ms --json
grep -q '^{"name":"report","next":"[0-9]*-[0-9]*-[0-9]*T09:00:00.000Z"}$' "$dir/out" ||
    fail "not at nine"
printf 'a\nb\377' | run 0 leat schedule add bytes @daily --handler echo -
run 0 leat schedule ls --json
is "$(wc -l <"$dir/out")" 1
grep -q '"name":"report","expr":"0 9 \* \* MON-FRI","zone":"UTC","overlap":"queue","paused":false,"channel":"mail","handler":"sleep"' \
    "$dir/out" || fail "not the schedule"
grep -q '"last":null' "$dir/out" || fail "has run"
run 0 leat schedule ls --plain
is "$(wc -l <"$dir/out")" 2

# now
run 0 leat schedule run bytes
batch=$(cat "$dir/out")
case $batch in '' | *[!0-9]*) fail "no number alone: $batch" ;; esac
run 0 leat wait
run 0 leat result "$batch"
printf 'a\nb\377' >"$dir/want"
cmp -s "$dir/want" "$dir/out" || fail "not the bytes"
run 0 leat schedule run report --json
grep -q '^{"name":"report","batch":"[0-9]*"}$' "$dir/out" || fail "not as JSON"
run 0 leat explain "$(grep -o '[0-9]*"}' "$dir/out" | tr -dc 0-9)"
grep -q 'no worker for channel "mail"' "$dir/out" || fail "not into its channel"

# over a restart
stop_broker KILL
start_broker
run 0 leat schedule ls --plain
is "$(cut -f1 "$dir/out" | sort | tr '\n' ' ')" "bytes report "

# what is wrong, and what is not there
wrong() {
    sentence=$1
    shift
    run 2 leat schedule "$@"
    said "$sentence"
}
run 125 leat schedule add report @daily --handler echo
said 'there is a schedule "report" already'
wrong "minute: 75 is over 59" add x '75 * * * *' --handler echo
wrong "" add x 'every day' --handler echo
wrong '--tz: no time zone "Nowhere/X"' add x @daily --tz Nowhere/X --handler echo
wrong '--overlap is skip or queue, not "both"' add x @daily --overlap both --handler echo
wrong "give a name, when, and what" add x @daily
wrong "give a name, when" add x --handler echo
wrong "give a name, when" add x @daily --handler echo a b
wrong 'the schedule "": a name' add '' @daily --handler echo
wrong '--needs "gpu"' add x @daily --handler echo --needs gpu
wrong '--unique-for goes with' add x @daily --handler echo --unique-for 1s
wrong 'no option "--after"' add x @daily --handler echo --after 42
wrong "give one schedule" pause
wrong "give one schedule" rm a b
wrong "schedule ls takes no operands" ls x
wrong 'Did you mean "resume"?' resmue x
for verb in pause resume run rm; do
    run 3 leat schedule $verb none
    said 'there is no schedule "none"'
done
run 3 leat schedule rm none --json
said '{"error":{"code":"NOT_FOUND"'
