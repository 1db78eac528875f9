#!/bin/sh
# The password goes in by standard input, where no list of processes shows it. Redis takes the shell's place, so that it is
# told to stop and can write what it has.
set -eu
exec redis-server "$@" - <<END
requirepass "$REDIS_PASSWORD"
maxmemory $REDIS_MAXMEMORY
END
