"""The coordinate maps of a forward pass, one for each grid size."""

from __future__ import annotations

from collections.abc import Callable

from .coordinates import Axis, Grid, Size, even_grid


class GridMaps:
    """What is known so far about where each grid's units sit.

    Args:
        input_size (tuple[int, int]): (H, W) of the network's input.

    Attributes:
        grids (dict[tuple[int, int], Grid]): By the grid's (h, w), in the
            order in which the sizes were first made.
        slice_starts (dict): For strided slices, by the sizes before and
            after: the rows and the columns at which slices have started.
    """

    def __init__(self, input_size: Size) -> None:
        self.input_size = input_size
        self.grids = {input_size: Grid(input_size, Axis(0, 1), Axis(0, 1))}
        self.slice_starts: dict[tuple, tuple[set[int], set[int]]] = {}

    def grid(self, size: Size) -> Grid:
        """The map of a grid size as it is now; an even grid if unknown."""
        found = self.grids.get(size)
        return found or even_grid(size, self.input_size)

    def record(
        self,
        source: Size,
        size: Size,
        y: Callable[[Axis], Axis],
        x: Callable[[Axis], Axis],
    ) -> None:
        """Replace a grid size's map by one made from another grid.

        Where the other grid's own map is not known, neither is this one.

        Args:
            source (tuple[int, int]): (h, w) of the grid it is made from.
            size (tuple[int, int]): (h, w) of the new grid.
            y, x (callable): The source's axis to the new one.
        """
        parent = self.grids.get(source)
        if parent is None:
            self.grids.pop(size, None)
        else:
            self.grids[size] = Grid(size, y(parent.y), x(parent.x))
