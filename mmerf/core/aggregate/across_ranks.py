"""One mean from the accumulators of several processes, by exact sums.

Maps are only ever added up, never collected: whatever the number of
processes, each holds one map of a layer more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .accumulator import Accumulator

Gather = Callable[[Any], Sequence[Any]]  # everybody's object, by rank
Add = Callable[[np.ndarray], np.ndarray]  # the sum of everybody's array


def merge_ranks(
    own: Mapping[str, Accumulator], gather: Gather, add: Add
) -> dict[str, Accumulator]:
    """The accumulators of all processes as one, by key.

    Every process calls this at the same time and gets the same.

    Args:
        own (mapping): This process's, by key; some keys may be missing.
        gather (callable): Everybody's small object, in the order of ranks.
        add (callable): The sum of everybody's array of one shape, float64.

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
    """Everything but the arrays, and how far they reach."""
    nothing = np.zeros((0, 0))
    reach = one.reach() if one.count else None
    return replace(one, _mean=nothing, _squares=nothing), reach


def _merge_one(
    own: Accumulator, outlines: Sequence[tuple[Accumulator, Any]], add: Add
) -> Accumulator:
    total = Accumulator()
    for outline, _ in outlines:
        total.count_in(outline)
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
        mean, squares = own.laid_on(before, after)
    both = add(own.count * mean) / total.count
    # Chan, Golub, LeVeque 1979, for any number of parts.
    summed = add(squares + own.count * (mean - both) ** 2)
    return replace(total, _mean=both, _squares=summed, _anchor=before)
