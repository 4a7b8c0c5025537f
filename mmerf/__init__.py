"""mmerf: see and measure effective receptive fields.

Where MMEngine and MMSegmentation are installed, importing this package
registers ``ERFHook`` and ``ERFVisBackend`` in mmseg's registries. Targets and
attributions of your own derive from ``Target`` and ``Attribution``.
"""

from ._plugin import register
from .core.attributions import Attribution
from .core.measure import measure_erf
from .core.results.erf_result import ERFResult
from .core.targets import Target
from .version import __version__

register()

__all__ = [
    'Attribution',
    'ERFResult',
    'Target',
    '__version__',
    'measure_erf',
]
