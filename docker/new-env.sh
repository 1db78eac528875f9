#!/bin/sh
# Prints .env.example with fresh secrets:  docker/new-env.sh > .env
set -eu
umask 077
random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }
while IFS= read -r line; do
    case $line in
        AWS_MASKER_KEY= | REDIS_PASSWORD= | GRAFANA_PASSWORD= | DASHBOARD_PASSWORD=) printf '%s%s\n' "$line" "$(random)" ;;
        *) printf '%s\n' "$line" ;;
    esac
done <"$(dirname "$0")/../.env.example"
