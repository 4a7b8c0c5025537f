"""How far each unit can reach along an axis, by a forward's operations.

The operations of a forward tell, for every unit, the first and the last pixel
that it may depend on, whatever the weights and the image. That is known where
every operation has a rule, and all numbers come from torch's operations.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from ..batch import Forward
from ..running.layer_scores import LayerScores
from ..running.probes import Probe
from ..spans.origins import Origins
from ..spans.tracer import SpanTracer
from ..targets.base import TargetContext

# Of every unit along an axis: minus the first pixel, and the last, (2, n).
Reach = Tensor


def reaches(
    layers: LayerScores,
    forward: Forward,
    strip: Tensor,
    axis: int,
    known: Iterable[Tensor],
) -> dict[str, Reach] | None:
    """What each layer's units may depend on along a strip as long as an image.

    Args:
        layers (LayerScores): Those to read; their grids are known afterwards.
        forward (callable): Runs the model.
        strip (Tensor): Shape (1, C, H, W).
        axis (int): The strip's long axis: 0 down, 1 across.
        known (iterable of Tensor): The model's parameters and buffers.

    Returns:
        dict, optional: By layer key; None where something cannot be followed.

    Raises:
        ModelError: If the model does not run on the strip.
        LayerError: If a layer cannot be read there.
    """
    origins = Origins([strip, *known])
    with torch.no_grad(), SpanTracer(axis, False, origins) as tracer:
        tracer.start(strip)
        reader = _Reader(tracer, axis)
        layers.probe(forward, strip, reader, [0])
    if tracer.not_followed or origins.unseen:
        return None
    return reader.found


class _Reader(Probe):
    def __init__(self, tracer: SpanTracer, axis: int) -> None:
        self.tracer, self.axis = tracer, axis
        self.found: dict[str, Reach] = {}

    def __call__(self, output: Tensor, context: TargetContext) -> Tensor:
        """Keep what each unit along the axis reaches; score nothing."""
        spans = self.tracer.memory.read(output)[:2]
        others = (0, 1, 3 - self.axis)
        self.found[context.layer] = torch.stack(
            [s.amax(others) for s in spans]
        )
        return output.new_zeros(len(output))
