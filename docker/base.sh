#!/bin/sh
# base.sh [IMAGE]: makes the image that the Dockerfile starts from (debian:bookworm-slim) out of
# packages, for a machine that reaches no image registry. Does nothing if there is one of that name.
#
# Wants root, a docker engine and debootstrap. The packages come from where this machine's apt has
# its own: the addresses, and a proxy if there is one, are asked of apt each time, and the
# addresses are in the image too, so that apt works in it. MIRROR=URL names another place.
set -eu

image=${1:-debian:bookworm-slim}
suite=bookworm

if docker image inspect "$image" >/dev/null 2>&1; then
    echo "base.sh: there is an image $image already" >&2
    exit 0
fi
if [ "$(id -u)" != 0 ]; then
    echo "base.sh: debootstrap wants root" >&2
    exit 1
fi
if ! command -v debootstrap >/dev/null; then
    echo "base.sh: no debootstrap here: apt-get install debootstrap" >&2
    exit 1
fi

folder=$(mktemp -d /var/tmp/leat-base.XXXXXX)
root=$folder/root
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Where apt has this suite from: lines "URL SUITE COMPONENT".
if [ -n "${MIRROR:-}" ]; then
    echo "$MIRROR $suite main" >"$folder/sources"
else
    # shellcheck disable=SC2016 # the names are apt's
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' \
        'Created-By: Packages' 'Origin: Debian' 2>/dev/null |
        grep -E "^[^ ]+ $suite(-updates|-security)? main\$" | sort -u >"$folder/sources" || :
fi
mirror=$(sed -n "s/ $suite main\$//p" "$folder/sources" | head -n 1)
if [ -z "$mirror" ]; then
    echo "base.sh: apt knows no place for Debian $suite (apt-get update?): MIRROR=URL names one" >&2
    exit 1
fi
proxy=$(apt-config shell proxy Acquire::http::Proxy | sed "s/^proxy='\(.*\)'\$/\1/")
if [ -n "$proxy" ] && [ "$proxy" != DIRECT ]; then
    export http_proxy="$proxy"
fi

echo "base.sh: making $image by debootstrap" >&2
more=
case $mirror in
https:*) more=--include=ca-certificates ;;
esac
# shellcheck disable=SC2086 # one word or none
if ! debootstrap --variant=minbase $more "$suite" "$root" "$mirror" >"$folder/log" 2>&1; then
    tail -n 20 "$folder/log" "$root/debootstrap/debootstrap.log" >&2 || :
    echo "base.sh: debootstrap failed" >&2
    exit 1
fi

# apt in the image: the same places, and what this machine says of the age of their lists.
sed 's/^/deb /' "$folder/sources" >"$root/etc/apt/sources.list"
apt-config dump | grep -E '^Acquire::(Check-Valid-Until|Check-Date) ' \
    >"$root/etc/apt/apt.conf.d/90leat-base" || :

# Slim: no lists, no pages, no languages, now and when packages are installed later.
cat >"$root/etc/dpkg/dpkg.cfg.d/slim" <<'END'
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/man/*
path-exclude /usr/share/info/*
path-exclude /usr/share/locale/*
END
rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/*.log "$root"/var/log/apt \
    "$root"/usr/share/man/* "$root"/usr/share/info/* "$root"/usr/share/locale/*
find "$root/usr/share/doc" -type f ! -name copyright -delete
find "$root/usr/share/doc" -type l -delete
find "$root/usr/share/doc" -mindepth 1 -type d -empty -delete

tar -C "$root" -c . | docker import - "$image" >/dev/null
