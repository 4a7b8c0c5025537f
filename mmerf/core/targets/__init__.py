"""Targets: what is scored at a layer, one family per file.

``base`` declares what a target is; ``table`` lists all targets.
May import: ``batch``, ``layers``, ``grid``, ``import_path``, ``errors``.
"""

from .base import Part, Target, TargetContext
from .class_region import ClassRegion
from .class_unit import ClassUnit
from .function import Function
from .parsing import parse_target
from .per_image import PerImage
from .table import TARGETS
from .unit import CentreUnit, Pixel, Unit
from .units import UnitGrid, UnitSample

__all__ = [
    'TARGETS',
    'CentreUnit',
    'ClassRegion',
    'ClassUnit',
    'Function',
    'Part',
    'PerImage',
    'Pixel',
    'Target',
    'TargetContext',
    'Unit',
    'UnitGrid',
    'UnitSample',
    'parse_target',
]
