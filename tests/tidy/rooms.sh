#!/bin/sh
# Who includes whom: the arrows between the rooms (ARCHITECTURE.md) point down and never back.
#   rooms.sh ROOT
# Prints each #include that goes against an arrow and fails; first it plants some and must find them.
set -eu

# Read "path:line:#include …" and print what is not allowed.
judge() {
    awk '
    function starts(text, front) { return substr(text, 1, length(front)) == front }
    function is_room(name) { return name ~ /^(proto|broker|worker|client)\// }

    # Why path may not include name, or "".
    function verdict(path, name) {
        if (name ~ /^(zmq|czmq)\.h$/ && path ~ /^(proto\/[^\/]*$|proto\/base\/|broker\/core\/|broker\/store\/)/)
            return "ZeroMQ has no place here"
        if (name == "lmdb.h" && !starts(path, "broker/store/"))
            return "LMDB is known to the store only"
        if (name == "leat.h" || name == "client/include/leat.h")
            return path ~ /^(worker\/|client\/|broker\/web\/)/ ? "" : "leat.h is for programs"
        if (!is_room(name))
            return quoted ? "an include is written from the root" : ""
        if (starts(path, "proto/base/"))
            return starts(name, "proto/base/") ? "" : "base knows nobody"
        if (path ~ /^proto\/[^\/]*$/ && starts(name, "proto/link/"))
            return "the language does not know the link"
        if (starts(path, "proto/"))
            return starts(name, "proto/") ? "" : "proto knows nobody above it"
        if (starts(path, "broker/core/")) {
            if (name == "broker/store/store.h" || name == "broker/store/turn.h")
                return ""
            return (starts(name, "proto/") && !starts(name, "proto/link/")) ||
                   starts(name, "broker/core/") ? "" : "the core knows only proto/ and the interface of the store"
        }
        if (starts(path, "broker/store/"))
            return starts(name, "proto/") || starts(name, "broker/store/") ? "" : "the store knows only proto/"
        if (path ~ /^broker\/gate/ && starts(name, "broker/loop"))
            return "the gate does not know the loop"
        if (starts(path, "client/cli/"))
            return name ~ /^(proto|client\/cli)\// ? "" : "the program uses leat.h like any other"
        room = substr(path, 1, index(path, "/"))
        return starts(name, "proto/") || starts(name, room) ? "" : "another room"
    }

    {
        path = $0; sub(/:.*/, "", path)
        rest = substr($0, length(path) + 2)
        line = rest; sub(/:.*/, "", line)
        name = substr(rest, length(line) + 2)
        sub(/^[ \t]*#[ \t]*include[ \t]*/, "", name)
        quoted = substr(name, 1, 1) == "\""
        name = substr(name, 2); sub(/[">].*/, "", name)
        why = verdict(path, name)
        if (why != "")
            printf "%s:%s: includes %s: %s\n", path, line, name, why
    }'
}

# The judged includes of a tree.
check() {
    (cd "$1" && grep -rn --include='*.[ch]' '^[[:blank:]]*#[[:blank:]]*include' proto broker worker client) | judge
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# plant PATH INCLUDE: a tree with one file in it must be found guilty; spare: innocent.
plant() {
    rm -rf "${scratch:?}/tree"
    mkdir -p "$scratch/tree/proto" "$scratch/tree/broker" "$scratch/tree/worker" "$scratch/tree/client"
    mkdir -p "$scratch/tree/$(dirname "$1")"
    printf '# include %s /* planted */\n' "$2" >"$scratch/tree/$1"
    check "$scratch/tree" >"$scratch/found"
    if [ "$3" = guilty ] && ! grep -q "^$1:1: " "$scratch/found"; then
        echo "rooms.sh: not found: $1 includes $2"
        exit 1
    fi
    if [ "$3" = innocent ] && [ -s "$scratch/found" ]; then
        echo "rooms.sh: wrongly accused: $1 includes $2"
        exit 1
    fi
}

plant proto/frame.c '"broker/core/core.h"' guilty
plant proto/frame.c '"proto/link/link.h"' guilty
plant proto/frame.c '<zmq.h>' guilty
plant proto/link/link.c '<zmq.h>' innocent
plant proto/link/link.c '"worker/engine.h"' guilty
plant proto/base/log.c '"proto/frame.h"' guilty
plant broker/core/item.c '"broker/store/lmdb.h"' guilty
plant broker/core/item.c '"broker/gate.h"' guilty
plant broker/core/item.c '"proto/link/link.h"' guilty
plant broker/core/item.c '<czmq.h>' guilty
plant broker/core/item.c '<leat.h>' guilty
plant broker/core/item.c '"broker/store/turn.h"' innocent
plant broker/store/pack.c '"broker/core/item.h"' guilty
plant broker/loop.c '<lmdb.h>' guilty
plant broker/loop.c '"worker/engine.h"' guilty
plant broker/loop.c '"gate.h"' guilty
plant broker/gate.c '"broker/loop.h"' guilty
plant broker/web/page.c '<leat.h>' innocent
plant worker/slot.h '"client/cli/cli.h"' guilty
plant worker/slot.h '"broker/loop.h"' guilty
plant worker/slot.h '<leat.h>' innocent
plant client/batch.c '"worker/engine.h"' guilty
plant client/cli/demo.c '"client/batch.h"' guilty
plant client/cli/demo.c '"broker/options.h"' guilty
plant client/cli/demo.c '<leat.h>' innocent
plant client/cli/demo.c '<stdio.h>' innocent

check "$1" >"$scratch/found"
if [ -s "$scratch/found" ]; then
    cat "$scratch/found"
    exit 1
fi
