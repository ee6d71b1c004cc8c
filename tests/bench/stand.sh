# Sourced by the scripts here: a broker in a folder of its own, a worker NAME with what is given as its
# options, and the end of both. Leaves nothing behind.
#   stand BUILD [WORKER OPTION…]
# shellcheck shell=bash

folder=
processes=()
stand_down() {
  local pid
  for pid in "${processes[@]}"; do
    kill -TERM "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  rm -rf "$folder"
}

stand() {
  local build
  build=$(cd "$1" && pwd)
  shift
  folder=$(mktemp -d /tmp/leat-bench.XXXXXX) # short: a socket's path ends at 107 bytes
  trap stand_down EXIT
  trap 'exit 130' INT TERM
  export LEAT_BROKER=ipc://$folder/broker.sock XDG_STATE_HOME=$folder/state PATH=$build:$PATH
  leat-broker --bind "$LEAT_BROKER" --data "$folder/data" 2>"$folder/broker.log" >&2 &
  processes=("$!")
  leat broker wait --timeout 10 >/dev/null
  leat-worker --name bench "$@" 2>"$folder/worker.log" >&2 &
  processes=("$!" "${processes[@]}") # the worker is stopped first
}
