#!/usr/bin/env bash
# Test vis backends that are not in the default environment: each is installed
# into an environment of its own on top of .venv, and what a training logs to
# it is read back. Nothing leaves the machine: offline modes and file stores.
#
#     tools/dev/backends.sh                 all of them
#     tools/dev/backends.sh wandb mlflow    some
#
# Missing here: Aim, which without a wheel needs a Cython that is no longer
# available, and Neptune, which was not tried.
set -euo pipefail
cd "$(dirname "$0")/../.."
BIN=${BIN:-.venv/bin}
ROOT=.venv-backends
declare -A PACKAGE=(
    [wandb]=wandb==0.31.0
    [mlflow]=mlflow-skinny==3.17.2
    [clearml]=clearml==2.1.12
    [dvclive]=dvclive==3.49.1
)
SITE=$("$BIN/python" -c 'import sysconfig as s; print(s.get_path("purelib"))')
[ $# -gt 0 ] || set -- wandb mlflow clearml dvclive
for name in "$@"; do
    env=$ROOT/$name
    "$BIN/python" -m venv --clear --without-pip "$env"
    echo "import site; site.addsitedir('$SITE')" > \
        "$(echo "$env"/lib/python3*/site-packages)/shared.pth"
    "$BIN/python" -m pip --python "$env/bin/python" install -q \
        --disable-pip-version-check -c requirements/pinned.txt \
        "${PACKAGE[$name]}"
    "$env/bin/python" -m pytest -q tools/dev/backends.py -k "$name"
    rm -rf "$env"
done
