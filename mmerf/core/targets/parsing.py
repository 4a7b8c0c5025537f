"""Targets as the command line writes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import ConfigError
from .table import TARGETS


def _parse_unit(text: str) -> dict:
    y, x = (int(part) for part in text.split(','))
    return {'type': 'Unit', 'y': y, 'x': x}


def _parse_pixel(text: str) -> dict:
    y, x = (float(part) for part in text.split(','))
    return {'type': 'Pixel', 'y': y, 'x': x}


def _parse_grid(text: str) -> dict:
    rows, columns = (int(part) for part in text.split('x'))
    return {'type': 'UnitGrid', 'rows': rows, 'columns': columns}


def _parse_sample(text: str) -> dict:
    return {'type': 'UnitSample', 'count': int(text)}


def _parse_class(text: str) -> dict:
    names = [name.strip() for name in text.split(',')]
    if not all(names):
        raise ValueError(text)
    classes = [int(n) if n.isdecimal() else n for n in names]
    return {'type': 'ClassRegion', 'classes': classes}


_TARGET_FORMS: dict[str, Callable[[str], dict]] = {
    'unit': _parse_unit,
    'pixel': _parse_pixel,
    'grid': _parse_grid,
    'sample': _parse_sample,
    'class': _parse_class,
}


def parse_target(text: str | None, options: Mapping | None = None) -> Any:
    """Turn the text of ``--target`` into a spec for ``build_target``.

    Args:
        text (str, optional): A target's name or import path, ``unit=Y,X``,
            ``pixel=Y,X``, ``grid=ROWSxCOLUMNS``, ``sample=N`` or
            ``class=NAME,...``.
        options (mapping, optional): Further arguments of the target.

    Returns:
        str, dict or None: A name, ``dict(type=...)``, or None for no target.

    Raises:
        ConfigError: If it is none of these.

    Example:
        >>> parse_target('grid=5x3')
        {'type': 'UnitGrid', 'rows': 5, 'columns': 3}
    """
    dotted = text is not None and '=' not in text and '.' in text
    if text is None or text in TARGETS or dotted:
        if not options:
            return text
        return {'type': text or 'CentreUnit', **options}
    kind, _, value = text.partition('=')
    try:
        return {**_TARGET_FORMS[kind](value), **(options or {})}
    except (KeyError, ValueError):
        raise ConfigError(
            f'cannot read the target {text!r}; write unit=12,40 (row and '
            'column of the output), pixel=100,300 (of the input), grid=5x5, '
            'sample=20 or class=road,sky'
        ) from None
