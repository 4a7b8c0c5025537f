"""What is scored: (output, context) -> one number an image.

A target is any callable ``target(output, context)`` that takes a layer's
output (N, C, h, w) and returns scores (N,). Where it is about one unit, a
method ``unit(grid)`` says which, so that statistics know their centre.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from .errors import ConfigError, TargetError
from .geometry import Grid


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
    """

    layer: str
    input_size: tuple[int, int]
    grid: Grid
    metas: Sequence[Mapping] | None = None
    predictions: Tensor | None = None


class Target(Protocol):
    """A callable that scores a layer's output."""

    def __call__(self, output: Tensor, context: TargetContext) -> Tensor:
        """Score an output (N, C, h, w); return shape (N,)."""
        ...


class _OneUnit:
    """Channels of one unit; a subclass says which unit.

    Args:
        relu (bool): Whether negative channels count as zero, as in the
            published definition. False scores every channel as it is.
        channels (sequence of int, optional): Only these; None for all.
    """

    where = ''

    def __init__(
        self, relu: bool = True, channels: Sequence[int] | None = None
    ) -> None:
        self.relu = relu
        self.channels = None if channels is None else list(channels)

    @property
    def definition(self) -> str:
        """What is scored, in words."""
        what = 'relu(output)' if self.relu else 'output'
        which = 'channels' if self.channels is None else (
            f'channels {self.channels}'
        )  # fmt: skip
        return f'sum over {which} of {what} at {self.where}'

    def unit(self, grid: Grid) -> tuple[int, int]:
        """The unit (y, x) of a grid that is scored."""
        raise TargetError(f'{type(self).__name__} does not say which unit')

    def __call__(self, output: Tensor, context: TargetContext) -> Tensor:
        """Score an output (N, C, h, w); return shape (N,)."""
        y, x = self.unit(context.grid)
        h, w = output.shape[2:]
        if not (0 <= y < h and 0 <= x < w):
            raise TargetError(
                f'{context.layer}: there is no unit ({y}, {x}) in a grid of '
                f'{h} x {w}; rows go to {h - 1}, columns to {w - 1}'
            )
        unit = output[:, :, y, x]
        if self.channels is not None:
            unit = unit[:, self._checked(unit.shape[1], context.layer)]
        if unit.dtype in (torch.float16, torch.bfloat16):
            unit = unit.float()
        return (torch.relu(unit) if self.relu else unit).sum(dim=1)

    def _checked(self, count: int, layer: str) -> list[int]:
        assert self.channels is not None
        wrong = [c for c in self.channels if not -count <= c < count]
        if wrong or not self.channels:
            raise TargetError(
                f'{layer}: there is no channel {wrong}, the layer has '
                f'{count}; choose from 0 to {count - 1}'
            )
        return self.channels


class CentreUnit(_OneUnit):
    """The positive part of every channel at the unit (h // 2, w // 2).

    Args:
        relu (bool): Whether negative channels count as zero.
        channels (sequence of int, optional): Only these; None for all.

    Source: Ding et al. 2022, arXiv:2203.06717, appendix B.

    Example:
        >>> from mmerf.core.geometry import assumed_grid
        >>> context = TargetContext('x', (8, 8), assumed_grid((4, 4), (8, 8)))
        >>> CentreUnit()(torch.ones(2, 3, 4, 4), context)
        tensor([3., 3.])
    """

    where = '(h // 2, w // 2)'

    def unit(self, grid: Grid) -> tuple[int, int]:
        """The middle unit of a grid."""
        return grid.size[0] // 2, grid.size[1] // 2


class Unit(_OneUnit):
    """Any unit, by its row and column in the layer's output.

    Args:
        y, x (int): Row and column; negative ones count from the end.
        relu, channels: As for CentreUnit.
    """

    def __init__(
        self,
        y: int,
        x: int,
        relu: bool = True,
        channels: Sequence[int] | None = None,
    ) -> None:
        super().__init__(relu, channels)
        self.y, self.x = y, x
        self.where = f'unit ({y}, {x})'

    def unit(self, grid: Grid) -> tuple[int, int]:
        """That unit."""
        h, w = grid.size
        return (
            self.y + h if -h <= self.y < 0 else self.y,
            self.x + w if -w <= self.x < 0 else self.x,
        )


class Pixel(_OneUnit):
    """The unit that sits nearest an input pixel, in every layer.

    Args:
        y, x (float): Row and column in the network's input, px.
        relu, channels: As for CentreUnit.
    """

    def __init__(
        self,
        y: float,
        x: float,
        relu: bool = True,
        channels: Sequence[int] | None = None,
    ) -> None:
        super().__init__(relu, channels)
        self.y, self.x = y, x
        self.where = f'the unit nearest pixel ({y:g}, {x:g})'

    def __call__(self, output: Tensor, context: TargetContext) -> Tensor:
        """Score an output (N, C, h, w); return shape (N,)."""
        height, width = context.input_size
        if not (0 <= self.y < height and 0 <= self.x < width):
            raise TargetError(
                f'pixel ({self.y:g}, {self.x:g}) lies outside the '
                f'{height} x {width} input'
            )
        return super().__call__(output, context)

    def unit(self, grid: Grid) -> tuple[int, int]:
        """The unit whose input pixel is nearest, inside the grid."""
        places = []
        for pixel, line, count in zip(
            (self.y, self.x), (grid.y, grid.x), grid.size, strict=True
        ):
            index = math.floor((pixel - line.offset) / line.jump + 0.5)
            places.append(min(max(index, 0), count - 1))
        return places[0], places[1]


TARGETS: dict[str, Callable[..., Target]] = {
    'CentreUnit': CentreUnit,
    'Unit': Unit,
    'Pixel': Pixel,
}


def build(spec: Any, table: Mapping[str, Callable], default: str) -> Any:
    """Make a target or attribution from what a config says.

    Args:
        spec: A ready object, a name in the table, ``dict(type=name, ...)``,
            or None for the default.
        table (mapping): Names to classes.
        default (str): The name that None stands for.

    Raises:
        ConfigError: If the name is unknown or its arguments do not fit.
    """
    if spec is None:
        spec = default
    if isinstance(spec, str):
        spec = {'type': spec}
    if not isinstance(spec, Mapping):
        if not callable(spec):
            raise ConfigError(
                f'{spec!r:.80} is neither a name, dict(type=...) nor callable'
            )
        return spec
    options = dict(spec)
    name = options.pop('type', None)
    if name not in list(table):
        raise ConfigError(
            f'there is no {name!r:.80}; choose one of '
            f'{", ".join(sorted(table))}'
        )
    try:
        return table[name](**options)
    except TypeError as error:
        raise ConfigError(f'{name}: {error}') from error


def parse_target(text: str | None) -> Any:
    """What ``--target`` takes, as ``build`` takes it.

    Args:
        text (str, optional): A name of ``TARGETS``, ``unit=Y,X`` or
            ``pixel=Y,X``.

    Raises:
        ConfigError: If it is neither.

    Example:
        >>> parse_target('unit=12,40')
        {'type': 'Unit', 'y': 12, 'x': 40}
    """
    if text is None or text in TARGETS:
        return text
    kinds = {'unit': ('Unit', int), 'pixel': ('Pixel', float)}
    kind, _, place = text.partition('=')
    name, number = kinds.get(kind, ('', int))
    try:
        y, x = (number(part) for part in place.split(','))
    except ValueError:
        name = ''
    if not name:
        raise ConfigError(
            f'cannot read the target {text!r}; write unit=12,40 (row and '
            'column of the output) or pixel=100,300 (of the input)'
        )
    return {'type': name, 'y': y, 'x': x}
