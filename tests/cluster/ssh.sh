#!/usr/bin/env bash
# ssh.sh BUILD: leat worker launch ssh with a real ssh client and a real sshd on loopback. Needs
# openssh-server and openssh-client. Nothing of the user's own ssh is used: keys, configuration, known
# hosts and the state there are in a folder of its own, which is removed.
set -eu -o pipefail
build=$(cd "$1" && pwd)
folder=$(mktemp -d)
chmod 755 "$folder" # sshd looks at it
export XDG_STATE_HOME=$folder/state XDG_CONFIG_HOME=$folder/config XDG_RUNTIME_DIR=$folder/run
mkdir -p "$folder/run" "$folder/there"
chmod 700 "$folder/run"
for variable in $(env | sed -n 's/^\(LEAT_[A-Z_]*\)=.*/\1/p'); do unset "$variable"; done
pids=()
checks=0

clean() {
  local pid
  for pid in "${pids[@]}"; do kill -KILL "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$folder"
}
trap clean EXIT

fail() {
  echo "ssh: FAILED: $1" >&2
  cat "$folder/out" "$folder/err" >&2 || true
  tail -n 15 "$folder"/*.log "$folder"/there/leat/*.log >&2 || true
  exit 1
}

ok() {
  checks=$((checks + 1))
  echo "ssh: $1"
}

leat() {
  "$build/leat" --key-file "$folder/me.key" "$@"
}

# run CODE COMMAND…: its output is in $folder/out and err
run() {
  local want=$1 got=0
  shift
  "$@" >"$folder/out" 2>"$folder/err" || got=$?
  [ "$got" = "$want" ] || fail "exit $got, not $want: $*"
}

read -r ssh_port broker_port closed_port < <(/usr/bin/python3 -c '
import socket
all = [socket.socket() for _ in range(3)]
for one in all: one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in all))')

# ---- sshd, and a client that knows nothing else
ssh-keygen -q -t ed25519 -N '' -f "$folder/host_key"
ssh-keygen -q -t ed25519 -N '' -f "$folder/mine"
ssh-keygen -q -t ed25519 -N '' -f "$folder/strange"
cp "$folder/mine.pub" "$folder/allowed"
cat >"$folder/sshd_config" <<END
Port $ssh_port
ListenAddress 127.0.0.1
HostKey $folder/host_key
PidFile $folder/sshd.pid
AuthorizedKeysFile $folder/allowed
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
SetEnv XDG_STATE_HOME=$folder/there XDG_CONFIG_HOME=$folder/none
END
[ "$(id -u)" != 0 ] || mkdir -p /run/sshd
"$(command -v sshd || echo /usr/sbin/sshd)" -D -e -f "$folder/sshd_config" 2>"$folder/sshd.log" &
pids+=($!)
cat >"$folder/ssh_config" <<END
Host node1 node2 stranger
  Port $ssh_port
Host closed
  Port $closed_port
Host stranger
  IdentityFile $folder/strange
Host * !stranger
  IdentityFile $folder/mine
Host *
  HostName 127.0.0.1
  User $(id -un)
  IdentitiesOnly yes
  UserKnownHostsFile $folder/known
  StrictHostKeyChecking accept-new
END

# ---- a broker with keys
url=tcp://127.0.0.1:$broker_port
for name in node1 node2 stranger closed; do
  "$build/leat" key new -q $name --role worker --keys "$folder/keys" --broker "$url" -o "$folder/$name.key" >/dev/null
done
"$build/leat" key new -q me --role admin --keys "$folder/keys" --broker "$url" -o "$folder/me.key" >/dev/null
"$build/leat-broker" --bind "$url" --keys "$folder/keys" --data "$folder/store" >"$folder/broker.log" 2>&1 &
pids+=($!)
leat broker wait --timeout 15s

# ---- two come up, two cannot be reached
cat >"$folder/hosts" <<END
closed
node1 slots=2 allow-commands
stranger
node2 slots=3 allow-commands
END
run 1 leat worker launch ssh -H "$folder/hosts" --ssh "ssh -F $folder/ssh_config" \
  --worker-key "$folder/{}.key" --program "$build/leat-worker" --plain -- --idle-exit 2m
mapfile -t there < <(awk -F'\t' '$3 == "up" { print $4 }' "$folder/out")
pids+=("${there[@]}")
[ "$(cut -f2,3 "$folder/out" | tr '\t\n' ' ;')" = "closed failed;node1 up;stranger failed;node2 up;" ] ||
  fail "not these two"
grep -q $'^closed\t.*Connection refused' "$folder/out" || fail "not why closed failed"
grep -q $'^stranger\t.*Permission denied' "$folder/out" || fail "not why stranger failed"
ok "two hosts are up, of two others it is said why they are not"

run 0 leat worker ls --plain
grep -q $'^node1\tup\t2\t' "$folder/out" || fail "node1 has not its slots"
grep -q $'^node2\tup\t3\t' "$folder/out" || fail "node2 has not its slots"
run 0 leat run -q -k echo '{}' ::: 1 2 3 4 5
[ "$(tr '\n' ' ' <"$folder/out")" = "1 2 3 4 5 " ] || fail "commands do not run there"
ok "commands run there, after the connections have ended"

for name in node1 node2; do
  secret=$(sed -n 's/^secret = //p' "$folder/$name.key")
  [ "${#secret}" = 40 ] || fail "no secret to look for"
  ! cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\0' '\n' | grep -qF -e "$secret" ||
    fail "the secret of $name can be seen in a process"
  cmp -s "$folder/$name.key" "$folder/there/leat/launch-$name.key" || fail "another key lies there"
  [ "$(stat -c %a "$folder/there/leat/launch-$name.key")" = 600 ] || fail "others can read the key there"
done
ok "no process shows a secret, and the files there are 0600"

run 1 leat worker launch ssh -H "$folder/hosts" --ssh "ssh -F $folder/ssh_config" \
  --worker-key "$folder/{}.key" --program "$build/leat-worker" --plain
[ "$(cut -f2,3 "$folder/out" | tr '\t\n' ' ;')" = "closed failed;node1 was up;stranger failed;node2 was up;" ] ||
  fail "what is up is not left alone"
ok "again: what is up is left alone"

run 0 leat worker stop node1 node2
ok "they are ended"
[ "$checks" = 5 ] || fail "only $checks checks"
echo "ssh: all of it, $checks checks"
