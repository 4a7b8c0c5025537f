"""The field that tiles cut: the ERF of what makes the logits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from ...core.batch import Batch
from ...core.errors import ERFError, MeasurementError, one_line
from ...core.measurement import Measurement
from ...core.options import MeasurementOptions
from ...core.results.erf_result import ERFResult
from ...core.running.memory import is_out_of_memory
from ..context.run import logits_layer

_SQUARES = (0.5, 0.99)  # shares of the ERF


@dataclass
class MeasuredField:
    """The ERF of the logits, its sides, and how large the images were.

    Attributes:
        layer (str): The layer's key.
        longest (int): Longest side of an image, px.
        sides (dict): By share, ``'0.5'`` and ``'0.99'``, px; empty for a map
            of zeros.
        bounds (tuple[str, ...]): Shares whose square reaches an image's edge,
            so that the side is only a lower bound.
        erf (ERFResult, optional): The map itself.
        notes (list[str]): What the user should know.
    """

    layer: str
    longest: int
    sides: dict[str, float] = field(default_factory=dict)
    bounds: tuple[str, ...] = ()
    erf: ERFResult | None = None
    notes: list[str] = field(default_factory=list)


def measure_field(
    model: nn.Module,
    batches: Iterable[Batch],
    layer: str | None = None,
    target: Any = None,
    provenance: Mapping | None = None,
) -> MeasuredField:
    """Measure the ERF of the logits on batches.

    Args:
        model (nn.Module): Without wrappers.
        batches (iterable of Batch): Of one image each.
        layer (str, optional): None for that of the logits.
        target: What of the layer is scored.
        provenance (mapping, optional): Stored with the ERF.

    Raises:
        ERFError: If the layer or target does not fit the model.
        MeasurementError: If the model does not run on whole images.
    """
    notes = []
    if layer is None:
        layer = logits_layer(model)
        if layer != 'decode_head':
            notes.append(f'the field is that of the layer {layer}')
    options = MeasurementOptions([layer], target=target, shares=_SQUARES)
    measurement, longest = Measurement(model, options), 0
    for batch in batches:
        longest = max(longest, *batch.inputs.shape[-2:])
        try:
            measurement.update(batch)
        except ERFError:
            raise
        except Exception as error:  # the model's code may raise anything
            height, width = batch.inputs.shape[-2:]
            reason = 'memory ran out'
            if not is_out_of_memory(error):
                reason = one_line(error, 160)
            raise MeasurementError(
                f'{batch.names[0]}: the model does not run on the whole '
                f'{height} x {width} image ({reason}); give a smaller or '
                'another --input-size'
            ) from error
    results = measurement.compute(provenance)
    if not results:
        notes.append('the ERF of no image is known, so the field is not')
        return MeasuredField(layer, longest, notes=notes)
    key, erf = next(iter(results.items()))
    if len(results) > 1:
        notes.append(f'the field is that of {key}, the first output')
    squares = erf.statistics(['centred_square'])['centred_square'] or {}
    sides = {share: entry['side'] for share, entry in squares.items()}
    bounds = tuple(k for k, entry in squares.items() if entry['reaches_edge'])
    if not sides:
        notes.append(f'the ERF of {key} is zero, so the field is not known')
    return MeasuredField(key, longest, sides, bounds, erf, notes)
