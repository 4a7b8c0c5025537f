"""MMEngine's side: hook, batches, ranks, segmentors, transforms, registries.

What a Runner does (loops, loggers, several processes) meets a measurement of
``core`` here, and nowhere below. Only ``segmentors`` and ``transforms`` need
mmseg. May import: ``core``, ``plots``, ``_lazy``.
"""

from .._lazy import exported
from .hooks import ERFHook
from .registry import ERF_ATTRIBUTIONS, ERF_STATISTICS, ERF_TARGETS

__all__ = ['ERF_ATTRIBUTIONS', 'ERF_STATISTICS', 'ERF_TARGETS', 'ERFHook']
__getattr__, __dir__ = exported(  # what needs mmseg
    __name__,
    {
        'Letterbox': '.transforms',
        'LogitsHead': '.segmentors',
        'ModuleSegmentor': '.segmentors',
    },
)
