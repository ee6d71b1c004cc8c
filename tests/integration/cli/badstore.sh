#!/bin/sh
# Stores on which no broker can start: one sentence, an exit code, nothing changed, no crash.
# shellcheck disable=SC1091,SC2154 # it sets $dir
. "$(dirname "$0")/../../lib/story.sh"

store="$dir/store"
url="ipc://$dir/broker.sock"

# What lies in a folder, lock files of ours aside.
contents() {
    if [ -d "$1" ]; then
        (cd "$1" && find . -type f ! -name leat.lock ! -name lock.mdb -exec cksum {} + | sort)
    else
        cksum <"$1"
    fi
}

# refused CODE WORDS [COMMAND…]: a broker on $store (started by COMMAND) says WORDS in one line.
refused() {
    code=$1
    words=$2
    shift 2
    before=$(contents "$store")
    run "$code" timeout 20 "$@" leat-broker --bind "$url" --data "$store"
    said "$words"
    is "$(grep -vc '^ts=' "$dir/err")" 1
    [ ! -s "$dir/out" ] || fail "something on stdout"
    is "$(contents "$store")" "$before"
}

fresh() {
    rm -rf "$store"
    cp -R "$dir/good" "$store"
}

# a good one, to be spoiled
start_broker
start_worker w1 2
leat submit --handler echo ::: a b c >/dev/null
leat wait -q
stop_broker
rm -f "$store/lock.mdb"
mv "$store" "$dir/good"
unset LEAT_BROKER

# the folder is a file
echo hello >"$store"
refused 125 "cannot make the folder $store: Not a directory"
rm -f "$store"

# LMDB's lock, and no data: half of a copy
mkdir "$store"
: >"$store/lock.mdb"
refused 125 "$store/data.mdb is missing"
run 125 leat store check --data "$store"
said "cannot open $store/data.mdb"

# no bytes, other bytes, text, a folder in its place
fresh
: >"$store/data.mdb"
refused 125 "$store/data.mdb is empty"
run 1 leat store check --data "$store"
dd if=/dev/zero of="$store/data.mdb" bs=4096 count=8 2>/dev/null
refused 125 "$store/data.mdb is no store"
echo "this is not a store of anything at all" >"$store/data.mdb"
refused 125 "$store/data.mdb has been cut short"
rm -f "$store/data.mdb"
mkdir "$store/data.mdb"
refused 125 "$store/data.mdb is no file"

# cut: within the first pages, in the middle
for size in 100 5000 16384; do
    fresh
    truncate -s "$size" "$store/data.mdb"
    refused 125 "has been cut short"
    run 1 leat store check --data "$store"
    run 125 leat store backup "$dir/none" --data "$store"
    said "cut short"
    run 125 leat store compact --data "$store"
    said "cut short"
done
# what was only taken ahead may be missing
fresh
truncate -s -4096 "$store/data.mdb"
run 0 leat store check --data "$store"
start_broker
stop_broker
unset LEAT_BROKER

# a life that a signal has ended: the next start looks at everything; after three it is refused
fresh
printf '1\nfaults 3 signal 11\n' >"$store/leat.lock"
refused 125 "3 starts in a row on the store $store were ended by a signal (the last: 11)"
said "leat store check"
rm "$store/leat.lock"
printf '1\nfaults 2 signal 7\n' >"$store/leat.lock"
start_broker
kill -SEGV "$broker_pid"
wait "$broker_pid" 2>/dev/null || :
grep -q '^faults 3 signal 11$' "$store/leat.lock" || fail "the third fault is not written down"
refused 125 "3 starts in a row"
rm "$store/leat.lock"
start_broker
stop_broker
grep -q faults "$store/leat.lock" && fail "an end in order is taken for a fault"
unset LEAT_BROKER

# somebody has it
fresh
start_broker
mkdir "$dir/other"
run 125 leat-broker --bind "ipc://$dir/other/sock" --data "$store"
said "the store $store is in use by process $broker_pid"
is "$(wc -l <"$dir/err")" 1
stop_broker
unset LEAT_BROKER

# not ours to write, and not to read. Root may all, so another user tries
as=""
[ "$(id -u)" != 0 ] || as="setpriv --reuid=65534 --regid=65534 --clear-groups"
if [ -z "${TEST_COVERAGE:-}" ] && { [ -z "$as" ] || command -v setpriv >/dev/null; }; then
    fresh
    chmod -R a-w,a+rX "$dir"
    # shellcheck disable=SC2086 # words
    refused 125 "cannot open $store/leat.lock: Permission denied" $as
    chmod -R u+w "$dir"
fi

# a disk that is read only, and one that is full: in a mount namespace, where that is allowed
if [ "$(id -u)" = 0 ] && unshare -m mount -t tmpfs none "$dir/other" 2>/dev/null; then
    fresh
    run 125 unshare -m sh -c "mount -t tmpfs none '$dir/other' && cp -R '$store' '$dir/other/store' &&
        mount -o remount,ro '$dir/other' &&
        leat-broker --bind '$url' --data '$dir/other/store'"
    said "Read-only file system"
    run 0 unshare -m sh -c "mount -t tmpfs none '$dir/other' && cp -R '$store' '$dir/other/store' &&
        mount -o remount,ro '$dir/other' && leat store check --data '$dir/other/store' &&
        leat store backup '$dir/from-read-only' --data '$dir/other/store'"
    run 0 leat store check --data "$dir/from-read-only"
    run 125 unshare -m sh -c "mount -t tmpfs -o size=8k none '$dir/other' &&
        leat-broker --bind '$url' --data '$dir/other/store'; code=\$?; ls '$dir/other/store'; exit \$code"
    said "No space left on device"
    grep -q data.mdb "$dir/out" && fail "half a store is left on a full disk"
    run 125 unshare -m sh -c "mount -t tmpfs -o size=16k none '$dir/other' &&
        leat store backup '$dir/other/copy' --data '$store'; code=\$?; ls '$dir/other'; exit \$code"
    said "no room for the backup"
    [ ! -s "$dir/out" ] || fail "half a backup is left on a full disk"
else
    echo "badstore: not tried here: read-only and full disks"
fi
