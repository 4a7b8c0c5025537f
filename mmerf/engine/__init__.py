"""MMEngine's side: the hook, batches, ranks, segmentors and registries.

What a Runner does (loops, loggers, several processes) meets a measurement of
``core`` here, and nowhere below. May import: ``core``, ``plots``.
"""

from .hooks import ERFHook
from .registry import ERF_ATTRIBUTIONS, ERF_STATISTICS, ERF_TARGETS
from .segmentors import LogitsHead, ModuleSegmentor

__all__ = [
    'ERF_ATTRIBUTIONS',
    'ERF_STATISTICS',
    'ERF_TARGETS',
    'ERFHook',
    'LogitsHead',
    'ModuleSegmentor',
]
