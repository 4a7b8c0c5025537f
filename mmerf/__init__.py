"""mmerf: see and measure effective receptive fields.

Where MMEngine and MMSegmentation are installed, importing this package
registers ``ERFHook`` and ``ERFVisBackend`` in mmseg's registries.
"""

from importlib.util import find_spec

from .core.measure import measure_erf
from .core.result import ERFResult
from .version import __version__

if find_spec('mmengine') and find_spec('mmseg'):
    from . import engine, visualization  # noqa: F401  (registers the plugin)

__all__ = ['ERFResult', '__version__', 'measure_erf']
