#!/bin/sh
# Hostile programs: each ends its own job with a sentence, and nothing of it stays, while other jobs
# go on on the same worker.
# shellcheck disable=SC1091,SC2154,SC2016 # it sets $dir; what is in single quotes is the job's
. "$(dirname "$0")/../../lib/story.sh"

start_broker
start_worker w1 3 --allow-commands --rlimit cpu=30s
first_worker=$worker_pid
workers_up 1
mkdir "$dir/here"
cd "$dir/here" || exit 1
mark="leat-hostile-$$" # in the command line of everything that is started here

# hostile CODE SENTENCE COMMAND…: while it runs and after it, honest jobs run on the same worker
played=0
hostile() {
    played=$((played + 1))
    want=$1
    sentence=$2
    shift 2
    leat "$@" >"$dir/out" 2>"$dir/err" &
    pid=$!
    leat run --progress none -k echo {} ::: 1 2 3 >"$dir/honest" || fail "honest jobs failed beside: $*"
    is "$(cat "$dir/honest")" "$(printf '1\n2\n3')"
    got=0
    wait "$pid" || got=$?
    [ "$got" = "$want" ] || fail "exit $got, not $want: $*"
    [ -z "$sentence" ] || said "$sentence"
    why=""
    [ "$want" = 0 ] || why=$(leat dead ls --plain | sed -n 1p | cut -f8)
    [ "$want" = 0 ] || [ -n "$why" ] || fail "no sentence is kept of: $*"
    nothing_left
}

# One grep, whose own pattern is not what it looks for.
left_running() { grep -la "[l]eat-hostile-$$" /proc/[0-9]*/cmdline 2>/dev/null || :; }
is_clean() { [ -z "$(left_running)" ]; }
nothing_left() { until_true 5 is_clean; }

printed_bytes() { is "$(cat "$dir/out")" "$1"; }

# the check can fail: a process with the mark is seen
sh -c "sleep 5; : $mark" &
plant=$!
is_seen() { [ -n "$(left_running)" ]; }
until_true 5 is_seen
kill -KILL "$plant"
wait "$plant" 2>/dev/null || :

# 1, 2: what is not there, what is no program, what may not be run
hostile 127 'no program "./nowhere" on this worker' run ./nowhere
hostile 127 'no program "nowhere-at-all" on this worker' run nowhere-at-all
printf 'no program\n' >text && chmod +x text
hostile 126 '"./text" is no program that this host can run' run ./text
: >plain
hostile 126 '"./plain" cannot be run: Permission denied' run ./plain
hostile 126 '"./." cannot be run: Permission denied' run -- ./.
printf '#!/no/such/interpreter\n' >script && chmod +x script
hostile 127 'what its first line names is not here' run ./script

# 3: floods its output, both streams, until it is stopped
hostile 143 'stopped: it took longer than its run limit' \
    run --retries 0 --run-limit 1s --output-max 1K sh -c "yes $mark & yes $mark >&2"
[ "$(wc -c <"$dir/out")" -lt 4096 ] || fail "more is kept than was allowed"
for stream in 1 2; do # … and each of them by itself, as fast as it can
    hostile 0 '' run --output-max 1K sh -c "head -c 100000000 /dev/zero >&$stream; : $mark"
    [ "$(cat "$dir/out" "$dir/err" | wc -c)" -lt 4096 ] || fail "more is kept than was allowed"
done

# 4: forks for ever; the number of its processes is bounded, and all of them are ended
procs=40
grep -q 'cgroup=/' "$dir/w1.log" || # without control groups all of the user's count
    procs=$(($(grep -l "^Uid:.$(id -u)" /proc/[0-9]*/status 2>/dev/null | wc -l) + 60))
start_worker w3 2 --allow-commands --channel forks --rlimit "procs=$procs,cpu=30s"
workers_up 2
if grep -q 'cgroup=/' "$dir/w3.log" || [ "$(id -u)" != 0 ]; then
    forks='import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True:
    try:
        os.fork() or HIDE
    except OSError:
        time.sleep(0.01)
'
    for hide in 0 'os.setsid()'; do # ... also those that leave the session, each for itself
        hostile 137 'stopped: it took longer than its run limit, and did not end in its grace' \
            run --channel forks --retries 0 --run-limit 1s --grace 100ms \
            /usr/bin/python3 -c "$(printf %s "$forks" | sed "s/HIDE/$hide/")# $mark"
    done
else
    echo "hostile: not run, since root has no control groups here: programs that fork for ever" >&2
fi

# 5: does not listen to TERM
hostile 137 'and did not end in its grace' \
    run --retries 0 --run-limit 500ms --grace 200ms sh -c "trap '' TERM; while :; do sleep 0.1; done; : $mark"

# 6: leaves processes behind, in sessions of their own; they are ended, the job is done
hostile 0 '' run sh -c "(setsid sh -c 'sleep 100; : $mark' &) ; setsid sh -c 'sleep 100; : $mark' & echo gone"
printed gone

# 7: closes its stdout early and goes on
hostile 5 '' run sh -c "exec >&- 2>&-; sleep 0.2; exit 5 $mark"

# 8: dies by a signal
hostile 139 'killed by SIGSEGV' run sh -c 'kill -SEGV $$'
hostile 134 'killed by SIGABRT' run sh -c 'kill -ABRT $$'
hostile 137 'killed by SIGKILL' run sh -c 'kill -KILL $$'

# 8a: writes half a line and hangs: what it wrote is there
hostile 143 'stopped: it took longer than its run limit' \
    run --retries 0 --run-limit 500ms sh -c "printf half; sleep 100; : $mark"
printed_bytes half
is "$why" "stopped: it took longer than its run limit"

# 8b: asks for another attempt each time: it has three, and no more
hostile 75 'exit 75 (after 3 attempts)' run --backoff 10ms sh -c 'echo x >>tries; exit 75'
is "$(wc -l <tries)" 3

# 9: writes no line feed, and bytes that are no text
hostile 0 '' run printf '\377\000\001no end'
printf '\377\000\001no end' | cmp -s - "$dir/out" || fail "not the same bytes"

# 10: leaves a zombie: a child that has ended and is not waited for
hostile 0 '' run sh -c "sleep 0.01 & exec sleep 0.2"

# 11: does not read its input of a megabyte, or only a part of it
head -c 1000000 /dev/zero >megabyte
hostile 0 '' run --stdin megabyte true
hostile 0 '' run --stdin megabyte head -c 10
is "$(wc -c <"$dir/out")" 10
hostile 0 '' run --stdin megabyte wc -c
printed 1000000

# 12: a huge environment, huge arguments: more than the system takes is a sentence
big=$(head -c 100000 /dev/zero | tr '\0' x)
hostile 0 '' run --env "A=$big" --env "B=$big" sh -c 'echo ${#A} ${#B}'
printed "100000 100000"
printf '%s' "$big$big" >big
hostile 126 'Argument list too long' run -a big true

# 13: uses more memory and CPU time than it may
start_worker w2 1 --allow-commands --channel small --rlimit cpu=1s,mem=200M,files=20
workers_up 3
hostile 152 'its CPU time is used up' run --channel small sh -c "while :; do :; done; : $mark"
hostile 0 '' run --channel small sh -c 'ulimit -n; ulimit -v'
is "$(cat "$dir/out")" "$(printf '20\n204800')"
hostile 1 MemoryError run --channel small /usr/bin/python3 -c "x = bytearray(400 << 20) # $mark"
is "$why" "exit 1: MemoryError"
hostile 1 'Too many open files' run --channel small /usr/bin/python3 -c \
    "x = [open('/dev/null') for i in range(100)] # $mark"
is "$why" "exit 1: OSError: [Errno 24] Too many open files: '/dev/null'"

# 14: kills what watches over it; that is not the end of the worker
hostile 1 'the process that watches over the command was killed' \
    run --retries 0 sh -c "kill -KILL \$PPID; sleep 100; : $mark"

# 15: no descriptor, socket or group of the worker reaches it
hostile 0 '' run ls /proc/self/fd
[ "$(wc -l <"$dir/out")" -le 4 ] || fail "it has more descriptors than its own"

[ "$played" -ge 30 ] || fail "only $played of them were played"
kill -0 "$first_worker" || fail "the worker is gone"

# a worker that is killed takes everything with it, whatever it did to hide
leat submit sh -c "setsid sh -c 'sleep 100; : $mark' & trap '' TERM; sleep 100; : $mark" >/dev/null
is_begun() { [ "$(left_running | wc -l)" -ge 2 ]; }
until_true 10 is_begun
leat submit --channel small sh -c "setsid sh -c 'sleep 100; : $mark' & sleep 100" >/dev/null
for pid in $pids; do
    [ "$pid" = "$broker_pid" ] || kill -KILL "$pid" 2>/dev/null || :
done
nothing_left

# ... which counts one loss for what ran, and none for what had not begun
start_worker w4 1 --allow-commands --channel lossy
workers_up 1
run 0 leat submit --channel lossy --losses 1 sh -c \
    "[ \$1 != 1 ] || { setsid sh -c 'sleep 100; : $mark' & touch begun; sleep 100; }; : $mark" sh ::: 1 2 3
batch=$(cat "$dir/out")
until_true 10 test -e begun
kill -KILL "$worker_pid"
nothing_left
start_worker w5 1 --allow-commands --channel lossy
run 1 leat wait "$batch"
said "3 jobs: 2 ok, 1 failed"
said "$batch/1  dead after 1 attempt"
