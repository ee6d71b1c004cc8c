#!/bin/sh
# dead ls, show, rm, and retry: what has failed for good, and once more.
# shellcheck disable=SC1091,SC2154 # it sets $dir
. "$(dirname "$0")/../../lib/story.sh"

start_broker
start_worker w1 2 --channel default --channel mail
workers_up 1
run 0 leat dead ls
said "no dead jobs"
[ ! -s "$dir/out" ] || fail "something is listed"
run 0 leat dead ls --json
printed '{"dead":[]}'

run 0 leat submit --handler fail --retries 1 --backoff 1ms ::: "disk full" "no route" "disk slow"
batch=$(cat "$dir/out")
run 1 leat wait
run 0 leat submit --handler fail --retries 0 --channel mail "disk full"
mail=$(cat "$dir/out")
run 1 leat wait

# the list, and parts of it
run 0 leat dead ls
grep -q '^JOB  *ID  *CHANNEL  *HANDLER  *ATTEMPTS  *WORKER  *ENDED  *ERROR' "$dir/out" || fail "no head"
grep -q "^$batch/2 .* default  *fail  *2  *w1  *[0-9:]*  *no route" "$dir/out" || fail "not the job"
is "$(wc -l <"$dir/out")" 5
run 0 leat dead ls --plain --where disk
is "$(wc -l <"$dir/out")" 3
run 0 leat dead ls --plain --where disk --channel mail
is "$(cut -f1,3,8 "$dir/out")" "$(printf '%s/1\tmail\tdisk full' "$mail")"
run 0 leat dead ls --json
is "$(grep -o '"job":"[0-9]*"' "$dir/out" | wc -l)" 4
grep -q '"ended":"[0-9]*-[0-9]*-[0-9]*T[0-9:.]*Z"' "$dir/out" || fail "no time"
run 0 leat status
grep -q '^4 dead jobs\.  Look: leat dead ls    Again: leat retry --dead$' "$dir/out" ||
    fail "status does not tell"

# one of them
run 0 leat dead show "$batch/2"
grep -q '^error    no route$' "$dir/out" || fail "not the error"
grep -q '^payload  no route$' "$dir/out" || fail "not the payload"
grep -q '^attempts 2: 2 failed, 0 lost' "$dir/out" || fail "not the attempts"
is "$(grep -c '^         [12] on w1, .*: no route$' "$dir/out")" 2
run 0 leat dead show "$batch/2" --json
grep -q '"batch":"'"$batch"'","place":2,.*"payload":"no route"' "$dir/out" || fail "not as JSON"
is "$(grep -o '"end":"failed","worker":"w1"' "$dir/out" | wc -l)" 2
id=$(grep -o '"job":"[0-9]*"' "$dir/out" | tr -dc 0-9)
run 0 leat dead show "$id"
grep -q "^job      $batch/2, handler \"fail\" in \"default\"$" "$dir/out" || fail "not by its number"
run 1 leat result "$batch/2"
is "$(grep -c '^  [12] on w1, .*: no route$' "$dir/err")" 2
run 1 leat result "$batch/2" --json
grep -q '"failed":2,"lost":0,"attempt_list":\[{"attempt":1,"end":"failed","worker":"w1"' "$dir/out" ||
    fail "no attempts in the result"
run 0 leat explain "$batch/2"
grep -q '^  2 attempts: 2 failed, 0 lost' "$dir/out" || fail "not explained"
is "$(grep -c '^    [12] on w1, .*: no route$' "$dir/out")" 2

# what a job said cannot steer the terminal
run 0 leat submit --handler fail --retries 0 "$(printf 'fatal:\033[31mred')"
run 1 leat wait
evil=$(cat "$dir/state/leat/last")
run 0 leat dead ls --where red
grep -q "$(printf '\033')" "$dir/out" && fail "an escape code"
run 0 leat dead rm "$evil"
said "1 dead job removed"

# again: one, those with a text, all of a batch
run 0 leat retry "$batch/2"
again=$(cat "$dir/out")
case $again in '' | *[!0-9]*) fail "no number alone: $again" ;; esac
said "1 dead job again, as batch $again.  Wait: leat wait $again"
run 1 leat wait # the last batch is the new one
said "$again/1  dead after 2 attempts on w1: no route"
run 3 leat retry "$batch/2"
said "no such job of batch $batch"
run 0 leat retry --dead --where "disk" --channel mail --json
grep -q '^{"batch":"[0-9]*","jobs":1,"left":0}$' "$dir/out" || fail "not as JSON"
run 1 leat wait --timeout 20s
run 0 leat retry "$batch" --failed # as leat run advises
said "2 dead jobs again"
run 1 leat wait --timeout 20s
run 3 leat retry "$batch"
said "batch $batch"
run 3 leat retry --dead --where nothing
said "there are no such dead jobs"
run 0 leat dead ls --plain
is "$(wc -l <"$dir/out")" 4 # they have died again, as others
run 0 leat status "$batch"
grep -q "3 dead" "$dir/out" || fail "the old batch has changed"

# away with them
first=$(leat dead ls --plain | head -n 1 | cut -f1)
run 0 leat dead rm "$first" --json
printed '{"removed":1}'
run 3 leat dead rm "$first"
said "there is no dead job $first"
run 3 leat dead rm 99999999
said "0 removed, 1 not in the list"
run 2 leat dead rm --all
said "add --yes"
# a channel that a variable names for submit does not choose here
run 0 env LEAT_CHANNEL=none leat dead rm --all --channel mail --yes
said "dead job"
run 0 leat dead rm --all --yes
run 0 leat dead ls
said "no dead jobs"

# over a restart
run 0 leat submit --handler fail --retries 0 "survives"
run 1 leat wait
stop_broker KILL
start_broker
run 0 leat dead ls --where survives
grep -q survives "$dir/out" || fail "the list is not kept"

# wrong usage
wrong() {
    sentence=$1
    shift
    run 2 leat "$@"
    said "$sentence"
}
wrong "give one batch, or --dead" retry
wrong "give one batch, or --dead" retry 42 --dead
wrong "add --dead" retry 42 --where x
wrong '"x" names no batch' retry x
wrong "give one job" dead show
wrong "give one job" dead show 1 2
wrong "dead ls takes no operands" dead ls 42
wrong "give jobs, or --all" dead rm
wrong "give jobs, or --all" dead rm 42 --all --yes
wrong "add --all" dead rm 42 --where x
wrong '"x" names no batch' dead rm x
wrong '--channel "": a name' dead ls --channel ''
wrong 'Did you mean "show"?' dead shwo 42
run 3 leat dead ls --channel nothing
run 3 leat retry 99999999
run 3 leat dead show 99999999
said "there is no dead job 99999999"
run 3 leat dead show 42/17 --json
said '{"error":{"code":"NOT_FOUND"'
