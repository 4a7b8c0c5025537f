"""The coordinate maps of a forward pass, one for each grid size."""

from __future__ import annotations

from collections.abc import Callable

from .coordinates import Axis, Grid, Size, even_grid


class GridMaps:
    """Where each grid's units sit, as far as it is known so far.

    Args:
        input_size (tuple[int, int]): (H, W) of the network's input.

    Attributes:
        grids (dict[tuple[int, int], Grid]): By the grid's (h, w), in the
            order in which the sizes were first made.
        slice_starts (dict): Rows and columns at which strided slices have
            started, by the sizes before and after them.
    """

    def __init__(self, input_size: Size) -> None:
        self.input_size = input_size
        self.grids = {input_size: Grid(input_size, Axis(0, 1), Axis(0, 1))}
        self.slice_starts: dict[tuple, tuple[set[int], set[int]]] = {}

    def grid(self, size: Size) -> Grid:
        """The current map of a grid size (h, w); an even grid if unknown."""
        found = self.grids.get(size)
        return found or even_grid(size, self.input_size)

    def record(
        self,
        source: Size,
        size: Size,
        y: Callable[[Axis], Axis],
        x: Callable[[Axis], Axis],
    ) -> None:
        """Replace a grid size's map by one made from another grid's.

        If the other grid's map is not known, the new one is not either.

        Args:
            source (tuple[int, int]): (h, w) of the grid it is made from.
            size (tuple[int, int]): (h, w) of the new grid.
            y, x (callable): From the source's axis to the new one.
        """
        parent = self.grids.get(source)
        if parent is None:
            self.grids.pop(size, None)
        else:
            self.grids[size] = Grid(size, y(parent.y), x(parent.x))
