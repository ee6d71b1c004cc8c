#!/bin/sh
# Calls that have no place in our files, and what takes theirs:
#   sprintf vsprintf strcpy strcat gets     no size: snprintf, memcpy, leat_buf
#   strtok                                  hidden state: strcspn and strspn
#   localtime gmtime ctime asctime          one buffer for all threads: localtime_r, gmtime_r, strftime
#   banned.sh ROOT
# Prints each such call and fails; first it plants some and must find them.
set -eu

words='sprintf|vsprintf|strcpy|stpcpy|strcat|gets|strtok|localtime|gmtime|ctime|asctime'

# The calls in the files below the folders given, comments aside. In a folder of its own for the plants.
check() {
    find "$@" -name '*.[ch]' -type f -exec awk -v words="$words" '
    FNR == 1 { comment = 0 }
    {
        text = $0
        gsub(/"([^"\\]|\\.)*"/, "\"\"", text) # text may name them
        if (comment) {
            if (text !~ /\*\//)
                next
            sub(/^.*\*\//, "", text)
            comment = 0
        }
        gsub(/\/\*([^*]|\*[^\/])*\*\//, "", text)
        sub(/\/\/.*/, "", text)
        if (text ~ /\/\*/) {
            comment = 1
            sub(/\/\*.*/, "", text)
        }
        if (text ~ ("(^|[^A-Za-z0-9_])(" words ")[ \t]*\\("))
            printf "%s:%d: %s\n", FILENAME, FNR, $0
    }' {} +
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

cat >"$scratch/planted.c" <<'END'
/* strcpy(a, b) in a comment, */ int one = sizeof "gets(x)";
/* and over
 * sprintf(a, b) lines */
    snprintf(a, 4, "%s", b); localtime_r(&t, &tm); my_strcat(a); strcpyx(a);
    strcpy(a, b);
    n = sprintf (a, "x"); /* after */
    /* before */ tm = gmtime(&t);
END
found=$(check "$scratch" | sed 's/^[^:]*:\([0-9]*\):.*/\1/' | tr '\n' ' ')
if [ "$found" != "5 6 7 " ]; then
    echo "banned.sh: of the planted calls in lines 5 6 7, found: $found"
    exit 1
fi

cd "$1"
check proto broker worker client >"$scratch/found"
if [ -s "$scratch/found" ]; then
    cat "$scratch/found"
    exit 1
fi
