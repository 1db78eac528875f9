#!/bin/sh
# The images' installation steps, apart so that they can be tried without building an image.
#
#   install.sh tools PREFIX          what the other two need, at PREFIX-tools
#   install.sh dependencies PREFIX   a virtual environment at PREFIX with the locked dependencies
#   install.sh package PREFIX        the package itself, from the checkout that the working directory is
#
# Wheels only, checked by hash. The compiled modules tell no time, so the same input gives the same files.
set -eu
prefix=$2
tools=$prefix-tools/bin/python
locked() { "$tools" -m pip --python "$1" install --quiet --no-cache-dir --no-compile --require-hashes --only-binary=:all: -r "$2"; }

case $1 in
tools)
    python3 -m venv "$prefix-tools"
    locked "$tools" docker/requirements-build.txt
    ;;
dependencies)
    python3 -m venv --without-pip "$prefix"
    locked "$prefix/bin/python" docker/requirements.txt
    ;;
package)
    SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-1704067200} "$tools" -m pip wheel --quiet --no-deps --no-build-isolation \
        --no-cache-dir --wheel-dir "$prefix-tools/wheels" .
    "$tools" -m pip --python "$prefix/bin/python" install --quiet --no-deps --no-index --no-compile "$prefix-tools"/wheels/*.whl
    "$prefix/bin/python" -m compileall -q --invalidation-mode unchecked-hash "$prefix/lib"
    ;;
*)
    echo "tools, dependencies or package?" >&2
    exit 2
    ;;
esac
