"""The part of the maps that panels show: as much about every unit."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from ...core.results.erf_result import ERFResult
from .marks import drawn_shares, square_sides

MARGIN = 1.2  # side of the view, in sides of the largest square or field
IMAGE_MARGIN = 2.0  # the same where the image is seen, to be recognised
_LARGEST_FIELD = 2  # in sides of the largest square; larger ones are left out


@dataclass(frozen=True)
class View:
    """Distances from the unit's whole pixel to the panel's edges, px.

    Attributes:
        above, below, left, right (float): Edges lie between pixels, so that
            each is a whole number and a half.
        whole (bool): Whether no part of any map lies outside.
    """

    above: float
    below: float
    left: float
    right: float
    whole: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """(h, w), px."""
        return round(self.above + self.below), round(self.left + self.right)

    @property
    def aspect(self) -> float:
        """Height over width."""
        return (self.above + self.below) / (self.left + self.right)

    def show(self, ax: Axes, result: ERFResult) -> None:
        """Limit axes to the view about a result's unit; grey off its map."""
        y, x = result.center
        ax.set_xlim(x - self.left, x + self.right)
        ax.set_ylim(y + self.below, y - self.above)
        ax.set_facecolor('#b0b0b0')


def common_view(
    results: Iterable[ERFResult],
    reach: int | None = None,
    margin: float = MARGIN,
) -> View:
    """One view for all results: 1.2 times what is to be seen in it.

    That is the largest square that is drawn, or the largest theoretical
    field, unless that is more than twice as large. The view ends where the
    furthest map ends. Pictures of attention, and maps that are all zero, are
    shown whole.

    Args:
        results (iterable of ERFResult): At least one.
        reach (int, optional): Pixels to each side of the unit instead.
        margin (float): Another factor than 1.2.
    """
    results = list(results)
    edges = [
        max(distances) for distances in zip(*map(_edges, results), strict=True)
    ]
    half = math.inf
    if reach is not None:
        half = reach + 0.5
    elif all(result.kind == 'erf' for result in results):
        side = max(map(_largest_square, results))
        fields = [0.0, *map(_field_side, results)]
        field = max(f for f in fields if f <= _LARGEST_FIELD * side)
        if side:
            half = math.ceil(margin * max(side, field) / 2) + 0.5
    above, below, left, right = (min(half, edge) for edge in edges)
    whole = half >= max(edges)
    return View(above, below, left, right, whole)


def _edges(result: ERFResult) -> Sequence[float]:
    """From a unit to its map's edges: above, below, left and right."""
    (y, x), (height, width) = result.center, result.map.shape
    return y + 0.5, height - y - 0.5, x + 0.5, width - x - 0.5


def _largest_square(result: ERFResult) -> int:
    sides = square_sides(result, drawn_shares(result))
    return max(sides.values(), default=0)


def _field_side(result: ERFResult) -> float:
    """Side of the square about the unit that holds the theoretical field."""
    if result.theory is None or result.theory.size is None:
        return 0.0
    axes = (result.theory.y, result.theory.x)
    return 2 * max(max(-axis.before, axis.after) for axis in axes) + 1
