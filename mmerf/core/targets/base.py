"""What a target is: it scores a layer's output; a map explains the score."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ..errors import TargetError
from ..grid.coordinates import Grid, PixelYX, UnitYX
from ..layers.single_outputs import describe


@dataclass(frozen=True)
class TargetContext:
    """What a target may know besides the output.

    Attributes:
        layer (str): Key of the layer, such as ``'backbone[3]'``.
        input_size (tuple[int, int]): (H, W) of the model's input.
        grid (Grid): Where the output's units sit in the input.
        metas (sequence of mappings, optional): Meta information, one per
            image, if the caller gave any.
        predictions (Tensor, optional): The model's own prediction on this
            layer's grid, class indices of shape (N, h, w), if the target
            needs it.
        labels (Tensor, optional): The ground truth on this layer's grid,
            likewise.
        classes (sequence of str, optional): Names of the classes.
        num_classes (int, optional): Number of classes, if known.
    """

    layer: str
    input_size: tuple[int, int]
    grid: Grid
    metas: Sequence[Mapping] | None = None
    predictions: Tensor | None = None
    labels: Tensor | None = None
    classes: Sequence[str] | None = None
    num_classes: int | None = None


@dataclass(frozen=True)
class Part:
    """One score of a layer's output; a target may have several parts.

    Attributes:
        layer (str): Key of the layer.
        scores (Tensor): Shape (N,).
        pixels (dict[int, tuple[float, float]]): For each image that
            contributes, by its position in the batch, the input pixel (y, x)
            at which its map is aligned with the others'.
        absent (frozenset[int]): Positions of the images in which there is
            nothing to score, such as a class that they do not show.
        label (str): Such as a class. Parts with the same label are units of
            one result and are averaged; each label has its own result.
        input (str): Name of the input whose map is meant, where a model has
            several that are measured.
    """

    layer: str
    scores: Tensor
    pixels: Mapping[int, PixelYX]
    absent: frozenset[int] = frozenset()
    label: str = ''
    input: str = ''

    @property
    def result(self) -> str:
        """Key of the result: the layer's, with its input and label, if any.

        Example:
            >>> import torch
            >>> Part('decode_head', torch.zeros(0), {}, label='road').result
            'decode_head:road'
        """
        key = f'{self.layer}@{self.input}' if self.input else self.layer
        return f'{key}:{self.label}' if self.label else key

    @property
    def measurable(self) -> bool:
        """Whether its scores have a graph, or need none."""
        wanted = torch.is_grad_enabled() and bool(self.pixels)
        return self.scores.requires_grad or not wanted

    def detached(self) -> Part:
        """The same without the graph of its scores."""
        return replace(self, scores=self.scores.detach())


class Target:
    """Base class of all targets: all that a measurement uses of a target.

    A target of one unit defines ``__call__`` and ``unit``; nothing else is
    required. A target of several units, of several results, or whose place
    differs from image to image defines ``parts`` instead.

    Attributes:
        relu (bool, optional): Whether negative channels count as zero; None
            where the target has no such choice.
        needs (frozenset[str]): What ``context`` must hold when an output is
            scored: ``'predictions'``, ``'labels'``, ``'num_classes'``.
        aligned_at (str): Description of the point at which maps of several
            images are aligned.
        at_unit (bool): Whether a map is about units of the grid, so that its
            result has a unit and a theoretical receptive field.
        windowed (bool): Whether ``at`` scores a crop as the target scores
            the whole image.

    Example:
        >>> class FirstUnit(Target):
        ...     definition = 'sum over channels of output at unit (0, 0)'
        ...     def unit(self, grid):
        ...         return 0, 0
        ...     def __call__(self, output, context):
        ...         return output[:, :, 0, 0].sum(dim=1)
    """

    relu: bool | None = None
    needs: frozenset[str] = frozenset()
    aligned_at: str = 'the unit'
    at_unit: bool = True
    windowed: bool = False

    @property
    def definition(self) -> str:
        """Description of what is scored; stored with every result."""
        return type(self).__name__

    def check_classes(self, names: Sequence[str] | None) -> None:
        """Raise ConfigError for a class that the dataset does not have.

        Called before anything is measured.

        Args:
            names (sequence of str, optional): The dataset's classes, if
                known.
        """

    def result_labels(
        self, names: Sequence[str] | None
    ) -> Sequence[str] | None:
        """Labels of the results that each layer will have.

        Called before anything is measured.

        Args:
            names (sequence of str, optional): The dataset's classes, if
                known.

        Returns:
            sequence of str, optional: ``['']`` for one result, named like its
            layer; None if they are not known before measuring.
        """
        return None if 'num_classes' in self.needs else ['']

    def check_length(self, count: int) -> None:
        """Raise TargetError if the target does not fit so many images.

        Args:
            count (int): Images of a batch.
        """

    def select(self, positions: Sequence[int]) -> Target:
        """The target for images at these positions of the batch.

        Args:
            positions (sequence of int): May hold repeats.
        """
        return self

    def unit(self, grid: Grid) -> UnitYX | None:
        """The unit (y, x) of a grid that is scored; None unless it is one."""
        return None

    def at(self, y: int, x: int) -> Target:
        """The target with another unit; only called if ``windowed`` is set."""
        raise NotImplementedError(f'{type(self).__name__} is not windowed')

    def moved_to(self, y: int, x: int) -> Target | None:
        """The target at another unit; None where it is not about one."""
        return self.at(y, x) if self.windowed else None

    def __call__(self, output: Tensor, context: TargetContext) -> Tensor:
        """Score an output.

        Args:
            output (Tensor): Shape (N, C, h, w), with its graph.
            context (TargetContext): What is known about it.

        Returns:
            Tensor: Shape (N,).
        """
        raise NotImplementedError(
            f'{type(self).__name__} defines neither __call__ nor parts'
        )

    def parts(self, output: Tensor, context: TargetContext) -> list[Part]:
        """Every score of an output; by default one, at ``unit``.

        Args:
            output (Tensor): Shape (N, C, h, w), with its graph.
            context (TargetContext): What is known about it.

        Returns:
            list[Part]: A part that is absent from every image has no graph.

        Raises:
            TargetError: If ``__call__`` returns anything but (N,) numbers,
                or ``unit`` gives no unit.
        """
        unit = self.unit(context.grid)
        if unit is None:
            raise TargetError(
                f'{context.layer}: the target {type(self).__name__} gives no '
                'unit, so its map has no centre; define unit(grid), or parts'
            )
        scores = checked_scores(self(output, context), output, context)
        pixel = context.grid.pixel(unit)
        pixels = dict.fromkeys(range(len(output)), pixel)
        return [Part(context.layer, scores, pixels)]

    def watch(
        self, key: str, leaf: Any, read: Callable[[Any], Tensor | None]
    ) -> bool:
        """Take an output as its layer returns it, instead of scoring it.

        Args:
            key (str): The layer's key.
            leaf: The output as the module returned it.
            read (callable): Turns a tensor of the leaf's form into
                (N, C, h, w).

        Returns:
            bool: True if the output was taken and is not to be scored.
        """
        return False


def checked_scores(
    scores: Any, output: Tensor, context: TargetContext
) -> Tensor:
    """Scores of an output, checked to be one number per image.

    Raises:
        TargetError: If they are anything else; quotes their form.
    """
    if not isinstance(scores, Tensor) or scores.shape != output.shape[:1]:
        raise TargetError(
            f'{context.layer}: the target returned {describe(scores)} for '
            f'{len(output)} image(s); return one number per image, shape '
            f'({len(output)},)'
        )
    return scores


def keyed_parts(
    target: Target, output: Tensor, context: TargetContext
) -> dict[str, Part]:
    """A target's parts by the key of their result, numbered if several.

    Returns:
        dict[str, Part]: Such as ``'layer'``, ``'layer#1'``, ``'layer:road'``.
    """
    keyed: dict[str, Part] = {}
    counts: dict[str, int] = {}
    for part in target.parts(output, context):
        number = counts.get(part.result, 0)
        counts[part.result] = number + 1
        keyed[f'{part.result}#{number}' if number else part.result] = part
    return keyed
