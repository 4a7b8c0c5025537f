"""Several hooks in one run: no two may log results of the same name."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

from ...core.errors import ConfigError
from ...core.measurement import Measurement


def result_keys(measurement: Measurement) -> frozenset[str]:
    """Names of the results that a measurement will give.

    Returns:
        frozenset[str]: ``layer``, or ``layer:label`` where the target gives
        one result per class; none of these where the classes show only
        while measuring. With ``by_class`` also ``layer/by_class``, for the
        scalars of all classes together.
    """
    labels = measurement.target.result_labels(measurement.options.classes)
    layers = [layer.key for layer in measurement.scored.layers]
    keys = {
        f'{layer}:{label}' if label else layer
        for layer in layers
        for label in labels or ()
    }
    if measurement.options.by_class is not None:
        keys |= {f'{layer}/by_class' for layer in layers}
    return frozenset(keys)


def check_disjoint(
    keys: frozenset[str], others: Iterable[frozenset[str]]
) -> None:
    """Raise ConfigError where another hook gives a result of the same name.

    ``layer`` stands for every output, so that it meets ``layer[0]``.

    Args:
        keys (frozenset[str]): ``result_keys`` of one hook.
        others (iterable of frozenset[str]): Those of the other hooks.
    """
    for mine, theirs in product(sorted(keys), set().union(*others)):
        shorter, longer = sorted((mine, theirs), key=len)
        if f'{longer}['.startswith(f'{shorter}['):
            raise ConfigError(
                f'two ERFHooks measure {mine}, and the second would replace '
                'what the first has logged; give each hook other layers, or '
                'measure a checkpoint with tools/erf.py for the second'
            )
