#!/usr/bin/env bash
# The environment of outsiders.py: networks of other packages, on top of
# .venv's packages; without dependencies, since they would replace torch.
set -euo pipefail
cd "$(dirname "$0")/../../.."
BIN=${BIN:-.venv/bin}
ENV=${ENV:-.venv-outsiders}
[ ! -e "$ENV/.ready" ] || exit 0
SITE=$("$BIN/python" -c 'import sysconfig as s; print(s.get_path("purelib"))')
"$BIN/python" -m venv --clear --without-pip "$ENV"
echo "import site; site.addsitedir('$SITE')" > \
    "$(echo "$ENV"/lib/python3*/site-packages)/shared.pth"
install() {
    "$BIN/python" -m pip --python "$ENV/bin/python" install -q \
        --disable-pip-version-check "$@"
}
install --no-deps -r tools/dev/pretrained/requirements.txt \
    timm==1.0.31 segmentation_models_pytorch==0.6.0 transformers==5.24.0 \
    ultralytics ultralytics-thop
install -c requirements/pinned.txt 'huggingface_hub>=1' tokenizers requests \
    psutil tqdm
touch "$ENV/.ready"
