"""Config and checkpoint -> results: what tools and notebooks call.

``config`` builds the model, ``images`` measures, ``compare`` and ``sweep``
put several runs beside each other.

May import: ``core``, ``plots``, ``engine``, ``_plugin``.
"""

from .._plugin import PACKAGES, missing
from ..core.errors import ConfigError

try:
    from .erf import ERFRun, erf_from_config, run_erf
    from .model_layers import layers_from_config
except ImportError as error:
    if missing(error) not in PACKAGES:
        raise
    raise ConfigError(
        f"mmerf.apis needs {missing(error)}; pip install 'mmerf[mmseg]' (or "
        '-r requirements/mminstall.txt); mmerf.measure_erf works without'
    ) from error

__all__ = ['ERFRun', 'erf_from_config', 'layers_from_config', 'run_erf']
