#!/bin/sh
# keys.sh PORT [NAME ROLE URL]: the service "keys" of compose.yaml. Makes what is missing of the
# cluster's keys, and of one more for NAME, who reaches the broker at URL:
#
#   /keys/broker/       the broker's keys directory: its own key, and which others it lets in
#   /keys/worker/       worker.key, for all containers of the service "worker"
#   /keys/client/       client.key
#   /keys/host.key      for the host's own leat, which reaches the broker on 127.0.0.1:PORT
#   /keys/NAME.key
#
# /keys is docker/keys on the host. Runs as root in its container, because the folders belong to the
# user of the other containers (leat) and the files to whoever owns docker/keys.
set -eu
umask 077
cd /keys
owner=$(stat -c %u:%g .)

# One key file, unless it is there. A name whose file was lost is forgotten first.
make_key() {
    name=$1 role=$2 url=$3 file=$4
    [ ! -s "$file" ] || return 0
    if [ -e "broker/allowed/$name" ]; then
        leat key revoke "$name" --keys broker -q
    fi
    leat key new "$name" --role "$role" --keys broker --broker "$url" -o "$file" -q >/dev/null
    echo "made keys/$file"
}

# Keys for a broker that is gone open nothing.
if [ ! -s broker/broker.key ]; then
    rm -rf broker worker client ./*.key
fi
mkdir -p broker worker client
make_key worker worker tcp://broker:5328 worker/worker.key
make_key client client tcp://broker:5328 client/client.key
make_key host admin "tcp://127.0.0.1:$1" host.key
if [ $# = 4 ]; then
    make_key "$2" "$3" "$4" "$2.key"
fi

chown -R leat:leat broker worker client
chown "$owner" ./*.key
