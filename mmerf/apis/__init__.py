"""Config and checkpoint -> results: what tools and notebooks call.

``config`` builds a config's model, ``module`` a network without a config,
``images`` measures, ``explore`` opens one photograph for a live figure,
``context`` measures on changed copies, ``tiles`` compares sliding windows with
whole images, ``compare`` and ``sweep`` put several runs beside each other;
``terminal`` is what the tools share.

May import: ``core``, ``plots``, ``engine``, ``_lazy``.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .._lazy import exported
from ..core.errors import ConfigError, one_line

if TYPE_CHECKING:
    from .context.measure import (
        context_from_config,
        context_from_module,
        run_context,
        run_ranking,
    )
    from .context.run import ContextRun
    from .erf import ERFRun, erf_from_config, run_erf
    from .explore.open_explorer import (
        OpenedExplorer,
        explorer_from_config,
        explorer_from_module,
        open_explorer,
    )
    from .model_layers import layers_from_config
    from .module.measure_module import erf_from_module
    from .module.module_config import module_config
    from .sweep.sweep import sweep_erf
    from .tiles.measure import tiles_from_config, tiles_from_module
    from .tiles.run import TilingRun, run_tiles
    from .write_outputs import write_report

__all__ = [
    'ContextRun',
    'ERFRun',
    'OpenedExplorer',
    'TilingRun',
    'context_from_config',
    'context_from_module',
    'erf_from_config',
    'erf_from_module',
    'explorer_from_config',
    'explorer_from_module',
    'layers_from_config',
    'module_config',
    'open_explorer',
    'run_context',
    'run_erf',
    'run_ranking',
    'run_tiles',
    'sweep_erf',
    'tiles_from_config',
    'tiles_from_module',
    'write_report',
]


@contextmanager
def _openmmlab_needed() -> Iterator[None]:
    """What OpenMMLab's packages raise as they are imported is a ConfigError.

    Their warning of mmcv without its operators, which mmerf does without, is
    left out.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings(
                'ignore', 'Fail to import ``MultiScaleDeformableAttention``'
            )
            yield
    except Exception as error:  # whatever a broken installation raises
        package = (getattr(error, 'name', None) or '').split('.')[0]
        if package in ('mmengine', 'mmcv', 'mmseg'):
            reason = (
                f"needs {package}; pip install 'mmerf[mmseg]' (or -r "
                'requirements/mminstall.txt)'
            )
        else:
            reason = (
                f'cannot be imported: {type(error).__name__}: '
                f'{one_line(error)}'
            )
        raise ConfigError(
            f'mmerf.apis {reason}; mmerf.measure_erf works without'
        ) from error


__getattr__, __dir__ = exported(
    __name__,
    {
        'ContextRun': '.context.run',
        'ERFRun': '.erf',
        'OpenedExplorer': '.explore.open_explorer',
        'TilingRun': '.tiles.run',
        'context_from_config': '.context.measure',
        'context_from_module': '.context.measure',
        'erf_from_config': '.erf',
        'erf_from_module': '.module.measure_module',
        'explorer_from_config': '.explore.open_explorer',
        'explorer_from_module': '.explore.open_explorer',
        'layers_from_config': '.model_layers',
        'module_config': '.module.module_config',
        'open_explorer': '.explore.open_explorer',
        'run_context': '.context.measure',
        'run_erf': '.erf',
        'run_ranking': '.context.measure',
        'run_tiles': '.tiles.run',
        'sweep_erf': '.sweep.sweep',
        'tiles_from_config': '.tiles.measure',
        'tiles_from_module': '.tiles.measure',
        'write_report': '.write_outputs',
    },
    _openmmlab_needed,
)
