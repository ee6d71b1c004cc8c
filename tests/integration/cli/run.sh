#!/bin/sh
# Commands as jobs: run, submit, logs and result, inputs and replacement, exit codes, Ctrl-C.
# shellcheck disable=SC1091,SC2154,SC2016 # it sets $dir; what is in single quotes is the job's
. "$(dirname "$0")/../../lib/story.sh"

start_broker
start_worker w1 2 --allow-commands
workers_up 1
mkdir "$dir/here"
cd "$dir/here" || exit 1

# one command: its streams, its exit code, nothing else
run 0 leat run echo hello </dev/null
printed hello
said_nothing
run 3 leat run sh -c 'echo out; echo err >&2; exit 3'
printed out
is "$(cat "$dir/err")" err
run 137 leat run sh -c 'kill -9 $$'
said "killed by SIGKILL"
run 0 leat run --exit none false
run 1 leat run --exit any sh -c 'exit 9'

# options end where the command begins; after -- it is the command's too
run 0 leat run echo -n --help -- -k
is "$(cat "$dir/out")" "--help -- -k"
run 0 leat run -- echo --json
printed "--json"

# inputs: words after :::, lines of stdin, of a file, with NUL; what is in them survives
run 0 leat run -k printf '[%s]\n' ::: a "b c" "" "-h" "it's" "$(printf 'x\ny')"
is "$(cat "$dir/out")" "$(printf '[a]\n[b c]\n[]\n[-h]\n[it'"'"'s]\n[x\ny]')"
said "6 jobs: 6 ok"
seq 5 | run 0 leat run --progress none -k echo '<{}>'
is "$(cat "$dir/out")" "$(printf '<%s>\n' 1 2 3 4 5)"
said_nothing
printf 'one\ntwo\n' >"$dir/lines"
run 0 leat run -k -a "$dir/lines" echo
is "$(cat "$dir/out")" "$(printf 'one\ntwo')"
printf 'a\nb\0c\0' | run 0 leat run -0 -k echo {}
is "$(cat "$dir/out")" "$(printf 'a\nb\nc')"
run 0 leat run -k echo '{/} {//} {.} {/.} {#} {x}' ::: d/e.tar.gz
printed "e.tar.gz d d/e.tar e.tar 1 {x}"
printf '\377\376' >"$dir/bytes"
run 0 leat run printf '%s' {} ::: "$(cat "$dir/bytes")"
cmp -s "$dir/bytes" "$dir/out" || fail "bytes that are no UTF-8 do not survive"

# a shell only when it is asked for; what is put into its text is one word to it
run 0 leat run -k --shell 'echo {} | tr a-z A-Z' ::: "it's" '$HOME; false' '`x`'
is "$(cat "$dir/out")" "$(printf 'IT'"'"'S\n$HOME; FALSE\n`X`')"
run 127 leat run 'gzip {} && rm {}'
said "no program \"gzip {} && rm {}\". Shell text? leat run --shell 'gzip {} && rm {}'"
run 2 leat run
run 2 leat submit
said "give a command (leat submit make -C docs), or --handler NAME"

# a loop sees every line of its own input; a pipe that nobody reads is mentioned
printf '1\n2\n3\n' >"$dir/lines"
count=0
while read -r line; do
    leat run echo "$line" >/dev/null
    count=$((count + 1))
done <"$dir/lines"
is "$count" 3
echo x | run 0 leat run true
said "input not used; add {} to make it arguments"

# where it runs, with what
run 0 leat run pwd
printed "$dir/here"
run 0 leat run --cwd / pwd
printed /
run 126 leat run --cwd /not/there true
said 'cannot enter the directory "/not/there" here'
run 2 leat run --cwd nowhere true
MINE=1 run 0 leat run --env MINE --env 'B=x y' sh -c 'echo "$MINE $B"'
printed "1 x y"
run 0 leat run --stdin "$dir/lines" cat
is "$(cat "$dir/out")" "$(cat "$dir/lines")"
(umask 077 && leat run touch "$dir/private")
is "$(stat -c %a "$dir/private")" 600
run 0 leat run --run-limit 100s env
for name in ID BATCH SEQ ATTEMPT SLOT CHANNEL WORKER DEADLINE; do
    grep -q "^LEAT_JOB_$name=" "$dir/out" || fail "no LEAT_JOB_$name"
done
grep -qx "LEAT_BROKER=$LEAT_BROKER" "$dir/out" || fail "no LEAT_BROKER"
run 0 leat run --needs cpus=1 sh -c 'echo "$LEAT_JOB_NEEDS_CPUS"'
printed 0

# failures: a list with the inputs, by exit code, by count
run 1 leat run --progress none sh -c '[ "$1" != b ] || { echo differs >&2; exit 4; }' sh ::: a b c
said "3 jobs: 2 ok, 1 failed in"
said "  b    exit 4: differs"
said "Output: leat logs "
run 2 leat run --exit count sh -c '[ "$0" = a ]' ::: a b c

# exit 75 asks for another attempt, three in all; others only with --retries
run 75 leat run --backoff 10ms sh -c 'echo x >>tries; exit 75'
is "$(wc -l <tries)" 3
rm tries
run 1 leat run --backoff 10ms sh -c 'echo x >>tries; exit 1'
is "$(wc -l <tries)" 1
rm tries
run 0 leat run --backoff 10ms --retries 3 sh -c 'echo x >>tries; [ "$(wc -l <tries)" = 3 ]'
is "$(wc -l <tries)" 3

# much output: its beginning and its end, and a line that says how much is missing
run 0 leat run --output-max 100 seq 1000
is "$(head -n 1 "$dir/out")" 1
is "$(tail -n 1 "$dir/out")" 1000
grep -q "leat: 3793 bytes are cut out here" "$dir/out" || fail "the cut is not marked"
run 0 leat run head -c 900000 /dev/zero
is "$(wc -c <"$dir/out")" 900000

# submit returns at once; logs and result say what it printed
run 0 leat submit sh -c 'echo "$1"; echo "e$1" >&2' sh ::: a b
batch=$(cat "$dir/out")
run 0 leat wait "$batch"
run 0 leat logs "$batch"
is "$(sort "$dir/out")" "$(printf 'a\nb')"
is "$(sort "$dir/err")" "$(printf 'ea\neb')"
run 0 leat logs "$batch/2" --tag
is "$(cat "$dir/out")" "$batch/2	b"
run 0 leat result "$batch/1"
printed a
run 0 leat submit false
run 1 leat wait
said "exit 1"
run 0 leat logs --failed --json
grep -q '"exit":1' "$dir/out" || fail "no exit code in JSON"
run 1 leat result last

# at most so many at once
run 0 leat run -j 1 --progress none sh -c 'mkdir lock && sleep 0.05 && rmdir lock' sh ::: 1 2 3 4
# who stops reading ends it without a word
leat run -k --progress none seq 5 ::: 1000000 2>"$dir/err" | head -n 1 >"$dir/out"
said_nothing

# Ctrl-C: what runs is told to stop, what waits is cancelled, and it says so
leat run sh -c 'trap "echo asked >>said; exit 1" TERM; echo x >>begun; while :; do sleep 0.02; done' sh \
    ::: 1 2 3 4 5 >"$dir/out" 2>"$dir/err" &
pid=$!
begun() { [ "$(wc -l <begun)" = 2 ]; }
until_true 10 begun
kill -INT "$pid"
code=0
wait "$pid" || code=$?
is "$code" 130
said "cancelling 5"
is "$(wc -l <begun)" 2
is "$(wc -l <said)" 2

# the client is killed: the batch goes on
rm -f begun
leat run sh -c 'echo x >>begun; sleep 0.5; touch finished' >/dev/null 2>&1 &
pid=$!
until_true 10 test -s begun
kill -KILL "$pid"
wait "$pid" 2>/dev/null || :
until_true 10 test -e finished

# --command: one program under a name, the payload on its stdin, and nothing else
printf '#!/bin/sh\necho "$1:"; tr a-z A-Z\n' >"$dir/shout"
chmod +x "$dir/shout"
start_worker w2 1 --command "shout=$dir/shout loud" --channel narrow
workers_up 2
run 0 leat submit --handler shout --channel narrow hello
run 0 leat wait
run 0 leat result last
is "$(cat "$dir/out")" "$(printf 'loud:\nHELLO')"
run 0 leat submit --channel narrow --name n touch "$dir/harm"
batch=$(cat "$dir/out")
run 124 leat wait "$batch" --timeout 300ms
[ ! -e "$dir/harm" ] || fail "a worker without --allow-commands ran one"

# without a key commands do not go over TCP
run 2 leat-worker --allow-commands --broker tcp://127.0.0.1:1
said "programs are run only for your own ipc, or with --key-file"
