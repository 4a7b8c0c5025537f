"""Targets: what is scored, one family a file.

A new target joins by one file and one line in ``TARGETS``; ``base`` says what
a target is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from . import building, parsing
from .base import Part, Target, TargetContext, parts_of
from .building import build
from .class_region import ClassRegion
from .class_unit import ClassUnit
from .per_image import PerImage
from .scene import bind
from .unit import CentreUnit, Pixel, Unit
from .units import UnitGrid, UnitSample

TARGETS: dict[str, Callable[..., Any]] = {
    'CentreUnit': CentreUnit,
    'Unit': Unit,
    'Pixel': Pixel,
    'UnitGrid': UnitGrid,
    'UnitSample': UnitSample,
    'ClassUnit': ClassUnit,
    'ClassRegion': ClassRegion,
}


def build_target(
    spec: Any, default: str = 'CentreUnit', relu: bool | None = None
) -> Any:
    """Make a target; see :func:`mmerf.core.targets.building.build_target`."""
    return building.build_target(spec, TARGETS, default, relu)


def parse_target(text: str | None, options: Mapping | None = None) -> Any:
    """What ``--target`` takes; see ``mmerf.core.targets.parsing``.

    Example:
        >>> parse_target('unit=12,40')
        {'type': 'Unit', 'y': 12, 'x': 40}
    """
    return parsing.parse_target(text, TARGETS, options)


__all__ = [
    'TARGETS',
    'CentreUnit',
    'ClassRegion',
    'ClassUnit',
    'Part',
    'PerImage',
    'Pixel',
    'Target',
    'TargetContext',
    'Unit',
    'UnitGrid',
    'UnitSample',
    'bind',
    'build',
    'build_target',
    'parse_target',
    'parts_of',
]
