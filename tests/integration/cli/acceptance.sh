#!/bin/sh
# What holds for every command, and is looked at for each one that `leat help` names: help with examples
# first, suggestions, what is said without a broker, nothing but data on stdout, no escape codes in a
# file, readers that go away, questions before what cannot be undone, exit codes.
# shellcheck disable=SC1091,SC2154,SC2016 # it sets $dir; what is in single quotes is the job's
. "$(dirname "$0")/../../lib/story.sh"

run 0 leat help
sed -n '/^Commands:/,/^$/p' "$dir/out" | sed -n 's/^  \([a-z][a-z ]*[a-z]\)  .*/\1/p' >"$dir/commands"
[ "$(wc -l <"$dir/commands")" -ge 48 ] || fail "the list of commands was not understood"

# -h: exit 0, on stdout, a line of what it does, examples that can be typed, then the usage
while read -r line; do
    # shellcheck disable=SC2086 # two words
    run 0 leat $line -h </dev/null
    said_nothing
    head -n 1 "$dir/out" | grep -q "^leat $line: " || fail "leat $line -h does not begin with what it does"
    case $line in demo | help | version | completion) continue ;; esac
    example=$(grep -n "^  .*leat .*  " "$dir/out" | head -n 1 | cut -d: -f1)
    usage=$(grep -n "^Usage: leat $line" "$dir/out" | cut -d: -f1)
    [ "${example:-9999}" -lt "${usage:-0}" ] || fail "leat $line -h does not show examples first"
    grep -q "$(printf '\033')" "$dir/out" && fail "escape codes in the help of $line"
done <"$dir/commands"

# an option that is mistyped: exit 2, nothing on stdout, and what was meant
while read -r line; do
    # shellcheck disable=SC2086
    run 2 leat $line --jsno </dev/null
    said 'no option "--jsno", did you mean "--json"?'
    said "leat $line -h"
    [ ! -s "$dir/out" ] || fail "leat $line: a mistake goes to stdout"
done <"$dir/commands"

# without a broker: 125, one sentence, what to type next; the same in one object
grep -vE '^(demo|up|down|store .*|key .*|bench|completion|help|version|config .*|doctor|broker wait|worker launch.*)$' \
    "$dir/commands" >"$dir/asking"
arguments() {
    case $1 in
    run | submit) echo "true" ;;
    explain | cancel | retry | result | logs | wait) echo 1 ;;
    'dead show' | 'dead rm') echo 1/1 ;;
    send | recv | close) echo "there" ;;
    select) echo "there" ;;
    'channel ls' | 'dead ls' | 'schedule ls' | 'worker ls' | status | 'broker '* | list | top | events) ;;
    'channel purge' | 'channel rm') echo "there --yes" ;;
    'channel set') echo "there --weight 2" ;;
    'schedule add') echo "there @daily --handler echo" ;;
    *) echo "there" ;;
    esac
}
while read -r line; do
    # shellcheck disable=SC2046,SC2086
    run 125 leat $line $(arguments "$line") </dev/null
    [ ! -s "$dir/out" ] || fail "leat $line without a broker: something on stdout"
    said "no broker answered"
    said "leat up"
    # shellcheck disable=SC2046,SC2086
    run 125 leat $line --json $(arguments "$line") </dev/null
    [ ! -s "$dir/out" ] || fail "leat $line --json without a broker: something on stdout"
    is "$(wc -l <"$dir/err")" 1
    grep -q '^{"error":{"code":"[A-Z_]*","message":".*","hint":".*leat up.*"}}$' "$dir/err" ||
        fail "leat $line --json: no error object"
done <"$dir/asking"

# ---------------------------------------------------------------- with one

start_broker
start_worker w1 2 --allow-commands
workers_up 1
seq 300 | run 0 leat run --progress none -q echo {} # something to show
run 0 leat submit --handler fail fatal:x
run 1 leat wait -q
run 0 leat channel new boxes --kind messages

# what lists: no escape codes in a file, also with a terminal's TERM; one value with --json; a reader
# that goes away is no error
for line in status "status last" list "channel ls" "channel info boxes" "dead ls" "worker ls" "worker info w1" \
    "schedule ls" "result 1" "logs 1" "explain last" "help" "help exit-codes"; do
    grep -q "^${line%% *}" "$dir/commands" || continue
    # shellcheck disable=SC2086
    CLICOLOR=1 run 0 leat $line </dev/null
    if grep -q "$(printf '\033')" "$dir/out" "$dir/err"; then
        fail "leat $line: escape codes in a file"
    fi
    # shellcheck disable=SC2086
    leat $line 2>"$dir/err" </dev/null | head -n 1 >"$dir/out"
    grep -qiE 'pipe|written|signal' "$dir/err" && fail "leat $line: a reader that has gone is an error"
    true
done

# every change says what changed, or is the number alone
for line in "submit --handler echo x" "submit true"; do
    # shellcheck disable=SC2086
    run 0 leat $line </dev/null
    grep -qE '^[0-9]+$' "$dir/out" && is "$(wc -l <"$dir/out")" 1
    said_nothing
done
run 0 leat wait -q
for line in "channel new one" "channel set one --weight 2" "channel pause one" "channel resume one" \
    "channel purge one --yes" "send two a" "close two" "schedule add s @daily --handler echo" \
    "schedule pause s" "schedule resume s" "schedule run s" "schedule rm s" "worker drain w1 --dry-run"; do
    case $line in *--dry-run) continue ;; esac
    # shellcheck disable=SC2086
    run 0 leat $line </dev/null
    cat "$dir/out" "$dir/err" >"$dir/both"
    [ -s "$dir/both" ] || fail "leat $line does not say what it changed"
done

# what cannot be undone: not without --yes where nobody can be asked
run 0 leat submit --in 1h --handler echo x
for line in "channel purge one" "channel rm one" "cancel all" "dead rm --all"; do
    # shellcheck disable=SC2086
    run 2 leat $line </dev/null
    said "--yes"
done
run 0 leat cancel all --yes

# one job, and a loop that sees every line of its own input
run 0 leat run true </dev/null
seq 3 >"$dir/lines"
while read -r n; do
    leat run --progress none echo "$n"
done <"$dir/lines" >"$dir/out" 2>/dev/null
is "$(tr '\n' ' ' <"$dir/out")" "1 2 3 "

# shell text that is not asked for is noticed before anything is sent
run 127 leat run 'gzip {} && rm {}' ::: a
said 'no program "gzip {} && rm {}". Shell text? leat run --shell '

# exit codes
run 0 leat run true
run 7 leat run sh -c 'exit 7'
run 126 leat run --cwd "$dir/nowhere" true
run 127 leat run no-such-program-here
run 143 leat run sh -c 'kill -TERM $$'
run 1 leat run false ::: a b
run 2 leat run --exit count false ::: a b
run 0 leat run --exit none false ::: a b
run 3 leat status 99999999
run 3 leat channel info nobody
run 3 leat worker info nobody
run 2 leat wait --timeout soon
run 0 leat submit --in 1h --handler echo x
run 124 leat wait --timeout 100ms
run 124 leat recv boxes --try
run 0 leat cancel last

# what it says to type next can be typed
run 1 leat run sh -c 'echo {} >&2; exit 3' ::: a b
sed -n 's/^Output: \(leat .*[^ ]\)  *Again: \(leat .*\)$/\1 \2/p' "$dir/err" >"$dir/next"
is "$(wc -l <"$dir/next")" 1
output=$(sed 's/ leat retry.*//' "$dir/next")
again=$(sed 's/.* leat retry/leat retry/' "$dir/next")
# shellcheck disable=SC2086
run 0 $output
is "$(cat "$dir/out" "$dir/err" | sort | tr '\n' ' ')" "a b "
# shellcheck disable=SC2086
run 0 $again
run 1 leat wait
