"""Several hooks in one run: no two may log under the same names."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

from ..core.errors import ConfigError
from ..core.measurement import Measurement


def asked_of(measurement: Measurement) -> frozenset[str]:
    """Layers whose results go by the layer's own name.

    Targets of classes name theirs ``layer:class``.
    """
    if 'num_classes' in getattr(measurement.target, 'needs', ()):
        return frozenset()
    return frozenset(layer.key for layer in measurement.capture.layers)


def check_apart(
    asked: frozenset[str], others: Iterable[frozenset[str]]
) -> None:
    """Raise ConfigError where another hook measures one of the layers."""
    for mine, theirs in product(sorted(asked), set().union(*others)):
        shorter, longer = sorted((mine, theirs), key=len)
        if f'{longer}['.startswith(f'{shorter}['):
            raise ConfigError(
                f'two ERFHooks measure {mine}, and the second would replace '
                'what the first has logged; give each hook layers of its own, '
                'or ask the second question of a checkpoint with tools/erf.py'
            )
