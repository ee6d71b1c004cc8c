#!/bin/sh
# What run keeps of its jobs: tags, results, job logs and what is run again by them; when the rest is
# given up; coming back.
# shellcheck disable=SC1091,SC2154,SC2016 # it sets $dir; what is in single quotes is the job's
. "$(dirname "$0")/../../lib/story.sh"

start_broker
start_worker w1 2 --allow-commands
workers_up 1
cd "$dir" || exit 1

# the arguments before each line; outputs of jobs are not mixed
run 0 leat run -k --tag --progress none printf 'x\n%s' '{1}' ::: a "b c" ::: 1
is "$(cat "$dir/out")" "$(printf 'a 1\tx\na 1\ta\nb c 1\tx\nb c 1\tb c')"
run 0 leat run --progress none sh -c 'for i in 1 2 3; do echo "$1"; sleep 0.02; done' sh ::: a b
is "$(uniq "$dir/out" | wc -l)" 2
run 0 leat run -k --tag --progress none --handler echo ::: x y
is "$(cat "$dir/out")" "$(printf 'x\tx\ny\ty')"

# files of each job
run 1 leat run --progress none --results res sh -c 'echo "o$1"; echo "e$1" >&2; [ "$1" = a ]' sh ::: a b
is "$(cat res/1/stdout res/1/stderr res/1/exit)" "$(printf 'oa\nea\n0')"
is "$(cat res/2/stdout res/2/exit)" "$(printf 'ob\n1')"
grep -q "sh b$" res/2/command || fail "not its command"
printf x >file
run 2 leat run --results file/below true
said '--results "file/below": Not a directory'

# a log in parallel's columns: the worker, times, exit code, signal, the command
rows() {
    tail -n +2 "$1" | cut -f "$2" | LC_ALL=C sort
}
run 1 leat run --progress none --joblog log sh -c 'kill -"$1" $$' sh ::: 0 9
is "$(head -n 1 log)" "$(printf 'Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand')"
is "$(rows log 1,2,5,7-9)" "$(printf "1\tw1\t0\t0\t0\tsh -c 'kill -\"\$1\" \$\$' sh 0\n2\tw1\t0\t0\t9\tsh -c 'kill -\"\$1\" \$\$' sh 9")"
rows log 3,4 | grep -Eqx '[0-9]{10}\.[0-9]{3}	 *[0-9]+\.[0-9]{3}' || fail "no times"

# resume: what is in it is not run; it is known by its words, wherever it stands
touch_all() {
    want=$1
    shift
    "$@" >"$dir/out" 2>"$dir/err" || got_code=$?
    is "$(sort done_by 2>/dev/null | tr '\n' ' ')" "$want"
    rm -f done_by
}
job='echo "$1" >>done_by; [ "$1" != "b c" ] || [ -e fixed ]'
touch_all "a b c " leat run --progress none --joblog log sh -c "$job" sh ::: a "b c"
touch_all "d " leat run --joblog log --resume sh -c "$job" sh ::: d "b c" a
touch_all "" leat run --joblog log --resume sh -c "$job" sh ::: d "b c" a
said "nothing to run: the joblog has all that is wanted of 3"
touch_all "b c " leat run --joblog log --retry-failed sh -c "$job" sh ::: a "b c" d e
touch fixed
touch_all "b c e " leat run --joblog log --retry-failed --resume sh -c "$job" sh ::: a "b c" d e
touch_all "" leat run --joblog log --retry-failed sh -c "$job" sh ::: a "b c" d e
touch_all "" leat run --joblog log --retry-failed --resume sh -c "$job" sh ::: a "b c" d e
# the same command twice is two jobs
touch_all "a a " leat run --joblog twice sh -c "$job" sh ::: a a
touch_all "a " leat run --joblog twice --resume sh -c "$job" sh ::: a a a
# a line that was not finished counts as none
printf '7\tw1\t1.000' >>twice
touch_all "a " leat run --joblog twice --resume sh -c "$job" sh ::: a a a a
touch_all "" leat run --joblog twice --resume sh -c "$job" sh ::: a a a a
printf 'something else\n' >other
run 2 leat run --joblog other --resume true
said "other:1: this is no line of a joblog"
run 2 leat run --resume true
said "--resume goes with --joblog F"
run 2 leat run --joblog "$dir" true
said "Is a directory"
# shell text, and words with line feeds, are known again, too
for _ in 1 2; do
    run 0 leat run --joblog nl --resume --progress none printf '%s|' ::: "$(printf 'x\ny')" "	'"
    run 0 leat run --joblog text --resume --progress none --shell "$(printf 'echo {}\necho "x  y"')" ::: a
done
is "$(rows nl 1 | wc -l)" 2
is "$(wc -l <text)" 2

# parallel's own log is read
printf 'Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n' >theirs
printf "1\t:\t1795416047.669\t     0.000\t0\t4\t0\t0\techo 'a b'\n" >>theirs
printf "2\t:\t1795416047.683\t     0.003\t0\t2\t3\t0\techo it\\\\'s\n" >>theirs
cp theirs ours
run 0 leat run --progress none --joblog ours --resume echo ::: "it's" c "a b"
is "$(cat "$dir/out")" c
cp theirs ours
run 0 leat run --progress none --joblog ours --resume --retry-failed -k echo ::: "it's" c "a b"
is "$(cat "$dir/out")" "$(printf "it's\nc")"
# … and ours by parallel, where there is one
if parallel --version 2>/dev/null | grep -q GNU; then
    run 0 leat run --progress none -k --joblog shared echo ::: 1 2 3
    run 0 parallel --will-cite --resume --joblog shared echo ::: 1 2 3 4 </dev/null
    printed 4
    run 1 leat run --progress none -k --joblog shared test 2 -eq ::: 1 2
    run 1 parallel --will-cite --resume-failed --joblog shared echo {} \; false ::: 1 2 </dev/null
    printed 1
fi

# a full disk is said
if [ -w /dev/full ]; then
    run 125 leat run --joblog /dev/full true
    said '--joblog "/dev/full" is not complete: No space left on device'
fi

# the rest is given up, also of an input without end
touch_all "1 " leat run -j 1 --halt soon,fail=1 --progress none sh -c 'echo "$1" >>done_by; false' sh ::: 1 2 3
is "$got_code" 1
yes | run 1 leat run -j 2 --halt now,fail=3 --progress none false '{}'
yes | run 0 leat run -j 2 --halt soon,success=3 --progress none --exit none true '{}'
run 0 leat run --halt now,success=1 --exit none --progress none sleep ::: 0 30 30 30
run 2 leat run --halt never true
said '--halt "never": now or soon'

# later, and in turn
run 0 leat run --in 50ms echo late
printed late
run 0 leat run --retries 2 --backoff 1ms..2ms --grace 1s --run-limit 1m true

# coming back: the time is up, the batch goes on, with its whole log
run 124 leat run --timeout 300ms --progress none sh -c 'sleep 0.6; echo "$1"' sh ::: a b
said "goes on.  Wait: leat wait"
batch=$(sed -n 's/.*leat wait \([0-9]*\)$/\1/p' "$dir/err")
run 0 leat wait "$batch" --timeout 20s
run 0 leat logs "$batch"
is "$(sort "$dir/out")" "$(printf 'a\nb')"
# … also when the inputs had not come to their end
mkfifo pipe
leat run --timeout 300ms --progress none echo '{}' <pipe >"$dir/out" 2>"$dir/err" &
client=$!
exec 7>pipe
echo one >&7
code=0
wait "$client" || code=$?
exec 7>&-
is "$code" 124
batch=$(sed -n 's/.*leat wait \([0-9]*\)$/\1/p' "$dir/err")
run 0 leat wait "$batch" --timeout 20s

# in order, also what is large
run 0 leat run -k --progress none sh -c '[ "$1" != 1 ] || sleep 0.3; head -c 900000 /dev/zero | tr "\0" "$1"' sh ::: 1 2 3
is "$(tr -s 123 <"$dir/out")" 123
is "$(wc -c <"$dir/out")" 2700000

# -j counts what runs, not what waits to be printed
run 0 leat run -k -j 2 --progress none sh -c '[ "$1" != 1 ] || until [ -e go ]; do sleep 0.02; done; [ "$1" != 5 ] || touch go; echo "$1"' \
    sh ::: 1 2 3 4 5
is "$(tr -d '\n' <"$dir/out")" 12345

# Ctrl-C while inputs are awaited
leat run --progress none sh -c 'touch begun; sleep 30' sh '{}' <pipe >"$dir/out" 2>"$dir/err" &
client=$!
exec 7>pipe
echo one >&7
until_true 10 test -e begun
kill -INT "$client"
code=0
wait "$client" || code=$?
exec 7>&-
is "$code" 130
said "cancelling 1"

# an input that is too large ends it, and what was made before it has an end
/usr/bin/python3 -c 'print("small"); print("x" * 1100000)' |
    run 125 leat run --progress none --handler echo
printed small
said "over the limit"
