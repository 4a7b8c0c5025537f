"""mmerf: see and measure effective receptive fields.

Where MMEngine and MMSegmentation are installed, importing this package
registers ``ERFHook`` and ``ERFVisBackend`` in mmseg's registries.
"""

from ._plugin import register
from .core.measure import measure_erf
from .core.results.erf_result import ERFResult
from .version import __version__

register()

__all__ = ['ERFResult', '__version__', 'measure_erf']
