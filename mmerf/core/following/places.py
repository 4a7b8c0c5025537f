"""What is known of where tensors' entries sit, however they are followed."""

from __future__ import annotations

import math
from collections.abc import Hashable
from contextlib import suppress

from torch import Tensor

from ..aten import tensors_in
from ..grid.coordinates import Axis, Grid, Size, even_grid
from ..grid.factors import Dim, Factor
from ..grid.placed import LOST, Line, Placed, Tag
from ..placing.call import Call, Outcome, Rule

Steps = tuple[int, int] | None  # px, down and across
Noted = list[tuple[Tag, Grid | None]]


class KnownPlaces:
    """Tags of tensors, and the grids that were made so far.

    Args:
        images (Tensor): What the model is called with, (N, ..., C, H, W).

    Attributes:
        pixels (Placed): The tag of the images.
        sizes (dict[tuple[int, int], Grid]): Grids made so far, by (h, w); of
            several of one size the last.
    """

    def __init__(self, images: Tensor) -> None:
        frames = math.prod(images.shape[1:-3])
        height, width = (int(side) for side in images.shape[-2:])
        self.input_size = (height, width)
        whole = Axis(0, 1)
        self.sizes = {self.input_size: Grid(self.input_size, whole, whole)}
        # Strides of all grids so far, also where a later one is as large.
        self._jumps: tuple[set[float], set[float]] = ({1.0}, {1.0})
        # Equal tags are one object, which lives as long as this one; so that
        # its id names it in what is known of earlier operations.
        self._alike: dict[Hashable, tuple[Placed, Grid | None]] = {}
        self.known: dict[Hashable, Noted] = {}
        dims = [Dim((Factor('n', len(images), frames),))]
        dims += [Dim((Factor('n', size),)) for size in images.shape[1:-3]]
        channels = int(images.shape[-3])
        placed = Placed(
            (
                *dims,
                Dim((Factor(None, channels),) if channels > 1 else ()),
                Dim((Factor('y', height),)),
                Dim((Factor('x', width),)),
            ),
            {'y': Line(whole), 'x': Line(whole)},
        )
        self.pixels = self._with_grid(placed)[0]

    def grid(self, size: Size) -> Grid:
        """A grid of this size (h, w) for a tensor that is lost, in doubt."""
        found = self.sizes.get(size)
        if found is None:
            return even_grid(size, self.input_size)
        return Grid(size, found.y, found.x, followed=False)

    def steps(self) -> Steps:
        """Multiples at which a crop keeps every grid made so far.

        Returns:
            tuple[int, int], optional: In pixels, down and across; None where
            a grid's stride is no whole number.
        """
        steps = []
        for jumps in self._jumps:
            whole = [jump for jump in jumps if 1 / (jump or 1) % 1]
            if any(jump % 1 for jump in whole):
                return None
            steps.append(math.lcm(*(int(jump) for jump in whole)))
        return steps[0], steps[1]

    def outcome(self, rule: Rule | None, call: Call) -> Outcome:
        """What a rule answers; None for a form that it does not know."""
        if rule is not None and tensors_in(call.out):
            with suppress(ArithmeticError, LookupError, TypeError, ValueError):
                return rule(call)
        return None

    def noted(self, outcome: Outcome, made: list[Tensor]) -> Noted:
        """Tags, and grids, of the tensors that an operation made.

        Args:
            outcome (Outcome): Of the operation's rule.
            made (list of Tensor): What it made, or wrote to.
        """
        if isinstance(outcome, list):
            found = outcome + [LOST] * (len(made) - len(outcome))
        else:
            found = [outcome] * len(made)
        noted: Noted = []
        for tensor, tag in zip(made, found, strict=True):
            if isinstance(tag, Placed) and tag.shape == tuple(tensor.shape):
                noted.append(self._with_grid(tag))
            else:
                noted.append((LOST, None))
        return noted

    def keep_grid(self, grid: Grid | None) -> None:
        """Keep the grid of a tensor that was made."""
        if grid is not None and grid.size != self.input_size:
            self.sizes[grid.size] = grid

    def _with_grid(self, placed: Placed) -> tuple[Placed, Grid | None]:
        """The one tag that is equal to this one, and its grid if it has one.

        It has one if it is that of a (N, C, h, w) tensor, or of one like it.
        """
        key = placed.dims, *placed.lines.items()
        if key not in self._alike:
            grid = _grid_of(placed)
            self._alike[key] = placed, grid
            if grid is not None:
                for jumps, jump in zip(self._jumps, grid.stride, strict=True):
                    jumps.add(jump)
        return self._alike[key]


def _grid_of(placed: Placed) -> Grid | None:
    """The grid of a (N, C, h, w) tensor, or of one like it."""
    if len(placed.dims) != 4:
        return None
    alone = [placed.single(p) for p in range(4)]
    sides = {name: f for found in alone if found for name, f in [found]}
    whole = all(len(placed.factors_of(name)) == 1 for name in sides)
    if len(sides) != 2 or not whole:
        return None
    y, x = (placed.lines[name].axis for name in ('y', 'x'))
    return Grid((sides['y'].size, sides['x'].size), y, x)
