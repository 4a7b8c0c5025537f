"""Targets of several units: a mean of maps, each aligned at its own unit.

All units share one forward; each needs one backward. The map of a unit near
the border ends where the image ends; nothing is added beyond, so that no mass
is made up. The result's ``coverage`` says how many maps reach a pixel.
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
    """Channels of several units; a subclass defines ``units``."""

    aligned_at = 'each of their units'

    def units(self, size: tuple[int, int]) -> list[tuple[int, int]]:
        """The units (y, x) of a grid with size (h, w)."""
        raise NotImplementedError

    def parts(self, output: Tensor, context: TargetContext) -> list[Part]:
        """One part per unit, all of one result."""
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
        rows, columns (int): Number of units each way; all units of a layer
            that has fewer.
        relu, channels: As for CentreUnit.

    Raises:
        ConfigError: If ``rows`` or ``columns`` is no whole number >= 1.

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
        self.rows = _count_units(rows, 'rows')
        self.columns = _count_units(columns, 'columns')
        self.where = f'each of {rows} x {columns} units spread evenly'

    def units(self, size: tuple[int, int]) -> list[tuple[int, int]]:
        """Row i of n is floor((i + 0.5) h / n); columns likewise."""
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
        count (int): Number of different units; all units of a layer that has
            fewer.
        seed (int): Seed of the draw, together with the grid's size.
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
        self.count, self.seed = _count_units(count, 'count'), seed
        self.where = f'each of {count} units drawn at random (seed {seed})'

    def units(self, size: tuple[int, int]) -> list[tuple[int, int]]:
        """Drawn without repeats; every unit is equally likely."""
        h, w = size
        rng = np.random.default_rng([self.seed, h, w])
        drawn = rng.choice(h * w, min(self.count, h * w), replace=False)
        return [divmod(int(index), w) for index in drawn]


def _count_units(value: int, name: str) -> int:
    if not isinstance(value, int) or value < 1:
        raise ConfigError(f'{name} is a whole number >= 1, not {value!r}')
    return value
