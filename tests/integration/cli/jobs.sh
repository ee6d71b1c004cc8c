#!/bin/sh
# submit, wait, result and status against one broker and one worker.
# shellcheck disable=SC1091,SC2154 # it sets $dir
. "$(dirname "$0")/../../lib/story.sh"

start_broker
start_worker w1 4
workers_up 1

# the number alone on stdout; wait without a selector takes the last batch
run 0 leat submit --handler echo hello
batch=$(cat "$dir/out")
case $batch in '' | *[!0-9]*) fail "no number alone: $batch" ;; esac
said_nothing
run 0 leat wait
said "1 job: 1 ok in"
[ ! -s "$dir/out" ] || fail "wait prints on stdout"
run 0 leat result "$batch"
is "$(cat "$dir/out")" hello
run 0 leat result last
is "$(cat "$dir/out")" hello

# several payloads: words, lines of a file, lines of stdin, NUL between
run 0 leat submit --handler echo ::: a "" "-h" "b c" "$(printf 'x\ny')"
batch=$(cat "$dir/out")
run 0 leat wait "$batch"
said "5 jobs: 5 ok"
for pair in "1:a" "2:" "3:-h" "4:b c" "5:$(printf 'x\ny')"; do
    run 0 leat result "$batch/${pair%%:*}"
    is "$(cat "$dir/out")" "${pair#*:}"
done
run 0 leat result "$batch/2-4"
is "$(wc -l <"$dir/out")" 3
printf 'one\ntwo\n\nthree' >"$dir/lines"
run 0 leat submit --handler echo -a "$dir/lines"
run 0 leat wait
said "4 jobs: 4 ok"
seq 1000 | run 0 leat submit --handler echo -
run 0 leat wait
said "1000 jobs: 1000 ok"
printf 'a\nb\0c\0' | run 0 leat submit --handler echo -0 -a -
batch=$(cat "$dir/out")
run 0 leat wait "$batch"
said "2 jobs: 2 ok"
run 0 leat result "$batch/1"
is "$(cat "$dir/out")" "$(printf 'a\nb')"

# any bytes come back as they went
head -c 100000 /dev/urandom >"$dir/bytes"
run 0 leat submit --handler echo -0 -a "$dir/bytes" # split at each NUL: some hundred jobs
run 0 leat wait
tr -d '\0' <"$dir/bytes" >"$dir/whole"
run 0 leat submit --handler echo --name whole -0 -a "$dir/whole"
run 0 leat wait
run 0 leat result last
cmp -s "$dir/whole" "$dir/out" || fail "not the same bytes"

# a loop that submits sees every line of its own input
printf '1\n2\n3\n' >"$dir/lines"
count=0
while read -r x; do
    leat submit --handler echo "$x" >/dev/null
    count=$((count + 1))
done <"$dir/lines"
is "$count" 3
# a pipe that nobody reads gets a line
echo forgotten | run 0 leat submit --handler noop
said "input not used"
: | run 2 leat submit --handler echo -
said "nothing was submitted"

# failures: exit 1, and which with their sentence
run 0 leat submit --handler fail --retries 0 ::: "disk full" "fatal:no such file"
failed=$(cat "$dir/out")
run 1 leat wait "$failed"
said "2 jobs: 0 ok, 2 failed"
said "$failed/1  dead after 1 attempt on w1: disk full"
said "$failed/2  dead after 1 attempt on w1: no such file"
run 2 leat wait "$failed" --exit count -q
run 0 leat wait "$failed" --exit none
run 1 leat wait "$failed" --exit job
run 1 leat result "$failed"
said "disk full"
run 1 leat result "$failed/failed"
# what a job says cannot steer the terminal
run 0 leat submit --handler fail "$(printf 'fatal:\033[31mred')"
run 1 leat wait
said '\x1b[31mred'

# N completions, or N good ones
run 0 leat submit --handler sleep ::: 1ms 2ms 10s
long=$(cat "$dir/out")
run 0 leat wait -n 2
said "2 jobs: 2 ok"
run 0 leat wait "$long" -n 2 --ok
run 124 leat wait "$long" --timeout 300ms
said "2 of 3 jobs have ended; batch $long goes on"
run 1 leat wait "$failed" -n 1 --ok
said "only 0 of the 1"
# two batches at once
run 124 leat wait "$failed" "$long" --timeout 300ms
run 1 leat wait "$failed" "$batch"

# result of what has not ended, and of what is not there
run 3 leat result "$long/3"
said "leat wait $long"
run 3 leat result "$long/4"
said "there is no $long/4"
for command in wait status result; do
    run 3 leat $command 99999999999
    said "no batch 99999999999"
done

# Ctrl-C ends the wait, not the batch
leat wait "$long" 2>"$dir/wait.err" &
waiter=$!
pids="$pids $waiter"
until_true 5 grep -q "2/3" "$dir/wait.err"
kill -INT "$waiter"
code=0
wait "$waiter" || code=$?
is "$code" 130
grep -q "batch $long goes on" "$dir/wait.err" || fail "does not say that the batch goes on"
run 0 leat status "$long"
grep -q "1 running" "$dir/out" || fail "the batch does not go on"

# two waiters see all of a batch
run 0 leat submit --handler sleep ::: 100ms 200ms 300ms
batch=$(cat "$dir/out")
leat wait "$batch" --json >"$dir/one" 2>/dev/null &
one=$!
leat wait "$batch" --json >"$dir/two" 2>/dev/null
wait "$one"
for file in one two; do
    grep -q '"ended":3,"ok":3,"failed":0,"timed_out":false' "$dir/$file" || fail "not all in $file"
done

# nobody offers the handler: the batch waits, and why is told
run 0 leat submit --handler thumb ::: 1 2 3
waiting=$(cat "$dir/out")
run 0 leat status
grep -qF '3 jobs wait in "default": no worker offers handler "thumb"' "$dir/out" || fail "not why"
grep -q '^CHANNEL  *READY  *RUNNING  *DELAYED  *DEAD  *OLDEST  *DONE/S' "$dir/out" || fail "no table"
grep -q "^workers  1 up .*slots 1/4 busy" "$dir/out" || fail "not the workers"
run 0 leat status "$waiting"
grep -qF 'no worker offers handler "thumb"' "$dir/out" || fail "not why"
run 124 leat wait "$waiting" --timeout 2s
said 'waiting: no worker offers handler "thumb"'
run 0 leat worker ls
grep -q "^w1 *up  *4 " "$dir/out" || fail "not the worker"

# later, with a priority
run 0 leat submit --handler echo --in 1h later
run 0 leat status last
grep -q "1 delayed" "$dir/out" || fail "not delayed"
run 0 leat submit --handler echo --priority 9 --name urgent now
run 0 leat wait
