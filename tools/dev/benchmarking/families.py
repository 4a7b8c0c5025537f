"""Every family plainly and by mmerf, each in a process of its own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path

import torch

from .children import run_child
from .family_results import append, cells_of, key_of, load

RESULTS = Path('work_dirs/benchmark/families.jsonl')


def cells(
    kind: str,
    names: Iterable[str],
    sizes: Sequence[tuple[int, int]],
    numbers: Sequence[int],
    layers: str,
    inputs: str,
    rounds: int,
) -> list[dict]:
    """What is measured: every model at every size and number of images."""
    return [
        {
            'kind': kind,
            'name': name,
            'layers': layers,
            'size': list(size),
            'number': number,
            'inputs': inputs,
            'rounds': rounds,
            'threads': torch.get_num_threads(),
        }
        for name, size, number in product(names, sizes, numbers)
    ]


def run_cells(wanted: list[dict], clock: str, path: Path) -> list[dict]:
    """The records of all cells; those that are in the file are kept.

    Args:
        wanted (list[dict]): Of :func:`cells`.
        clock (str): Whose ratios are printed as they come.
        path (Path): Of the results, JSON lines.
    """
    for name in dict.fromkeys(cell['name'] for cell in wanted):
        mine = [cell for cell in wanted if cell['name'] == name]
        while missing := _missing(mine, path):
            done = run_child('family_runs', str(path), json.dumps(missing))
            left = _missing(mine, path)
            if left:  # the process ended in the midst of the first of these
                reason = done.stderr.strip().splitlines()[-1:]
                text = f'exit status {done.returncode} {" ".join(reason)}'
                append(path, {**left[0], 'error': text[:200]})
        records = load(path)
        for cell in mine:
            line = cells_of(records[key_of(cell)], clock)
            print('  '.join(line), flush=True)
    records = load(path)
    return [records[key_of(cell)] for cell in wanted]


def _missing(wanted: list[dict], path: Path) -> list[dict]:
    known = load(path)
    return [cell for cell in wanted if key_of(cell) not in known]
