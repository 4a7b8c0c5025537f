#!/usr/bin/env bash
# What docs/which_crop.md tells: how much context the trained U2-Net (small)
# and the demo's networks need, which tiles serve, where context comes from and
# which part of a network makes it. FCN and MIT are the demo's checkpoints.
set -euo pipefail
cd "$(dirname "$0")/../.."
ENV=${ENV:-.venv-pretrained}
BIN=${BIN:-.venv/bin}
FCN=${FCN:-work_dirs/fcn_texture/iter_160.pth}
MIT=${MIT:-work_dirs/segformer_texture/iter_160.pth}
PHOTOS=${PHOTOS:-data/texture/photos}
WORK=work_dirs/which_crop

tools/dev/pretrained/env.sh "$ENV"
ONNX=$(echo "$ENV"/lib/python3*/site-packages/rembg/u2netp.onnx)
u2netp() {  # the tool, then its options
    local tool=$1
    shift
    PYTHONPATH=tools/dev/pretrained${PYTHONPATH:+:$PYTHONPATH} \
        "$ENV/bin/python" tools/dev/smp/with_torchvision.py "tools/$tool" \
        --module networks.u2netp --module-options file="$ONNX" \
        --img-dir "$PHOTOS" --input-size 320 320 --num-images 6 \
        --layer logits --out-dir $WORK/u2netp "$@"
}

u2netp context.py --sides 65 129 193 257 321
u2netp tiles.py --threshold 0.5 --windows 128 160 192 256 --overlaps 0 0.5 \
    --target CentreUnit
u2netp context.py --targets CentreUnit --rank-attributions InputGradient Luo

"$BIN/python" tools/erf.py configs/demo/fcn_texture.py "$FCN" \
    --layers decode_head --by-class label --num-images 20 --no-theory \
    --out-dir $WORK/by_class
"$BIN/python" tools/erf.py configs/demo/segformer_texture.py "$MIT" \
    --layers decode_head --each-without 'decode_head.convs.*' \
    --num-images 20 --no-theory --out-dir $WORK/each_without
for net in fcn segformer; do
    "$BIN/python" tools/context.py configs/demo/${net}_texture.py \
        "$([ $net = fcn ] && echo "$FCN" || echo "$MIT")" \
        --out-dir $WORK/$net --rank-attributions
done
