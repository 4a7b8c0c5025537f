"""What is known about the images of a pass, and targets that need it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import TargetError
from ..geometry import Axis, Grid
from ..outputs import leaves
from .base import Part, TargetContext, parts_of


@dataclass(frozen=True)
class Scene:
    """What is known about the images of a pass.

    Attributes:
        predictions (Tensor, optional): Class indices over the whole input,
            (N, H', W'), at any resolution.
        labels (Tensor, optional): The ground truth, likewise.
        classes (sequence of str, optional): Names of the classes.
        num_classes (int, optional): How many there are.
    """

    predictions: Tensor | None = None
    labels: Tensor | None = None
    classes: Sequence[str] | None = None
    num_classes: int | None = None


class Bound:
    """A target together with what is known about the images of one pass.

    Attributions that run an image several times say by ``select`` which.

    Args:
        target (Target): Any form of target.
        scene (Scene): Of the pass.
    """

    def __init__(self, target: Any, scene: Scene) -> None:
        self.target, self.scene = target, scene

    def select(self, positions: Sequence[int]) -> Bound:
        """The same for some of the images, repeats included."""
        places = list(positions)
        known = self.scene
        scene = replace(
            known,
            predictions=_rows(known.predictions, places),
            labels=_rows(known.labels, places),
        )
        target = self.target
        if hasattr(target, 'select'):
            target = target.select(places)
        return Bound(target, scene)

    def parts(self, output: Tensor, context: TargetContext) -> list[Part]:
        """Every part of the target, told what it needs to know."""
        scene = self.scene
        known = replace(
            context,
            predictions=on_grid(scene.predictions, context, output),
            labels=on_grid(scene.labels, context, output),
            classes=scene.classes,
            num_classes=scene.num_classes,
        )
        return parts_of(self.target, output, known)


def _rows(values: Tensor | None, places: list[int]) -> Tensor | None:
    return None if values is None else values[places]


def bind(
    target: Any,
    model: nn.Module,
    run: Callable[[Tensor], Any],
    images: Tensor,
    labels: Tensor | None = None,
    classes: Sequence[str] | None = None,
) -> Bound:
    """Find out what a target needs to know about a batch.

    Args:
        target (Target): Any form of target.
        model (nn.Module): Whose decode head may have a threshold.
        run (callable): Runs the model; called without gradient, and only
            where the target asks what it predicts.
        images (Tensor): The model's input, shape (N, C, H, W).
        labels (Tensor, optional): Ground truth, (N, H', W').
        classes (sequence of str, optional): Names of the classes.

    Raises:
        TargetError: If it needs labels that are not there, or predictions of
            a model that makes none.
    """
    needs: frozenset[str] = getattr(target, 'needs', frozenset())
    if 'labels' in needs and labels is None:
        raise TargetError(
            "region='ground_truth' needs the labels of the images, which are "
            "not there; use the config's own validation set (no --img-dir), "
            "or region='prediction'"
        )
    predictions, count = None, None if classes is None else len(classes)
    unknown = 'num_classes' in needs and count is None
    if 'predictions' in needs or unknown:
        with torch.no_grad():
            output = run(images.clone())
        predictions, count = predicted(output, len(images), _threshold(model))
    if classes is not None and len(classes) != count:
        classes = None  # the names of another model's classes
    return Bound(target, Scene(predictions, labels, classes, count))


def on_grid(
    indices: Tensor | None, context: TargetContext, output: Tensor
) -> Tensor | None:
    """Class indices of the input as a layer's units have them.

    Args:
        indices (Tensor, optional): Over the whole input, (N, H', W').
        context (TargetContext): With the layer's grid.
        output (Tensor): On whose device they are wanted.

    Returns:
        Tensor, optional: The index nearest each unit's pixel, (N, h, w).
    """
    if indices is None:
        return None
    grid: Grid = context.grid
    rows, columns = (
        _nearest(line, count, full, length)
        for line, count, full, length in zip(
            (grid.y, grid.x),
            grid.size,
            context.input_size,
            indices.shape[1:],
            strict=True,
        )
    )
    return indices[:, rows][:, :, columns].to(output.device)


def _nearest(line: Axis, count: int, full: int, length: int) -> Tensor:
    pixels = line.offset + line.jump * torch.arange(count).double()
    places = torch.floor((pixels + 0.5) * length / full).long()
    return places.clamp(0, length - 1)


def predicted(
    output: Any, images: int, threshold: float | None = None
) -> tuple[Tensor, int]:
    """Class indices from what a segmentation model returns.

    Args:
        output: Logits (N, C, h, w), or a structure whose first output of
            that form they are.
        images (int): N.
        threshold (float, optional): Of the sigmoid, for a binary head with
            one channel; None for 0.5.

    Returns:
        tuple[Tensor, int]: Indices (N, h, w), and how many classes there are.

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


def _threshold(model: Any) -> float | None:
    """Above which a binary segmentor's one sigmoid means class 1."""
    head = getattr(model, 'decode_head', None)
    heads = list(head) if isinstance(head, nn.ModuleList) else [head]
    return getattr(heads[-1], 'threshold', None) if heads else None
