"""Check a line of ``erf.jsonl``, so that every figure can draw it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ...core.results.class_context import KIND
from ...core.results.erf_result import RESULT_KINDS
from ...core.statistics import shown_numbers
from ...core.statistics.base import GROWTH
from ...core.statistics.profile import check_share

_LARGEST_SHOWN = 2**53  # of a step or number; beyond it nothing is exact


def is_by_class(record: Any) -> bool:
    """Whether a line has a layer's contributions by class, not a map's."""
    return isinstance(record, Mapping) and record.get('kind') == KIND


def check_record(record: Any) -> None:
    """Check what is read of a record: step, layer, kind, shown numbers.

    Args:
        record (Any): A line's JSON.

    Raises:
        KeyError, TypeError, ValueError: If it is none of ``ERFVisBackend``'s;
            names the part.
    """
    if not isinstance(record, Mapping):
        raise TypeError(f'a line is {type(record).__name__}')
    step, layer = record['step'], record['layer']
    if type(step) is not int or not 0 <= step < _LARGEST_SHOWN:
        raise TypeError(f'step is {step!r:.40}')
    if not isinstance(layer, str):
        raise TypeError(f'layer is {layer!r:.40}')
    if record.get('kind', 'erf') not in RESULT_KINDS:
        raise ValueError(f'kind is {record["kind"]!r:.40}')
    if not isinstance(record.get('definition') or {}, Mapping):
        raise TypeError(f'definition is {record["definition"]!r:.40}')
    size = record.get('input_size')
    if size is not None and not _is_size(size):
        raise ValueError(f'input_size is {size!r:.40}')
    statistics = record['statistics']
    if not isinstance(statistics, Mapping):
        raise TypeError(f'statistics is {statistics!r:.40}')
    for name, family in statistics.items():
        if name != 'note' and not isinstance(family, (Mapping, type(None))):
            raise TypeError(f'{name} is {family!r:.40}')
    shares = [float(share) for share in statistics.get('centred_square') or ()]
    for share in shares:
        check_share(share)
    if shares:
        _check_numbers_of(statistics, shares)


def _check_numbers_of(statistics: Mapping, shares: list[float]) -> None:
    for family, number in shown_numbers(GROWTH, shares):
        values = (
            number.value(statistics.get(family)),
            number.error(statistics.get('uncertainty')),
        )
        for value in values:
            if value is not None and not _is_shown(value):
                raise ValueError(f'{number.key} is {value!r:.40}')


def _is_size(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(type(side) is int for side in value)
        and all(0 < side < _LARGEST_SHOWN for side in value)
    )


def _is_shown(value: Any) -> bool:
    return (
        isinstance(value, (int, float))
        and math.isfinite(value)
        and abs(value) < _LARGEST_SHOWN
    )
