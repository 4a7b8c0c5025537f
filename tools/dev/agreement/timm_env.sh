#!/usr/bin/env bash
# The environment of timm_stages.py. mmerf.core needs no OpenMMLab package;
# torchvision, which timm imports, comes without its dependencies, since they
# would replace torch.
set -euo pipefail
cd "$(dirname "$0")/../../.."
ENV=${ENV:-.venv-timm}
[ ! -e "$ENV/.ready" ] || exit 0
"${PYTHON:-python3.11}" -m venv --clear "$ENV"
install() {
    "$ENV/bin/pip" install -q --disable-pip-version-check "$@"
}
install torch==2.13.0
install -c requirements/pinned.txt numpy scipy matplotlib rich packaging \
    'huggingface_hub<2' safetensors pyyaml
install --no-deps torchvision==0.28.0 timm==1.0.31
touch "$ENV/.ready"
