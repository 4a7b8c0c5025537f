#!/usr/bin/env bash
# timm and segmentation_models_pytorch, on top of .venv's packages: for the
# study of decoder interpolation, and for what the documentation shows.
set -euo pipefail
cd "$(dirname "$0")/../../.."
ENV=${ENV:-.venv-smp}
[ ! -e "$ENV/.ready" ] || exit 0
rm -rf "$ENV"
tools/dev/shared_env.sh "$ENV" --no-deps torchvision==0.28.0 \
    timm==1.0.31 segmentation_models_pytorch==0.6.0
tools/dev/shared_env.sh "$ENV" -c requirements/pinned.txt \
    'huggingface_hub<2' safetensors tqdm
touch "$ENV/.ready"
