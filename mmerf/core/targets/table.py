"""All targets by name: a new one is one line here."""

from __future__ import annotations

from .base import Target
from .class_region import ClassRegion
from .class_unit import ClassUnit
from .function import Function
from .unit import CentreUnit, Pixel, Unit
from .units import UnitGrid, UnitSample

TARGETS: dict[str, type[Target]] = {
    'CentreUnit': CentreUnit,
    'Unit': Unit,
    'Pixel': Pixel,
    'UnitGrid': UnitGrid,
    'UnitSample': UnitSample,
    'ClassUnit': ClassUnit,
    'ClassRegion': ClassRegion,
    'Function': Function,
}
