"""Config and checkpoint -> results: what tools and notebooks call.

``config`` builds a config's model, ``module`` a network without a config,
``images`` measures, ``compare`` and ``sweep`` put several runs beside each
other; ``terminal`` is what the tools share.

May import: ``core``, ``plots``, ``engine``, ``_lazy``, ``_plugin``.
"""

import warnings
from typing import TYPE_CHECKING, Any

from .._lazy import exported
from .._plugin import PACKAGES, missing
from ..core.errors import ConfigError, one_line

if TYPE_CHECKING:
    from .erf import ERFRun, erf_from_config, run_erf
    from .model_layers import layers_from_config
    from .module.measure_module import erf_from_module
    from .module.module_config import module_config
    from .sweep.sweep import sweep_erf
    from .write_outputs import check_out_folder, write_report

__all__ = [
    'ERFRun',
    'check_out_folder',
    'erf_from_config',
    'erf_from_module',
    'layers_from_config',
    'module_config',
    'run_erf',
    'sweep_erf',
    'write_report',
]
_export = exported(
    __name__,
    {
        'ERFRun': '.erf',
        'check_out_folder': '.write_outputs',
        'erf_from_config': '.erf',
        'erf_from_module': '.module.measure_module',
        'layers_from_config': '.model_layers',
        'module_config': '.module.module_config',
        'run_erf': '.erf',
        'sweep_erf': '.sweep.sweep',
        'write_report': '.write_outputs',
    },
)


def __getattr__(name: str) -> Any:
    """What is exported; ConfigError where OpenMMLab's packages fail."""
    try:
        with warnings.catch_warnings():
            # Of mmcv without its operators: every import of mmseg says so.
            warnings.filterwarnings(
                'ignore', 'Fail to import ``MultiScaleDeformableAttention``'
            )
            return _export(name)
    except AttributeError as error:
        if name not in __all__:
            raise
        raise _failed(error) from error
    except Exception as error:  # whatever a broken installation raises
        raise _failed(error) from error


def _failed(error: Exception) -> ConfigError:
    if missing(error) in PACKAGES:
        return ConfigError(
            f"mmerf.apis needs {missing(error)}; pip install 'mmerf[mmseg]' "
            '(or -r requirements/mminstall.txt); mmerf.measure_erf works '
            'without'
        )
    return ConfigError(
        f'mmerf.apis cannot be imported: {type(error).__name__}: '
        f'{one_line(error)}; mmerf.measure_erf works without'
    )
