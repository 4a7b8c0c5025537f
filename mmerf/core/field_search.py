"""Which pixels can move a unit, found on strips of an image about it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from .capture import Capture
from .gradient import Gradients
from .targets import TargetContext
from .windows import Place, Span, Unit, Window, aligned

Run = Callable[[Tensor], Any]
SHORT = 32  # px, the strips' other axis
SHORTEST = 128  # px, the first strip's length
GROWTH = 4  # of the strips, each time
DRAWS = 4  # noisy copies of a strip: what is dead in one lives in another
TOLERANCE = 3e-5  # of the largest value, rounding of float32


class FieldSearch:
    """Finds the field of each layer's unit on strips of an image.

    Args:
        capture (Capture): The layers, with the calls that they get.
        run (callable): Runs the model on copies of one image's part.
        image (Tensor): Shape (1, C, H, W).
    """

    def __init__(self, capture: Capture, run: Run, image: Tensor) -> None:
        self.capture, self.run, self.image = capture, run, image
        self.size = (int(image.shape[2]), int(image.shape[3]))
        self.spread = float(image.std()) or 1.0
        self.generator = torch.Generator().manual_seed(0)

    def fields(self, places: Mapping[str, Place]) -> dict[str, Window]:
        """What can move each unit, by layer key."""
        rows = self._axis(places, 0)
        columns = self._axis(places, 1)
        return {
            key: Window(rows[key], columns[key])
            for key in places
            if key in rows and key in columns
        }

    def _axis(self, places: Mapping[str, Place], axis: int) -> dict[str, Span]:
        pending = dict(places)
        found: dict[str, Span] = {}
        length = SHORTEST
        while pending:
            strip = self._strip(pending, axis, length)
            ends = (strip.rows, strip.columns)[axis]
            spans = self._touched(pending, strip, axis)
            pending = {key: pending[key] for key in spans}
            for key, (low, high) in spans.items():
                if (low > ends[0] or ends[0] == 0) and (
                    high < ends[1] or ends[1] == self.size[axis]
                ):
                    found[key] = (low, high)
                    del pending[key]
            length *= GROWTH
        return found

    def _strip(
        self, places: Mapping[str, Place], axis: int, length: int
    ) -> Window:
        spans = []
        for which in (0, 1):
            pixels = [p.grid.pixel(p.unit)[which] for p in places.values()]
            reach = (length if which == axis else SHORT) / 2
            step = math.lcm(*(p.step[which] for p in places.values()))
            spans.append(
                aligned(
                    min(pixels) - reach,
                    max(pixels) + reach,
                    step,
                    self.size[which],
                )
            )
        return Window(spans[0], spans[1])

    def _touched(
        self, places: Mapping[str, Place], strip: Window, axis: int
    ) -> dict[str, Span]:
        """First pixel that moves each unit, and the one after the last."""
        units = {key: place.unit_in(strip) for key, place in places.items()}
        crop = strip.of(self.image).expand(DRAWS, -1, -1, -1)
        noise = torch.randn(crop.shape, generator=self.generator)
        leaf = (crop + noise.to(crop) * self.spread).requires_grad_()
        capture = self.capture.only(places)
        scores = capture.scores(self.run, leaf.clone(), RandomUnits(units))
        gradients = Gradients()
        spans = {}
        start = strip.corner[axis]
        while scores:
            key, score = next(iter(scores.items()))
            del scores[key]
            gradient = gradients.of(key, score, leaf, retain=bool(scores))
            line = (gradient != 0).any(0).any(0).any(1 - axis)
            pixels = line.nonzero().flatten().tolist()
            if pixels:  # else every channel is dead, in all draws
                spans[key] = (start + pixels[0], start + pixels[-1] + 1)
        return spans


class RandomUnits:
    """All channels of one unit a layer, with random weights."""

    def __init__(self, units: Mapping[str, Unit | None]) -> None:
        self.units = units
        self.generator = torch.Generator().manual_seed(0)

    def __call__(self, output: Tensor, context: TargetContext) -> Tensor:
        """Score (N, C, h, w)."""
        unit = _values(output, self.units[context.layer], context)
        weights = torch.randn(unit.shape[1], generator=self.generator)
        return (unit * weights.to(unit)).sum(dim=1)


class Recorder:
    """Keeps what units are worth, and scores nothing.

    Args:
        units (mapping, optional): Unit by layer key; None keeps whole
            outputs, an empty one nothing.
    """

    def __init__(self, units: Mapping[str, Unit | None] | None = None) -> None:
        self.units = units
        self.values: dict[str, Tensor] = {}

    def __call__(self, output: Tensor, context: TargetContext) -> Tensor:
        """Keep (N, C, h, w) or a unit's (N, C)."""
        if self.units == {}:
            return output.new_zeros(output.shape[:1])
        if self.units is not None:
            output = _values(output, self.units[context.layer], context)
        self.values[context.layer] = output.detach().clone()
        return output.new_zeros(output.shape[:1])

    def agrees(self, other: Recorder) -> dict[str, bool]:
        """By layer key, whether values are equal up to rounding."""
        return {
            key: _same(value, other.values[key])
            for key, value in self.values.items()
        }


def _values(
    output: Tensor, unit: Unit | None, context: TargetContext
) -> Tensor:
    if unit is None or not all(
        0 <= index < side
        for index, side in zip(unit, output.shape[2:], strict=True)
    ):
        raise ValueError(f'{context.layer}: the unit is not in the crop')
    return output[:, :, unit[0], unit[1]].float()


def _same(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape:
        return False
    difference = float((one - other).abs().max())
    return difference <= TOLERANCE * float(one.abs().max())
