"""What a target is, what it may know, and what it gives.

A target is any callable ``target(output, context)`` that takes a layer's
output (N, C, h, w) and returns scores (N,). Where it is about one unit, a
method ``unit(grid)`` says which, so that maps are aligned and statistics know
their centre. A target of several units has ``members(grid)``, each a target
of one unit. A target that gives several results, or one place an image, has
``parts(output, context)`` and returns what is in this module's ``Part``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from ..errors import TargetError
from ..geometry import Grid
from ..outputs import describe

Place = tuple[float, float]


@dataclass(frozen=True)
class TargetContext:
    """What a target may know besides the output.

    Attributes:
        layer (str): Key of the layer, such as ``'backbone[3]'``.
        input_size (tuple[int, int]): (H, W) of the model's input.
        grid (Grid): Where the output's units sit in the input.
        metas (sequence of mappings, optional): Meta information, one per
            image, where the caller gave any.
        predictions (Tensor, optional): The model's own prediction on this
            layer's grid, class indices of shape (N, h, w), where the target
            asked for it.
        labels (Tensor, optional): The ground truth on this layer's grid,
            likewise.
        classes (sequence of str, optional): Names of the classes.
        num_classes (int, optional): How many there are, where it is known.
    """

    layer: str
    input_size: tuple[int, int]
    grid: Grid
    metas: Sequence[Mapping] | None = None
    predictions: Tensor | None = None
    labels: Tensor | None = None
    classes: Sequence[str] | None = None
    num_classes: int | None = None


class Target(Protocol):
    """A callable that scores a layer's output."""

    def __call__(self, output: Tensor, context: TargetContext) -> Tensor:
        """Score an output (N, C, h, w); return shape (N,)."""
        ...


@dataclass(frozen=True)
class Part:
    """One score of a layer's output; a target may ask for several.

    Attributes:
        layer (str): Key of the layer.
        scores (Tensor): Shape (N,).
        pixels (dict[int, tuple[float, float]]): For each image that
            contributes, by its position in the batch, the input pixel (y, x)
            at which its map is aligned with the others'.
        absent (frozenset[int]): Images that were asked but have nothing to
            score, such as a class that is not there.
        label (str): Names a result of its own, such as a class; parts with
            the same label are units of one result and are averaged.
    """

    layer: str
    scores: Tensor
    pixels: Mapping[int, Place]
    absent: frozenset[int] = frozenset()
    label: str = ''

    @property
    def result(self) -> str:
        """Key of the result: the layer's, with the label where there is one.

        Example:
            >>> import torch
            >>> Part('decode_head', torch.zeros(0), {}, label='road').result
            'decode_head:road'
        """
        return f'{self.layer}:{self.label}' if self.label else self.layer

    @property
    def measurable(self) -> bool:
        """Whether it has a gradient, where gradients are wanted."""
        wanted = torch.is_grad_enabled() and bool(self.pixels)
        return self.scores.requires_grad or not wanted


def parts_of(
    target: Any, output: Tensor, context: TargetContext
) -> list[Part]:
    """Every part that a target asks of a layer's output.

    Args:
        target (Target): Any form of target.
        output (Tensor): Shape (N, C, h, w).
        context (TargetContext): What is known about it.

    Returns:
        list[Part]: One for a target of one unit.

    Raises:
        TargetError: If a target returns anything but (N,) numbers.
    """
    if hasattr(target, 'parts'):
        return target.parts(output, context)
    if hasattr(target, 'members'):
        return [
            part
            for member in target.members(context.grid)
            for part in parts_of(member, output, context)
        ]
    scores = target(output, context)
    if not isinstance(scores, Tensor) or scores.shape != output.shape[:1]:
        raise TargetError(
            f'{context.layer}: the target returned {describe(scores)} for '
            f'{len(output)} image(s); return one number an image, shape '
            f'({len(output)},)'
        )
    height, width = context.input_size
    pixel = (float(height // 2), float(width // 2))
    if hasattr(target, 'unit'):
        pixel = context.grid.pixel(target.unit(context.grid))
    return [
        Part(context.layer, scores, dict.fromkeys(range(len(output)), pixel))
    ]


def keyed_parts(
    target: Any, output: Tensor, context: TargetContext
) -> dict[str, Part]:
    """The same by their results' keys; further units of one, numbered."""
    keyed: dict[str, Part] = {}
    counts: dict[str, int] = {}
    for part in parts_of(target, output, context):
        number = counts.get(part.result, 0)
        counts[part.result] = number + 1
        keyed[f'{part.result}#{number}' if number else part.result] = part
    return keyed
