"""MMEngine's side: hook, batches, ranks, segmentors, transforms, registries.

What a Runner does (loops, loggers, several processes) meets a measurement of
``core`` here, and nowhere below. Only ``segmentors`` and ``transforms`` need
mmseg. May import: ``core``, ``plots``.
"""

from typing import Any

from .hooks import ERFHook
from .registry import ERF_ATTRIBUTIONS, ERF_STATISTICS, ERF_TARGETS

__all__ = ['ERF_ATTRIBUTIONS', 'ERF_STATISTICS', 'ERF_TARGETS', 'ERFHook']


def __getattr__(name: str) -> Any:
    """``Letterbox``, ``LogitsHead``, ``ModuleSegmentor``: they need mmseg."""
    if name == 'Letterbox':
        from .transforms import Letterbox

        return Letterbox
    if name in ('LogitsHead', 'ModuleSegmentor'):
        from . import segmentors

        return getattr(segmentors, name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
