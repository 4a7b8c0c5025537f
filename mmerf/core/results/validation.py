"""Validate the metadata of a result that was loaded from a file."""

from __future__ import annotations

import math
from typing import Any

from ..statistics.profile import check_share

_FIELD_TYPES: dict[str, Any] = {
    'layer': str,
    'pixel_known': bool,
    'excluded': tuple,
    'sizes': tuple,
    'shares': tuple,
    'uncertainty': dict,
    'definition': dict,
    'provenance': dict,
}
_COUNT_FIELDS = ('num_images', 'zero_score_images', 'absent_images', 'units',
           'zero_score_units')  # fmt: skip
_LARGEST = 2**53  # beyond it, float64 does not hold every whole number


def check_meta(result: Any, kinds: tuple[str, ...]) -> None:
    """Check the types and values of a loaded result's fields.

    Args:
        result (ERFResult): With fields of any type.
        kinds (tuple of str): Known kinds of results.

    Raises:
        TypeError, ValueError: If a field would make later use of the result
            fail; quotes the field.
    """
    for name, kind in _FIELD_TYPES.items():
        if not isinstance(getattr(result, name), kind):
            raise TypeError(f'{name} is {getattr(result, name)!r:.40}')
    for name in _COUNT_FIELDS:
        _check_numbers(name, (getattr(result, name),), 1, least=0)
    _check_numbers('unit_pixel', result.unit_pixel, 2)
    for name in ('unit', 'grid', 'stride'):
        if getattr(result, name) is not None:
            _check_numbers(name, getattr(result, name), 2)
    for size in result.sizes:
        _check_numbers('sizes', size, 3, least=1)
    if result.theory is not None:
        _check_numbers('theory', result.theory.stride, 2)
        for axis in (result.theory.y, result.theory.x):
            _check_numbers('theory', (axis.before, axis.after), 2)
    for share in result.shares:
        check_share(share)
    if result.kind not in kinds:
        raise ValueError(f'there is no kind {result.kind!r}')
    for entry in result.uncertainty.get('side', {}).values():
        if not isinstance(entry.get('stderr'), (int, float, type(None))):
            raise TypeError(f'uncertainty holds {entry!r:.40}')


def _check_numbers(
    name: str, values: Any, count: int, least: int | None = None
) -> None:
    """Raise unless values are ``count`` finite numbers.

    With ``least``, they have to be whole numbers >= least.
    """
    kinds = (int, float) if least is None else int
    if not isinstance(values, tuple) or len(values) != count:
        raise TypeError(f'{name} is {values!r:.40}')
    for value in values:
        if not isinstance(value, kinds):
            raise TypeError(f'{name} holds {value!r:.40}')
        if not (math.isfinite(value) and abs(value) < _LARGEST):
            raise ValueError(f'{name} holds {value!r:.40}')
        if least is not None and value < least:
            raise ValueError(f'{name} holds {value}')
