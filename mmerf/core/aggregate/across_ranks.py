"""One mean from the accumulators of several processes, by exact sums.

Maps are summed, never collected: each process holds one more map of a layer,
however many processes there are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .accumulator import Accumulator

Gather = Callable[
    [Any], Sequence[Any]
]  # every process's object, in order of ranks
Add = Callable[[np.ndarray], np.ndarray]  # sum of every process's array


def merge_ranks(
    own: Mapping[str, Accumulator], gather: Gather, add: Add
) -> dict[str, Accumulator]:
    """The accumulators of all processes as one, by key.

    Every process has to call this, and gets the same result.

    Args:
        own (mapping): This process's accumulators, by key; keys that other
            processes have may be missing.
        gather (callable): ``gather(object)`` gives the small objects of all
            processes, in the order of ranks.
        add (callable): ``add(array)`` gives the sum over all processes of
            float64 arrays of one shape.

    Returns:
        dict[str, Accumulator]: By key, in the order of ranks.

    Source: Chan, Golub, LeVeque 1979, mean and summed squared deviation of
    several parts.

    Example:
        >>> alone = {'layer': Accumulator()}
        >>> alone['layer'].update(np.ones((3, 3)), (1.0, 1.0), 1.0, 'image')
        >>> found = merge_ranks(alone, lambda x: [x], lambda x: x)
        >>> float(found['layer'].compute().map.sum())
        9.0
    """
    every = gather({key: _without_arrays(one) for key, one in own.items()})
    keys = dict.fromkeys(key for outlines in every for key in outlines)
    return {
        key: _merge_one(
            own.get(key, Accumulator()),
            [outlines[key] for outlines in every if key in outlines],
            add,
        )
        for key in keys
    }


def _without_arrays(one: Accumulator) -> tuple[Accumulator, Any]:
    """An accumulator without its arrays, and the reach of their canvas."""
    nothing = np.zeros((0, 0))
    reach = one.reach() if one.count else None
    return replace(one, _mean=nothing, _squares=nothing), reach


def _merge_one(
    own: Accumulator, outlines: Sequence[tuple[Accumulator, Any]], add: Add
) -> Accumulator:
    total = Accumulator()
    for outline, _ in outlines:
        total.add_counts(outline)
    reaches = [reach for _, reach in outlines if reach is not None]
    if not reaches:
        return total
    before, after = (
        tuple(max(r[side][axis] for r in reaches) for axis in (0, 1))
        for side in (0, 1)
    )
    shape = (before[0] + after[0], before[1] + after[1])
    mean, squares = np.zeros(shape), np.zeros(shape)
    if own.count:
        mean, squares = own.padded_to(before, after)
    merged = add(own.count * mean) / total.count
    summed = add(squares + own.count * (mean - merged) ** 2)
    return replace(total, _mean=merged, _squares=summed, _anchor=before)
