#!/usr/bin/env bash
# Measure effective receptive fields with several processes: one per GPU, or
# GPUS processes that share the CPU where there is none.
# Usage: tools/dist_erf.sh CONFIG CHECKPOINT GPUS [options of tools/erf.py]
# CHECKPOINT none: the config's own initial weights.
set -euo pipefail

if [ $# -lt 3 ]; then
    sed -n '2,5s/^# //p' "$0" >&2
    exit 2
fi
config=$1 checkpoint=$2 gpus=$3
shift 3
arguments=("$config")
[ "$checkpoint" = none ] || arguments+=("$checkpoint")

exec python -m torch.distributed.run \
    --nnodes="${NNODES:-1}" \
    --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" \
    --master_port="${PORT:-29500}" \
    --nproc_per_node="$gpus" \
    "$(dirname "$0")/erf.py" "${arguments[@]}" --launcher pytorch "$@"
