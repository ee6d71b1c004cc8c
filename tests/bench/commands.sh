#!/usr/bin/env bash
# commands.sh BUILD [RUNS]: /bin/true as a job on two slots beside `xargs -P2` and bare posix_spawn,
# each with an argument (with one it loads its language first), in turn, three rounds, because a
# shared machine changes from minute to minute and only ratios of one run mean something. Starts a
# broker and a worker of its own and leaves nothing behind.
set -eu -o pipefail
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=tests/bench/stand.sh
. "$here/stand.sh"
build=$1
runs=${2:-5000}
rounds=3
stand "$build" --slots 2 --allow-commands
leat run --progress none /bin/true # it is up, and its first keeper

# Runs/s of what is done `runs` times by the command line given.
rate() {
  local begin end
  begin=$(date +%s%N)
  "$@"
  end=$(date +%s%N)
  echo $((runs * 1000000000 / (end - begin)))
}
by_xargs() { seq "$runs" | xargs -P2 -n1 /bin/true; }
by_leat() { seq "$runs" | leat run --progress none -a - /bin/true; }

printf '%-8s %12s %12s %12s   %s\n' round posix_spawn 'xargs -P2' leat 'leat / spawn, leat / xargs'
for ((round = 1; round <= rounds; round++)); do
  bare=$("$build/spawn" "$runs" 2 /bin/true x)
  other=$(rate by_xargs)
  ours=$(rate by_leat)
  printf '%-8s %12s %12s %12s   %d.%02d  %d.%02d\n' "$round" "$bare" "$other" "$ours" \
    $((ours / bare)) $((ours * 100 / bare % 100)) $((ours / other)) $((ours * 100 / other % 100))
done
echo "$runs runs of /bin/true a round, two at a time"
