#!/bin/sh
# worker info, drain: a host on which commands fail that others run well is named, and set aside.
# shellcheck disable=SC1091,SC2154 # it sets $dir
# shellcheck disable=SC2016 # what is in single quotes is for the job's shell
. "$(dirname "$0")/../../lib/story.sh"

start_broker
mkdir "$dir/good" "$dir/bad"
printf '#!/bin/sh\ncat "$@"\n' >"$dir/good/tool"
printf '#!/bin/sh\necho "tool: no licence on this host" >&2\nexit 1\n' >"$dir/bad/tool"
chmod +x "$dir/good/tool" "$dir/bad/tool"
for name in w1 w2; do
    PATH="$dir/good:$PATH" start_worker $name 1 --allow-commands
done
PATH="$dir/bad:$PATH" start_worker w7 1 --allow-commands
workers_up 3

# What all fail accuses nobody.
run 1 leat run -q false ::: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30
all=$(cat "$dir/state/leat/last")
run 0 leat explain "$all"
grep -q "leat worker drain" "$dir/out" && fail "somebody is accused"

# On w7 it is worth only its end, so it is given most.
seq 1 300 >"$dir/numbers"
run 1 leat run -q -a "$dir/numbers" sh -c 'tool /dev/null; code=$?; sleep 0.01; exit $code'
batch=$(cat "$dir/state/leat/last")
run 0 leat explain "$batch"
grep -q '^  worker w7 (host .*) failed [0-9]* of [0-9]* "command" in the last 10 minutes; the others [0-9]* of [0-9]* .* leat worker drain w7$' "$dir/out" ||
    fail "w7 is not named: $(cat "$dir/out")"
is "$(grep -c 'leat worker drain' "$dir/out")" 1
run 0 leat explain "$batch" --json
grep -q '"outliers":\[{"worker":"w7",.*"stands_out":true,"drained":false}\]' "$dir/out" || fail "not in JSON"
job=$(leat dead ls --plain | awk -v b="$batch/" 'index($1, b) == 1 { print $1; exit }')
run 0 leat explain "$job"
grep -q 'tool: no licence on this host' "$dir/out" || fail "not why"
grep -q '^    1 on w7, ' "$dir/out" || fail "not where"
grep -q 'leat worker drain w7$' "$dir/out" || fail "not what to do"

run 0 leat worker info w7
grep -q '^worker    w7, process [0-9]* on ' "$dir/out" || fail "not who"
grep -q '^state     up, seen ' "$dir/out" || fail "not how"
grep -q '^lately    failed [0-9]* of [0-9]* "command" in the last 10 minutes; the others ' "$dir/out" || fail "no numbers"
grep -q '^It fails what others do well\.  Set it aside: leat worker drain w7$' "$dir/out" || fail "no hint"
run 0 leat worker info w1
grep -q '^lately    failed ' "$dir/out" || fail "no numbers of w1"
grep -q 'leat worker drain' "$dir/out" && fail "w1 is accused"
run 0 leat worker info w1 --json
grep -q '"lately":\[{"worker":"w1",.*"stands_out":false,' "$dir/out" || fail "w1 not in JSON"

# A person sets it aside, and then all of it runs.
run 0 leat worker drain w7
said '"w7" finishes what it runs and is given nothing more.  Back: leat worker drain w7 --undo'
run 0 leat worker ls --plain
grep -q '^w7	drained	' "$dir/out" || fail "not drained"
run 0 leat run -q -a "$dir/numbers" sh -c 'tool /dev/null'
run 0 leat explain "$batch"
grep -q '^  worker w7 (host .*, drained) failed ' "$dir/out" || fail "no longer named"
grep -q 'leat worker drain' "$dir/out" && fail "asked for what is done"

# It stays so over a restart of the broker; and comes back.
stop_broker
start_broker
workers_up 2
until_true 10 sh -c "leat worker ls --plain | grep -q '^w7	drained	'"
run 0 leat worker drain w7 --undo
until_true 10 sh -c "leat worker ls --plain | grep -q '^w7	up	'"
PATH="$dir/good:$PATH" run 0 leat run -q true ::: 1 2 3 4 5 6

run 3 leat worker drain w8
said 'no worker "w8"'
run 3 leat worker info w8
said 'there is no worker "w8"'
run 2 leat worker drain
run 2 leat worker info
run 2 leat worker info a b
