#!/bin/sh
# logs -f: what runs is shown as it comes and what has ended from what is kept of it, each byte once.
# shellcheck disable=SC1091,SC2154 # it sets $dir
# shellcheck disable=SC2016 # what is in single quotes is for the job's shell
. "$(dirname "$0")/../../lib/story.sh"

start_broker
start_worker w1 4 --allow-commands
workers_up 1

# follow NAME OPTION…: in the background; $pid
follow() {
    name=$1
    shift
    leat logs -f "$@" >"$dir/$name.out" 2>"$dir/$name.err" &
    pid=$!
    pids="$pids $pid"
}
ends() {
    code=0
    wait "$pid" || code=$?
    is "$code" "$1"
}
# A job that prints until somebody has seen it, goes on, waits for a file, and goes on.
gated='until test -e $0/seen; do echo tick; sleep 0.05; done; echo "one $1"; echo "err $1" >&2
until test -e $0/go; do sleep 0.02; done; echo "two $1"; printf "three $1"'
# submit WORD…: such a job for each
submit() {
    rm -f "$dir/seen" "$dir/go"
    run 0 leat submit -q sh -c "$gated" "$dir" ::: "$@"
    batch=$(cat "$dir/out")
}
# Without what was printed before somebody looked.
told() { grep -v '\(^\|	\)tick$\|bytes are missing here' "$dir/$1"; }

# --- one job: seen before it ends, to the last byte
submit A
follow a "$batch"
until_true 10 grep -q '^tick$' "$dir/a.out"
touch "$dir/seen"
until_true 10 grep -q '^one A$' "$dir/a.out"
until_true 10 grep -q '^err A$' "$dir/a.err"
grep -q two "$dir/a.out" && fail "it was not told to go on"
touch "$dir/go"
ends 0
is "$(told a.out)" "$(printf 'one A\ntwo A\nthree A')"
is "$(tail -c 7 "$dir/a.out")" "three A"
is "$(cat "$dir/a.err")" "err A"
# again, when it has ended: all of it, from what is kept
follow again "$batch"
ends 0
is "$(told again.out)" "$(printf 'one A\ntwo A\nthree A')"
[ "$(grep -c tick "$dir/again.out")" -ge "$(grep -c tick "$dir/a.out")" ] || fail "not all of it"
grep -q missing "$dir/again.out" && fail "something is missing"

# --- several: nothing twice, lines whole, with the job's number
submit B C D
follow b --tag "$batch"
for place in 1 2 3; do
    until_true 10 grep -q "^$batch/$place	tick\$" "$dir/b.out"
done
touch "$dir/seen"
for job in B C D; do
    until_true 10 grep -q "	one $job\$" "$dir/b.out"
done
touch "$dir/go"
ends 0
is "$(told b.out | sort | cut -f2)" \
    "$(printf 'one B\nthree B\ntwo B\none C\nthree C\ntwo C\none D\nthree D\ntwo D')"
is "$(cut -f2 "$dir/b.err" | sort)" "$(printf 'err B\nerr C\nerr D')"

# --- who comes late is told what is missing, and nothing of it comes twice
submit E
follow first "$batch"
until_true 10 grep -q '^tick$' "$dir/first.out"
first=$pid
follow late "$batch"
until_true 10 grep -q '^tick$' "$dir/late.out"
touch "$dir/seen" "$dir/go"
ends 0
pid=$first
ends 0
is "$(told late.out)" "$(printf 'one E\ntwo E\nthree E')"
is "$(told first.out)" "$(told late.out)"
bytes() { # of a stream, with those that are said to be missing
    sed '/bytes are missing here/d' "$dir/$1" | wc -c # not grep, which ends the last line
    sed -n 's/^\.\.\. leat: \([0-9]*\) bytes are missing here \.\.\.$/\1/p' "$dir/$1"
}
run 0 leat logs "$batch"
is "$(bytes late.out | awk '{ n += $1 } END { print n }')" "$(wc -c <"$dir/out")"

# --- more than may be told while it runs: counted, and its end is there
run 0 leat submit -q seq -f 'line %06.0f' 0 199999
follow flood last
ends 0
is "$(tail -n 1 "$dir/flood.out")" "line 199999"
is "$(grep -x 'line [0-9]\{6\}' "$dir/flood.out" | sort | uniq -d | wc -l)" 0

# --- what fails, and the last lines
run 0 leat submit -q sh -c 'seq 5; exit $0' ::: 0 1
follow failed --failed --tail 2
ends 0
is "$(cat "$dir/failed.out")" "$(printf '4\n5')"
run 0 leat logs --tail 1
is "$(cat "$dir/out")" "$(printf '5\n5')"
run 0 leat submit -q sh -c 'printf "a\nb"'
leat wait -q
run 0 leat logs --tail 1
is "$(cat "$dir/out")" "b"
run 0 leat logs -f --json
grep -q '"outcome":"done","exit":0,"stdout":"a\\nb"' "$dir/out" || fail "not in JSON"

# --- the lines and the progress of a handler
run 0 leat submit -q --handler count '100000 10'
follow count last
until_true 10 grep -q '/1: [0-9]* of 100000' "$dir/count.err"
until_true 10 grep -qx '[0-9]*' "$dir/count.out"
run 0 leat cancel last
ends 0

# --- a broker that goes away and comes back does not end it
submit F
follow back "$batch"
until_true 10 grep -q '^tick$' "$dir/back.out"
touch "$dir/seen"
until_true 10 grep -q '^one F$' "$dir/back.out"
stop_broker
start_broker
workers_up 1
touch "$dir/go"
ends 0
is "$(told back.out)" "$(printf 'one F\ntwo F\nthree F')"

# --- Ctrl-C ends it, not the job
submit G
follow c "$batch"
until_true 10 grep -q '^tick$' "$dir/c.out"
kill -INT "$pid"
ends 130
touch "$dir/seen" "$dir/go"
run 0 leat wait
run 2 leat logs -f --failed 1/1
run 2 leat logs --tail 0
run 3 leat logs -f 999
