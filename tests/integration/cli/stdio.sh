#!/bin/sh
# Programs that do jobs over stdin and stdout: what they may do, and what they must not. Each rule that
# is broken ends its own job with a sentence; the worker and its other jobs do not notice.
# shellcheck disable=SC1091,SC2154 # it sets $dir
here=$(cd "$(dirname "$0")/../.." && pwd)
. "$here/lib/story.sh"

mark="leat-stdio-$$" # in the command line of everything that is started here
cat >"$dir/early" <<END
#!/bin/sh
echo start >>"$dir/starts"
echo "nothing goes here" >&2
exit 9
END
chmod +x "$dir/early"
start_broker
start_worker w1 3 --stdio "rogue=/usr/bin/python3 $here/stdio/rogue.py $mark" \
    --stdio "$here/../docs/workers/upper.sh $mark" --stdio "early=$dir/early $mark"
workers_up 1

left_running() { grep -la "[l]eat-stdio-$$" /proc/[0-9]*/cmdline 2>/dev/null || :; }
is_clean() { [ -z "$(left_running)" ]; }
logged() { grep -qF -e "$1" "$dir/w1.log"; }

# job RESULT PAYLOAD [OPTION…]: it is done and says so
job() {
    want=$1
    payload=$2
    shift 2
    run 0 leat submit --handler rogue "$@" "$payload"
    run 0 leat wait
    run 0 leat result last
    is "$(cat "$dir/out")" "$want"
}

# wrong SENTENCE PAYLOAD [OPTION…]: it fails with that; beside it and behind it others are done
wrong() {
    sentence=$1
    payload=$2
    shift 2
    run 0 leat submit --retries 0 --handler rogue "$@" "$payload"
    batch=$(cat "$dir/out")
    run 0 leat submit --handler stdio "beside $payload"
    run 0 leat wait --timeout 20s
    run 0 leat submit --handler echo inside
    run 0 leat wait --timeout 20s
    run 1 leat wait --timeout 30s "$batch"
    said "$sentence"
    job "well 1" well
}

# the check can fail: a job that is done, and one that says something else, are noticed
(wrong "it did not work out" well) 2>/dev/null && fail "a job that is done was taken for one that failed"
(wrong "it worked out" fail) 2>/dev/null && fail "any sentence is taken for the right one"

# what they may do
job "pay load 1" "pay load"
run 0 leat submit --handler stdio hello
run 0 leat wait
run 0 leat result last
is "$(cat "$dir/out")" HELLO
job "snooze 2" snooze
job "2 aGFsZv8=" resume --retries 1 --backoff 10ms
job "$(printf 'a\377b')" "$(printf 'a\377b')"
job "LEAT_JOB_ATTEMPT LEAT_JOB_BATCH LEAT_JOB_CHANNEL LEAT_JOB_ID LEAT_JOB_SEQ" variables
job "LEAT_BROKER LEAT_JOB_SLOT LEAT_JOB_WORKER" environment
wrong "it did not work out" fail
head -c 1000000 /dev/zero | tr '\0' x >"$dir/large"
leat submit --handler rogue - <"$dir/large" >/dev/null
run 0 leat wait
leat result last | cut -c1-1000000 | tr -d '\n' | cmp - "$dir/large" || fail "a large payload is not answered"

# a stop is an order that can be obeyed; the program goes on
job_pid() {
    run 0 leat submit --handler rogue pid
    run 0 leat wait
    leat result last
}
run 0 leat submit --handler rogue hold
holds() { leat explain --json last | grep -q holding; }
until_true 10 holds
run 0 leat cancel last
run 1 leat wait
run 0 leat submit --retries 0 --run-limit 200ms --handler rogue hold
run 1 leat wait
said "stopped as asked: limit True"

# the rules
wrong "rogue.py $mark\" said what is no answer (" rubbish
wrong ": hello world" rubbish
wrong "ended in the middle of a line (exit 3)" "half a line"
wrong "took longer than its run limit; it has begun a line of its answer and not ended it" \
    "half a line and hangs" --run-limit 200ms --grace 200ms
wrong "said a line of more than 4194304 bytes" gigabyte
wrong "stopped: it took longer than its run limit" silent --run-limit 200ms --grace 200ms
wrong "answered for job 999999999, which it did not have" stranger
wrong "which it did not have (a job is answered once)" "the one before"
wrong "has closed its stdout and goes on" "closes stdout"
wrong "took longer than its run limit, and did not end in its grace" deaf --run-limit 200ms --grace 100ms
wrong "ended before it had answered (killed by SIGSEGV)" crash
wrong "(exit 1: ValueError: no such rule)" raise
wrong "a checkpoint of more than 65536 bytes" "huge checkpoint"
wrong "the result is larger than a result may be" "result that is too large"

# what comes after the end of a job: the job is done, an end too many ends the program
job "in time" "too late"
job once twice
until_true 10 logged "which it did not have (a job is answered once)"
job "well 1" well
job "the last one" "closes stdin"
until_true 10 logged "has closed its stdin and goes on"
job "well 1" well

# a program that ends at its start: each start costs a job, what comes in between is put off, and the
# pauses grow
run 0 leat submit --retries 0 --handler early ::: 1 2 3 4 5 6 7 8 9
batch=$(cat "$dir/out")
until_true 20 logged "pause_ms=400"
run 1 leat wait -n 3 "$batch"
said "ended before it had answered (exit 9: nothing goes here)"
grep -q "pause_ms=100" "$dir/w1.log" || fail "the first pause"
grep -q "pause_ms=200" "$dir/w1.log" || fail "the second pause"
job "well 1" well
run 0 leat cancel "$batch"
run 1 leat wait "$batch"
failed=$(leat wait "$batch" 2>&1 | grep -c "nothing goes here" || :)
[ "$(wc -l <"$dir/starts")" -le 9 ] || fail "it was started more often than there are jobs"
[ "$failed" -ge 3 ] || fail "$failed jobs failed"

# a worker with one slot has one program, and a new one after two jobs
start_worker w2 1 --recycle 2 --channel few --stdio "few=/usr/bin/python3 $here/stdio/rogue.py $mark"
workers_up 2
for i in 1 2 3 4; do
    run 0 leat submit --channel few --handler few pid
    run 0 leat wait
    leat result last >"$dir/pid$i"
done
cmp -s "$dir/pid1" "$dir/pid2" || fail "the second job has another program"
cmp -s "$dir/pid3" "$dir/pid4" || fail "the fourth job has another program"
! cmp -s "$dir/pid2" "$dir/pid3" || fail "the third job has the same program"

# what is no program, or has no handler's name
run 2 leat-worker --stdio "no-such-program x"
said '"no-such-program" is no program that can be run'
run 2 leat-worker --stdio "echo=cat"
said 'there is a handler "echo" already'

# a worker that ends takes its programs with it; killed, too
kill -TERM "$worker_pid"
wait "$worker_pid" || :
for pid in $pids; do
    [ "$pid" = "$broker_pid" ] || kill -KILL "$pid" 2>/dev/null || :
done
until_true 10 is_clean
