#!/bin/sh
# A thousand real commands: gzip of a thousand files by leat run on leat up, byte for byte what gzip
# makes by itself; and nobody else on this machine gets a command run by it.
# shellcheck disable=SC1091,SC2154 # it sets $dir
# shellcheck disable=SC2016 # what is in single quotes is for another shell
. "$(dirname "$0")/../../lib/story.sh"

files=1000
mkdir "$dir/leat" "$dir/gzip"
i=0
while [ "$i" -lt "$files" ]; do # of different sizes, also an empty one, with blanks in the name
    seq "$i" >"$dir/leat/file $i.txt"
    i=$((i + 1))
done
cp "$dir/leat"/*.txt "$dir/gzip"
sums() { (cd "$dir/$1" && sha256sum -- *.gz); }

run 0 leat up -d -j 4
cd "$dir/leat" || exit 1
run 0 leat run --progress none gzip -n ::: *.txt
said_nothing
batch=$(cat "$dir/state/leat/last")
run 0 leat status "$batch" --json
grep -q '"total":1000,.*"done":1000,"dead":0' "$dir/out" || fail "not a thousand jobs done"
(cd "$dir/gzip" && gzip -n -- *.txt)
sums leat >"$dir/leat.sums"
sums gzip >"$dir/gzip.sums"
is "$(wc -l <"$dir/leat.sums")" "$files"
cmp "$dir/leat.sums" "$dir/gzip.sums" || fail "not what gzip makes"
is "$(find . -name '*.txt' | wc -l)" 0
# the comparison can fail
printf x >>"$dir/leat/file 7.txt.gz"
sums leat | cmp -s - "$dir/gzip.sums" && fail "a changed file is not noticed"

# --- somebody else on this machine
if [ "$(id -u)" != 0 ]; then
    echo "gzip: not tried, for want of a second user (run it as root): whether others can use it" >&2
    exit 0
fi
# Nothing but Leat's own folder is in his way.
chmod 711 "$dir"
chmod 755 "$dir/run"
mkdir "$dir/bin" "$dir/open"
cp "$programs/leat" "$dir/bin"
chmod 755 "$dir/bin" "$dir/bin/leat"
as_other() {
    env -i PATH="$PATH" HOME=/nonexistent XDG_RUNTIME_DIR="$dir/open" XDG_STATE_HOME="$dir/open" \
        setpriv --reuid=65534 --regid=65534 --clear-groups "$dir/bin/leat" "$@"
}
chmod 777 "$dir/open"
mine="ipc://$dir/run/leat/broker.sock"
run 0 leat --broker "$mine" broker ping
run 0 sh -c "cd /; leat run --broker '$mine' id -u" # the check can fail: for me it runs
printed 0
for what in "broker ping" "submit --cwd / touch $dir/open/evil" "run --cwd / touch $dir/open/evil"; do
    got=0
    # shellcheck disable=SC2086 # words
    as_other --broker "$mine" --timeout 3s $what >"$dir/out" 2>"$dir/err" </dev/null || got=$?
    [ "$got" != 0 ] || fail "somebody else was let in: $what"
    [ -s "$dir/err" ] || fail "without a word: $what"
done
[ ! -e "$dir/open/evil" ] || fail "somebody else's command was run"
run 0 leat status --json
grep -q '"name":"default",.*"done":1001' "$dir/out" || fail "there are other jobs than mine"

# … who would get through to one that is open to him: it is the folder that kept him out
leat-broker --bind "ipc://$dir/open/broker.sock" --data "$dir/open-store" >"$dir/open.log" 2>&1 &
pids="$pids $!"
until_true 10 test -S "$dir/open/broker.sock"
chmod 777 "$dir/open/broker.sock"
until_true 10 as_other --broker "ipc://$dir/open/broker.sock" --timeout 3s broker ping
