#!/bin/sh
# select, and send and recv where they have to wait: capacity, rendezvous, time limits.
# shellcheck disable=SC1091,SC2154 # it sets $dir
. "$(dirname "$0")/../../lib/story.sh"

start_broker
run 0 leat channel new two --kind messages --capacity 2
run 0 leat channel new meet --kind messages --capacity 0

# a channel that is full: --try and --timeout give up, and then nothing is in
run 0 leat send two a b
run 124 leat send two --try c
said 'message 1 into "two": the channel is full'
run 124 leat send two --timeout 300ms d
said 'the time ran out'
run 0 leat recv two -n 2
printed "$(printf 'a\nb')"
run 124 leat recv two --try
run 124 leat send two --try e f g
said '2 messages went into "two"'
run 0 leat recv two -n 2
printed "$(printf 'e\nf')"

# a send waits in line until there is room
run 0 leat send two 1 2
leat send two 3 >"$dir/sender" 2>&1 &
sender=$!
pids="$pids $sender"
until_true 5 sh -c 'leat channel info two | grep -q "1 sends wait"'
run 0 leat recv two
printed 1
wait "$sender"
run 0 leat recv two -n 2
printed "$(printf '2\n3')"

# capacity 0: sender and receiver meet
run 124 leat send meet --try x
run 124 leat recv meet --try
leat recv meet >"$dir/receiver" &
receiver=$!
pids="$pids $receiver"
run 0 leat send meet hello
wait "$receiver"
is "$(cat "$dir/receiver")" hello

# select: a receive, a send, none
run 124 leat select two meet --default
said "no case could proceed"
[ ! -s "$dir/out" ] || fail "stdout is not empty"
run 124 leat select two meet --timeout 200ms
run 0 leat send two first
run 0 leat select meet two
printed "$(printf 'recv\ttwo\tfirst')"
run 0 leat select meet two=second
printed "$(printf 'send\ttwo\tsecond')"
run 0 leat select two meet=x --default --json
printed '{"case":1,"what":"recv","channel":"two","data":"second"}'
run 0 leat select two=a=b --json # the first sign ends the name
printed '{"case":1,"what":"send","channel":"two","data":"a=b"}'
run 0 leat select two -0
printf 'recv\ttwo\ta=b\0' >"$dir/want"
cmp -s "$dir/want" "$dir/out" || fail "not ended with NUL"
run 0 leat select two=
printed "$(printf 'send\ttwo\t')"
run 0 leat recv two
printed ""

# it waits for the first that can
leat select meet two >"$dir/selected" &
selecting=$!
pids="$pids $selecting"
run 0 leat send meet now
wait "$selecting"
is "$(cat "$dir/selected")" "$(printf 'recv\tmeet\tnow')"

# a closed channel: a receive sees its end, a send is refused
run 0 leat close two
run 1 leat select two
printed "$(printf 'closed\ttwo\t')"
run 1 leat select meet two --json
printed '{"case":2,"what":"closed","channel":"two"}'
run 125 leat select two=x
said 'the channel "two" is closed'
run 125 leat send two x

# what could not be passed on goes to the next one
if [ -e /dev/full ]; then
    run 0 leat send news first
    code=0
    leat select news >/dev/full 2>"$dir/err" || code=$?
    is "$code" 125
    run 0 leat recv news --timeout 20s
    printed first
fi

# Ctrl-C
run 130 timeout --preserve-status -s INT 0.5 leat select meet

# wrong usage
run 2 leat select
said "at least one case"
run 2 leat select =x
said 'the channel "": a name'
run 2 leat select meet --default --timeout 1s
said "--default does not wait"
run 2 leat select meet --timeout soon
said '"--timeout"'
run 125 leat submit --handler echo --channel meet x # jobs into a channel of messages
run 0 leat channel new jobs --kind jobs
run 125 leat select jobs
run 125 leat send jobs x
