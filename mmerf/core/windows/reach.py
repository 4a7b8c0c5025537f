"""How far each unit can reach along an axis, by a forward's operations.

The operations of a forward tell, for every unit, the first and the last pixel
that it may depend on, whatever the weights and the image. An operation without
a rule counts as one that joins everything. Where numbers came past torch's
operations, nothing is known.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

from ..batch import Forward
from ..running.layer_scores import LayerScores
from ..running.probes import Probe
from ..spans.origins import Origins
from ..spans.tracer import SpanTracer
from ..targets.base import TargetContext


@dataclass(frozen=True)
class Reach:
    """What a layer's units along an axis may depend on.

    Attributes:
        first, last (Tensor): Pixels, for every unit, shape (n,).
        exact (bool): Whether every operation before the layer has a rule; a
            reach may else be too wide, and is never too narrow.
        by_place (bool): Whether a unit depends on where it is along the axis,
            so that no crop serves: then its reach is the whole axis, whatever
            else is not known.
    """

    first: Tensor
    last: Tensor
    exact: bool
    by_place: bool = False

    @property
    def least(self) -> float:
        """Pixels that the unit with the fewest may depend on.

        One that depends on nothing that was seen has less than none.
        """
        return float((self.last - self.first).amin()) + 1


def reaches(
    layers: LayerScores,
    forward: Forward,
    strip: Tensor,
    axis: int,
    known: Iterable[Tensor],
) -> dict[str, Reach]:
    """What each layer's units may depend on along a strip as long as an image.

    Args:
        layers (LayerScores): Those to read; their grids are known afterwards.
        forward (callable): Runs the model.
        strip (Tensor): Shape (1, C, H, W).
        axis (int): The strip's long axis: 0 down, 1 across.
        known (iterable of Tensor): The model's parameters and buffers.

    Returns:
        dict[str, Reach]: By layer key; without those of which nothing is
        known.

    Raises:
        ModelError: If the model does not run on the strip.
        LayerError: If a layer cannot be read there.
    """
    origins = Origins([strip, *known])
    with torch.no_grad(), SpanTracer(axis, False, origins) as tracer:
        tracer.start(strip)
        reader = _Reader(tracer, axis, origins)
        layers.probe(forward, strip, reader, [0])
    return reader.found


class _Reader(Probe):
    def __init__(
        self, tracer: SpanTracer, axis: int, origins: Origins
    ) -> None:
        self.tracer, self.axis, self.origins = tracer, axis, origins
        self.found: dict[str, Reach] = {}

    def __call__(self, output: Tensor, context: TargetContext) -> Tensor:
        """Keep what each unit along the axis reaches; score nothing."""
        with _disable_current_modes():  # what reads here is no operation
            spans = self.tracer.memory.read(output)[:2]
            others = (0, 1, 3 - self.axis)
            first, last = (numbers.amax(others) for numbers in spans)
            exact = not self.tracer.not_followed
            if self.tracer.by_place:
                end = torch.full_like(last, self.tracer.length - 1)
                reach = Reach(torch.zeros_like(end), end, True, True)
                self.found[context.layer] = reach
            elif not self.origins.unseen:
                self.found[context.layer] = Reach(-first, last, exact)
            return output.new_zeros(len(output))
