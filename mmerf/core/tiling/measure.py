"""Whole images against tiles: batches in, a result out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from torch import Tensor, nn

from ..batch import Batch
from ..errors import ConfigError, ERFError, MeasurementError, one_line
from ..results.provenance import versions
from ..running.afresh import without_gradient
from ..running.memory import is_out_of_memory
from ..running.precision import as_weights, device_of
from ..targets.class_map import (
    classes_along,
    level_of_class_1,
    resized_logits,
)
from ..targets.pass_context import head_threshold, logits_of
from .borders import border_distances, distance_edges
from .cost import Cost
from .disagreement import confusion, count_by_distance
from .grid import Tiling
from .result import TilingResult
from .slide import slide

Slider = Callable[[Batch, Tensor, Tiling], Tensor]
"""``slider(batch, images, tiling)``: logits (N, C, H, W) of images of a batch,
from tiles. It may write to the images."""


class TilingMeasurement:
    """Compares predictions from tiles with those of whole images.

    Args:
        model (nn.Module): Without wrappers such as DDP; it is left as it
            was.
        tilings (sequence of Tiling): Windows and strides.
        threshold (float, optional): One channel of logits is class 1 above
            it; None for the decode head's own, else 0.
        slider (callable, optional): See ``Slider``; None runs the batch's
            forward on one tile after the other.

    Attributes:
        seen (int): Images so far.
    """

    def __init__(
        self,
        model: nn.Module,
        tilings: Sequence[Tiling],
        threshold: float | None = None,
        slider: Slider | None = None,
    ) -> None:
        self.model, self.tilings = model, tuple(tilings)
        self.threshold = threshold
        self.slider = slider or self._plain_slide
        self.edges = distance_edges(max(t.window for t in tilings))
        self.seen = 0
        self._names: list[str] = []
        self._sizes: list[tuple[int, int]] = []
        self._counts: list[tuple[np.ndarray, np.ndarray]] = []
        self._costs: list[list[list[float]]] = []
        self._cost = Cost(model)
        self._matrices: np.ndarray | None = None

    def update(self, batch: Batch) -> None:
        """Compare on every image of a batch.

        Raises:
            MeasurementError: If the model does not run on tiles.
            ConfigError: If its output or labels are of no such kind.
            Exception: Whatever the model raises on a whole image; the image
                then counts as not seen.
        """
        if batch.joined is not None or batch.inputs.dim() != 4:
            raise ConfigError(
                'tiles are of networks with one input of single images (N, C, '
                'H, W); give no clips, and no second input'
            )
        for i in range(len(batch)):
            one = batch.part(i, i + 1)
            images = as_weights(one.inputs, self.model)
            images = images.to(device_of(self.model, images))
            with without_gradient(self.model, images.device):
                self._compare(one, images)
            self.seen += 1

    def compute(
        self, provenance: Mapping | None = None, **more: Any
    ) -> TilingResult:
        """The result so far.

        Args:
            provenance (mapping, optional): Stored with it.
            **more: ``layer``, ``sides``, ``bounds``, ``crop_size``.

        Raises:
            MeasurementError: If there is no image, or none that is cut.
        """
        if not self.seen:
            raise MeasurementError('no image was measured; give at least one')
        differs, pixels = (np.stack(one) for one in zip(*self._counts))  # noqa: B905
        self.check_cuts(max(max(size) for size in self._sizes))
        seconds, peaks = np.moveaxis(np.array(self._costs), 2, 0)
        return TilingResult(
            self.tilings,
            self.edges,
            differs,
            pixels,
            np.zeros((0, 0, 0), np.int64)
            if self._matrices is None
            else self._matrices,
            seconds,
            peaks,
            tuple(self._names),
            tuple(self._sizes),
            definition=self._definition(),
            provenance={**versions(), **(provenance or {})},
            **more,
        )

    def check_cuts(self, longest: int) -> None:
        """Raise unless a window cuts an image whose longer side is given.

        Raises:
            MeasurementError: If all windows are as large as the images.
        """
        least = min(tiling.window for tiling in self.tilings)
        if least >= longest:
            raise MeasurementError(
                f'no window cuts an image: the smallest is {least} px, and no '
                f'image is longer than {longest} px; give a smaller window'
            )

    def _compare(self, batch: Batch, images: Tensor) -> None:
        size = (int(images.shape[-2]), int(images.shape[-1]))
        logits, *cost = self._cost.of(
            lambda: self._whole(batch, images), (size, None)
        )
        self._settle(logits)
        level = self.threshold or 0.0
        whole = classes_along(logits, 1, level)[0]
        classes = max(int(logits.shape[1]), 2)
        rows, columns = shown = _without_padding(batch, size)
        predictions, costs = [whole], [cost]
        bins = len(self.edges) - 1
        counts = np.zeros((2, len(self.tilings), bins), np.int64)
        for number, tiling in enumerate(self.tilings):
            if not tiling.cuts(size):
                predictions.append(whole)
                costs.append([math.nan, math.nan])
                continue
            logits, *cost = self._cost.of(
                partial(self._tiles, batch, images, tiling), (size, tiling)
            )
            found = classes_along(logits, 1, level)[0]
            differs = (found != whole)[shown].cpu().numpy()
            distances = border_distances(size, tiling)[rows, columns]
            counts[:, number] = count_by_distance(
                differs, distances, self.edges
            )
            predictions.append(found)
            costs.append(cost)
        labels = batch.labels()
        if labels is not None:
            matrices = np.stack(
                [confusion(p, labels[0], classes) for p in predictions]
            )
            before = 0 if self._matrices is None else self._matrices
            self._matrices = before + matrices
        self._names.append(batch.names[0])
        self._sizes.append(size)
        self._counts.append((counts[0], counts[1]))
        self._costs.append(costs)

    def _whole(self, batch: Batch, images: Tensor) -> Tensor:
        logits = logits_of(batch.forward(images.clone(), [0]), 1)
        size = (int(images.shape[-2]), int(images.shape[-1]))
        return resized_logits(logits, size, self.model)

    def _plain_slide(
        self, batch: Batch, images: Tensor, tiling: Tiling
    ) -> Tensor:
        return slide(lambda tile: self._whole(batch, tile), images, tiling)

    def _tiles(self, batch: Batch, images: Tensor, tiling: Tiling) -> Tensor:
        try:
            return self.slider(batch, images.clone(), tiling)
        except ERFError:
            raise
        except Exception as error:  # the model's code may raise anything
            reason = 'memory ran out'
            if not is_out_of_memory(error):
                reason = one_line(error, 160)
            raise MeasurementError(
                f'{batch.names[0]}: the model does not run on tiles of '
                f'{tiling.window} px ({reason}); give other windows, such as '
                'multiples of 32'
            ) from error

    def _settle(self, logits: Tensor) -> None:
        """Find the threshold of one channel; refuse probabilities."""
        if self.threshold is not None and logits.shape[1] > 1:
            raise ConfigError(
                'a threshold is for logits with one channel, and the model '
                f'gives {logits.shape[1]}; leave it out (no --threshold)'
            )
        if self.threshold is not None or logits.shape[1] > 1:
            return
        level = head_threshold(self.model)
        self.threshold = level_of_class_1(logits, level, "the model's output")

    def _definition(self) -> dict[str, str]:
        level = self.threshold
        return {
            'class': 'the largest channel of the logits at the input pixel'
            if level is None
            else f'1 above {level:g}, else 0',
            'tiles': 'logits averaged where tiles overlap, as '
            'slide_inference of MMSegmentation does',
            'distance': 'pixels between a pixel and the nearest border of '
            "the tiles that it lies in, the image's own edges left out",
            'average': 'share of the pixels of an image, then over images',
            'miou': 'of all images together, at the pixels of the input',
            'seconds': 'wall time of a forward of one image, median over '
            'images',
            'peak_bytes': 'the most that tensors take at once in it: the '
            'image and what operations return, without weights',
            'precision': 'float32',
        }


def _without_padding(
    batch: Batch, size: tuple[int, int]
) -> tuple[slice, slice]:
    """Rows and columns that are image, not what a preprocessor added."""
    meta = batch.metas[0] if batch.metas else {}
    left, right, top, bottom = meta.get('padding_size') or (0, 0, 0, 0)
    return slice(top, size[0] - bottom), slice(left, size[1] - right)
