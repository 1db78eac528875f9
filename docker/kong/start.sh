#!/bin/sh
# Starts Kong with kong.yml, the upstreams being those of the environment.
set -eu
/etc/aws-masker/with-upstreams.sh >"$KONG_DECLARATIVE_CONFIG"
exec /docker-entrypoint.sh kong docker-start
