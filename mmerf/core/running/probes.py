"""Targets that look at what units are worth, for checks and searches."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ..errors import LayerError
from ..grid.coordinates import UnitYX
from ..targets.base import Part, Target, TargetContext

TOLERANCE = 3e-5  # of the largest value, rounding of float32


class Probe(Target):
    """A target of which only scores or side effects are used, no maps."""

    def parts(self, output: Tensor, context: TargetContext) -> list[Part]:
        """One part; the pixel at which a map would be aligned is unused."""
        pixels = dict.fromkeys(range(len(output)), (0.0, 0.0))
        return [Part(context.layer, self(output, context), pixels)]


class RandomUnits(Probe):
    """All channels of one unit per layer, with random weights.

    Args:
        units (mapping): Unit by layer key.
    """

    def __init__(self, units: Mapping[str, UnitYX | None]) -> None:
        self.units = units
        self.generator = torch.Generator().manual_seed(0)

    def __call__(self, output: Tensor, context: TargetContext) -> Tensor:
        """Score (N, C, h, w)."""
        unit = values_at(output, self.units[context.layer], context)
        weights = torch.randn(unit.shape[1], generator=self.generator)
        return (unit * weights.to(unit)).sum(dim=1)


class Recorder(Probe):
    """Keeps what units are worth, and scores nothing.

    Args:
        units (mapping, optional): Unit by layer key; None keeps whole
            outputs, an empty one nothing.
    """

    def __init__(
        self, units: Mapping[str, UnitYX | None] | None = None
    ) -> None:
        self.units = units
        self.values: dict[str, Tensor] = {}

    def __call__(self, output: Tensor, context: TargetContext) -> Tensor:
        """Keep (N, C, h, w) or a unit's (N, C)."""
        if self.units == {}:
            return output.new_zeros(output.shape[:1])
        if self.units is not None:
            output = values_at(output, self.units[context.layer], context)
        self.values[context.layer] = output.detach().clone()
        return output.new_zeros(output.shape[:1])

    def agrees(self, other: Recorder) -> dict[str, bool]:
        """By layer key, whether values are equal up to rounding."""
        return {
            key: key in other.values and _equal(value, other.values[key])
            for key, value in self.values.items()
        }


def values_at(
    output: Tensor, unit: UnitYX | None, context: TargetContext
) -> Tensor:
    """A unit's channels (N, C), float32.

    Raises:
        LayerError: If the output (N, C, h, w) has no such unit.
    """
    if unit is None or not all(
        0 <= index < side
        for index, side in zip(unit, output.shape[2:], strict=True)
    ):
        raise LayerError(f'{context.layer}: the unit is not in the crop')
    return output[:, :, unit[0], unit[1]].float()


def _equal(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape:
        return False
    difference = float((one - other).abs().max())
    return difference <= TOLERANCE * float(one.abs().max())
