"""MMEngine's side: hook, batches, ranks, segmentors, transforms, registries.

What a Runner does (loops, loggers, several processes) meets a measurement of
``core`` here, and nowhere below. May import: ``core``, ``plots``.
"""

from .hooks import ERFHook
from .registry import ERF_ATTRIBUTIONS, ERF_STATISTICS, ERF_TARGETS
from .segmentors import LogitsHead, ModuleSegmentor
from .transforms import Letterbox

__all__ = [
    'ERF_ATTRIBUTIONS',
    'ERF_STATISTICS',
    'ERF_TARGETS',
    'ERFHook',
    'Letterbox',
    'LogitsHead',
    'ModuleSegmentor',
]
