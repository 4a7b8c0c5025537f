"""mmerf: see and measure effective receptive fields.

Where MMEngine is installed, importing this package registers ``ERFHook`` and
``ERFVisBackend`` in its root registries, and in mmseg's where MMSegmentation
is. Your own targets, attributions and statistics derive from ``Target``,
``Attribution`` and ``Statistic``.
"""

from ._plugin import register
from .core.attributions import Attribution
from .core.measure import measure_each, measure_erf
from .core.results.erf_result import ERFResult
from .core.statistics import Statistic
from .core.targets import Target
from .version import __version__

register()

__all__ = [
    'Attribution',
    'ERFResult',
    'Statistic',
    'Target',
    '__version__',
    'measure_each',
    'measure_erf',
]
