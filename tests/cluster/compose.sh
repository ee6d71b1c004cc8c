#!/usr/bin/env bash
# compose.sh BUILD: the cluster of docker/compose.yaml as docs/docker.md tells its use, and what must
# not hurt it: a broker killed, a worker killed, a worker scaled away, a container without keys.
# BUILD holds the host's own leat. Wants an engine that answers and the image debian:bookworm-slim
# (or a registry); ./dev cluster sees to both. Prints a line a check, and sizes and times.
#
# The cluster has a project name and a port of its own, so one that runs is left alone; but
# docker/keys/ must be empty, because the keys in it would be used, and are removed at the end.
set -eu -o pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
exec </dev/null
export DOCKER_BUILDKIT=0 COMPOSE_DOCKER_CLI_BUILD=0
export COMPOSE_PROJECT_NAME=leat-test-$$ COMPOSE_HTTP_TIMEOUT=300 LEAT_SLOTS=1
export LEAT_IMAGE=${LEAT_IMAGE:-leat-test}
unset LEAT_BROKER LEAT_KEY_FILE LEAT_CONFIG

# What a log says when its program is ready, and when a worker drains and has drained.
broker_ready='at=broker.start'
worker_ready='at=worker.up'
worker_drained='at=worker.drain'
worker_stopped='at=worker.stop .*err=OK'

program=$(cd "${1:?"compose.sh: which folder has the programs?"}" && pwd)/leat
scratch=$(mktemp -d)
export HOME=$scratch XDG_STATE_HOME=$scratch/state XDG_CONFIG_HOME=$scratch/config
export XDG_RUNTIME_DIR=$scratch/run
mkdir -m 0700 "$scratch/run"
passed=0

if command -v docker-compose >/dev/null; then
  compose_program=(docker-compose)
else
  compose_program=(docker compose)
fi

compose() {
  "${compose_program[@]}" -f docker/compose.yaml "$@"
}

die() {
  printf 'compose.sh: %s\n' "$*" >&2
  exit 1
}

# ---------------------------------------------------------------- the end

finish() {
  local code=$?
  trap '' INT TERM
  set +e
  if [ "$code" != 0 ]; then
    echo "--- containers" >&2
    compose ps >&2
    echo "--- their last lines" >&2
    compose logs --no-color --tail 20 >&2
    if [ -s "$scratch/log" ]; then
      echo "--- the last command" >&2
      tail -n 20 "$scratch/log" >&2
    fi
  fi
  compose down -v --remove-orphans -t 5 >"$scratch/down" 2>&1 || cat "$scratch/down" >&2
  remove_keys || code=1
  rm -rf "$scratch"
  exit "$code"
}

# Those of the containers' user go by a container, if we are not root.
remove_keys() {
  find docker/keys -mindepth 1 ! -name .gitignore -delete 2>/dev/null && return
  docker run --rm -u root -v "$PWD/docker/keys:/keys" "$LEAT_IMAGE" \
    find /keys -mindepth 1 ! -name .gitignore -delete
}

# ---------------------------------------------------------------- words of the checks

# quiet COMMAND…: its output is shown only if the whole fails.
quiet() {
  "$@" >"$scratch/log" 2>&1 || die "exit $?: $*"
}

pass() {
  passed=$((passed + 1))
  printf 'ok %2d  %s\n' "$passed" "$*"
}

# is GOT WANT WHAT
is() {
  [ "$1" = "$2" ] || die "$3: got \"$1\", not \"$2\""
}

until_true() {
  local tries=$(($1 * 10))
  shift
  while ! "$@" >/dev/null 2>&1; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || die "never true: $*"
    sleep 0.1
  done
}

# leat on the host, with the key that the init service left.
host() {
  "$program" --key-file docker/keys/host.key "$@"
}

# leat in a container that is made for one command.
client() {
  compose run --rm client leat "$@" 2>"$scratch/log"
}

# Ids of the containers of a service, those of `run` aside.
containers() {
  docker ps -q --no-trunc --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" \
    --filter "label=com.docker.compose.service=$1" \
    --filter "label=com.docker.compose.oneoff=False" "${@:2}"
}

# What the service's containers have printed, without what goes to standard error.
printed_by() {
  local id
  for id in $(containers "$1" -a); do
    docker logs "$id" 2>/dev/null
  done
}

count() { # count SERVICE LINE
  printed_by "$1" | grep -cxF -e "$2" || true
}

workers_are() {
  [ "$(host worker ls --plain | cut -f2 | grep -c '^up$')" = "$1" ]
}

# The jobs of a batch that have ended, an object a line.
ended() {
  host result "$1" --json
}

some_ended() { # some_ended BATCH N
  [ "$(ended "$1" | grep -c '^{')" -ge "$2" ]
}

# all_once BATCH N: the batch has N completions, all done, of N different jobs.
all_once() {
  ended "$1" >"$scratch/ended"
  is "$(grep -c '"outcome":"done"' "$scratch/ended")" "$2" "jobs of batch $1 that are done"
  is "$(sed 's/^{"job":"\([^"]*\)".*/\1/' "$scratch/ended" | sort -u | wc -l)" "$2" \
    "different jobs in the completions of batch $1"
}

# repeat N TEXT: TEXT, N times
repeat() {
  yes "$2" | head -n "$1" || true
}

is_transcript() {
  printf '%s\n' "Waiting for workers to finish..." "Received 1" "Received 2" "Received 3" \
    "All workers are done" | cmp -s - "$1" || die "the client has printed: $(cat "$1")"
}

# started_in CONTAINER TEXT: milliseconds from the moment at which it was asked for to the first line
# of its log that has TEXT.
started_in() {
  local started line
  started=$(date -d "$(docker inspect -f '{{.Created}}' "$1")" +%s%N)
  line=$(docker logs -t "$1" 2>&1 | grep -m 1 -e "$2" | cut -d' ' -f1) || die "no line \"$2\" in a log"
  echo $((($(date -d "$line" +%s%N) - started) / 1000000))
}

# A port that nobody has.
LEAT_PORT=$((20000 + RANDOM % 10000))
while (: <>"/dev/tcp/127.0.0.1/$LEAT_PORT") 2>/dev/null; do
  LEAT_PORT=$((LEAT_PORT + 1))
done
export LEAT_PORT

[ -z "$(find docker/keys -mindepth 1 ! -name .gitignore)" ] ||
  die "docker/keys/ holds the keys of a cluster; end it (down -v) and remove them first"
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# ---------------------------------------------------------------- up

began=$SECONDS
quiet compose up -d --build --scale worker=3
demo=$(containers client -a)
is "$(timeout 60 docker wait "$demo")" 0 "exit code of the client"
pass "up -d --build --scale worker=3, and the client has ended with 0: $((SECONDS - began)) s"

docker logs "$demo" 2>/dev/null | head -n 5 >"$scratch/demo"
is_transcript "$scratch/demo"
printed_by worker | sort >"$scratch/lines"
for id in 1 2 3; do
  printf '%s\n' "Worker $id done" "Worker $id starting"
done >"$scratch/want"
cmp -s "$scratch/lines" "$scratch/want" || die "the workers have printed: $(cat "$scratch/lines")"
pass "the transcript: the client's 5 lines, and 6 of 6 in the workers' logs"

# That client may have come before the last worker.
until_true 10 workers_are 3
each_has() {
  local id
  for id in $(containers worker); do
    docker logs "$id" 2>/dev/null | grep -c '^Worker . starting$' || true
  done | tr '\n' ' '
}
read -r -a had <<<"$(each_has)"
compose run --rm client >"$scratch/demo" 2>"$scratch/log" || die "run client: exit $?"
sed -i 5q "$scratch/demo"
is_transcript "$scratch/demo"
is "$(each_has)" "$((had[0] + 1)) $((had[1] + 1)) $((had[2] + 1)) " "lines of the three workers"
pass "run --rm client once more: a job on each of the three workers"

compose logs --no-color worker >"$scratch/logs" 2>&1
for number in 1 2 3; do
  grep -q "^worker.$number .*Worker . done" "$scratch/logs" || die "logs worker has nothing of $number"
done
pass "logs worker: all three"

broker=$(containers broker)
worker=$(containers worker | head -n 1)
printf '       image %d MB, of which %d MB on top of its base\n' \
  $(($(docker image inspect -f "{{.Size}}" "$LEAT_IMAGE") / 1000000)) \
  $((($(docker image inspect -f "{{.Size}}" "$LEAT_IMAGE") - $(docker image inspect -f '{{.Size}}' debian:bookworm-slim)) / 1000000))
printf '       from the order for a container to a broker that serves %d ms, to a worker that is connected %d ms\n' \
  "$(started_in "$broker" "$broker_ready")" "$(started_in "$worker" "$worker_ready")"

# ---------------------------------------------------------------- the command line

batch=$(client submit --handler primes 100000)
quiet client wait "$batch" --timeout 60s
is "$(client result "$batch")" 9592 "what the job answered"
pass "run --rm client leat submit --handler primes 100000: 9592"

batch=$(host submit --handler primes 100000)
quiet host wait "$batch" --timeout 60s
is "$(host result "$batch")" 9592 "what the job answered"
pass "the same from the host with docker/keys/host.key: 9592"

# ---------------------------------------------------------------- the broker is killed

# Four jobs at once in each from here on: these containers are new ones.
export LEAT_SLOTS=4
quiet compose up -d --no-deps --scale worker=3 worker
until_true 20 workers_are 3
mapfile -t payloads < <(repeat 200 3)
batch=$(host submit --handler seed ::: "${payloads[@]}")
until_true 20 some_ended "$batch" 40
some=$(ended "$batch" | wc -l)
quiet docker kill -s KILL "$broker"
is "$(docker wait "$broker")" 137 "exit code of the broker that was killed"
[ "$some" -lt 200 ] || die "the 200 jobs had ended before the broker was killed"
quiet compose start broker
quiet host wait "$batch" --timeout 120s
all_once "$batch" 200
kept=$batch
is "$(count worker "Worker 3 starting")" 200 "runs of the 200 jobs"
pass "the broker killed after $some of 200 sleeping jobs: 200 completions and 200 runs, none twice"

# ---------------------------------------------------------------- a worker is killed

mapfile -t payloads < <(repeat 40 1s)
batch=$(host submit --handler sleep ::: "${payloads[@]}")
until_true 20 some_ended "$batch" 8
victim=$(containers worker | head -n 1)
quiet docker kill -s KILL "$victim"
quiet host wait "$batch" --timeout 120s
all_once "$batch" 40
again=$(grep -c '"attempt":[2-9]' "$scratch/ended") || die "the worker that was killed held no job"
grep '"attempt":[2-9]' "$scratch/ended" | grep -q "\"worker\":\"${victim:0:12}" &&
  die "a job came back to the worker that was killed"
pass "a worker killed in the middle of 40 jobs: $again that it held have finished elsewhere"

# ---------------------------------------------------------------- a worker is scaled away

quiet compose up -d --no-deps --scale worker=3 worker
until_true 20 workers_are 3
containers worker | sort >"$scratch/three"
followers=()
while read -r id; do
  docker logs -f --tail 0 "$id" >"$scratch/$id.out" 2>&1 &
  followers+=("$!")
done <"$scratch/three"
mapfile -t payloads < <(repeat 12 2s)
batch=$(host submit --handler sleep ::: "${payloads[@]}")
all_run() {
  host status "$batch" --json | grep -q '"running":12,'
}
until_true 10 all_run
quiet compose up -d --no-deps --scale worker=2 worker
quiet host wait "$batch" --timeout 60s
all_once "$batch" 12
is "$(grep -c '"attempt":1,' "$scratch/ended")" 12 "jobs that have run only once"
gone=$(containers worker | sort | comm -13 - "$scratch/three")
is "$(wc -l <<<"$gone")" 1 "workers that are gone"
grep -q "$worker_drained" "$scratch/$gone.out" && grep -q "$worker_stopped" "$scratch/$gone.out" ||
  die "its log does not say that it has drained: $(cat "$scratch/$gone.out")"
finished=$(grep -c "\"worker\":\"${gone:0:12}" "$scratch/ended") || die "the worker that went held no job"
kill "${followers[@]}" 2>/dev/null || true
pass "a worker scaled away: it has finished its $finished jobs, and its log says that it drained"

# ---------------------------------------------------------------- a new container for the broker

quiet compose up -d --no-deps --force-recreate broker
until_true 30 workers_are 2
all_once "$kept" 200
batch=$(host submit --handler echo here)
quiet host wait "$batch" --timeout 60s
pass "the broker in a new container: its store is there, and the workers have come back"

# ---------------------------------------------------------------- containers without keys

# one_sentence TEXT COMMAND…: it must fail, and say one line, with TEXT in it
one_sentence() {
  local text=$1 code=0
  shift
  timeout 20 docker run --rm --network none "$@" >"$scratch/log" 2>&1 || code=$?
  [ "$code" != 0 ] || die "ended with 0: $*"
  is "$(wc -l <"$scratch/log")" 1 "lines, and not one sentence: $(cat "$scratch/log")"
  grep -q -e "$text" "$scratch/log" || die "not about \"$text\": $(cat "$scratch/log")"
  printf '       %s\n' "$(cat "$scratch/log")"
}
one_sentence /keys/worker.key -e LEAT_KEY_FILE=/keys/worker.key "$LEAT_IMAGE" leat-worker
one_sentence /keys/client.key -e LEAT_KEY_FILE=/keys/client.key "$LEAT_IMAGE" leat submit --handler noop
one_sentence /keys "$LEAT_IMAGE" leat-broker --bind=tcp://0.0.0.0:5328 --keys=/keys
pass "a container without the keys says so in one sentence"

# ---------------------------------------------------------------- the tutorial, in a clean container

tutorial=$(docker run -d --rm --network none "$LEAT_IMAGE" sleep 300)
quiet /usr/bin/python3 tests/integration/tutorial.py . "$(dirname "$program")" docs/tutorial.md 30 "$tutorial"
typed=$(tail -n 1 "$scratch/log")
quiet docker kill "$tutorial"
pass "the tutorial, typed in a container that has nothing else: $typed"

# ---------------------------------------------------------------- down

quiet compose down -v
for kind in "container ls -a" "volume ls" "network ls"; do
  # shellcheck disable=SC2086 # words
  is "$(docker $kind -q --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME")" "" "left of $kind"
done
pass "down -v: no container, volume or network left"
echo "compose: $passed checks passed in $((SECONDS)) s ($(compose version --short))"
