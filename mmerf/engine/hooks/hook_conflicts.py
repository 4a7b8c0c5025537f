"""Several hooks in one run: no two may log under the same names."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

from ...core.errors import ConfigError
from ...core.measurement import Measurement
from ...core.targets.classes import resolve


def asked_of(measurement: Measurement) -> frozenset[str]:
    """Names that results go by: ``layer``, or of classes ``layer:class``.

    Of classes only those that are known before a layer has run.
    """
    keys = [layer.key for layer in measurement.scored.layers]
    target = measurement.target
    if 'num_classes' not in target.needs:
        return frozenset(keys)
    classes = getattr(target, 'classes', ())
    if classes is None and measurement.options.classes is None:
        return frozenset()
    labels = [
        label for label, _ in resolve(classes, measurement.options.classes)
    ]
    return frozenset(f'{key}:{la}' for key in keys for la in labels)


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
