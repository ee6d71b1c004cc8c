#!/bin/sh
# What run and submit give their jobs: sources and how they combine, replacement strings, and input
# that comes as a stream.
# shellcheck disable=SC1091,SC2154,SC2016 # it sets $dir; what is in single quotes is the job's
. "$(dirname "$0")/../../lib/story.sh"

start_broker
start_worker w1 2 --allow-commands
workers_up 1
cd "$dir" || exit 1

# dry WANT OPTION…: what would run, a line each; nothing is sent
dry() {
    want=$1
    shift
    run 0 leat run --dry-run "$@"
    is "$(cat "$dir/out")" "$(printf '%b' "$want")"
}

# several sources: every combination, the last one fastest; side by side, as far as the shorter goes
dry 'echo a 1\necho a 2\necho b 1\necho b 2' echo ::: a b ::: 1 2
dry 'echo a 1\necho b 2' echo ::: a b :::+ 1 2 3
dry 'echo a 1 x\necho a 1 y\necho b 2 x\necho b 2 y' echo ::: a b :::+ 1 2 ::: x y
dry 'echo a x 1\necho a y 2\necho b x 1\necho b y 2' echo ::: a b ::: x y :::+ 1 2
printf 'one\ntwo\n' >lines
printf '1\n2\n' >more.txt
dry 'echo one 1\necho one 2\necho two 1\necho two 2' -a lines -a more.txt echo
dry 'echo one x\necho two x' -a lines echo ::: x
printf '1\n2\n' | dry 'echo 1 x\necho 2 x' -a - echo ::: x
dry 'echo 1\necho 4\necho 7\necho 20' --array 1-9:3,20 echo
dry '' echo ::: a :::

# several arguments a job, columns
dry "echo a-b c\necho d- c" -N 2 echo '{1}-{2}' c ::: a b d
dry 'echo a b\necho c' -N 2 echo ::: a b c
dry 'echo xay xby\necho xcy' -N 2 echo 'x{}y' ::: a b c
dry 'echo 2-1\necho d-c' --colsep , echo '{2}-{1}' ::: 1,2 c,d
printf 'a\tb c\nd\t\n' | dry "echo 'b c' a\necho '' d" --colsep '\t' echo '{2}' '{1}'
dry "echo 'b' 'a'" --colsep ' +' --shell 'echo {2} {1}' ::: 'a   b'
dry "sort 'a b' 'c'" -N 2 --shell 'sort {}' ::: 'a b' c
dry 'echo 1 e.tar d . e 1' echo '{#}' '{1/.}' '{//}' '{2}' 1 ::: d/e.tar.gz ::: e
dry 'echo 1 3 x' echo '{#}' 3 ::: x

# a command as it is shown can be typed: what it holds comes out the same
run 0 leat run --dry-run printf '%s\n' "it's" 'a b' '' "$(printf 'x\ty\nz')" '$HOME' '~' '#'
cp "$dir/out" typed
run 0 bash typed
is "$(cat "$dir/out")" "$(printf "%s\n" "it's" 'a b' '' "$(printf 'x\ty\nz')" '$HOME' '~' '#')"

# the same for submit
run 0 leat submit echo ::: a b ::: 1 2
run 0 leat wait
run 0 leat logs
is "$(sort "$dir/out")" "$(printf 'a 1\na 2\nb 1\nb 2')"
run 0 leat submit --array 1-3 echo
run 0 leat wait
said "3 jobs: 3 ok"
run 0 leat submit --handler echo --array 1-4
run 0 leat wait
said "4 jobs: 4 ok"

# what cannot be meant
wrong() {
    sentence=$1
    shift
    run 2 leat "$@"
    said "$sentence"
    [ ! -s "$dir/out" ] || fail "something on stdout"
}
wrong '--array "3-1": numbers, as in' run --array 3-1 echo
wrong '--array "1-5:0": numbers' run --array 1-5:0 echo
wrong '--array "1,": numbers' run --array 1, echo
wrong '--array "": numbers' submit --array '' echo
wrong '--colsep "(": ' run --colsep '(' echo ::: a
wrong '-N goes with one source' run -N 2 echo ::: a ::: b
wrong 'stdin can be read once only' run -a - -a - echo
wrong '"::::" is written -a FILE here' run echo :::: lines
wrong '":::+" stands behind a ":::"' run echo :::+ a
wrong '{%} goes with -j N' run echo '{%}' ::: a
wrong '{%} is known to leat run -j N only' submit echo '{%}' ::: a
wrong 'cannot read "nowhere"' run -a nowhere echo
wrong 'there is one a job' submit --handler echo ::: a ::: b
wrong '-N and --colsep are for commands' run --handler echo -N 2 ::: a b
wrong 'stdin is either --stdin - or the arguments' run --stdin - cat '{}'
printf 'a\0b\n' >nul
wrong 'input 1: it holds a NUL' run -a nul echo
wrong 'input 1: it holds a NUL' submit -a nul echo
run 127 leat submit 'gzip {} && rm {}'
said "no program \"gzip {} && rm {}\". Shell text? leat submit --shell 'gzip {} && rm {}'"

# {%}: no two that run at once have the same one
run 0 leat run -j 2 --progress none sh -c 'mkdir "at$1" && sleep 0.05 && rmdir "at$1"; [ "$1" -le 2 ]' sh '{%}' \
    ::: 1 2 3 4 5 6

# every byte that an argument can hold, through argv and back
/usr/bin/python3 - <<'PY'
import random
random.seed(17)
rows = [bytes([c]) for c in range(1, 256)] + [b"", b"-", b"--", b"-n", b"{}", b"{1}", b":::", b"*", b"~", b"a\\", b"\xff\xfe"]
while len(rows) < 400:
    rows.append(bytes(random.randrange(1, 256) for _ in range(random.randrange(60))))
open("args", "wb").write(b"".join(row + b"\0" for row in rows))
open("framed", "wb").write(b"".join(b"<" + row + b">" for row in rows))
PY
run 0 leat run -0 -a args -k --progress none printf '<%s>' '{}'
cmp -s "$dir/out" framed || fail "some bytes do not survive"
run 0 leat run -0 -a args -k --progress none --shell 'printf "<%s>" {}'
cmp -s "$dir/out" framed || fail "some bytes do not survive a shell"

# a stream: what has come runs while more is awaited
mkfifo pipe
leat run --progress none echo '{}' <pipe >streamed 2>"$dir/err" &
client=$!
exec 7>pipe
echo first >&7
until_true 10 grep -qx first streamed
echo second >&7
until_true 10 grep -qx second streamed
exec 7>&-
wait "$client" || fail "a stream ends with $?"

# a million lines: one has ended before the last one is read, and memory does not grow with them
/usr/bin/python3 - <<'PY' || fail "a long stream"
import os, resource, subprocess, sys, threading
COUNT, LINE = 1_000_000, b"%d\n"
# Under the address sanitizer what is freed stays for a while; that is not the client's memory.
os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=8"
client = subprocess.Popen(["leat", "run", "--handler", "echo", "--progress", "none"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE)
ended = threading.Event()
lines = [0]
def read():
    for line in client.stdout:
        lines[0] += 1
        ended.set()
reader = threading.Thread(target=read)
reader.start()
for first in range(0, COUNT - 1000, 1000):
    client.stdin.write(b"".join(LINE % n for n in range(first, first + 1000)))
client.stdin.flush()
early = ended.wait(30)
client.stdin.write(b"".join(LINE % n for n in range(COUNT - 1000, COUNT)))
client.stdin.close()
reader.join()
code = client.wait()
def peak_mib():
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
peak = peak_mib()
# The measure is worth something only if it sees a child that does keep a million lines.
subprocess.run([sys.executable, "-c", "kept = bytearray(200 << 20)"], check=True)
seen = peak_mib()
print(f"{lines[0]} of {COUNT}, exit {code}, peak {peak} MiB, early {early}, "
      f"of a child that keeps them {seen} MiB")
sys.exit(0 if code == 0 and lines[0] == COUNT and early and peak < 128 <= seen else 1)
PY
