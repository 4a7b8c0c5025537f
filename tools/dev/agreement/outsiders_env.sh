#!/usr/bin/env bash
# The environment of outsiders.py: networks of other packages.
set -euo pipefail
cd "$(dirname "$0")/../../.."
ENV=${ENV:-.venv-outsiders}
[ ! -e "$ENV/.ready" ] || exit 0
rm -rf "$ENV"
tools/dev/shared_env.sh "$ENV" --no-deps \
    -r tools/dev/pretrained/requirements.txt timm==1.0.31 \
    segmentation_models_pytorch==0.6.0 transformers==5.24.0 ultralytics \
    ultralytics-thop
tools/dev/shared_env.sh "$ENV" -c requirements/pinned.txt \
    'huggingface_hub>=1' tokenizers requests psutil tqdm
touch "$ENV/.ready"
