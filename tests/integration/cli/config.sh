#!/bin/sh
# config show: what each program would be told, and where it was said.
# shellcheck disable=SC1091,SC2154 # it sets $dir
. "$(dirname "$0")/../../lib/story.sh"

mkdir -p "$dir/config/leat"
file="$dir/config/leat/worker.ini"
cat >"$file" <<'INI'
; the hosts of room 3
slots = 16
channel = a, b

channel = c
until = 18:30
name = w1\n
INI

# row PROGRAM SETTING: its value and where it comes from.
row() {
    leat config show --origin --plain | awk -F'\t' -v p="$1" -v s="$2" '$1 == p && $2 == s { print $3 " | " $4 }'
}

is "$(row leat-worker slots)" "16 | $file:2"
is "$(row leat-worker channel)" "a,b,c | $file:3"
is "$(row leat-worker until)" "18:30 | $file:6"
is "$(row leat-worker name)" "w1\\n | $file:7" # what a file says is not changed
is "$(row leat-worker log-level)" "info | default"
is "$(row leat-worker threads)" "- | default: one a core"
is "$(row leat-broker keep-for)" "1d | default"
is "$(row leat color)" "auto | default"
is "$(row leat retries)" "- | default: each command has its own"

# The environment is stronger, and an option stronger than that.
export LEAT_SLOTS=3 LEAT_RETRIES=7
is "$(row leat-worker slots)" "3 | LEAT_SLOTS"
is "$(row leat retries)" "7 | LEAT_RETRIES"
run 0 leat config show worker --origin --plain -- --slots 5 --stdio 'a=b	c
d' --log-level=warn
grep -q '^leat-worker	slots	5	--slots$' "$dir/out" || fail "not the option"
grep -q '^leat-worker	log-level	warn	--log-level$' "$dir/out" || fail "not the level"
is "$(cut -f1 "$dir/out" | sort -u)" "leat-worker"
run 0 leat config show leat-worker --plain
grep -q '^leat-worker	slots	3$' "$dir/out" || fail "an origin that nobody asked for"
unset LEAT_SLOTS LEAT_RETRIES

run 0 leat config show worker broker --json
/usr/bin/python3 - "$dir/out" "$file" <<'PY' || fail "the JSON is another"
import json, sys
programs = {one["program"]: {row["name"]: row for row in one["settings"]}
            for one in json.load(open(sys.argv[1]))["programs"]}
assert list(programs) == ["leat-broker", "leat-worker"], programs
assert programs["leat-worker"]["slots"] == {
    "name": "slots", "value": "16", "origin": "file", "place": sys.argv[2] + ":2", "usual": ""}
assert programs["leat-worker"]["threads"] == {
    "name": "threads", "value": None, "origin": "none", "place": "", "usual": "one a core"}
PY

# What stands in a section.
printf 'keep-for = 2h\n[channel.default]\nretries = 5\n' >"$dir/config/leat/broker.ini"
is "$(row leat-broker '[channel.default] retries')" "5 | $dir/config/leat/broker.ini:3"
is "$(row leat-broker keep-for)" "2h | $dir/config/leat/broker.ini:1"
rm "$dir/config/leat/broker.ini"

# A file of its own instead, which is named.
printf 'data = /srv/leat\n' >"$dir/mine.ini"
run 0 leat config show broker --origin --plain -- --config "$dir/mine.ini"
grep -q "^leat-broker	data	/srv/leat	$dir/mine.ini:1\$" "$dir/out" || fail "not the file"

# What is wrong is told as at the start.
printf 'slotz = 1\n' >"$file"
run 2 leat config show worker
said "leat-worker: $file:1: no key \"slotz\", did you mean \"slots\"?"
[ ! -s "$dir/out" ] || fail "something was printed"
run 0 leat config show broker client
run 2 leat config show hosts
said '"hosts" is none of client, broker and worker'
run 2 leat config show -- --slots 4
said 'options behind -- are for one program'
run 2 leat config
run 2 leat config shw
said 'Did you mean "show"?'
