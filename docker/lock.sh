#!/bin/sh
# Locks what the images install, with hashes; needs uv (https://docs.astral.sh/uv/). Run it when dependencies change.
set -eu
cd "$(dirname "$0")/.."
lock() {
    uv pip compile --quiet --universal --python-version 3.12 --generate-hashes --only-binary :all: --no-annotate \
        --no-emit-index-url --custom-compile-command docker/lock.sh "$@"
}
lock --upgrade -o docker/requirements.txt pyproject.toml
echo 'hatchling>=1.25' | lock --upgrade -o docker/requirements-build.txt -
