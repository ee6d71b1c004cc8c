#!/usr/bin/env bash
# hosts.sh BUILD: broker, three workers and a client on five hosts with addresses of their own, encrypted.
# The hosts are network namespaces around a switch that is one too; nothing of the machine's own network
# is touched. Needs root and ip (iproute2). Leaves nothing behind.
set -eu -o pipefail
build=$(cd "$1" && pwd)
id=lh$$
folder=$(mktemp -d)
export XDG_STATE_HOME=$folder/state XDG_CONFIG_HOME=$folder/config XDG_RUNTIME_DIR=$folder/run
mkdir -p "$folder/run"
chmod 700 "$folder/run"
unset LEAT_BROKER LEAT_KEY_FILE
hosts=(b w1 w2 w3 c)
declare -A address=([b]=10.77.0.1 [w1]=10.77.0.2 [w2]=10.77.0.3 [c]=10.77.0.4 [w3]=10.77.0.5)
declare -A pid=()
checks=0

clean() {
  local host
  for host in "${!pid[@]}"; do kill -KILL "${pid[$host]}" 2>/dev/null || true; done
  wait 2>/dev/null || true
  for host in "${hosts[@]}" sw; do ip netns del "$id-$host" 2>/dev/null || true; done
  rm -rf "$folder"
}
trap clean EXIT

fail() {
  echo "hosts: FAILED: $1" >&2
  tail -n 15 "$folder"/*.log >&2 || true
  exit 1
}

ok() {
  checks=$((checks + 1))
  echo "hosts: $1"
}

# on HOST COMMAND…
on() {
  local host=$1
  shift
  ip netns exec "$id-$host" "$@"
}

leat() {
  on c "$build/leat" --key-file "$folder/me.key" "$@"
}

# start NAME HOST COMMAND…: in the background, its log in NAME.log
start() {
  local name=$1 host=$2
  shift 2
  # Not by the function: its process would be a shell, and not the program that is to be killed.
  ip netns exec "$id-$host" "$@" >"$folder/$name.log" 2>&1 &
  pid[$name]=$!
}

worker() {
  start "$1" "$1" "$build/leat-worker" --key-file "$folder/$1.key" --name "$1" --slots "$2"
}

# until NAME WORD: its log has the word
until_log() {
  local _
  for _ in $(seq 200); do
    grep -q "$2" "$folder/$1.log" && return
    sleep 0.05
  done
  fail "$1 never said $2"
}

# ---- the network ----
ip netns add "$id-sw"
ip -n "$id-sw" link add name bridge type bridge
ip -n "$id-sw" link set bridge up
for host in "${hosts[@]}"; do
  ip netns add "$id-$host"
  ip -n "$id-$host" link set lo up
  ip -n "$id-$host" link add eth0 type veth peer name "to-$host" netns "$id-sw"
  ip -n "$id-$host" addr add "${address[$host]}/24" dev eth0
  ip -n "$id-$host" link set eth0 up
  ip -n "$id-sw" link set "to-$host" master bridge up
done

# ---- keys, made on the broker's host; each file is all that another host needs ----
cd "$folder"
url=tcp://${address[b]}:5328
for principal in w1:worker w2:worker w3:worker me:client stranger:client; do
  "$build/leat" key new "${principal%%:*}" --role "${principal##*:}" --keys "$folder/keys" \
    --broker "$url" >/dev/null
done
"$build/leat" key revoke stranger --keys "$folder/keys" >/dev/null

start broker b "$build/leat-broker" --bind "$url" --keys "$folder/keys" --data "$folder/store"
until_log broker at=broker.start
leat broker wait --timeout 10 >/dev/null || fail "the broker does not answer"
worker w1 10
worker w2 10

# ---- the seed's program ----
leat submit --handler seed ::: 1 2 3 >/dev/null
leat wait -q || fail "the seed's jobs did not end well"
for i in 1 2 3; do
  grep -hq "^Worker $i starting\$" w1.log w2.log || fail "no worker started $i"
  grep -hq "^Worker $i done\$" w1.log w2.log || fail "no worker was done with $i"
done
[ "$(leat result last | sort | tr '\n' ' ')" = "1 2 3 " ] || fail "the results are not 1 2 3"
ok "three jobs ran on two worker hosts, the client on a fourth has their results"

# ---- a thousand real commands ----
# The hosts share one file system here, as real ones would by NFS: Leat moves no files.
for i in 1 2 3; do # beside the others, which take no commands
  start "cmd$i" "w$i" "$build/leat-worker" --key-file "$folder/w$i.key" --name "cmd$i" --slots 4 \
    --channel commands --allow-commands
  until_log "cmd$i" at=worker.up
done
mkdir leat gzip
for i in $(seq 1000); do seq "$i" >"leat/$i.txt"; done
cp leat/*.txt gzip
(cd leat && leat run --channel commands --progress none gzip -n ::: *.txt) >commands.log 2>&1 ||
  fail "gzip failed: $(head -n 5 commands.log)"
gzip -n gzip/*.txt
(cd leat && sha256sum -- *.gz) >leat.sums
(cd gzip && sha256sum -- *.gz) >gzip.sums
[ "$(wc -l <leat.sums)" = 1000 ] || fail "$(wc -l <leat.sums) files instead of 1000"
cmp leat.sums gzip.sums || fail "not what gzip makes by itself"
shares=$(leat worker ls --plain | awk '$1 ~ /^cmd/ { print $6 }' | sort -n)
[ "$(grep -cv '^0$' <<<"$shares")" = 3 ] || fail "not all three hosts have worked: $shares"
printf x >>leat/7.txt.gz
! (cd leat && sha256sum -- *.gz) | cmp -s - gzip.sums || fail "a changed file is not noticed"
ok "gzip of 1000 files on three hosts ($(tr '\n' ' ' <<<"$shares")each), as gzip makes them by itself"
for i in 1 2 3; do
  kill -TERM "${pid[cmd$i]}"
  wait "${pid[cmd$i]}" || fail "cmd$i did not end in order"
  unset "pid[cmd$i]"
done

# ---- who may not ----
code=0
on c timeout 10 "$build/leat" --key-file stranger.key broker ping >stranger.log 2>&1 || code=$?
[ "$code" = 4 ] || fail "a key that was revoked: exit $code instead of 4: $(cat stranger.log)"
ok "a key that is not allowed: exit 4, \"$(head -n 1 stranger.log)\""

code=0
on c timeout 10 "$build/leat" --broker "$url" broker ping >keyless.log 2>&1 || code=$?
[ "$code" != 0 ] || fail "a client without a key was let in"
ok "no key: exit $code"

code=0
on c timeout 10 "$build/leat-worker" --key-file me.key >role.log 2>&1 || code=$?
[ "$code" = 4 ] || fail "a client's key as a worker: exit $code instead of 4: $(cat role.log)"
ok "a client's key as a worker's: exit 4, \"$(grep '^leat-worker:' role.log | tail -n 1)\""

# ---- revoked in the middle ----
batch=$(seq 40 | sed 's/.*/1s/' | leat submit --handler sleep -a -)
for _ in $(seq 100); do
  leat status "$batch" --json | grep -q '"running":20' && break
  sleep 0.05
done
"$build/leat" key revoke w1 --keys "$folder/keys" >/dev/null
leat wait "$batch" -q --timeout 60 || fail "the batch did not end well after a worker's key was revoked"
code=0
wait "${pid[w1]}" || code=$?
unset "pid[w1]"
[ "$code" = 4 ] || fail "the revoked worker ended with $code instead of 4"
ok "a key revoked in the middle of a batch: its jobs finished elsewhere, the worker ended with exit 4"

echo "hosts: $checks checks passed"
