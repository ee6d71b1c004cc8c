#!/bin/sh
# Keys: files, and who is let in over TCP with them.
# shellcheck disable=SC1091,SC2154 # it sets $dir
. "$(dirname "$0")/../../lib/story.sh"

cd "$dir" || exit
keys="$dir/state/leat/keys"

# ---- files

run 0 leat key ls
said "no key is allowed in $keys"
run 0 leat key new w1 --role worker
printed w1.key
said "the broker has a key now: $keys/broker.key"
said "w1.key does not say where the broker is"
is "$(stat -c %a w1.key "$keys/broker.key" "$keys" | tr '\n' ' ')" "600 600 700 "
grep -q '^secret = ' "$keys/allowed/w1" && fail "a secret among the allowed"

# nothing is written over, whether the key or the file is there already
cp w1.key first
run 125 leat key new w1 --role worker
said "w1.key: the file exists already"
run 125 leat key new w1 --role worker -o other.key
said 'another key has the name "w1" already'
[ ! -e other.key ] || fail "a key that nobody lets in"
cmp -s w1.key first || fail "the key file has changed"

# wrong usage
run 2 leat key new w2
said "--role client, worker or admin"
run 2 leat key new w2 --role broker
run 2 leat key new ../w2 --role client
run 2 leat key new w2 --role client --broker nonsense
run 2 leat key
run 2 leat key alow w1.key
said 'Did you mean "allow"?'

# what is shown has no secret, and is what `key allow` takes elsewhere
run 0 leat key show w1.key
secret=$(sed -n 's/^secret = //p' w1.key)
grep -qF -e "$secret" "$dir/out" && fail "the secret is shown"
cp out w1.pub
run 0 leat key allow w1.pub --keys there
said '"w1" is allowed as worker'
cmp -s "$keys/allowed/w1" there/allowed/w1 || fail "not the same public half"
run 0 leat key allow w1.key --role admin --keys there
is "$(leat key ls --keys there --plain | cut -f1,2)" "$(printf 'w1\tadmin')"
public=$(sed -n 's/^public = //p' w1.key)
run 125 leat key allow w9 --public "$public" --role client --keys there
said 'this key is allowed already, as "w1"'
run 3 leat key allow nobody.key
said "nobody.key: there is no such key file"
run 0 leat key revoke w1 --keys there
run 3 leat key revoke w1 --keys there
run 0 leat key allow w9 --public "$public" --role client --keys there --json
is "$(cat out)" "{\"name\":\"w9\",\"role\":\"client\",\"public\":\"$public\",\"allowed\":true}"

# a file that others can read is no key, nor is one with a wrong line
chmod 644 w1.key
run 4 leat --key-file w1.key status
said "w1.key: others than its owner may use it (mode 0644): chmod 600"
run 4 leat-worker --key-file w1.key
said "w1.key: others than its owner may use it"
is "$(grep -c . "$dir/err")" 1
chmod 600 w1.key
run 2 leat --key-file missing.key status
said "missing.key: there is no such key file"
run 2 leat-worker --key-file missing.key
run 2 leat --key-file w1.pub status
said 'this is only the public half of a key'
{ cat w1.key; echo "colour = red"; } >bad.key
chmod 600 bad.key
LEAT_KEY_FILE=bad.key run 2 leat status
said "bad.key: line 8: no key of a key file"
rm "$keys/allowed/w1" w1.key

# ---- a broker with keys: leat up --listen makes them, its address is in each key file

port=$((10000 + $$ % 20000))
tries=0
while ! leat up -d -j 1 --listen "127.0.0.1:$port" >out 2>err; do
    grep -q "in use\|IN_USE" "$dir/state/leat/broker.log" || fail "leat up does not start"
    tries=$((tries + 1))
    [ "$tries" -lt 20 ] || fail "no port is free"
    port=$((port + 7))
    rm "$dir/state/leat/broker.log"
done
url="tcp://127.0.0.1:$port"
grep -qF -e "$url, for those who have a key" out || fail "the address is not printed"
grep -q "^Others: leat key new w1 --role worker" out || fail "no line for other hosts"
is "$(stat -c %a "$keys/me.key")" 600
is "$(leat key ls --plain | cut -f1,2)" "$(printf 'me\tadmin')"
run 0 leat --key-file "$keys/me.key" status
run 0 leat key new c1 --role client
said_not() { ! grep -qF -e "$1" "$dir/err" || fail "stderr says: $1"; }
said_not "does not say where the broker is"
run 0 leat key new w1 --role worker
run 0 leat key new w2 --role worker
is "$(sed -n 's/^broker = //p' w1.key)" "$url"

# away from here: nothing but the key file says where the broker is, and TCP is the way
export XDG_RUNTIME_DIR="$dir/elsewhere"
let_in() { leat --key-file c1.key broker ping; }
until_true 5 let_in
run 125 leat --broker "$url" status
said "lets in only who has a key"

for name in w1 w2; do
    leat-worker --key-file "$name.key" --name "$name" --slots 2 >>"$name.out" 2>>"$name.log" &
    pids="$pids $!"
    eval "$name=$!"
done
up() { leat --key-file c1.key worker ls --plain | cut -f1,2 | grep -q "^$1$(printf '\tup')\$"; }
until_true 10 up w1
until_true 10 up w2
LEAT_KEY_FILE=c1.key run 0 leat submit --handler echo over
LEAT_KEY_FILE=c1.key run 0 leat wait

# a key with another role
run 4 leat --key-file w1.key status
said 'the role worker, not client'
run 4 leat-worker --key-file c1.key
said 'the role client, not worker'

# a key of another broker's making, and one that nobody has heard of, in one sentence
leat key new x1 --role worker --keys other --broker "$url" -q >/dev/null
run 125 leat --key-file x1.key status
said "$url: the handshake failed: the broker has another key than x1.key says, or none"
sed "s|^broker-public = .*|$(grep '^broker-public' w1.key | sed 's/[&|\\]/\\&/g')|" x1.key >x2.key
chmod 600 x2.key
run 4 timeout 5 leat --key-file x2.key status
said "$url: the broker does not know this key (x1.key, public "
said "or it was revoked"
run 4 timeout 5 leat-worker --key-file x2.key
is "$(grep -c '^leat-worker: ' "$dir/err")" 1
said "leat-worker: $url: the broker does not know this key (x1.key, public "

# revoked in the middle of a batch: its worker leaves, its jobs finish elsewhere
export LEAT_KEY_FILE=c1.key
run 0 leat submit --handler sleep ::: 1500ms 1500ms 1500ms 1500ms 1500ms 1500ms 1500ms 1500ms
batch=$(cat out)
runs() { leat worker ls --plain | awk -v name="$1" '$1 == name { exit !($4 > 0) }'; }
until_true 10 runs w1
run 0 leat key revoke w1
code=0
eval "wait \$w1" || code=$?
is "$code" 4
grep -q '^leat-worker: .*revoked' w1.log || fail "w1 does not say why it leaves"
run 0 timeout 40 leat wait "$batch"
said "8 jobs: 8 ok"
run 4 timeout 5 leat --key-file w1.key status

# a revoked client is told, where it waits
run 0 leat submit --handler sleep 1h
leat wait last 2>wait.err &
waiter=$!
pids="$pids $waiter"
until_true 10 grep -q . wait.err
run 0 leat key revoke c1
code=0
wait "$waiter" || code=$?
is "$code" 4
grep -q "revoked" wait.err || fail "the wait does not say why it ends"
unset LEAT_KEY_FILE

# the admin is still there; allowed again, it works again
run 0 leat --key-file "$keys/me.key" status
run 0 leat key allow c1.key
until_true 5 let_in

# keys in the state folder change nothing for a broker of one's own
run 0 leat demo
run 0 leat up -- leat broker ping
