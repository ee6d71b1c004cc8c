#!/bin/sh
# What the program says when there is no broker: help, wrong usage, the way to start one.
# shellcheck disable=SC1091,SC2154 # it sets $dir
. "$(dirname "$0")/../../lib/story.sh"

# no arguments: short help, exit 2, nothing on stdout
run 2 leat
printed_nothing() { [ ! -s "$dir/out" ] || fail "stdout is not empty"; }
printed_nothing
said "Start:  leat demo"

# -h works anywhere, and shows examples first
for line in "-h" "--help" "submit -h" "-h submit" "submit --handler x --bogus -h" "worker ls -h" \
    "worker -h" "broker ping --help" "help submit" "help exit-codes" "help cheat" "help env" "help selectors" \
    "help" "--version" "version"; do
    # shellcheck disable=SC2086
    run 0 leat $line
    said_nothing
done
run 0 leat submit -h
first=$(grep -n "leat submit --handler echo hello" "$dir/out" | cut -d: -f1)
usage=$(grep -n "^Usage: leat submit" "$dir/out" | cut -d: -f1)
[ "$first" -lt "$usage" ] || fail "the examples do not come first"
run 0 leat version
is "$(cut -d' ' -f1 "$dir/out")" leat

# unknown words get a suggestion and exit 2
run 2 leat stauts
said 'leat: no command "stauts". Did you mean "status"?'
run 2 leat broker pign
said 'Did you mean "ping"?'
run 2 leat zebra
said 'leat: no command "zebra"'
run 2 leat wait --timeuot 3s
said 'no option "--timeuot", did you mean "--timeout"?'
run 2 leat help wiat
said 'Did you mean "wait"?'
run 2 leat help exit-code
said 'no help about "exit-code". Did you mean "exit-codes"?'
run 2 leat help chaet
said 'Did you mean "cheat"?'
run 2 leat completion
said "say for which shell: bash, zsh or fish"
run 2 leat completion ksh
said 'the shell is bash, zsh or fish, not "ksh"'
run 2 leat worker
said "worker ls"
run 2 leat worker --slots 4
said "To start one: leat-worker --slots 4"
is "$(wc -l <"$dir/err")" 1

# wrong usage names what is wrong
run 2 leat submit
said "give a command (leat submit make -C docs), or --handler NAME"
run 2 leat submit --handler echo a b
said 'not "b" too'
run 2 leat submit --handler echo a ::: b
said "payloads come from one place"
run 2 leat submit --handler echo -a "$dir/none"
said "$dir/none"
run 2 leat submit --handler echo --priority 10 x
said "--priority"
run 2 leat wait 42/17
said "whole batches"
run 2 leat wait abc
said '"abc" names no batch'
run 2 leat wait 42 --exit never
said "--exit is any, count, job or none"
run 2 leat up make
said "leat up -- make"
run 2 leat down --broker tcp://127.0.0.1:1
said '"--broker"'
run 2 env LEAT_TIMEOUT=soon leat wait 42
said "LEAT_TIMEOUT"
mkdir -p "$dir/config/leat"
printf 'brokre = x\n' >"$dir/config/leat/client.ini"
run 2 leat status
said "client.ini:1"
said 'did you mean "broker"?'
# a setting of another command is no mistake
printf 'handler = echo\nbroker = ipc:///nowhere\n' >"$dir/config/leat/client.ini"
run 125 leat status
said "tried ipc:///nowhere"
rm "$dir/config/leat/client.ini"

# nothing to act on
run 3 leat wait
said "there is no last batch"
run 3 leat down
said "nothing to end"

# no broker: the same three lines for each command, exit 125, nothing on stdout
for line in "status" "submit --handler echo hi" "wait 42" "send x y" "recv x" "close x" "worker ls" \
    "broker ping" "result 42" "cancel 42" "retry 42" "retry --dead" "explain 42" "select x" \
    "channel ls" "channel new x" "channel info x" "channel set x --weight 2" "channel pause x" \
    "channel resume x" "channel purge x --yes" "channel rm x --yes" "dead ls" "dead show 42" \
    "dead rm 42" "dead rm --all --yes" "schedule ls" "schedule add x @daily --handler echo" \
    "schedule pause x" "schedule resume x" "schedule run x" "schedule rm x"; do
    # shellcheck disable=SC2086
    run 125 timeout 5 leat $line
    printed_nothing
    cat >"$dir/want" <<'END'
leat: no broker answered (tried ipc in your runtime directory, /run/leat, tcp://127.0.0.1:5328)
  Start one here:   leat up
  Use another:      leat --broker tcp://HOST:5328 …   or set LEAT_BROKER
END
    cmp -s "$dir/want" "$dir/err" || fail "not the message for a missing broker: leat $line"
done
run 125 leat --broker "tcp://127.0.0.1:1,ipc://$dir/none" status
said "(tried tcp://127.0.0.1:1, ipc://$dir/none)"
run 2 leat --broker nonsense status
said '"nonsense"'
run 124 leat broker wait --timeout 300ms
said "no broker answered within"

# with --json: one object on stderr
run 125 leat --json status
printed_nothing
is "$(wc -l <"$dir/err")" 1
said '{"error":{"code":"NO_BROKER","message":"no broker answered'
run 2 leat wait --json --bogus
said '{"error":{"code":"WRONG_USE"'

# ASCII where the locale is, and no escape codes where no terminal is
LC_ALL=C run 125 leat status
said "tcp://HOST:5328 ..."
if LC_ALL=C leat -h | grep -q "[^ -~]"; then
    fail "help is not ASCII in the C locale"
fi
# a reader that has gone is no error
leat help 2>"$dir/err" | head -n 1 >/dev/null
said_nothing
