#!/usr/bin/env bash
# An environment on top of .venv's packages: shared_env.sh ENV [pip arguments]
# makes it where it does not exist, and installs into it. .venv stays as it is.
# Packages that depend on torch go in with --no-deps: else they replace it.
set -euo pipefail
BIN=${BIN:-.venv/bin}
ENV=$1
shift
if [ ! -x "$ENV/bin/python" ]; then
    site=$("$BIN/python" -c \
        'import sysconfig as s; print(s.get_path("purelib"))')
    "$BIN/python" -m venv --without-pip "$ENV"
    echo "import site; site.addsitedir('$site')" > \
        "$(echo "$ENV"/lib/python3*/site-packages)/shared.pth"
fi
"$BIN/python" -m pip --python "$ENV/bin/python" install -q \
    --disable-pip-version-check "$@"
