#!/bin/sh
# send, recv and close: the raw channel.
# shellcheck disable=SC1091,SC2154 # it sets $dir
. "$(dirname "$0")/../../lib/story.sh"

start_broker

# each message is taken once, in order
run 0 leat send news -- one two "" "-x y"
said '4 messages into "news"'
run 0 leat recv news
printed one
run 0 leat recv news -n 3
printed "$(printf 'two\n\n-x y')"
run 124 leat recv news --try
said 'nothing came from "news"'
run 124 leat recv news --timeout 200ms
run 124 leat recv news --timeout 0

# lines of stdin; NUL between; bytes that are no text
printf 'a\nb\n' | run 0 leat send news
printf 'c\nd\0e\0' | run 0 leat send -0 news -
run 0 leat recv news -n 4 -0
printf 'a\0b\0c\nd\0e\0' >"$dir/want"
cmp -s "$dir/want" "$dir/out" || fail "not the same bytes"
printf '\377\376' | run 0 leat send -0 news
run 0 leat recv news --json
printed '{"channel":"news","data_b64":"//4="}'
head -c 1048577 /dev/zero | tr '\0' x >"$dir/large"
leat send -0 news <"$dir/large" >"$dir/out" 2>"$dir/err" && fail "1 MiB and a byte was accepted"
said 'message 1 into "news"'

# what the last receiver has taken never comes again, also when it leaves at once
for i in 1 2 3 4 5 6 7 8 9 10; do
    printf '%s\nb\n' "$i" | run 0 leat send again -
    run 0 leat recv again -n 2
    printed "$(printf '%s\nb' "$i")"
done

# a receiver waits for what comes
leat recv later >"$dir/later" &
receiver=$!
pids="$pids $receiver"
run 0 leat send later here
wait "$receiver"
is "$(cat "$dir/later")" here

# what a receiver could not pass on goes to the next one
run 0 leat send work first
if [ -e /dev/full ]; then
    code=0
    leat recv work >/dev/full 2>"$dir/err" || code=$?
    is "$code" 125
    run 0 leat recv work --timeout 10s
    printed first
fi

# closed: no more sends, receivers drain what is left, then see the end
run 0 leat send drain 1 2 3
run 0 leat close drain
said '"drain" is closed'
run 125 leat send drain 4
said "closed"
run 0 leat recv drain
printed 1
run 0 leat recv drain -n 0
printed "$(printf '2\n3')"
run 1 leat recv drain
said 'the channel "drain" is closed and empty'
run 0 leat recv drain -n 0

# a channel of messages takes no jobs
run 125 leat submit --handler echo --channel news x

# the broker's restart keeps what was sent
run 0 leat send kept safe
stop_broker KILL
start_broker
run 0 leat recv kept
printed safe
