#!/bin/sh
# worker launch ssh: workers are started on the hosts of a file, each host is told how it went, and a
# key is never seen by others. The ssh client is a program of this story; tests/cluster/ssh.sh has a
# real one, with sshd.
# shellcheck disable=SC1091,SC2154 # it sets $dir
# shellcheck disable=SC2016 # what is in single quotes is for the client's shell
. "$(dirname "$0")/../../lib/story.sh"

# A client that goes nowhere: each host is a folder. It writes down what others could see of it.
cat >"$dir/ssh" <<'END'
#!/bin/sh
{ printf '%s\n' "$@"; env; } >>"$STORY/seen"
echo "$*" >>"$STORY/calls"
while [ "$1" != -- ]; do shift; done
host=$2
shift 2
case $host in
*gone) echo "ssh: connect to host gone port 22: Connection refused" >&2; exit 255 ;;
*mute) exit 255 ;;
*slow) sleep 600 ;;
esac
mkdir -p "$STORY/$host"
unset XDG_STATE_HOME XDG_CONFIG_HOME
HOME="$STORY/$host" exec sh -c "$*"
END
chmod +x "$dir/ssh"
export STORY="$dir"

port=$(/usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
url="tcp://127.0.0.1:$port"
for name in node1 big; do
    run 0 leat key new $name --role worker --keys "$dir/keys" --broker "$url" -o "$dir/$name.key"
done
run 0 leat key new me --role admin --keys "$dir/keys" --broker "$url" -o "$dir/me.key"
run 0 leat key new you --role client --keys "$dir/keys" --broker "$url" -o "$dir/you.key"
start_broker --bind "$url" --keys "$dir/keys"
export LEAT_SSH="$dir/ssh"

stop_all() {
    leat worker ls --plain | cut -f1 | while read -r name; do
        leat worker stop -q "$name"
    done
}

# ---- as it should be
cat >"$dir/hosts" <<'END'
# the hosts of room 3
anna@node1 slots=3 trait=zone=a

node2:2222 name=big key=BIG channel=big allow-commands have=gpu=2
END
sed -i "s|BIG|$dir/big.key|" "$dir/hosts"
run 0 leat worker launch ssh -H "$dir/hosts" --worker-key "$dir/{}.key" --plain -- --idle-exit 30s --trait "odd=it's \$HOME"
is "$(cut -f1-3 "$dir/out")" "anna@node1	node1	up
node2	big	up"
said '2 of 2 workers up'
run 0 leat worker ls --plain
grep -q '^node1	up	3	' "$dir/out" || fail "not with three slots"
run 0 leat run -q --channel big echo there
printed there
grep -q '^-p$' "$dir/seen" || fail "no port"
grep -q '^2222$' "$dir/seen" || fail "not its port"

# Nobody could see a key: not in a command line or an environment of what was started, here or there.
for name in node1 big; do
    secret=$(sed -n 's/^secret = //p' "$dir/$name.key")
    [ "${#secret}" = 40 ] || fail "there is no secret to look for"
    grep -qF -e "$secret" "$dir/seen" && fail "the secret of $name was seen"
    pid=$(leat worker info "$name" --json | sed 's/.*"pid":\([0-9]*\).*/\1/')
    tr '\0' '\n' <"/proc/$pid/cmdline" >"$dir/there"
    tr '\0' '\n' <"/proc/$pid/environ" >>"$dir/there"
    grep -q '^--key-file$' "$dir/there" || fail "this is another process"
    grep -qF -e "$secret" "$dir/there" && fail "the secret of $name can be seen"
done
key="$dir/anna@node1/.local/state/leat/launch-node1.key"
cmp "$key" "$dir/node1.key" || fail "the key has changed on its way"
is "$(stat -c %a "$key")" 600
grep -q '^--trait$' "$dir/there" || fail "not what stands behind --"
grep -qF "odd=it's \$HOME" "$dir/there" || fail "a word has changed on its way"

# Again: they are there already, and nothing is done.
: >"$dir/calls"
run 0 leat worker launch ssh -H "$dir/hosts" --worker-key "$dir/{}.key" --plain
is "$(cut -f3 "$dir/out")" "was up
was up"
[ ! -s "$dir/calls" ] || fail "ssh was started"
stop_all
until_true 10 sh -c '[ -z "$(leat worker ls --plain)" ]'

# ---- what goes wrong on one host does not stop the others
cat >"$dir/hosts" <<'END'
gone
node1 slots=2 idle-exit=30s
mute
none program=/no/such/leat-worker
odd slots=many
END
run 1 leat worker launch ssh -H "$dir/hosts" --worker-key "$dir/node1.key" --json --timeout 10s
/usr/bin/python3 - "$dir/out" <<'PY' || fail "not what happened: $(cat "$dir/out")"
import json, sys
rows = {row["worker"]: row for row in json.load(open(sys.argv[1]))["hosts"]}
assert list(rows) == ["gone", "node1", "mute", "none", "odd"], rows
assert rows["node1"]["state"] == "up" and rows["node1"]["pid"].isdigit(), rows
for name, words in (("gone", "Connection refused"), ("mute", "exit 255"),
                    ("none", "there is no program /no/such/leat-worker"), ("odd", '"many" is no whole number')):
    assert rows[name]["state"] == "failed" and words in rows[name]["detail"], rows[name]
PY
stop_all

# One that runs and finds no broker.
echo 'lost' >"$dir/hosts"
run 1 leat worker launch ssh -H "$dir/hosts" --timeout 500ms --plain -- --broker "ipc://$dir/nobody" --idle-exit 3s
is "$(cut -f1-3 "$dir/out")" "lost	lost	not seen"
grep -q 'launch-lost.log there' "$dir/out" || fail "not where to look"

# A key that is none, is open to others, or is for something else.
echo 'node1' >"$dir/hosts"
run 1 leat worker launch ssh -H "$dir/hosts" --worker-key "$dir/hosts" --plain
run 1 leat worker launch ssh -H "$dir/hosts" --worker-key "$dir/you.key" --plain
grep -q 'is no key of a worker' "$dir/out" || fail "a client's key went out"
cp "$dir/node1.key" "$dir/open.key"
chmod 644 "$dir/open.key"
run 1 leat worker launch ssh -H "$dir/hosts" --worker-key "$dir/open.key" --plain
grep -q 'others than its owner may use it' "$dir/out" || fail "an open key went out"

# ---- wrong use
run 2 leat worker launch ssh
said '-H FILE'
run 2 leat worker launch -H "$dir/hosts"
run 2 leat worker launch telnet -H "$dir/hosts"
run 2 leat worker launch ssh -H "$dir/none"
# wrong LINES SENTENCE
wrong() {
    printf '%b' "$1" >"$dir/hosts"
    run 2 leat worker launch ssh -H "$dir/hosts"
    said "$2"
}
wrong '' 'no hosts in it'
wrong '# none\n\n' 'no hosts in it'
wrong 'a\n\nb --slots=4\n' 'hosts:3: "--slots=4": write options without their dashes, as slots=4'
wrong 'a\na\n' 'hosts:2: there is a worker "a" already; give this one a name='
wrong '-oProxyCommand=id\n' 'hosts:1: a host is missing'
wrong 'anna@-oProxyCommand=id\n' 'hosts:1: a host is missing'
wrong 'a:x\n' '"x" is no port'
wrong 'a name=../b\n' '"../b" is no name'
wrong 'a b\001\n' 'a control character'
run 2 leat worker launch ssh -H - -- 'a
b' </dev/null
stop_broker
echo node1 >"$dir/hosts"
: >"$dir/calls"
run 125 leat worker launch ssh -H "$dir/hosts"
said 'no broker answered'
[ ! -s "$dir/calls" ] || fail "ssh was started for a broker that is not there"
