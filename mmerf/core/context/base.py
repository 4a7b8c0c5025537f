"""What curves and rankings share: images one by one, their units, the spread.

An image is opened (the whole image is run, units are chosen) before it is
measured on changed copies, which may wait for another image to fill them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from torch import Tensor, nn

from ..aggregate.channel_spread import ChannelSpread
from ..batch import Batch
from ..build import build_target_and_attribution
from ..errors import ConfigError, ERFError, MeasurementError, one_line
from ..grid.coordinates import clipped_pixel, nearest_pixel
from ..layers.clips import resize_images
from ..layers.names import find_layers
from ..layers.output_forms import front_tokens
from ..options import check_inputs
from ..results.provenance import versions
from ..running.afresh import without_gradient
from ..running.layer_scores import LayerScores
from ..running.memory import FIRST_IMAGES, is_out_of_memory
from ..running.precision import as_weights, device_of
from ..targets.base import TargetContext
from ..targets.class_map import level_of_class_1
from ..targets.pass_context import head_threshold
from .copies import CopyReader, OpenImage
from .fills import Replace
from .options import DEFAULT_UNITS, ContextOptions
from .units import PredictedLogits, check_target, choose_units, describe_units


@dataclass
class ImageRows:
    """Names and counts of the images that have units, in order."""

    names: list[str] = field(default_factory=list)
    channels: list[list[int]] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)


class UnitMeasurement:
    """Base: takes batches, and measures each image on changed copies.

    A subclass defines ``measure``.

    Args:
        model (nn.Module): Without wrappers such as DDP; it is left as it
            was.
        options (ContextOptions): What is measured.

    Attributes:
        seen (int): Images so far.
        absent (int): Those without the class whose units are looked at.
        rows (ImageRows): Those with units.
        spread (ChannelSpread): Of every channel over units and images.
        pixel_known (bool): Whether the units' pixels are.
    """

    def __init__(self, model: nn.Module, options: ContextOptions) -> None:
        self.model, self.options = model, options
        given = options.target
        target, _ = build_target_and_attribution(
            DEFAULT_UNITS if given is None else given, None
        )
        check_target(target)
        target.check_classes(options.classes)
        self.target, self.fill = target, options.fill
        self.where = describe_units(target)
        self.logits = PredictedLogits(self.where)
        found = find_layers(model, options.measurement().layers)
        self.scored = LayerScores(found, front_tokens(model))
        self.step = options.batch_size or FIRST_IMAGES
        self.seen = self.absent = 0
        self.rows, self.spread = ImageRows(), ChannelSpread()
        self.layer, self.input_kind = '', 'whole image'
        self.threshold = options.threshold
        self.pixel_known = True
        self._first: OpenImage | None = None  # waits for a second image
        self._before: Tensor | None = None

    @property
    def layers(self) -> list[str]:
        """Name of the measured module."""
        return [layer.name for layer in self.scored.layers]

    def compute(self, provenance: Mapping | None = None) -> Any:
        """The result so far; see the subclass."""
        raise NotImplementedError

    def update(self, batch: Batch) -> None:
        """Measure every image of a batch.

        Raises:
            MeasurementError, LayerError, TargetError: If an image cannot be
                measured on changed copies.
            Exception: Whatever the model raises on a whole image; the image
                then counts as not seen.
        """
        check_inputs(batch.inputs)
        if batch.joined is not None or batch.inputs.dim() != 4:
            raise ConfigError(
                'context curves are of networks with one input of single '
                'images (N, C, H, W); give no clips, and no second input'
            )
        self.input_kind = batch.kind
        for i in range(len(batch)):
            image = self._open(batch.part(i, i + 1))
            self.seen += 1
            if not self.fill.needs_other:
                self._measure(image, None)
                continue
            if self._before is None:
                self._first, self._before = image, image.image
                continue
            if self._first is not None:
                first, self._first = self._first, None
                self._measure(first, image.image)
            self._measure(image, self._before)
            self._before = image.image

    def expect(self, count: int | None) -> None:
        """Say how many images come; None: not known."""

    def measure(self, image: OpenImage, replace: Replace) -> None:
        """Measure one image; ``replace(mask)`` makes its changed copies."""
        raise NotImplementedError

    def check_whole(self) -> None:
        """Raise MeasurementError unless there is something to compute."""
        if not self.seen:
            raise MeasurementError('no image was measured; give at least one')
        if self._first is not None:
            raise MeasurementError(
                "fill 'other-image' takes what replaces a part from another "
                'image, and there is one image; give two, or another fill'
            )
        if not self.rows.names:
            raise MeasurementError(
                f'{self.layer}: none of the {self.seen} image(s) has a unit '
                f'to look at: {self.where}'
            )

    def definition(self) -> dict[str, str]:
        """Descriptions of score, units, change, class and fill."""
        one = 'the largest channel'
        if self.spread.channels == 1:
            one = f'1 above {self.threshold:g}, else 0'
        return {
            'score': self.logits.definition,
            'class': one,
            'change': (
                '|change of the score| over the standard deviation of its '
                'channel over all units of the layer and all images'
            ),
            'replaced by': self.fill.definition,
            'input': self.input_kind,
            'average': 'over the units of an image, then over images',
            'precision': 'float32',
        }

    def provenance(self, more: Mapping | None) -> dict:
        """Versions, sizes and seed, with what the caller adds."""
        return {
            **versions(),
            'seed': self.options.seed,
            'sizes': [list(s) for s in dict.fromkeys(self.rows.sizes)],
            **(more or {}),
        }

    def rng(self, image: OpenImage, *more: int) -> np.random.Generator:
        """Random numbers of an image, whatever else was drawn."""
        return np.random.default_rng([self.options.seed, image.number, *more])

    def _open(self, one: Batch) -> OpenImage:
        device = device_of(self.model, one.inputs)
        inputs = as_weights(one.inputs, self.model).to(device)
        inputs = resize_images(inputs, self.options.input_size)
        one = replace(one, inputs=inputs)
        reader = CopyReader(self.model, self.scored, one)
        with without_gradient(self.model, device):
            key, output, grid = reader.whole()
        size = (int(inputs.shape[-2]), int(inputs.shape[-1]))
        self._settle_threshold(key, output)
        context = TargetContext(key, size, grid, classes=self.options.classes)
        units = choose_units(self.target, output, context, self.threshold)
        pixels = [
            clipped_pixel(nearest_pixel(grid.pixel(unit)), size)
            for unit in units.units
        ]
        self.layer = key
        self.pixel_known = self.pixel_known and grid.known
        self.spread.add(output, key)
        return OpenImage(one, self.seen, units, pixels, reader)

    def _measure(self, image: OpenImage, other: Tensor | None) -> None:
        if not len(image.units):
            self.absent += 1
            return
        filled = self.fill.replacing(image.image, other, self.rng(image))
        try:
            with without_gradient(self.model, image.image.device):
                self.measure(image, filled)
        except ERFError:
            raise
        except Exception as error:  # the model's code may raise anything
            name = image.batch.names[0]
            if is_out_of_memory(error):
                raise MeasurementError(
                    f'{name}: out of memory with one changed copy; give a '
                    'smaller --input-size'
                ) from error
            raise MeasurementError(
                f'{name}: the model does not run on changed copies of it: '
                f'{one_line(error)}'
            ) from error
        self.rows.names.append(image.batch.names[0])
        self.rows.channels.append(image.units.channels)
        self.rows.sizes.append(image.size)

    def _settle_threshold(self, key: str, output: Tensor) -> None:
        """Refuse what looks like probabilities where no threshold is given."""
        if self.threshold is not None or len(output) > 1:
            return
        of_head = self.layers[0].split('.')[0] == 'decode_head'
        level = head_threshold(self.model) if of_head else None
        self.threshold = level_of_class_1(output, level, key)
