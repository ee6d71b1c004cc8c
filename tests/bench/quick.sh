#!/usr/bin/env bash
# quick.sh BUILD [JOBS]: jobs/s of this broker beside the limit (dataplane), in turn, three rounds,
# because a shared machine changes from minute to minute and only ratios of one run mean something.
# Starts a broker and a worker of its own on a free loopback port and leaves nothing behind.
set -eu -o pipefail
build=$(cd "$1" && pwd)
jobs=${2:-1000000}
rounds=3

folder=$(mktemp -d "$build/bench-XXXXXX") # not /tmp: that may be no disk
folder=$(cd "$folder" && pwd)
export TMPDIR=$folder
processes=()
stop() {
  local pid
  for pid in "${processes[@]}"; do
    kill -TERM "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  rm -rf "$folder"
}
trap stop EXIT
trap 'exit 130' INT TERM

# A port that nobody listens on.
port=$((20000 + RANDOM % 10000))
while (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
  port=$((port + 1))
done
broker=tcp://127.0.0.1:$port

failed() {
  tail -n 20 "$folder"/*.log >&2
  echo "bench: $1" >&2
  exit 1
}

"$build/leat-broker" --bind "$broker" --data "$folder/data" --insecure-loopback \
  2>"$folder/broker.log" >&2 &
processes=("$!")
"$build/leat" --broker "$broker" broker wait --timeout 10 >/dev/null || failed "no broker"
"$build/leat-worker" --broker "$broker" --name bench --slots 2 \
  --channel default --channel m 2>"$folder/worker.log" >&2 &
processes=("$!" "${processes[@]}") # the worker is stopped first

# The same again with keys: every byte is encrypted on both ways of both connections.
secure_port=$((port + 1))
while (: <>"/dev/tcp/127.0.0.1/$secure_port") 2>/dev/null; do
  secure_port=$((secure_port + 1))
done
secure=tcp://127.0.0.1:$secure_port
for principal in client worker; do
  (cd "$folder" && "$build/leat" key new "$principal" --role "$principal" --keys keys \
    --broker "$secure") >/dev/null 2>&1 || failed "no keys"
done
"$build/leat-broker" --bind "$secure" --data "$folder/secure" --keys "$folder/keys" \
  2>"$folder/secure.log" >&2 &
processes=("$!" "${processes[@]}")
"$build/leat" --key-file "$folder/client.key" broker wait --timeout 10 >/dev/null ||
  failed "no encrypted broker"
"$build/leat-worker" --key-file "$folder/worker.key" --name bench --slots 2 \
  --channel default --channel m 2>"$folder/secure-worker.log" >&2 &
processes=("$!" "${processes[@]}")

throughput() {
  "$build/throughput" --broker "$broker" "$@" || failed "throughput $*"
}
encrypted() {
  LEAT_KEY_FILE=$folder/client.key "$build/throughput" --broker "$secure" "$@" ||
    failed "encrypted throughput $*"
}
for warm in throughput encrypted; do
  "$warm" --jobs 1000 --channel default >/dev/null
  "$warm" --jobs 1000 --channel m --memory >/dev/null
done

for ((round = 1; round <= rounds; round++)); do
  echo "bench: round $round of $rounds, $jobs jobs" >&2
  "$build/dataplane" --jobs "$jobs" >>"$folder/limit-memory"
  throughput --jobs "$jobs" --channel m >>"$folder/leat-memory"
  encrypted --jobs "$jobs" --channel m >>"$folder/encrypted-memory"
  "$build/dataplane" --jobs "$jobs" --durable >>"$folder/limit-durable"
  throughput --jobs "$jobs" --channel default >>"$folder/leat-durable"
  encrypted --jobs "$jobs" --channel default >>"$folder/encrypted-durable"
done

median() {
  cut -d' ' -f1 "$folder/$1" | sort -n | sed -n "$(((rounds + 1) / 2))p"
}
printf '%-9s %14s %14s %8s %18s %9s\n' "" "leat, jobs/s" "limit, jobs/s" "ratio" \
  "encrypted, jobs/s" "to plain"
for kind in memory durable; do
  awk -v kind="$kind" -v leat="$(median "leat-$kind")" -v limit="$(median "limit-$kind")" \
    -v encrypted="$(median "encrypted-$kind")" 'BEGIN {
      printf "%-9s %14d %14d %8.2f %18d %9.2f\n",
        kind, leat, limit, leat / limit, encrypted, encrypted / leat }'
done
echo "medians of $rounds rounds; 64-byte jobs, noop, one client, one worker, window 100000"
