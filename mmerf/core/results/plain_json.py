"""JSON of files that anybody may have written, within bounds."""

from __future__ import annotations

import json
from typing import Any

_DEEPEST = 50  # lists and dicts in each other; mmerf's own files have six
_LONGEST_TEXT = 20_000  # characters of a name or value
_LARGEST_NUMBER = 10**300  # which float64 holds


def parse_json(text: str | bytes) -> Any:
    """Parse JSON whose parts every later step can handle.

    Args:
        text (str or bytes): One JSON value.

    Returns:
        Any: The value.

    Raises:
        ValueError: If it is no JSON, nested more than 50 deep, or holds a
            text of more than 20,000 characters or a number beyond 1e300.

    Example:
        >>> parse_json('{"a": [1]}')
        {'a': [1]}
    """
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise ValueError('it is nested too deep') from error
    level = [value]
    for _ in range(_DEEPEST):
        inner: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                inner += [*item, *item.values()]
            elif isinstance(item, list):
                inner += item
            else:
                _check_plain(item)
        level = inner
    if level:
        raise ValueError('it is nested too deep')
    return value


def _check_plain(item: Any) -> None:
    if isinstance(item, str) and len(item) > _LONGEST_TEXT:
        raise ValueError(f'it holds a text of {len(item)} characters')
    if isinstance(item, int) and abs(item) > _LARGEST_NUMBER:
        raise ValueError('it holds a number beyond 1e300')
