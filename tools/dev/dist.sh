#!/usr/bin/env bash
# Build sdist and wheel into dist/, check both, install each into an
# environment of its own, and measure a network there, away from the checkout.
set -euo pipefail
cd "$(dirname "$0")/../.."
BIN=$PWD/${BIN:-.venv/bin}
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT

"$BIN/python" -m venv "$WORK/build"
"$WORK/build/bin/pip" install -q --disable-pip-version-check \
    -r requirements/release.txt
rm -rf dist build
"$WORK/build/bin/python" -m build --outdir dist .
"$WORK/build/bin/twine" check --strict dist/*
"$WORK/build/bin/check-wheel-contents" dist/*.whl

"$BIN/python" -c 'import sys; from skimage import data; from PIL import Image
Image.fromarray(data.astronaut()).resize((96, 96)).save(sys.argv[1])' \
    "$WORK/photo.png"
for file in "$PWD"/dist/*.whl "$PWD"/dist/*.tar.gz; do
    env=$WORK/${file##*.}
    "$BIN/python" -m venv "$env"
    "$env/bin/pip" install -q --disable-pip-version-check torch==2.13.0
    "$env/bin/pip" install -q --disable-pip-version-check \
        -c requirements/pinned.txt "$file[mmseg]"
    mkdir "$env/run"
    (cd "$env/run" && "$env/bin/mmerf" erf --module torch.nn.Conv2d \
        --module-options in_channels=3 out_channels=4 kernel_size=9 \
        --layers . --img-dir "$WORK/photo.png")
    found=$(find "$env/run" -name erf.png)
    [ -n "$found" ] || { echo "no figure from $file"; exit 1; }
    (cd "$env/run" && "$env/bin/python" -c 'import mmerf, sys
assert mmerf.__file__.startswith(sys.prefix), mmerf.__file__')
done
ls -l dist
