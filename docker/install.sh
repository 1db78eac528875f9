#!/bin/sh
# The images' installation steps, apart so that they can be tried without building an image.
#
#   install.sh dependencies PREFIX   a virtual environment at PREFIX with the locked dependencies
#   install.sh package PREFIX        the package itself, from the checkout that the working directory is
#
# Wheels only, checked by hash. The compiled modules tell no time, so the same input gives the same files.
set -eu
prefix=$2
locked() { "$1/bin/python" -m pip install --quiet --no-cache-dir --no-compile --require-hashes --only-binary=:all: -r "$2"; }

case $1 in
dependencies)
    python3 -m venv "$prefix"
    locked "$prefix" docker/requirements.txt
    ;;
package)
    python3 -m venv "$prefix-build"
    locked "$prefix-build" docker/requirements-build.txt
    SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-1704067200} "$prefix-build/bin/python" -m pip wheel --quiet --no-deps \
        --no-build-isolation --no-cache-dir --wheel-dir "$prefix-build/wheels" .
    "$prefix/bin/python" -m pip install --quiet --no-deps --no-index --no-compile "$prefix-build"/wheels/*.whl
    "$prefix/bin/python" -m pip uninstall --quiet --yes pip
    "$prefix/bin/python" -m compileall -q --invalidation-mode unchecked-hash "$prefix/lib"
    rm -rf "$prefix-build"
    ;;
*)
    echo "dependencies or package?" >&2
    exit 2
    ;;
esac
