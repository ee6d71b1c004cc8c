#!/bin/sh
# What comes out where: JSON, plain, narrow screens, colours, terminals, readers that go away.
# shellcheck disable=SC1091,SC2154 # it sets $dir
. "$(dirname "$0")/../../lib/story.sh"

start_broker
start_worker w1 2
workers_up 1
run 0 leat submit --handler sleep ::: 1ms 2ms 3ms
batch=$(cat "$dir/out")
run 0 leat wait

# --json: one value on one line of stdout, nothing on stderr
for line in "status" "status $batch" "wait $batch" "worker ls" "broker ping" "broker wait" \
    "submit --handler echo x" "send news a b" "version"; do
    # shellcheck disable=SC2086
    run 0 leat $line --json
    is "$(wc -l <"$dir/out")" 1
    grep -q '^{.*}$' "$dir/out" || fail "no object: leat $line"
    said_nothing
done
run 0 leat status "$batch" --json
grep -q '"id":"'"$batch"'"' "$dir/out" || fail "the id is no string"
grep -q '"total":3' "$dir/out" || fail "the total is no number"
run 0 leat result "$batch" --json
is "$(grep -c '^{"job":"'"$batch"'/[123]","id":"[0-9]*","outcome":"done"' "$dir/out")" 3
run 3 leat wait 99999999999 --json
[ ! -s "$dir/out" ] || fail "stdout is not empty on an error"
said '{"error":{"code":"NOT_FOUND"'

# --plain: fields with tabs between, no head
run 0 leat worker ls --plain
is "$(cut -f1-3 "$dir/out")" "$(printf 'w1\tup\t2')"
run 0 leat status --plain
is "$(grep '^default' "$dir/out" | cut -f1)" default

# narrow screens
for columns in 30 50 100; do
    COLUMNS=$columns run 0 leat worker ls
    widest=$(awk '{ if (length($0) > w) w = length($0) } END { print w }' "$dir/out")
    [ "$widest" -le "$columns" ] || fail "$widest columns on a screen of $columns"
    COLUMNS=$columns run 0 leat status
    widest=$(sed -n '/^CHANNEL/,/^default/p' "$dir/out" |
        awk '{ if (length($0) > w) w = length($0) } END { print w }')
    [ "$widest" -le "$columns" ] || fail "$widest columns on a screen of $columns"
done

# stderr is a file: lines, no escape codes; --quiet: none
run 0 leat submit --handler sleep ::: 100ms 200ms 300ms
run 0 leat wait
said "batch $(cat "$dir/state/leat/last"): 0/3"
if grep -q "$(printf '\033')" "$dir/err"; then
    fail "escape codes in a file"
fi
run 0 leat wait -q
said_nothing
run 0 leat wait --progress json
grep -q '^{"of":"batch [0-9]*","ended":3,"total":3,"failed":0' "$dir/err" || fail "no JSON progress"
run 0 leat wait --progress none
is "$(wc -l <"$dir/err")" 1

# on a terminal: one line that is drawn over and over, and wiped
if script -qec true /dev/null </dev/null >/dev/null 2>&1; then # a terminal can be had
    terminal() {
        script -qec "$1" /dev/null </dev/null >"$dir/terminal" 2>&1
    }
    seq 5 | sed 's/$/00ms/' >"$dir/lines"
    run 0 leat submit --handler sleep -a "$dir/lines"
    COLUMNS=70 terminal "leat wait"
    grep -q "$(printf '\r')  0% ▕ .*▏ 0/5" "$dir/terminal" || fail "no bar"
    grep -q "$(printf '\033')\[K" "$dir/terminal" || fail "the line is not wiped"
    grep -q "5 jobs: 5 ok" "$dir/terminal" || fail "no summary"
    run 0 leat submit --handler sleep -a "$dir/lines"
    COLUMNS=30 LC_ALL=C terminal "leat wait"
    grep -q "$(printf '\r')0/5 0%" "$dir/terminal" || fail "no narrow line"
    TERM=dumb terminal "leat wait"
    if grep -q "$(printf '\033')" "$dir/terminal"; then
        fail "escape codes on a dumb terminal"
    fi
    run 0 leat submit --handler fail fatal:x
    terminal "leat wait || true"
    grep -q "$(printf '\033')\[31m1 failed" "$dir/terminal" || fail "no colour on a terminal"
    NO_COLOR=1 terminal "leat wait || true"
    if grep -q "$(printf '\033')\[31m" "$dir/terminal"; then
        fail "colour in spite of NO_COLOR"
    fi
fi

# a reader that has gone is no error; a full disk is one
seq 20000 | run 0 leat submit --handler echo -
run 0 leat wait
leat result last 2>"$dir/err" | head -n 1 >"$dir/out"
said_nothing
is "$(wc -l <"$dir/out")" 1
if [ -e /dev/full ]; then
    code=0
    leat status >/dev/full 2>"$dir/err" || code=$?
    is "$code" 125
    said "stdout cannot be written"
fi
