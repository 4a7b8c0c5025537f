"""The ways to measure a case, side by side."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from .children import run_child
from .ways import BASES, PLANNED_FOR, WAYS

# Images of the runs whose times the ratios compare. mmerf plans as for
# PLANNED_FOR images; for few, it plans nothing: --families times that.
NUMBERS = (PLANNED_FOR,)


def compare_ways(
    case_name: str,
    images: int,
    scripts_images: int,
    numbers: Sequence[int] = NUMBERS,
) -> dict:
    """Every way of a case, side by side.

    Args:
        case_name (str): A key of ``CASES``.
        images (int): How many are timed after the first one.
        scripts_images (int): The same for the scripts, which take longer.
        numbers (sequence of int): Images of the runs that ratios compare.

    Returns:
        dict: By way; ``over_scripts`` and ``over_plain`` by number of images.
    """
    ways: dict[str, dict] = {}
    maps: dict[str, dict] = {}
    with tempfile.TemporaryDirectory() as folder:
        for way in WAYS:
            path = Path(folder, f'{way}.npz')
            count = scripts_images if way == 'scripts' else images
            done = run_child('ways', case_name, way, str(count), str(path))
            if done.returncode:
                raise RuntimeError(f'{way} failed: {done.stderr[-2000:]}')
            ways[way] = json.loads(done.stdout.splitlines()[-1])
            if path.exists():
                with np.load(path) as file:
                    maps[way] = dict(file)
    add_ratios(ways, numbers)
    add_differences(ways, maps)
    return {'case': case_name, 'machine': _machine(), 'ways': ways}


def add_ratios(ways: dict[str, dict], numbers: Sequence[int]) -> None:
    """Costs of whole runs: what occurs once, and the steady state."""
    rate = ways['bare']['flops'] / ways['bare']['steady']
    for cost in ways.values():
        cost['per_run'] = {n: _seconds(cost, n) for n in numbers}
        for base in BASES:
            cost[f'over_{base}'] = {
                n: _seconds(ways[base], n) / _seconds(cost, n) for n in numbers
            }
    for way in ('full', 'windows'):
        ways[way]['floor'] = ways[way]['flops'] / rate


def _seconds(cost: dict, images: int) -> float:
    return cost['once'] + images * cost['steady']


def add_differences(ways: dict, maps: dict) -> None:
    """Largest difference of each layer's map, over the peak.

    The scripts measure too few images to be a base.
    """
    pairs = [('bfloat16', 'full'), ('full', 'plain'), ('windows', 'plain')]
    for one, other in pairs:
        ways[one]['difference'] = {
            key: float(np.abs(maps[one][key] - base).max() / base.max())
            for key, base in maps[other].items()
            if base.max() > 0
        }
        ways[one]['against'] = other


def _machine() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f'{torch.get_num_threads()} thread(s), torch {torch.__version__}'
