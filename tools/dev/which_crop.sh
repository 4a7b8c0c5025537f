#!/usr/bin/env bash
# What docs/which_crop.md tells: how much context the demo's networks need, where
# it comes from, which tiles serve, and which part of a network makes the field;
# tiles of U2-Net (small) too. The maps' faithfulness: make context, make faithful.
# FCN and MIT are the demo's checkpoints.
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
u2netp() {  # a script, then its arguments
    PYTHONPATH=tools/dev/pretrained:.${PYTHONPATH:+:$PYTHONPATH} \
        "$ENV/bin/python" tools/dev/smp/with_torchvision.py "$@"
}
demo() {  # the tool, a network of the demo, its checkpoint, then options
    local tool=$1 config=configs/demo/$2_texture.py weights=$3
    shift 3
    "$BIN/python" "tools/$tool" "$config" "$weights" "$@"
}

demo context.py fcn "$FCN" --out-dir $WORK/fcn
demo tiles.py fcn "$FCN" --windows 32 64 96 --out-dir $WORK/fcn_tiles
demo erf.py fcn "$FCN" --layers decode_head --num-images 20 --no-theory \
    --by-class label --out-dir $WORK/by_class
demo erf.py segformer "$MIT" --layers decode_head --num-images 20 \
    --no-theory --each-without 'decode_head.convs.*' \
    --out-dir $WORK/each_without
u2netp tools/tiles.py --module networks.u2netp \
    --module-options file="$ONNX" --img-dir "$PHOTOS" --input-size 320 320 \
    --num-images 6 --layer logits --threshold 0.5 --windows 160 192 \
    --overlaps 0 0.5 --target CentreUnit --out-dir $WORK/u2netp
