#!/bin/sh
# What leat-broker and leat-worker are told at their start, and how they are ended from the command
# line: --idle-exit, --until, --max-jobs, --cpu, --listen, broker info and stop, worker stop.
# shellcheck disable=SC1091,SC2154 # it sets $dir
. "$(dirname "$0")/../../lib/story.sh"

# ends CODE PID: it ends, and so.
ends() {
    until_true 15 sh -c "! kill -0 $2"
    got_code=0
    wait "$2" || got_code=$?
    [ "$got_code" = "$1" ] || fail "exit $got_code, not $1"
}

start_broker

# ---- ends by itself
# Exactly as many jobs as it was to do; the others are there for the next one.
start_worker few 4 --max-jobs 3
few=$worker_pid
run 0 leat submit --handler echo ::: 1 2 3 4 5 6 7
batch=$(cat "$dir/out")
run 0 leat wait "$batch" -n 3 --timeout 30s
ends 0 "$few"
grep -q 'msg="worker stops".* jobs=3 ' "$dir/few.log" || fail "not three: $(tail -1 "$dir/few.log")"
grep -q 'why="it has done its jobs (--max-jobs)"' "$dir/few.log" || fail "it does not say why"
is "$(leat status "$batch" --plain | cut -f3,7)" "4	3"
# What computes waits in a queue of its own, and is counted, too.
start_worker few2 1 --threads 1 --max-jobs 2
few=$worker_pid
run 0 leat submit --handler sha256 ::: a b c d
run 0 leat wait "$batch" -n 5 --timeout 30s
ends 0 "$few"
grep -q 'msg="worker stops".* jobs=2 ' "$dir/few2.log" || fail "not two: $(tail -1 "$dir/few2.log")"

# Idle: as long as something runs it is not.
run 0 leat submit -q --channel slow --handler sleep 3s
start_worker idle 2 --idle-exit 2s --channel slow
idle=$worker_pid
run 0 leat wait -q --timeout 30s
ends 0 "$idle"
grep -q 'why="there was nothing to do (--idle-exit)"' "$dir/idle.log" || fail "it does not say why"
LEAT_BROKER="ipc://$dir/nobody.sock" start_worker alone 1 --idle-exit 300ms
ends 0 "$worker_pid"

# A time: what runs is finished.
run 0 leat submit -q --channel slow --handler sleep 3s
start_worker hour 1 --until 2s --channel slow
hour=$worker_pid
run 0 leat wait -q --timeout 30s
ends 0 "$hour"
grep -q 'why="its time is over (--until)"' "$dir/hour.log" || fail "it does not say why"

# ---- cores
core=$(taskset -pc $$ | sed 's/.*: //; s/[-,].*//')
leat-worker --broker "$LEAT_BROKER" --name pinned --cpu "$core" >"$dir/pinned.out" 2>"$dir/pinned.log" &
pinned=$!
pids="$pids $pinned"
until_true 10 sh -c "leat worker ls --plain | grep -q '^pinned	up	1	'"
is "$(taskset -pc "$pinned" | sed 's/.*: //')" "$core"
for list in 1- x 3-1 ',' 4096 ''; do
    run 2 leat-worker --cpu "$list"
    said '--cpu'
done
run 2 leat-worker --cpu 1023
said '--cpu "1023": some of these cores are not there for this process'
run 2 leat-worker --until yesterday
said '--until "yesterday": a time looks like 18:30'
run 2 leat-worker --until 2001-01-01T00:00:00Z
said 'that time is over'
run 2 leat-worker --max-jobs 0
said '--max-jobs'
run 2 leat-broker --cpu 0,
said '--cpu: write the numbers of cores as 0-3,8'

# ---- worker stop
run 0 leat worker stop pinned
said '"pinned" has finished what it ran and ended'
ends 0 "$pinned"
start_worker w1 1 --channel slow
w1=$worker_pid
workers_up 1
run 0 leat submit -q --channel slow --handler sleep 1500ms
until_true 10 sh -c "leat worker ls --plain | cut -f4 | grep -q 1"
run 124 leat worker stop w1 --timeout 100ms
said '"w1" was told to end and has not yet'
ends 0 "$w1"
run 3 leat worker stop w1
run 2 leat worker stop

# ---- broker info
run 0 leat broker info
grep -q "^broker   ipc.*, leat .*, process $broker_pid\$" "$dir/out" || fail "not who: $(cat "$dir/out")"
grep -q '^store    lmdb, synced, ' "$dir/out" || fail "not the store"
grep -q '^workers  0 up, ' "$dir/out" || fail "not the workers"
run 0 leat broker info --json
grep -q "\"pid\":$broker_pid,.*\"workers\":{\"up\":0," "$dir/out" || fail "not in JSON: $(cat "$dir/out")"
run 2 leat broker info now

# ---- broker stop
run 0 leat broker stop
said 'has stopped; its workers wait for it to come back'
ends 0 "$broker_pid"
run 125 leat broker stop
said 'no broker answered'

# What leat up keeps running is ended by leat down only.
unset LEAT_BROKER
run 0 leat up -d -j 1
run 125 leat broker stop
said 'leat down'
name=$(leat worker ls --plain | cut -f1)
run 125 leat worker stop "$name"
said 'leat down'
run 0 leat down -q

# ---- broker --listen: beside the own socket, and with keys only
run 2 leat-broker --listen x y
said 'one address behind --listen'
run 2 leat-broker --listen 'a b'
said '--listen: an address looks like HOST, HOST:5328 or :5328, not a b'
port=$(/usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
run 4 leat-broker --listen "127.0.0.1:$port" --data "$dir/store2"
said 'use ipc://, give'
run 0 leat key new me --role admin --keys "$dir/keys" -o "$dir/me.key"
leat-broker --listen "127.0.0.1:$port" --data "$dir/store2" --keys "$dir/keys" >"$dir/broker2.log" 2>&1 &
broker_pid=$!
pids="$pids $broker_pid"
run 0 leat broker wait
run 0 leat --broker "tcp://127.0.0.1:$port" --key-file "$dir/me.key" broker ping
run 125 leat --broker "tcp://127.0.0.1:$port" --key-file "$dir/me.key" broker stop
said 'cannot be ended over the network'
run 0 leat broker stop
ends 0 "$broker_pid"
