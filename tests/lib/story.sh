#!/bin/sh
# Shared by the stories: real programs in a folder of their own, ended and removed at the end.
#
#   LEAT_PROGRAMS=build/dev sh tests/integration/cli/jobs.sh
#
# A story begins with `. …/story.sh`. It never touches the user's own state: HOME and all XDG
# folders are inside its folder $dir, and no LEAT_ variable is left. What a story calls:
#
#   start_broker [OPTION…]      leat-broker on ipc in $dir; LEAT_BROKER names it; it answers
#   stop_broker [SIGNAL]        and wait for its end (TERM)
#   start_worker NAME N [OPTION…]   leat-worker with N slots; its output is in $dir/NAME.out, .log
#   workers_up N                wait until the broker has so many
#   run CODE COMMAND…           run it; it must end with CODE. Output: $dir/out, $dir/err
#   is GOT WANT                 two texts are the same
#   printed TEXT · said TEXT    stdout is exactly TEXT · stderr has it somewhere
#   until_true SECONDS COMMAND… try again until it succeeds
#   fail SENTENCE
set -eu

story=$(basename "$0" .sh)
if [ -z "${LEAT_PROGRAMS:-}" ]; then
    echo "$story: set LEAT_PROGRAMS to the folder of leat, leat-broker and leat-worker" >&2
    exit 2
fi
programs=$(cd "$LEAT_PROGRAMS" && pwd)
for variable in $(env | sed -n 's/^\(LEAT_[A-Z_]*\)=.*/\1/p'); do
    unset "$variable"
done
unset NO_COLOR COLUMNS 2>/dev/null || :

dir=$(mktemp -d /tmp/leat-story.XXXXXX) # short: a socket's path ends at 107 bytes
mkdir -p "$dir/run" "$dir/tmp"
chmod 700 "$dir/run"
export HOME="$dir" XDG_RUNTIME_DIR="$dir/run" XDG_STATE_HOME="$dir/state"
export XDG_CONFIG_HOME="$dir/config" TMPDIR="$dir/tmp" TERM=xterm LC_ALL=C.UTF-8
export PATH="$programs:$PATH"
pids=""
broker_pid=""

finish() {
    code=$?
    trap '' INT TERM
    set +e
    if [ "$code" != 0 ]; then
        echo "$story: failed with exit $code" >&2
        for file in out err broker.log; do
            [ -s "$dir/$file" ] && { echo "--- $file"; tail -n 30 "$dir/$file"; } >&2
        done
        for file in "$dir"/*.log "$dir"/state/leat/*.log; do
            [ -s "$file" ] && { echo "--- $file"; tail -n 10 "$file"; } >&2
        done
    fi
    for pid in $pids; do
        kill -CONT "$pid" 2>/dev/null
        kill -KILL "$pid" 2>/dev/null
    done
    # An `up` that still runs is told twice: the second signal does not wait for its jobs.
    # One that has ended leaves a 0, which would be all of us.
    up_pid=$(sed -n 1p "$dir/state/leat/up.pid" 2>/dev/null)
    if [ "${up_pid:-0}" != 0 ] && ! leat down -q --timeout 2s 2>/dev/null; then
        kill -TERM "$up_pid" 2>/dev/null
        leat down -q --timeout 5s 2>/dev/null
    fi
    wait 2>/dev/null
    rm -rf "$dir"
    exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
    echo "$story: $*" >&2
    exit 1
}

is() {
    [ "$1" = "$2" ] || fail "got \"$1\", not \"$2\""
}

run() {
    want_code=$1
    shift
    got_code=0
    "$@" >"$dir/out" 2>"$dir/err" || got_code=$?
    [ "$got_code" = "$want_code" ] || fail "exit $got_code, not $want_code: $*"
}

printed() {
    printf '%s\n' "$1" >"$dir/want"
    cmp -s "$dir/want" "$dir/out" || fail "stdout is not: $1"
}

said() {
    grep -qF -e "$1" "$dir/err" || fail "stderr does not say: $1"
}

said_nothing() {
    [ ! -s "$dir/err" ] || fail "stderr is not empty"
}

until_true() {
    tries=$(($1 * 50))
    shift
    while ! "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || fail "never true: $*"
        sleep 0.02
    done
}

start_broker() {
    export LEAT_BROKER="ipc://$dir/broker.sock"
    leat-broker --bind "$LEAT_BROKER" --data "$dir/store" "$@" >>"$dir/broker.log" 2>&1 &
    broker_pid=$!
    pids="$pids $broker_pid"
    leat broker wait --timeout 10s
}

stop_broker() {
    kill "-${1:-TERM}" "$broker_pid"
    wait "$broker_pid" 2>/dev/null || :
}

start_worker() {
    name=$1
    slots=$2
    shift 2
    leat-worker --broker "$LEAT_BROKER" --name "$name" --slots "$slots" "$@" \
        >>"$dir/$name.out" 2>>"$dir/$name.log" &
    worker_pid=$!
    pids="$pids $worker_pid"
}

are_up() {
    [ "$(leat worker ls --plain | cut -f2 | grep -c '^up$')" = "$1" ]
}

workers_up() {
    until_true 10 are_up "$1"
}
