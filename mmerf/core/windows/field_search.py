"""Receptive fields of units, found on strips of an image about them."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from ..batch import Forward
from ..errors import ERFError, ModelError, one_line
from ..gradient.backward import Gradients
from ..running.layer_scores import LayerScores
from ..running.probes import RandomUnits
from .confirm import spread_of
from .window import Span, UnitPlace, Window, aligned_span

SHORT_SIDE = 32  # px, the width of a strip
FIRST_LENGTH = 128  # px, the first strip's
STRIP_GROWTH = 4  # length of a strip over that of the one before
DRAWS = 4  # noisy copies of a strip: a channel dead in one may live in another


class FieldSearch:
    """Finds the field of each layer's unit on strips of an image.

    Args:
        layers (LayerScores): The layers, with the number of calls of each.
        forward (callable): ``forward(images, positions)`` runs the model on
            parts of the image.
        image (Tensor): Shape (1, C, H, W).
    """

    def __init__(
        self, layers: LayerScores, forward: Forward, image: Tensor
    ) -> None:
        self.layers, self.forward, self.image = layers, forward, image
        self.size = (int(image.shape[2]), int(image.shape[3]))
        self.spread = spread_of(image)
        self.generator = torch.Generator().manual_seed(0)

    def fields(self, places: Mapping[str, UnitPlace]) -> dict[str, Window]:
        """Each unit's field, by layer key; none where every channel is dead.

        Args:
            places (mapping): Each layer's unit.

        Raises:
            ModelError: If the model does not run on a strip.
            LayerError: If a layer cannot be read there.
        """
        rows = self._spans_along(places, 0)
        columns = self._spans_along(places, 1)
        return {
            key: Window(rows[key], columns[key])
            for key in places
            if key in rows and key in columns
        }

    def _spans_along(
        self, places: Mapping[str, UnitPlace], axis: int
    ) -> dict[str, Span]:
        pending = dict(places)
        found: dict[str, Span] = {}
        length = FIRST_LENGTH
        while pending:
            strip = self._strip(pending, axis, length)
            ends = (strip.rows, strip.columns)[axis]
            spans = self._moving_pixels(pending, strip, axis)
            pending = {key: pending[key] for key in spans}
            for key, (low, high) in spans.items():
                if (low > ends[0] or ends[0] == 0) and (
                    high < ends[1] or ends[1] == self.size[axis]
                ):
                    found[key] = (low, high)
                    del pending[key]
            length *= STRIP_GROWTH
        return found

    def _strip(
        self, places: Mapping[str, UnitPlace], axis: int, length: int
    ) -> Window:
        spans = []
        for which in (0, 1):
            pixels = [p.grid.pixel(p.unit)[which] for p in places.values()]
            reach = (length if which == axis else SHORT_SIDE) / 2
            step = math.lcm(*(p.step[which] for p in places.values()))
            spans.append(
                aligned_span(
                    min(pixels) - reach,
                    max(pixels) + reach,
                    step,
                    self.size[which],
                )
            )
        return Window(spans[0], spans[1])

    def _moving_pixels(
        self, places: Mapping[str, UnitPlace], strip: Window, axis: int
    ) -> dict[str, Span]:
        """First pixel that moves each unit, and the one after the last.

        Without a unit whose channels are dead in all draws.
        """
        units = {key: place.unit_in(strip) for key, place in places.items()}
        crop = strip.crop(self.image).expand(DRAWS, -1, -1, -1)
        noise = torch.randn(crop.shape, generator=self.generator)
        leaf = (crop + noise.to(crop) * self.spread).requires_grad_()
        pending = self.layers.only(places).probe(
            self.forward, leaf.clone(), RandomUnits(units), [0] * DRAWS
        )
        gradients = Gradients()
        spans = {}
        start = strip.corner[axis]
        while pending:
            key, part = next(iter(pending.items()))
            del pending[key]
            try:
                gradient = gradients.of(
                    key, part.scores, leaf, retain=bool(pending)
                )
            except ERFError:
                raise
            except Exception as error:  # the model's own backward code
                raise ModelError(one_line(error, 160)) from error
            line = (gradient != 0).any(0).any(0).any(1 - axis)
            pixels = line.nonzero().flatten().tolist()
            if pixels:
                spans[key] = (start + pixels[0], start + pixels[-1] + 1)
        return spans
