#!/bin/sh
# --channel-default and [channel.default]: what holds for channels that nobody declared.
# shellcheck disable=SC1091,SC2154 # it sets $dir
. "$(dirname "$0")/../../lib/story.sh"

# has CHANNEL KEY: what channel info says of it.
has() {
    leat channel info "$1" --json | /usr/bin/python3 -c '
import json, sys
answer = json.load(sys.stdin)
print(json.dumps(answer.get(sys.argv[1])))' "$2"
}

mkdir -p "$dir/config/leat"
cat >"$dir/config/leat/broker.ini" <<'INI'
keep-for = 2h
[channel.default]
retries = 0
capacity = 7
run-limit = 10m
INI
start_broker --channel-default weight=3,running-max=2,keep=failed --channel-default capacity=3 --channel-default rate=1000
run 0 leat send --try news 1 2 3
is "$(has news capacity)" 3 # the option is stronger than the file
is "$(has news weight)" 3
is "$(has news running_max)" 2
is "$(has news keep)" '"failed"'
is "$(has news rate)" 1000
run 124 leat send --try news 4

# Settings of jobs: dead after one attempt, and not after three.
start_worker w1 1
workers_up 1
run 0 leat submit -q --handler fail x
run 1 leat wait -q
run 0 leat dead ls --plain
is "$(cut -f5 "$dir/out")" 1
# What a job or a channel says is stronger.
run 0 leat submit -q --handler fail --retries 1 --backoff 1ms x
run 1 leat wait -q
run 0 leat channel new mail --capacity none --retries 4
is "$(has mail capacity)" null
is "$(has mail weight)" 3
# One that is removed begins anew, as one that was never there.
run 0 leat channel set news --weight 9 --capacity none
run 0 leat channel rm news --purge --yes
run 0 leat send --try news 1
is "$(has news weight) $(has news capacity)" "3 3"

# A channel that is there keeps what it has when the broker is told something else.
stop_broker
rm "$dir/config/leat/broker.ini"
start_broker --channel-default weight=5
is "$(has news weight) $(has news capacity)" "3 3"
run 0 leat send --try more 1
is "$(has more weight) $(has more capacity)" "5 null"
stop_broker

# wrong TEXT SENTENCE
wrong() {
    run 2 leat-broker --data "$dir/store" --channel-default "$1"
    said "$2"
}
wrong retires=1 '--channel-default: no key "retires", did you mean "retries"?'
wrong zebra=1 'no key "zebra"'
wrong retries 'write it as K=V'
wrong retries=-1 'retries: "-1" is not a whole number'
wrong weight=0 'weight: "0" is not'
wrong weight=1001 'weight: "1001" is not'
wrong capacity=some 'capacity: "some" is not a whole number, or none'
wrong running-max=0 'running-max: "0" is not'
wrong rate=0 'rate: "0" is not items in a second'
wrong rate=1e3 'rate: "1e3" is not'
wrong keep=much 'keep: "much" is not all, failed or none'
wrong durability=tape 'durability: "tape" is not disk or memory'
wrong backoff=2s..1s 'backoff: "2s..1s" is not durations as 1s..10m'
wrong grace=2h 'grace: "2h" is not'
wrong priority=10 'priority: "10" is not'
printf '\n[channel.default]\nretires = 1\n' >"$dir/config/leat/broker.ini"
run 2 leat-broker --data "$dir/store"
said "broker.ini:3: [channel.default] no key \"retires\", did you mean \"retries\"?"
printf '[channel.news]\nretries = 1\n' >"$dir/config/leat/broker.ini"
run 2 leat-broker --data "$dir/store"
said 'broker.ini:2: [channel.news] no such section'
