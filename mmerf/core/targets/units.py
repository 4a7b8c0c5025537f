"""Targets of several units, averaged about each: no single place decides.

One forward serves all of them, one backward each. A unit's map is aligned at
its own input pixel; where the unit sits near the border, the image ends
there and so does its map. Nothing is made up beyond: the mean stays true to
mass, and the result's ``coverage`` says how many maps reach a pixel.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from ..errors import ConfigError
from .base import Part, TargetContext
from .channels import Channels
from .unit import Unit


class SeveralUnits(Channels):
    """Channels of several units; a subclass says which units."""

    aligned_at = 'each of their units'

    def units(self, size: tuple[int, int]) -> list[tuple[int, int]]:
        """The units (y, x) of a grid of this (h, w)."""
        raise NotImplementedError

    def parts(self, output: Tensor, context: TargetContext) -> list[Part]:
        """One part for each unit, all of one result."""
        return [
            part
            for y, x in self.units(context.grid.size)
            for part in Unit(y, x, self.relu, self.channels).parts(
                output, context
            )
        ]


class UnitGrid(SeveralUnits):
    """Units spread evenly over the layer's grid.

    Args:
        rows, columns (int): How many; a layer with fewer gives all it has.
        relu, channels: As for CentreUnit.

    Raises:
        ConfigError: If they are not whole numbers >= 1.

    Example:
        >>> UnitGrid(2, 3).units((8, 12))
        [(2, 2), (2, 6), (2, 10), (6, 2), (6, 6), (6, 10)]
    """

    def __init__(
        self,
        rows: int,
        columns: int,
        relu: bool = True,
        channels: Sequence[int] | None = None,
    ) -> None:
        super().__init__(relu, channels)
        self.rows = _count(rows, 'rows')
        self.columns = _count(columns, 'columns')
        self.where = f'each of {rows} x {columns} units spread evenly'

    def units(self, size: tuple[int, int]) -> list[tuple[int, int]]:
        """Row i of n is floor((i + 0.5) h / n), and so across."""
        lines = []
        for wanted, length in zip(
            (self.rows, self.columns), size, strict=True
        ):
            count = min(wanted, length)
            lines.append(
                [(2 * i + 1) * length // (2 * count) for i in range(count)]
            )
        return [(y, x) for y in lines[0] for x in lines[1]]


class UnitSample(SeveralUnits):
    """Units drawn at random from the layer's grid, the same in every image.

    Args:
        count (int): How many different ones; a layer with fewer gives all.
        seed (int): Decides the draw, together with the grid's size.
        relu, channels: As for CentreUnit.

    Raises:
        ConfigError: If the count is not a whole number >= 1.

    Example:
        >>> sorted(UnitSample(20).units((2, 2)))
        [(0, 0), (0, 1), (1, 0), (1, 1)]
    """

    def __init__(
        self,
        count: int,
        seed: int = 0,
        relu: bool = True,
        channels: Sequence[int] | None = None,
    ) -> None:
        super().__init__(relu, channels)
        self.count, self.seed = _count(count, 'count'), seed
        self.where = f'each of {count} units drawn at random (seed {seed})'

    def units(self, size: tuple[int, int]) -> list[tuple[int, int]]:
        """Without repeats, every unit as likely as any other."""
        h, w = size
        rng = np.random.default_rng([self.seed, h, w])
        drawn = rng.choice(h * w, min(self.count, h * w), replace=False)
        return [divmod(int(index), w) for index in drawn]


def _count(value: int, name: str) -> int:
    if not isinstance(value, int) or value < 1:
        raise ConfigError(f'{name} is a whole number >= 1, not {value!r}')
    return value
