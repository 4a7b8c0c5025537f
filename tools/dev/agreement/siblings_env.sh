#!/usr/bin/env bash
# The environment of siblings.py: mmengine, mmpretrain and mmdet, and no
# mmseg. mmcv's wheel is built without its operators; what would replace torch
# or build for long comes without its dependencies.
set -euo pipefail
cd "$(dirname "$0")/../../.."
ENV=${ENV:-.venv-siblings}
[ ! -e "$ENV/.ready" ] || exit 0
"${PYTHON:-python3.11}" -m venv --clear "$ENV"
install() {
    "$ENV/bin/pip" install -q --disable-pip-version-check "$@"
}
install torch==2.13.0
# setuptools: mmcv and mmengine import pkg_resources
install -c requirements/pinned.txt numpy scipy matplotlib rich packaging \
    pillow opencv-python tensorboard addict pyyaml termcolor yapf regex six \
    einops modelindex mat4py shapely terminaltables pycocotools \
    scikit-image tqdm 'setuptools<81'
install --no-deps torchvision==0.28.0 onedl-mmengine==0.10.12 \
    onedl-mmcv==2.3.6 onedl-mmpretrain==1.3.6 onedl-mmdetection==3.5.1 imaug
touch "$ENV/.ready"
