#!/usr/bin/env bash
# Run the suite's quick part beside other versions of torch and of OpenMMLab.
#
#     tools/dev/compat.sh oldest newest official
#
# Each has an environment of its own under $COMPAT (default .compat), removed
# afterwards; its output stays in $COMPAT/<name>.log. PYTHON names the
# interpreter, OLDEST and NEWEST the torch versions, TORCH_ARGS what pip needs
# to find them (for CPU builds: --index-url https://download.pytorch.org/whl/cpu).
# official builds mmcv's operators: about 25 minutes on two cores. Its mmengine
# 0.10.7 only loads its own checkpoints with torch 2.6 and later where
# TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1 is set (mmengine#1655), as here.
set -euo pipefail
cd "$(dirname "$0")/../.."
PYTHON=${PYTHON:-python3}
OLDEST=${OLDEST:-2.4.1}
NEWEST=${NEWEST:-}
OFFICIAL_TORCH=${OFFICIAL_TORCH:-2.13.0}
COMPAT=${COMPAT:-.compat}
REQUIREMENTS='-r requirements/optional.txt -r requirements/tests.txt -e .'

install() { # name, torch version or nothing for the newest
    local pip="$COMPAT/$1/bin/pip install -q --disable-pip-version-check"
    "$PYTHON" -m venv "$COMPAT/$1" || return 1
    # shellcheck disable=SC2086
    $pip ${TORCH_ARGS:-} "torch${2:+==$2}" || return 1
    if [ "$1" = official ]; then
        # shellcheck disable=SC2086
        $pip 'setuptools<81' wheel ninja mmengine==0.10.7 ftfy regex &&
            MMCV_WITH_OPS=1 $pip --no-build-isolation mmcv==2.1.0 &&
            $pip mmsegmentation==1.2.2 $REQUIREMENTS
    else # the pinned versions, but for torch
        sed -e 's/#.*//' -e '/^torch==/d' requirements/pinned.txt \
            > "$COMPAT/pins.txt"
        # shellcheck disable=SC2086
        $pip -c "$COMPAT/pins.txt" -r requirements/mminstall.txt $REQUIREMENTS
    fi
}

test $# -gt 0 || { sed -n '2,5p' "$0"; exit 2; }
mkdir -p "$COMPAT"
status=0
for name in "$@"; do
    unset TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD
    case $name in
    oldest) torch=$OLDEST ;;
    newest) torch=$NEWEST ;;
    official)
        torch=$OFFICIAL_TORCH
        export TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1
        ;;
    *) echo "no such environment: $name" >&2; exit 2 ;;
    esac
    if install "$name" "$torch" > "$COMPAT/$name.log" 2>&1 &&
        "$COMPAT/$name/bin/python" -m pytest -m 'not slow' \
            -n "${JOBS:-2}" >> "$COMPAT/$name.log" 2>&1; then
        echo "$name: passed"
    else
        echo "$name: failed, see $COMPAT/$name.log"
        status=1
    fi
    "$COMPAT/$name/bin/python" -c 'import sys, torch, mmengine, mmcv, mmseg
print("  python", sys.version.split()[0], "torch", torch.__version__,
      "mmengine", mmengine.__version__, "mmcv", mmcv.__version__,
      "mmseg", mmseg.__version__)' || true
    rm -rf "${COMPAT:?}/$name"
done
exit $status
