"""What a target needs to know about the images of a pass, found beforehand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from ..batch import Batch
from ..errors import TargetError
from ..grid.coordinates import Axis, Grid, UnitYX
from ..layers.single_outputs import leaves
from .base import Part, Target, TargetContext


@dataclass(frozen=True)
class PassContext:
    """What is known about the images of a pass.

    Attributes:
        metas (sequence of mappings, optional): Meta information, one per
            image.
        predictions (Tensor, optional): Class indices over the whole input,
            (N, H', W'), at any resolution.
        labels (Tensor, optional): The ground truth, likewise.
        classes (sequence of str, optional): Names of the classes.
        num_classes (int, optional): Number of classes.
    """

    metas: Sequence[Mapping] | None = None
    predictions: Tensor | None = None
    labels: Tensor | None = None
    classes: Sequence[str] | None = None
    num_classes: int | None = None

    def select(self, positions: Sequence[int]) -> PassContext:
        """The same for some of the images, repeats included."""
        places = list(positions)
        metas = self.metas
        return replace(
            self,
            metas=None if metas is None else [metas[i] for i in places],
            predictions=_rows(self.predictions, places),
            labels=_rows(self.labels, places),
        )


class BoundTarget(Target):
    """A target together with what is known about the images of one pass.

    Args:
        target (Target): Any target.
        known (PassContext): What is known about the images.
    """

    def __init__(self, target: Target, known: PassContext) -> None:
        self.target, self.known = target, known
        self.windowed = target.windowed

    def select(self, positions: Sequence[int]) -> BoundTarget:
        """The same for some of the images, repeats included."""
        return BoundTarget(
            self.target.select(positions), self.known.select(positions)
        )

    def unit(self, grid: Grid) -> UnitYX | None:
        """The unit that the target scores."""
        return self.target.unit(grid)

    def at(self, y: int, x: int) -> Target:
        """The target at a given unit of a crop, with the same context."""
        return BoundTarget(self.target.at(y, x), self.known)

    def __call__(self, output: Tensor, context: TargetContext) -> Tensor:
        """The target's score, with what it needs to know."""
        return self.target(output, self._filled(context, output))

    def parts(self, output: Tensor, context: TargetContext) -> list[Part]:
        """Every part of the target, with what it needs to know."""
        return self.target.parts(output, self._filled(context, output))

    def _filled(self, context: TargetContext, output: Tensor) -> TargetContext:
        return replace(
            context,
            metas=self.known.metas,
            predictions=on_grid(self.known.predictions, context, output),
            labels=on_grid(self.known.labels, context, output),
            classes=self.known.classes,
            num_classes=self.known.num_classes,
        )


def _rows(values: Tensor | None, places: list[int]) -> Tensor | None:
    return None if values is None else values[places]


def bind_target(
    target: Target,
    model: nn.Module,
    batch: Batch,
    images: Tensor,
    labels: Tensor | None = None,
    classes: Sequence[str] | None = None,
) -> BoundTarget:
    """Find out what a target needs to know about a batch.

    Args:
        target (Target): Any target.
        model (nn.Module): Its decode head may have a threshold.
        batch (Batch): Its ``forward`` is called without gradient, and only
            if the target needs predictions or the number of classes.
        images (Tensor): The batch's images as they are measured, shape
            (N, C, H, W).
        labels (Tensor, optional): Ground truth, (N, H', W').
        classes (sequence of str, optional): Names of the classes.

    Raises:
        TargetError: If the target needs labels and there are none, or
            predictions and the model makes none.
    """
    if 'labels' in target.needs and labels is None:
        raise TargetError(
            "region='ground_truth' needs the labels of the images, which are "
            "not there; use the config's own validation set (no --img-dir), "
            "or region='prediction'"
        )
    predictions, count = None, None if classes is None else len(classes)
    unknown = 'num_classes' in target.needs and count is None
    if 'predictions' in target.needs or unknown:
        with torch.no_grad():
            output = batch.forward(images.clone(), range(len(images)))
        predictions, count = predicted_classes(
            output, len(images), head_threshold(model)
        )
    if classes is not None and len(classes) != count:
        classes = None  # the names of another model's classes
    known = PassContext(batch.metas, predictions, labels, classes, count)
    return BoundTarget(target, known)


def on_grid(
    indices: Tensor | None, context: TargetContext, output: Tensor
) -> Tensor | None:
    """Class indices of the input, read at a layer's units.

    Args:
        indices (Tensor, optional): Over the whole input, (N, H', W').
        context (TargetContext): Has the layer's grid.
        output (Tensor): Gives the device of the result.

    Returns:
        Tensor, optional: The index nearest each unit's pixel, (N, h, w).
    """
    if indices is None:
        return None
    grid: Grid = context.grid
    rows, columns = (
        _nearest_indices(line, count, full, length)
        for line, count, full, length in zip(
            (grid.y, grid.x),
            grid.size[::-1] if grid.swapped else grid.size,
            context.input_size,
            indices.shape[1:],
            strict=True,
        )
    )
    found = indices[:, rows][:, :, columns].to(output.device)
    return found.transpose(1, 2) if grid.swapped else found


def _nearest_indices(line: Axis, count: int, full: int, length: int) -> Tensor:
    pixels = torch.tensor([line.pixel(i, count) for i in range(count)])
    places = torch.floor((pixels + 0.5) * length / full).long()
    return places.clamp(0, length - 1)


def predicted_classes(
    output: Any, images: int, threshold: float | None = None
) -> tuple[Tensor, int]:
    """Class indices from what a segmentation model returns.

    Args:
        output: Logits (N, C, h, w), or a structure: its first such tensor.
        images (int): N.
        threshold (float, optional): Above it, the sigmoid of a binary head's
            one channel means class 1; None for 0.5.

    Returns:
        tuple[Tensor, int]: Indices (N, h, w), and the number of classes.

    Raises:
        TargetError: If there are no logits.
    """
    logits = logits_of(output, images)
    if logits.shape[1] == 1:
        level = 0.5 if threshold is None else threshold
        return (logits[:, 0].sigmoid() > level).long(), 2
    return logits.argmax(dim=1), int(logits.shape[1])


def logits_of(output: Any, images: int) -> Tensor:
    """The logits (N, C, h, w) among what a segmentation model returns.

    Raises:
        TargetError: If there are none.
    """
    for _, leaf in leaves(output):
        if not isinstance(leaf, Tensor) or leaf.dim() != 4:
            continue
        if len(leaf) == images and leaf.is_floating_point():
            return leaf
    raise TargetError(
        'the model returns no logits (N, classes, h, w), so that it predicts '
        'no class; give forward= a function that returns them'
    )


def head_threshold(model: Any) -> float | None:
    """The threshold of a binary segmentor's decode head, if it has one.

    Above it, the sigmoid of the head's one channel means class 1.
    """
    head = getattr(model, 'decode_head', None)
    heads = list(head) if isinstance(head, nn.ModuleList) else [head]
    return getattr(heads[-1], 'threshold', None) if heads else None
