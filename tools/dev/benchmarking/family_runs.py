"""Time one model, plainly and by mmerf in turn; a process of its own."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmerf import measure_erf

from .cases import photographs
from .clocks import planning_counted, timed
from .family_models import Subject, subject_of
from .family_results import append
from .plain_way import plain_maps


def measure(cell: dict) -> dict:
    """Seconds of both ways, round for round, and how far the maps differ.

    Args:
        cell (dict): With the entries of ``family_results.KEY``.
    """
    size = tuple(cell['size'])
    subject = subject_of(cell['kind'], cell['name'], cell['layers'], size)
    device = next(subject.model.parameters()).device
    images = _images(cell['inputs'], cell['number'], size)
    batches = list(images.to(device).split(1))

    def plainly(some: list[Tensor] = batches) -> dict[str, np.ndarray]:
        return plain_maps(
            subject.model, some, subject.modules, subject.read, subject.run
        )

    plainly(batches[:1])  # what a first forward makes and keeps
    plain, mmerf, planning = [], [], []
    for _ in range(cell['rounds']):
        seconds, expected = timed(plainly)
        plain.append(seconds)
        with planning_counted() as spent:
            seconds, results = timed(lambda: _by_mmerf(subject, batches))
        mmerf.append(seconds)
        planning.append(spent)
    found = {key: result.map for key, result in results.items()}
    modes = {r.provenance['run_on'] for r in results.values()}
    return {
        'plain': plain,
        'mmerf': mmerf,
        'planning': planning,
        'outputs': len(found),
        'difference': worst_difference(found, expected),
        'run_on': sorted(modes),
    }


def worst_difference(
    found: dict[str, np.ndarray], expected: dict[str, np.ndarray]
) -> float:
    """Largest difference of any layer's map, over that map's peak.

    A zero map has no peak: the difference itself is taken.

    Raises:
        ValueError: If the layers are not the same.
    """
    if found.keys() != expected.keys():
        only = sorted(found.keys() ^ expected.keys())
        raise ValueError(f'only one of the ways measures {", ".join(only)}')
    off = [
        np.abs(found[key] - base).max() / (base.max() or 1.0)
        for key, base in expected.items()
    ]
    return float(np.max(off))  # NaN, where there is one


def _by_mmerf(subject: Subject, batches: list[Tensor]) -> dict[str, Any]:
    """Afresh, as a user calls it."""
    return measure_erf(
        subject.model, batches, subject.layers, forward=subject.forward
    )


def _images(inputs: str, count: int, size: tuple[int, int]) -> Tensor:
    make: dict[str, Callable[[], Tensor]] = {
        'noise': lambda: torch.randn(
            count, 3, *size, generator=torch.Generator().manual_seed(0)
        ),
        'photographs': lambda: photographs(count, size),
    }
    return make[inputs]()


def main(path: str, cells: list[dict]) -> None:
    """Append a record for each cell, as it is done."""
    for cell in cells:
        try:
            record = {**measure(cell), 'error': None}
        except Exception as error:  # of the model, or of either way
            text = ' '.join(str(error).split())
            record = {'error': f'{type(error).__name__}: {text}'[:200]}
        append(Path(path), {**cell, **record})


if __name__ == '__main__':
    main(sys.argv[1], json.loads(sys.argv[2]))
