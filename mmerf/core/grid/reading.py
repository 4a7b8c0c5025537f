"""How the units of a tensor are laid out as (N, C, h, w)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from .coordinates import Size
from .factors import Dim, Factor, channels


@dataclass(frozen=True)
class Reading:
    """A layout: which parts of a tensor's dimensions are rows and columns.

    Attributes:
        dims (tuple of Dim): The tensor's dimensions.
        batch (int): Number of images when it was found.
        swapped (bool): Whether units are counted across before down.
    """

    dims: tuple[Dim, ...]
    batch: int
    swapped: bool = False

    @property
    def size(self) -> Size:
        """(h, w) of the grid."""
        factors = [f for dim in self.dims for f in dim.factors]
        h, w = (
            count_of([f for f in factors if f.axis == name])
            for name in self._order
        )
        return h, w

    @property
    def _order(self) -> str:
        return 'xy' if self.swapped else 'yx'

    def nchw(self, tensor: Tensor, batch: int) -> Tensor | None:
        """A tensor as (N, C, h, w).

        Args:
            tensor (Tensor): Of the same dimensions, for ``batch`` images.
            batch (int): Number of images.

        Returns:
            Tensor, optional: Shape (N, C, h, w); None where the tensor has
            another shape.
        """
        if tensor.dim() != len(self.dims):
            return None
        factors: list[Factor] = []
        for position, dim in enumerate(self.dims):
            now = [
                f._replace(size=f.size * batch // self.batch)
                if f.axis == 'n'
                else f
                for f in dim.factors
            ]
            inner = count_of(now)
            if tensor.shape[position] != dim.before + inner + dim.after:
                return None
            if dim.before or dim.after:
                tensor = tensor.narrow(position, dim.before, inner)
            factors += now
        # In a backward pass each view that changes nothing is a copy.
        apart, sizes = tensor, [factor.size for factor in factors]
        if list(tensor.shape) != sizes:
            apart = tensor.reshape(sizes)
        order = sorted(
            range(len(factors)), key=lambda i: _rank(factors[i], self._order)
        )
        laid = apart if order == sorted(order) else apart.permute(order)
        images = count_of([f for f in factors if f.axis == 'n'])
        h, w = (
            count_of([f for f in factors if f.axis == name])
            for name in self._order
        )
        if images != batch:
            return None
        if laid.dim() == 4 and (len(laid), *laid.shape[2:]) == (batch, h, w):
            return laid
        return laid.reshape(batch, -1, h, w)


def count_of(factors: Sequence[Factor]) -> int:
    """Number of entries that factors make."""
    return math.prod(factor.size for factor in factors)


def _rank(factor: Factor, order: str) -> tuple[int, int]:
    """Images first, then channels, rows and columns, large steps first."""
    place = ('n', None, *order).index(factor.axis)
    return place, -abs(factor.step) if factor.axis else 0


def plain_reading(
    shape: Sequence[int], order: str, size: Size, batch: int, before: int = 0
) -> Reading | None:
    """A layout stated by name; None where the shape does not fit it.

    Args:
        shape (sequence of int): The tensor's shape.
        order (str): Dimensions from the outermost, such as ``'ncyx'``,
            ``'nyxc'``, ``'n(yx)c'``, ``'nc(yx)'``, ``'n(xy)c'``.
        size (tuple[int, int]): (h, w).
        batch (int): Number of images.
        before (int): Tokens before the grid's.
    """
    counts = {'n': batch, 'y': size[0], 'x': size[1]}
    groups: list[str] = []
    inside = False
    for letter in order:
        if letter in '()':
            inside = letter == '('
            if inside:
                groups.append('')
        elif inside:
            groups[-1] += letter
        else:
            groups.append(letter)
    if len(groups) != len(shape):
        return None
    dims = []
    for group, length in zip(groups, shape, strict=True):
        if group == 'c':
            dims.append(channels(length))
            continue
        factors = tuple(Factor(letter, counts[letter]) for letter in group)
        rest = length - count_of(factors)
        first = before if len(group) > 1 else 0
        if rest < first or (rest and len(group) == 1):
            return None
        dims.append(Dim(factors, first, rest - first))
    return Reading(tuple(dims), batch)
