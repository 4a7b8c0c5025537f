"""Config and checkpoint -> results: what tools and notebooks call.

``config`` builds a config's model, ``module`` a network without a config,
``images`` measures, ``context`` does so on changed copies, ``compare`` and
``sweep`` put several runs beside each other; ``terminal`` is what the tools
share.

May import: ``core``, ``plots``, ``engine``, ``_plugin``.
"""

from .._plugin import PACKAGES, missing
from ..core.errors import ConfigError, one_line

try:
    from .context.measure import (
        context_from_config,
        context_from_module,
        run_context,
        run_ranking,
    )
    from .context.run import ContextRun
    from .erf import ERFRun, erf_from_config, run_erf
    from .model_layers import layers_from_config
    from .module.measure_module import erf_from_module
except Exception as error:  # whatever a broken installation raises
    if missing(error) in PACKAGES:
        raise ConfigError(
            f"mmerf.apis needs {missing(error)}; pip install 'mmerf[mmseg]' "
            '(or -r requirements/mminstall.txt); mmerf.measure_erf works '
            'without'
        ) from error
    raise ConfigError(
        f'mmerf.apis cannot be imported: {type(error).__name__}: '
        f'{one_line(error)}; mmerf.measure_erf works without'
    ) from error

__all__ = [
    'ContextRun',
    'ERFRun',
    'context_from_config',
    'context_from_module',
    'erf_from_config',
    'erf_from_module',
    'layers_from_config',
    'run_context',
    'run_erf',
    'run_ranking',
]
