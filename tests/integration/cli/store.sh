#!/bin/sh
# store check, backup, compact: what is on disk, with a broker and without.
# shellcheck disable=SC1091,SC2154 # it sets $dir
. "$(dirname "$0")/../../lib/story.sh"

store="$dir/store"
sum() { cksum <"$store/data.mdb"; }

start_broker
start_worker w1 2
workers_up 1
run 0 leat submit --handler echo ::: a b c
run 0 leat wait
run 0 leat submit --handler fail --retries 0 "disk full"
run 1 leat wait
stop_worker() {
    kill "$worker_pid"
    wait "$worker_pid" 2>/dev/null || :
}
stop_worker
run 0 leat submit --handler sha256 ::: alpha beta gamma
before=$(cat "$dir/out")

# the broker looks at its own store, beside its work
run 0 leat store check
grep -q '^the store of the broker at .*: nothing is damaged ([0-9]* pages, [0-9]* rows)$' "$dir/out" ||
    fail "check says something else"
run 0 leat store check --json
grep -q '"damaged":false,"findings":0,"found":\[\]' "$dir/out" || fail "not as JSON"

# … and copies it; the copy is a store
run 0 leat store backup "$dir/copy"
grep -q "^$dir/copy: [0-9]* KiB, checked$" "$dir/out" || fail "backup says something else"
[ ! -e "$dir/copy.part" ] || fail "the unfinished name is left"
run 0 leat-broker --check --data "$dir/copy"
run 2 leat store backup "$dir/copy"
said "$dir/copy is there already"
cd "$dir" || exit
run 0 leat store backup second --json
is "$(sed 's/"bytes":[0-9]*/"bytes":N/' "$dir/out")" "{\"to\":\"$dir/second\",\"bytes\":N}"
cd / || exit
run 2 leat store backup "$dir/none/copy"
said "cannot make the folder $dir/none/copy.part"
run 2 leat store backup
said "say where"

# what needs the store alone is refused, and says how
run 125 leat store compact
said "the broker at"
said "leat down"
run 125 leat-broker --compact --data "$store"
said "in use by process $broker_pid"
run 125 leat-broker --backup "$dir/third" --data "$store"
said "in use by process $broker_pid"
run 125 leat-broker --check --data "$store"
said "in use by process $broker_pid"

# ids that were given out after the backup are not given out again by who starts from it
run 0 leat submit --handler sha256 delta
after=$(cat "$dir/out")
[ "$after" -gt "$before" ] || fail "ids do not rise"
epoch() { leat broker ping --json | sed 's/.*"epoch":"\([0-9]*\)".*/\1/'; }
epoch_before=$(epoch)
stop_broker
run 125 leat store check
said "no broker"
said "--data DIR"
mv "$store" "$dir/lost"
cp -R "$dir/copy" "$store"
start_broker
run 0 leat submit --handler sha256 delta
restored=$(cat "$dir/out")
[ "$restored" -gt "$((after + 4294967295))" ] || fail "id $restored after a restore, $after before it"
[ "$(epoch)" -gt "$epoch_before" ] || fail "the epoch does not rise"
run 0 leat status "$before"
start_worker w2 2
workers_up 1
run 0 leat wait "$before" --timeout 10s
run 0 leat wait "$restored" --timeout 10s
stop_worker
stop_broker
start_broker
run 0 leat submit --handler sha256 epsilon
[ "$(cat "$dir/out")" -lt "$((restored + 4294967296))" ] || fail "ids are left out twice"
stop_broker

# without a broker: --data, or your own
unset LEAT_BROKER
run 0 leat store check --data "$store"
grep -q "^$store: nothing is damaged" "$dir/out" || fail "check of a folder"
sum_before=$(sum)
run 0 leat store backup "$dir/third" --data "$store"
is "$(sum)" "$sum_before"
run 0 leat store compact --data "$store" --json
grep -q '"bytes_before":[0-9]*,"bytes":[0-9]*' "$dir/out" || fail "compact says something else"
[ ! -e "$store/data.mdb.new" ] || fail "the unfinished file is left"
run 0 leat store check --data "$store"
mkdir -p "$dir/state/leat"
cp -R "$dir/copy" "$dir/state/leat/store"
run 0 leat store check
is "$(cut -d: -f1 "$dir/out")" "$dir/state/leat/store"
run 125 leat store check --data "$dir/nothing"
said "cannot open $dir/nothing/data.mdb"
[ ! -e "$dir/nothing" ] || fail "a folder was made"

# damage is named, and nothing is changed
printf 'X' | dd of="$store/data.mdb" bs=1 seek="$(grep -abo alpha "$store/data.mdb" | head -n1 | cut -d: -f1)" \
    conv=notrunc 2>/dev/null || printf 'X' | dd of="$store/data.mdb" bs=1 seek=12300 conv=notrunc 2>/dev/null
sum_before=$(sum)
run 1 leat store check --data "$store"
grep -q "damaged in [0-9]* place.*Nothing was changed" "$dir/out" || fail "no summary"
run 1 leat store check --data "$store" --json
grep -q '"damaged":true' "$dir/out" || fail "not as JSON"
run 125 leat store compact --data "$store"
said "is damaged"
run 125 leat store backup "$dir/fourth" --data "$store"
said "so is its copy"
if [ -e "$dir/fourth" ] || [ -e "$dir/fourth.part" ]; then
    fail "half a backup is left"
fi
is "$(sum)" "$sum_before"
