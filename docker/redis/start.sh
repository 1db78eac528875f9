#!/bin/sh
# The password goes in by standard input, where no list of processes shows it.
set -eu
printf 'requirepass "%s"\nmaxmemory %s\n' "$REDIS_PASSWORD" "$REDIS_MAXMEMORY" |
    exec redis-server "$@" -
