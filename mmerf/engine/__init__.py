"""MMEngine's side: the hook, batches, ranks, segmentors and registries.

What a Runner does (loops, loggers, several processes) meets a measurement of
``core`` here, and nowhere below. Only ``segmentors`` needs mmseg. May import:
``core``, ``plots``.
"""

from typing import Any

from .hooks import ERFHook
from .registry import ERF_ATTRIBUTIONS, ERF_STATISTICS, ERF_TARGETS

__all__ = ['ERF_ATTRIBUTIONS', 'ERF_STATISTICS', 'ERF_TARGETS', 'ERFHook']


def __getattr__(name: str) -> Any:
    """``LogitsHead`` and ``ModuleSegmentor``, which mmseg alone can give."""
    if name in ('LogitsHead', 'ModuleSegmentor'):
        from . import segmentors

        return getattr(segmentors, name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
