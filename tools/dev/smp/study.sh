#!/usr/bin/env bash
# Which way to upsample in a decoder widens the field? UNet++ in the four
# modes of segmentation_models_pytorch: with random weights of six seeds, and
# trained on the demo's data from three seeds per mode. Takes half an hour on
# one core.
set -euo pipefail
cd "$(dirname "$0")/../../.."
BIN=${BIN:-.venv/bin}
ENV=${ENV:-.venv-smp}
CONFIG=configs/smp/unetplusplus_texture.py
KEY=model.module.decoder_interpolation
MODES='nearest bilinear bicubic area'
SEEDS=${SEEDS:-0 1 2}
RANDOM_SEEDS=${RANDOM_SEEDS:-0 1 2 3 4 5}
WORK=work_dirs/smp

SITE=$("$BIN/python" -c 'import sysconfig as s; print(s.get_path("purelib"))')
ENV=$ENV tools/dev/smp/env.sh
run() { "$ENV/bin/python" tools/dev/smp/with_torchvision.py "$@"; }

for seed in $SEEDS; do
    for mode in $MODES; do
        out=$WORK/${mode}_$seed
        [ -e "$out/iter_160.pth" ] || run "$SITE/mmseg/.mim/tools/train.py" \
            $CONFIG --work-dir "$out" --cfg-options $KEY="$mode" \
            randomness.seed="$seed"
        [ -e "$out/erf/erf.json" ] || run tools/erf.py $CONFIG \
            "$out/iter_160.pth" --cfg-options $KEY="$mode" --no-theory \
            --layers 'net.encoder[4]' decode_head --out-dir "$out/erf"
    done
done
for seed in $RANDOM_SEEDS; do
    [ -e "$WORK/initial_$seed/sweep.md" ] || run tools/sweep_erf.py $CONFIG \
        --vary $KEY="${MODES// /,}" --no-theory --layers decode_head \
        --seed "$seed" --out-dir "$WORK/initial_$seed"
done
run tools/compare_erf.py $(for m in $MODES; do echo $WORK/${m}_0/erf; done) \
    --names $MODES --out $WORK/compare.png
"$ENV/bin/python" tools/dev/smp/summary.py $WORK
