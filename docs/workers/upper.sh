#!/bin/sh
# A worker over stdio: its payload in capitals. The job's number stands first in each line, and the
# payloads here have no quotes and no backslashes; a shell reads any JSON with jq.
while IFS= read -r line; do
    case $line in
    '{"job":"'*) ;;
    *) continue ;;
    esac
    job=${line#'{"job":"'}
    job=${job%%'"'*}
    payload=${line#*'"payload":"'}
    payload=${payload%%'"'*}
    echo "job $job: $payload" >&2
    printf '{"job":"%s","result":"%s"}\n' "$job" "$(printf %s "$payload" | tr '[:lower:]' '[:upper:]')"
done
