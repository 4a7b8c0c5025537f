"""Config and checkpoint -> results: what tools and notebooks call."""

from importlib.util import find_spec

from ..core.errors import ConfigError

_MISSING = [
    name for name in ('mmengine', 'mmcv', 'mmseg') if not find_spec(name)
]
if _MISSING:
    raise ConfigError(
        f'mmerf.apis needs {", ".join(_MISSING)}; install them with '
        "pip install 'mmerf[mmseg]' (or requirements/mminstall.txt); "
        'mmerf.measure_erf works without'
    )

from .erf import ERFRun, erf_from_config, run_erf  # noqa: E402
from .layers import layers_from_config  # noqa: E402

__all__ = ['ERFRun', 'erf_from_config', 'layers_from_config', 'run_erf']
