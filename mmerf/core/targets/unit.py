"""Targets of one unit: the middle one, any other, the one at a pixel."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ..errors import TargetError
from ..grid.coordinates import Grid
from .base import TargetContext
from .channels import Channels, checked_unit


class OneUnit(Channels):
    """Channels of one unit; a subclass defines ``unit``.

    Args:
        relu, channels: As for CentreUnit.
    """

    windowed = True

    def unit(self, grid: Grid) -> tuple[int, int]:
        """The unit (y, x) of a grid that is scored."""
        raise NotImplementedError

    def at(self, y: int, x: int) -> Unit:
        """The same channels at another unit, such as that of a crop."""
        return Unit(y, x, self.relu, self.channels)

    def __call__(self, output: Tensor, context: TargetContext) -> Tensor:
        """Score an output (N, C, h, w); return shape (N,)."""
        y, x = checked_unit(self.unit(context.grid), output, context)
        return self.summed(output[:, :, y, x], context)


class CentreUnit(OneUnit):
    """The positive part of every channel at the unit (h // 2, w // 2).

    Args:
        relu (bool): Whether negative channels count as zero, as in the
            published definition. False scores every channel as it is.
        channels (sequence of int, optional): Only these; None for all.

    Source: Ding et al. 2022, arXiv:2203.06717, appendix B.

    Example:
        >>> import torch
        >>> from mmerf.core.grid.coordinates import even_grid
        >>> from mmerf.core.targets import TargetContext
        >>> context = TargetContext('x', (8, 8), even_grid((4, 4), (8, 8)))
        >>> CentreUnit()(torch.ones(2, 3, 4, 4), context)
        tensor([3., 3.])
    """

    where = '(h // 2, w // 2)'

    def unit(self, grid: Grid) -> tuple[int, int]:
        """The middle unit of a grid."""
        return grid.size[0] // 2, grid.size[1] // 2


class Unit(OneUnit):
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
        """The stated unit (y, x), negative indices resolved."""
        h, w = grid.size
        return (
            self.y + h if -h <= self.y < 0 else self.y,
            self.x + w if -w <= self.x < 0 else self.x,
        )


class Pixel(OneUnit):
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
        return grid.nearest_unit((self.y, self.x))
