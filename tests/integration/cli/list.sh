#!/bin/sh
# list: batches and jobs, with filters, also over a restart; dead jobs since a time.
# shellcheck disable=SC1091,SC2154 # it sets $dir
. "$(dirname "$0")/../../lib/story.sh"

start_broker
run 0 leat list
said "there are no batches"
[ ! -s "$dir/out" ] || fail "something is listed"
run 0 leat list --json
printed '{"batches":[],"finished":0,"hides":false,"more":false}'

start_worker w1 2 --channel default --channel mail
workers_up 1
run 1 leat run --handler fail --name nightly --retries 0 --progress none ::: "disk full" "no route"
bad=$(cat "$dir/state/leat/last")
run 0 leat run --handler echo --name "tidy up" --channel mail --progress none ::: a b c
good=$(cat "$dir/state/leat/last")
run 0 leat submit --handler echo alone
alone=$(cat "$dir/out")
run 0 leat wait
run 0 leat submit --handler echo --channel nobody --name later ::: 1 2
later=$(cat "$dir/out")
run 0 leat submit --handler sleep --name longer ::: 1h 1h 1h
longer=$(cat "$dir/out")
until_true 10 sh -c "leat status $longer | grep -q '2 running'"

# what runs and waits, the newest first; that there are others is said in one line
run 0 leat list
grep -q '^ *BATCH  *NAME  *CHANNEL  *STATE  *JOBS  *WAITING  *RUNNING  *DONE  *FAILED  *ENDED' "$dir/out" ||
    fail "no head"
is "$(wc -l <"$dir/out")" 3
said "what has finished is not shown (2 batches, and jobs by themselves): leat list --state all"
is "$(wc -l <"$dir/err")" 1
run 0 leat list --plain
is "$(cut -f1-9 "$dir/out")" "$(printf '%s\tlonger\tdefault\trunning\t3\t1\t2\t0\t0\n%s\tlater\tnobody\twaiting\t2\t2\t0\t0\t0' "$longer" "$later")"

# what has finished, and where it lies does not matter
see_all() {
    run 0 leat list --plain --state all
    is "$(cut -f1,4 "$dir/out" | sort -n)" "$(printf '%s\tfailed\n%s\tdone\n%s\tdone\n%s\twaiting\n%s\t%s' \
        "$bad" "$good" "$alone" "$later" "$longer" "$1" | sort -n)"
    said_nothing
    run 0 leat list --plain --state failed
    is "$(cut -f1,2,4,9 "$dir/out")" "$(printf '%s\tnightly\tfailed\t2' "$bad")"
    run 0 leat list --plain --state "done"
    is "$(cut -f1 "$dir/out")" "$(printf '%s\n%s' "$alone" "$good")"
    run 0 leat list --plain --state finished --where tidy
    is "$(cut -f1,2 "$dir/out")" "$(printf '%s\ttidy up' "$good")"
    run 0 leat list --plain --state all --channel mail
    is "$(cut -f1 "$dir/out")" "$good"
    run 0 leat list --plain --state finished --since 1h
    is "$(wc -l <"$dir/out")" 3
    run 0 leat list --plain --state finished --since 2999-01-01T00:00:00Z
    is "$(wc -l <"$dir/out")" 0
}
see_all running
run 0 leat list --state all --rows 2
is "$(wc -l <"$dir/out")" 3
said "only the newest 2 are shown"
run 0 leat list --state all --rows 2 --json
grep -q '"more":true' "$dir/out" || fail "does not say that there are more"
is "$(grep -o '"id":' "$dir/out" | wc -l)" 2
run 0 leat list --state failed --json
grep -q '"id":"'"$bad"'","name":"nightly",.*"total":2,.*"dead":2,.*"state":"failed","ended":"20' "$dir/out" ||
    fail "not as JSON"
run 0 env LEAT_CHANNEL=mail leat list --plain # a channel meant for submit hides nothing
is "$(wc -l <"$dir/out")" 2

# the jobs of a batch
run 0 leat list "$longer" --plain
is "$(cut -f2 "$dir/out" | sort | uniq -c | tr -s ' ')" "$(printf ' 1 ready\n 2 running')"
run 0 leat list "$bad"
grep -q "^$bad/1  *dead  *1  *w1  *[0-9.]*s  *[0-9:]*  *disk full$" "$dir/out" || fail "not the job"
is "$(wc -l <"$dir/out")" 3
run 0 leat list "$bad" --where route --plain
is "$(cut -f1,7 "$dir/out")" "$(printf '%s/2\tno route' "$bad")"
run 0 leat list "$good"
said "3 jobs are done and not shown: leat list $good --state all"
[ ! -s "$dir/out" ] || fail "done jobs are shown"
run 0 leat list "$good" --state all --plain
is "$(cut -f1,2,4 "$dir/out")" "$(printf '%s/1\tdone\tw1\n%s/2\tdone\tw1\n%s/3\tdone\tw1' "$good" "$good" "$good")"
run 0 leat list "$bad/failed" --json
grep -q '"jobs":\[{"place":1,.*"error":"disk full".*},{"place":2,.*"batch":"'"$bad"'"' "$dir/out" ||
    fail "jobs not as JSON"
run 0 leat list "$alone" --state "done" --plain
is "$(cut -f1,2 "$dir/out")" "$(printf '%s/1\tdone' "$alone")"

# names and labels
run 0 leat submit --handler echo --name nightly --label env=prod --label team=x,stage=2 z
named=$(cat "$dir/out")
run 0 leat wait @nightly
run 0 leat status @nightly
grep -q "^$named (nightly): 1 job" "$dir/out" || fail "not the newest of that name"
grep -q '^  labels: env=prod,stage=2,team=x$' "$dir/out" || fail "no labels"
run 0 leat list --state all --label env=prod --plain
is "$(cut -f1,11 "$dir/out")" "$(printf '%s\tenv=prod,stage=2,team=x' "$named")"
run 0 leat list --state all --label env=prod --label stage=3 --plain
is "$(wc -l <"$dir/out")" 0
run 0 leat list --state all --label env=prod --json
grep -q '"labels":{"env":"prod","stage":"2","team":"x"}' "$dir/out" || fail "labels not as JSON"
run 0 leat result "@tidy up"
is "$(cat "$dir/out")" "$(printf 'a\nb\nc')"
run 0 leat list @longer --plain
is "$(wc -l <"$dir/out")" 3
run 0 leat submit --handler echo --after @nightly:any --name after y
run 0 leat wait @after
run 3 leat status @nothing
said 'there is no batch named "nothing"'

# dead jobs since a time
run 0 leat dead ls --plain --since 1h
is "$(wc -l <"$dir/out")" 2
run 0 leat dead ls --since 2999-01-01T00:00:00Z
said "no dead jobs"
run 3 leat retry --dead --since 2999-01-01T00:00:00Z
run 0 leat retry --dead --since 1h --where route
again=$(cat "$dir/out")
case $again in '' | *[!0-9]*) fail "no number alone: $again" ;; esac
run 0 leat cancel "$again"
run 0 leat cancel "$longer"
until_true 10 sh -c "leat status $longer | grep -q finished && leat status $again | grep -q finished"

# over a restart
stop_broker KILL
start_broker
run 0 leat list --plain
is "$(cut -f1 "$dir/out")" "$later"
# what was about to move into history when the broker was killed is there a moment later
until_true 10 sh -c "leat list --plain --state finished | cut -f1 | grep -qx $alone"
run 0 leat list --plain --state finished
for batch in $bad $good $alone $longer $again $named; do
    cut -f1 "$dir/out" | grep -qx "$batch" || fail "batch $batch is not kept"
done
run 0 leat list --state all --label team=x --plain
is "$(cut -f1,2,11 "$dir/out")" "$(printf '%s\tnightly\tenv=prod,stage=2,team=x' "$named")"
run 0 leat list "$bad" --plain
is "$(cut -f1,2,7 "$dir/out")" "$(printf '%s/1\tdead\tdisk full\n%s/2\tdead\tno route' "$bad" "$bad")"

# wrong usage
wrong() {
    sentence=$1
    shift
    run 2 leat "$@"
    said "$sentence"
}
wrong '--state "sleeping": give one of live' list --state sleeping
wrong '--state "held": give one of' list --state held
wrong '--since "yesterday"' list --since yesterday
wrong '--since "x"' dead ls --since x
wrong "--since choose among all dead jobs: add --dead" retry 42 --since 1h
wrong "one batch at a time" list 42 43
wrong "give a whole batch" list 42/17
wrong "choose among batches" list 42 --mine
wrong "says which jobs, --state too" list 42/failed --state "done"
wrong "--label \"x\"" list --label x
wrong "--label" submit --label 'A=1' true
wrong "at most 8" submit --label a=1,b=1,c=1,d=1,e=1,f=1,g=1,h=1,i=1 true
wrong "a name has" status @
wrong "--rows" list --rows 0
wrong "--rows" list --rows 10001
wrong '--channel "": a name' list --channel ''
wrong 'Did you mean "list"' lst
run 3 leat list 99999999
said "no batch 99999999"
