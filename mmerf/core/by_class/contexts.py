"""Where context comes from: contributions by the class of their pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from torch import nn

from ..aggregate.class_shares import ImageShares
from ..inputs.joining import layer_and_input
from ..measure import Images, measure_batches
from ..measurement import Measurement
from ..options import MeasurementOptions
from ..results.class_context import UNLABELLED, ClassContext
from ..results.over_images import mean_and_stderr


def measure_by_class(
    model: nn.Module,
    images: Images | Iterable[Images],
    layers: Sequence[str | dict] | str | None = None,
    *,
    forward: Callable[[Any], Any] | None = None,
    provenance: Mapping | None = None,
    **options: Any,
) -> dict[str, ClassContext]:
    """Which classes' pixels decide each class.

    For each class, the share of its region's contributions that lies inside
    the segment that was scored, elsewhere in the class, and in every other
    class; the class of a pixel is the model's prediction.

    Args:
        model, images, layers, forward, provenance: See
            :func:`mmerf.measure_erf`.
        **options: Further arguments of :func:`mmerf.measure_erf`:
            ``target``, ``attribution``, ``input_size``, ``batch_size``,
            ``amp``, ``classes``, ``without``. The target is a ClassRegion;
            None: the largest component of every class.

    Returns:
        dict[str, ClassContext]: By layer key, or ``'layer@input'``. A class
        that no image has is no row, and gives a warning.

    Raises:
        ConfigError: If the target or attribution does not fit.
        TargetError: If the model returns no logits of classes.
        ERFError: As :func:`mmerf.measure_erf` does.

    Example:
        >>> import torch
        >>> net = nn.Sequential(nn.Conv2d(3, 2, 3, padding=1))
        >>> found = measure_by_class(net, torch.rand(2, 3, 9, 9), ['0'])
        >>> bool(np.allclose(found['0'].shares.sum(axis=1), 1))
        True
        >>> found['0'].columns
        ('0', '1', 'unlabelled')
    """
    chosen = MeasurementOptions(layers, by_class='prediction', **options)
    measured = measure_batches(model, images, chosen, forward)
    return class_contexts(measured, measured.compute(provenance))


def class_contexts(
    measurement: Measurement, results: Mapping[str, Any]
) -> dict[str, ClassContext]:
    """The class contexts of a measurement with the option ``by_class``.

    Args:
        measurement (Measurement): After its last image.
        results (mapping of str to ERFResult): What it computed, by result.

    Returns:
        dict[str, ClassContext]: By layer key, in the order of the layers.
    """
    by_layer: dict[str, dict[str, list[ImageShares]]] = {}
    for key in results:
        layer = key.split(':')[0]
        shares = measurement.accumulators[key].class_shares
        by_layer.setdefault(layer, {})[key] = shares
    return {
        layer: _context_of(layer, rows, measurement, results)
        for layer, rows in by_layer.items()
    }


def _context_of(
    layer: str,
    rows: Mapping[str, Sequence[ImageShares]],
    measurement: Measurement,
    results: Mapping[str, Any],
) -> ClassContext:
    """The rows of one layer, those of which every map is zero left out."""
    means, errors, names = [], [], []
    images, absent, zero = [], [], []
    for key, shares in rows.items():
        values = np.array([_numbers_of(one) for one in shares])
        known = values[~np.isnan(values[:, 0])]
        if not len(known):
            continue
        mean, error = mean_and_stderr(known)
        means.append(mean)
        errors.append(error)
        names.append(shares[0].classes[shares[0].index])
        images.append(len(known))
        absent.append(measurement.accumulators[key].absent)
        zero.append(len(values) - len(known))
    classes = next(iter(rows.values()))[0].classes
    last = UNLABELLED if UNLABELLED not in classes else f'({UNLABELLED})'
    first = results[next(iter(rows))]
    columns = (*classes, last)
    width = len(columns)
    mean, error = (np.reshape(v, (-1, width + 4)) for v in (means, errors))
    return ClassContext(
        layer,
        tuple(names),
        columns,
        str(measurement.options.by_class),
        shares=mean[:, :width],
        shares_stderr=error[:, :width],
        split=mean[:, width : width + 3],
        split_stderr=error[:, width : width + 3],
        size_ratio=mean[:, width + 3],
        size_ratio_stderr=error[:, width + 3],
        images=tuple(images),
        absent_images=tuple(absent),
        zero_images=tuple(zero),
        definition=measurement.definition(layer_and_input(layer)[1]),
        provenance=first.provenance,
    )


def _numbers_of(one: ImageShares) -> np.ndarray:
    """Shares by class, the split into three, and the ratio of sizes."""
    own = one.by_class[one.index]
    rest = max(own - one.own_segment, 0.0)  # rounding may leave -1e-17
    split = one.own_segment, rest, 1 - own
    return np.array([*one.by_class, *split, one.size_ratio])
