#!/usr/bin/env bash
# hostile.sh BUILD [JOBS]: what other jobs of a worker notice of a hostile one beside them. JOBS
# jobs that sleep 50 ms go through eight slots, alone and while something floods, forks, spins, crashes,
# eats memory or does not listen in a ninth: a command, a program over stdio, a plug-in. Their rates are
# compared, in turn. Starts a broker and a worker of its own and leaves nothing behind.
set -eu -o pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/bench/stand.sh
. "$here/stand.sh"
jobs=${2:-800}
stand "$1" --slots 9 --allow-commands --rlimit cpu=60s \
  --stdio "rogue=/usr/bin/python3 $here/../stdio/rogue.py" --plugin "$1/tests/bench/bench_hostile.so"
leat run --progress none true # it is up

rate() {
  local begin end
  begin=$(date +%s%N)
  seq "$jobs" | sed 's/.*/50ms/' | leat run --progress none --handler sleep -j 8 -a - >/dev/null
  end=$(date +%s%N)
  echo $((jobs * 1000000000 / (end - begin)))
}

# beside NAME COMMAND…: alone, with it, and alone again.
beside() {
  local name=$1 before with after alone batch
  shift
  before=$(rate)
  batch=$(leat submit --run-limit 60s "$@")
  sleep 0.2
  with=$(rate)
  leat cancel "$batch" >/dev/null 2>&1 || true
  leat wait "$batch" --exit none >/dev/null 2>&1
  after=$(rate)
  alone=$(((before + after) / 2))
  printf '%-34s %8s %8s   %d.%02d\n' "$name" "$alone" "$with" $((with / alone)) $((with * 100 / alone % 100))
}

printf '%-34s %8s %8s   %s\n' 'jobs/s of the others, beside' alone with ratio
beside 'nothing' sleep 30
beside 'both streams flooded' sh -c 'yes & yes >&2'
beside 'a processor kept busy' sh -c 'while :; do :; done'
beside 'forks without end, twenty at once' sh -c 'while :; do for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do sleep 0.01 & done; wait; done'
beside 'SIGTERM ignored, output closed' sh -c 'trap "" TERM; exec >&- 2>&-; while sleep 1; do :; done'
beside 'half a line and silence' sh -c 'printf half; sleep 60'
beside 'a program that crashes, again' sh -c 'while :; do sh -c "kill -SEGV \$\$"; done'
beside 'memory, 2 GiB' python3 -c 'import time; x = bytearray(2 << 30); time.sleep(60)'
# What ends at once comes again and again.
again=(--retries 60000 --backoff 1ms..1ms)
beside 'stdio: rubbish' "${again[@]}" --handler rogue rubbish
beside 'stdio: half a line, then nothing' --handler rogue 'half a line and hangs'
beside 'stdio: a gigabyte in one line' "${again[@]}" --handler rogue gigabyte
beside 'stdio: crashes' "${again[@]}" --handler rogue crash
beside 'stdio: SIGTERM ignored' --handler rogue deaf
beside 'plug-in: SIGSEGV' "${again[@]}" --handler segv x
beside 'plug-in: a loop without end' --handler spin x
beside 'plug-in: the stack runs over' "${again[@]}" --handler overflow x
