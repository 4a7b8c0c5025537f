"""How a tensor whose entries were followed is read as (N, C, h, w)."""

from __future__ import annotations

from collections.abc import Sequence

from ..grid.coordinates import Grid
from ..grid.factors import Dim, Factor, channels
from ..grid.placed import Placed
from ..grid.reading import Reading, count_of


def reading_of(placed: Placed, batch: int) -> tuple[Reading, Grid] | None:
    """How a followed tensor is read, and the grid that it then has.

    None where it is no feature map of the whole batch: rows or columns are
    missing, or overlap.

    Args:
        placed (Placed): The tensor's tag.
        batch (int): Number of images.
    """
    placed = _without_fine_parts(placed.subpixels())
    placed = _with_averaged_axes(placed)
    if not _in_order(placed.dims):
        return None
    size, axes = [], []
    for name in ('y', 'x'):
        factors = placed.factors_of(name)
        if not factors:
            return None
        expected = 1
        for factor in sorted(factors, key=lambda f: abs(f.step)):
            if factor.size > 1 and factor.step != expected:
                return None  # overlapping or left-out units
            expected *= factor.size
        size.append(count_of(factors))
        axes.append(placed.lines[name].axis)
    if count_of(placed.factors_of('n')) != batch:
        return None
    swapped = _across_first(placed.dims)
    h, w = reversed(size) if swapped else size
    grid = Grid((h, w), axes[0], axes[1], swapped=swapped)
    return Reading(placed.dims, batch, swapped), grid


def _across_first(dims: Sequence[Dim]) -> bool:
    """Whether columns have a dimension of their own before that of rows."""
    alone = [
        name
        for dim in dims
        for name in ('y', 'x')
        if dim.has(name) and not dim.has('n' + ('x' if name == 'y' else 'y'))
    ]
    return alone == ['x', 'y']


def _without_fine_parts(placed: Placed) -> Placed:
    """Parts of rows and columns among the channels as channels."""
    for position, dim in enumerate(placed.dims):
        mixed = any(f.axis is None for f in dim.factors) and dim.has('yx')
        whole = {
            f.axis
            for other in placed.dims
            for f in other.factors
            if other is not dim
        }
        inside = {f.axis for f in dim.factors if f.axis in ('y', 'x')}
        if mixed and inside <= whole and not (dim.before or dim.after):
            placed = placed.consumed(position).with_dim(
                position, channels(dim.size)
            )
    return placed


def _with_averaged_axes(placed: Placed) -> Placed:
    """An axis that was averaged to one unit, as a dimension of size 1."""
    missing = [n for n in ('y', 'x') if not placed.factors_of(n)]
    spare = [p for p, dim in enumerate(placed.dims) if not dim.factors]
    if not missing or len(placed.dims) != 4 or len(spare) < len(missing):
        return placed
    for name, position in zip(
        reversed(missing), reversed(spare), strict=False
    ):
        placed = placed.with_dim(position, Dim((Factor(name, 1),)))
    return placed


def _in_order(dims: Sequence[Dim]) -> bool:
    """Whether dimensions are those of a feature map, tokens or windows.

    Rows and columns have a dimension each, or share one as tokens, in any
    order; windows are counted in the dimension of the images.
    """
    units: list[frozenset] = []
    for dim in dims:
        axes = [f.axis for f in dim.factors if f.axis != 'n' or f.size > 1]
        placed = [axis for axis in axes if axis in ('y', 'x')]
        if dim.has('n') and placed:
            continue  # windows
        if placed and len(placed) != len(axes):
            return False  # among channels
        if placed:
            units.append(frozenset(placed))
    both = [frozenset('y'), frozenset('x')]
    return units in (both, both[::-1], [frozenset('yx')])
