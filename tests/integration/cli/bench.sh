#!/bin/sh
# leat bench: figures of real processes, nothing left of them; what cannot be measured is refused.
# shellcheck disable=SC1091,SC2154 # it sets $dir
. "$(dirname "$0")/../../lib/story.sh"

nothing_is_left() {
    is "$(ls "$dir/tmp")" ""
}

# figure KEY: what stands there in the one object on stdout
figure() {
    sed -n "s/.*[{,]\"$1\":\"\{0,1\}\([^,\"}]*\).*/\1/p" "$dir/out"
}

# measure JOBS OPTION…: the object is whole, and every job has come back
measure() {
    jobs=$1
    shift
    run 0 leat bench --json --jobs "$jobs" "$@"
    said_nothing
    is "$(wc -l <"$dir/out")" 1
    is "$(figure jobs)" "$jobs"
    is "$(figure completions)" "$jobs"
    for key in seconds jobs_per_second durability payload_bytes workers p50_us p99_us client_cpu_s \
        machine; do
        [ -n "$(figure "$key")" ] || fail "no $key: $(cat "$dir/out")"
    done
}

measure 3000
is "$(figure durability)" disk
is "$(figure payload_bytes)" 64
is "$(figure mode)" throughput
nothing_is_left
for key in broker_cpu_s worker_cpu_s broker_peak_rss_bytes; do
    case $(figure "$key") in '' | null | 0) fail "$key is $(figure "$key")" ;; esac
done

measure 3001 --channel-durability memory --clients 3 --workers 2 --window 100 --payload 1000 --frame 7
is "$(figure durability)" memory
is "$(figure clients)" 3
is "$(figure workers)" 2
is "$(figure payload_bytes)" 1000
measure 50 --latency
is "$(figure mode)" latency
measure 200 --handler sleep:20
measure 20 --handler burn:500
measure 100 --pace 1000
measure 5000 --depth 10 # what is collected last must leave by itself
measure 500 --depth 2000
[ -n "$(figure depth_bytes_per_job)" ] || fail "no memory a waiting job"
measure 30 --cpu 0
is "$(figure cpu)" 0
nothing_is_left

# for people
run 0 leat bench --jobs 1000
grep -q 'jobs/s   1 000 jobs in ' "$dir/out" || fail "no first line"
said_nothing

# what makes no sense
refused() {
    words=$1
    shift
    run 2 leat bench "$@"
    said "$words"
    [ ! -s "$dir/out" ] || fail "stdout is not empty"
}
refused 'bench takes no operands' 5
refused 'it is noop, sleep:MS' --handler sleep
refused 'it is noop, sleep:MS' --handler burn:fast
refused 'it is noop, sleep:MS' --handler echo
refused 'is not disk or memory' --channel-durability tape
refused 'write it as 0 or 0,2-3' --cpu first
refused 'too few for 4 clients' --jobs 3 --clients 4
refused '--latency sends one job at a time' --latency --pace 5
refused '--channel goes with --broker' --channel x
refused '--workers is for a broker that this command starts' --broker ipc:///nowhere --workers 2
refused '--jobs' --jobs 0
nothing_is_left

worker_is_started() {
    ls "$dir"/tmp/leat-bench-*/worker-1.log
}

# Ctrl-C and TERM leave nothing behind
for pair in INT:130 TERM:143; do
    signal=${pair%:*}
    want=${pair#*:}
    leat bench --handler sleep:60000 --jobs 10 >"$dir/out" 2>"$dir/err" &
    bench=$!
    pids="$pids $bench"
    until_true 10 worker_is_started
    children=$(cat "/proc/$bench/task/$bench/children" 2>/dev/null || :)
    [ -n "$children" ] || fail "no children"
    kill "-$signal" "$bench"
    code=0
    wait "$bench" || code=$?
    is "$code" "$want"
    nothing_is_left
    for child in $children; do
        [ ! -e "/proc/$child/exe" ] || fail "process $child is left"
    done
done

# with --broker it uses what is there, and leaves no jobs in it
start_broker
run 125 leat bench --jobs 10
said "no worker is connected"
start_worker there 4
workers_up 1
measure 300
is "$(figure broker_cpu_s)" null
measure 200 --depth 500
until_true 5 sh -c 'leat status --json | grep -q "\"ready\":0"'
