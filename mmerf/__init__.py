"""mmerf: see and measure effective receptive fields.

Where MMEngine is imported, before this package or after it, ``ERFHook`` and
``ERFVisBackend`` are in its root registries, and in mmseg's where
MMSegmentation is. Your own targets, attributions and statistics derive from
``Target``, ``Attribution`` and ``Statistic``.
"""

from typing import TYPE_CHECKING

from ._lazy import exported
from ._plugin import register
from .version import __version__

if TYPE_CHECKING:
    from .core.attributions import Attribution
    from .core.by_class.contexts import measure_by_class
    from .core.exploring.explorer import Explorer
    from .core.measure import measure_each, measure_erf
    from .core.results.erf_result import ERFResult
    from .core.statistics import Statistic
    from .core.targets import Target

__all__ = [
    'Attribution',
    'ERFResult',
    'Explorer',
    'Statistic',
    'Target',
    '__version__',
    'measure_by_class',
    'measure_each',
    'measure_erf',
]
__getattr__, __dir__ = exported(
    __name__,
    {
        'Attribution': '.core.attributions',
        'ERFResult': '.core.results.erf_result',
        'Explorer': '.core.exploring.explorer',
        'Statistic': '.core.statistics',
        'Target': '.core.targets',
        'measure_by_class': '.core.by_class.contexts',
        'measure_each': '.core.measure',
        'measure_erf': '.core.measure',
        'apis': '.apis',
        'core': '.core',
        'engine': '.engine',
        'plots': '.plots',
        'visualization': '.visualization',
    },
)
register()
