#!/usr/bin/env bash
# The field of a network that someone really trained, against random weights:
# U2-Net (small) on scikit-image's photographs.
set -euo pipefail
cd "$(dirname "$0")/../../.."
ENV=${ENV:-.venv-pretrained}
PHOTOS=${PHOTOS:-data/texture/photos}
WORK=work_dirs/pretrained

tools/dev/pretrained/env.sh "$ENV"
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
