"""What is known of a tensor: where each of its entries sits in the input."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from .coordinates import Axis
from .factors import Dim, Factor, merged_factors


@dataclass(frozen=True)
class Line:
    """One axis of a tensor's grid.

    Attributes:
        axis (Axis): Where its units sit.
        enlarged (bool): Whether it was made finer, by interpolation or
            otherwise. Where it meets a grid that was not, the unit sits where
            that grid has it.
        phases (tuple, optional): The axis of which strided slices took units,
            and the offsets of all slices that are in this tensor.
    """

    axis: Axis
    enlarged: bool = False
    phases: tuple[Axis, frozenset[float]] | None = None


class Lost:
    """The tag of a tensor that comes from the input in an unknown way."""

    def __repr__(self) -> str:
        return 'LOST'


LOST = Lost()


@dataclass(frozen=True)
class Placed:
    """The tag of a tensor whose entries' places are known.

    Attributes:
        dims (tuple of Dim): Its dimensions.
        lines (mapping): By ``'y'`` and ``'x'``, where units sit.
    """

    dims: tuple[Dim, ...]
    lines: Mapping[str, Line]

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """The tensor's shape."""
        return tuple(dim.size for dim in self.dims)

    def factors_of(self, axis: str) -> list[Factor]:
        """All factors of an axis, in any dimension."""
        return [f for d in self.dims for f in d.factors if f.axis == axis]

    def with_dims(self, dims: Sequence[Dim]) -> Placed:
        """The same places in other dimensions, steps in lowest terms."""
        return _lowest_terms(Placed(tuple(dims), self.lines))

    def with_dim(self, position: int, dim: Dim) -> Placed:
        """The same with another dimension at a position."""
        dims = list(self.dims)
        dims[position] = dim
        return self.with_dims(dims)

    def with_line(self, axis: str, line: Line) -> Placed:
        """The same with other places along an axis."""
        return Placed(self.dims, {**self.lines, axis: line})

    def in_doubt(self) -> Placed:
        """The same, with pixels that are not known."""
        return Placed(
            self.dims,
            {
                name: replace(line, axis=replace(line.axis, doubt=math.inf))
                for name, line in self.lines.items()
            },
        )

    def consumed(self, position: int) -> Placed:
        """The same after an operation that mixes all of a dimension.

        Units of the axes in it become one unit at their middle.
        """
        lines = dict(self.lines)
        for axis, count, step in self.dims[position].factors:
            if axis in ('y', 'x') and count > 1:
                line = lines[axis]
                moved = line.axis.slid(step * (count - 1) / 2, 1)
                if len(self.factors_of(axis)) == 1:  # none is left
                    moved = replace(moved, jump=moved.jump * step * count)
                lines[axis] = Line(moved, line.enlarged)
        dims = list(self.dims)
        dims[position] = Dim()
        return _lowest_terms(Placed(tuple(dims), lines))

    def single(self, position: int) -> tuple[str, Factor] | None:
        """Axis and factor of a dimension that is part of one axis only.

        Factors of one image are not counted. A fine factor of channels after
        it, as a pixel shuffle leaves it, is: see ``subpixels``.
        """
        dim = self.dims[position]
        factors = [f for f in dim.factors if f.axis != 'n' or f.size > 1]
        if len(factors) != 1 or dim.before or dim.after:
            return None
        (factor,) = factors
        if isinstance(factor.axis, str) and factor.axis in ('y', 'x'):
            return factor.axis, factor
        return None

    def subpixels(self) -> Placed:
        """Rows or columns that channels make finer, as a finer axis.

        A pixel shuffle written with ``view`` and ``permute`` leaves a
        dimension of units times channels.
        """
        out = self
        for position, dim in enumerate(self.dims):
            if len(dim.factors) != 2 or dim.before or dim.after:
                continue
            (axis, count, step), (inner, fine, _) = dim.factors
            if not isinstance(axis, str) or axis == 'n' or inner is not None:
                continue
            if len(self.factors_of(axis)) == 1 and step == 1:
                line = Line(
                    out.lines[axis].axis.resized(count, count * fine, False),
                    enlarged=True,
                )
                finer = Dim((Factor(axis, count * fine),))
                out = out.with_line(axis, line).with_dim(position, finer)
        return out


Tag = Placed | Lost


def _lowest_terms(placed: Placed) -> Placed:
    """Steps divided by what they share; a reversed axis read forwards."""
    for name in ('y', 'x'):
        factors = placed.factors_of(name)
        steps = [f.step for f in factors if f.size > 1] or [
            f.step for f in factors
        ]
        if not steps:
            continue
        shared = math.gcd(*steps) or 1
        if all(step < 0 for step in steps):
            shared = -shared
        if shared == 1:
            continue
        dims = tuple(
            replace(
                dim,
                factors=merged_factors(
                    Factor(f.axis, f.size, max(f.step // shared, 1))
                    if f.axis == name and f.size == 1
                    else f._replace(step=f.step // shared)
                    if f.axis == name
                    else f
                    for f in dim.factors
                ),
            )
            for dim in placed.dims
        )
        line = placed.lines[name]
        axis = line.axis
        placed = Placed(
            dims,
            {
                **placed.lines,
                name: replace(
                    line, axis=replace(axis, jump=axis.jump * shared)
                ),
            },
        )
    return placed
