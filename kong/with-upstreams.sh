#!/bin/sh
# Prints kong.yml with the upstreams of the environment, as Kong itself puts no variables into URLs:
#
#   ANTHROPIC_UPSTREAM   instead of https://api.anthropic.com
#   OPENAI_UPSTREAM      instead of https://api.openai.com
#
#   KONG_DECLARATIVE_CONFIG_STRING="$(ANTHROPIC_UPSTREAM=http://standin:9000 kong/with-upstreams.sh)" kong start
set -eu
anthropic=${ANTHROPIC_UPSTREAM:-https://api.anthropic.com}
openai=${OPENAI_UPSTREAM:-https://api.openai.com}
for url in "$anthropic" "$openai"; do
    case $url in
        *[!A-Za-z0-9.:/_~-]*) echo "not a plain URL" >&2; exit 1 ;;
        http://?* | https://?*) ;;
        *) echo "an upstream begins with http:// or https://" >&2; exit 1 ;;
    esac
done
exec sed -e "s|url: https://api\.anthropic\.com\$|url: $anthropic|" -e "s|url: https://api\.openai\.com\$|url: $openai|" \
    "$(dirname "$0")/kong.yml"
