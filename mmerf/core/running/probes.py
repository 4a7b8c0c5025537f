"""Targets that read units' values, for checks and searches."""

from __future__ import annotations

import random
from collections.abc import Mapping

import torch
from torch import Tensor

from ..errors import LayerError
from ..grid.coordinates import UnitYX
from ..targets.base import Part, Target, TargetContext

OF_CHANNEL = 1e-3  # of the same, in a channel
TOLERANCE = 3e-5  # of the largest value that differs: float32 rounding


class Probe(Target):
    """A target whose scores or recordings are used, and no maps."""

    def parts(self, output: Tensor, context: TargetContext) -> list[Part]:
        """One part; its pixels are unused."""
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
        """Score an output (N, C, h, w); return shape (N,)."""
        unit = values_at(output, self.units[context.layer], context)
        weights = torch.randn(unit.shape[1], generator=self.generator)
        return (unit * weights.to(unit)).sum(dim=1)


class Recorder(Probe):
    """Records units' values; every score is zero.

    Args:
        units (mapping, optional): Unit by layer key; None records whole
            outputs, an empty mapping nothing.
        most (int, optional): Of whole outputs, the most rows and columns.

    Attributes:
        values (dict[str, Tensor]): By layer key: a unit's channels (N, C), or
            the output (N, C, h, w).
    """

    def __init__(
        self,
        units: Mapping[str, UnitYX | None] | None = None,
        most: int | None = None,
    ) -> None:
        self.units, self.most = units, most
        self.values: dict[str, Tensor] = {}

    def __call__(self, output: Tensor, context: TargetContext) -> Tensor:
        """Record an output (N, C, h, w), or its unit; return zeros (N,)."""
        if self.units == {}:
            return output.new_zeros(output.shape[:1])
        if self.units is not None:
            output = values_at(output, self.units[context.layer], context)
        elif self.most is not None:
            output = thinned(output, self.most)
        self.values[context.layer] = output.detach().clone()
        # Zeros that want a gradient where the output does.
        return output.new_zeros(
            output.shape[:1], requires_grad=output.requires_grad
        )

    @property
    def tells(self) -> bool:
        """Whether every output varies over places, as a dead one does not.

        One of a single unit cannot; it tells unless it is zero.
        """
        return all(
            varies_over_places(value)
            if value.shape[2:].numel() > 1
            else bool(value.any())
            for value in self.values.values()
        )

    def agrees_with(self, other: Recorder) -> bool:
        """Whether all values are equal up to rounding; False without any."""
        return bool(self.values) and all(self.agrees(other).values())

    def agrees(self, other: Recorder) -> dict[str, bool]:
        """By layer key, whether values are equal up to rounding."""
        return {
            key: key in other.values
            and equal_to_rounding(value, other.values[key])
            for key, value in self.values.items()
        }


def varies_over_places(image: Tensor) -> bool:
    """Whether an image, or an output (N, C, h, w), varies over places."""
    return bool((image != image[..., :1, :1]).any())


def thinned(output: Tensor, most: int) -> Tensor:
    """At most so many rows and columns of (N, C, h, w), at random.

    The middle ones are among them: units are mostly chosen there.
    """
    draw = random.Random(0)
    for dim in (2, 3):
        size = output.shape[dim]
        if size > most:
            some = {size // 2, *draw.sample(range(size), most - 1)}
            chosen = torch.tensor(sorted(some), device=output.device)
            output = output.index_select(dim, chosen)
    return output


def values_at(
    output: Tensor, unit: UnitYX | None, context: TargetContext
) -> Tensor:
    """A unit's channels, shape (N, C), float32.

    Raises:
        LayerError: If the output (N, C, h, w) has no such unit.
    """
    if unit is None or not all(
        0 <= index < side
        for index, side in zip(unit, output.shape[2:], strict=True)
    ):
        raise LayerError(f'{context.layer}: the unit is not in the crop')
    return output[:, :, unit[0], unit[1]].float()


def equal_to_rounding(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors have equal shapes, and values up to rounding.

    Of the largest value among those that differ at all: entries that a model
    fills with a huge number would hide how far the others are apart. So would
    a channel of huge values: of outputs (N, C, h, w), each is allowed a little
    more of its own.
    """
    if one.shape != other.shape:
        return False
    difference = (one - other).abs()
    differing = one.abs().where(difference != 0, 0)
    if not difference.amax() <= TOLERANCE * differing.amax():
        return False
    if one.dim() != 4:
        return True
    apart, largest = (each.amax((0, 2, 3)) for each in (difference, differing))
    return bool((apart <= OF_CHANNEL * largest).all())
