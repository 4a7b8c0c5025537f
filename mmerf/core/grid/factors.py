"""How the axes of an image lie in the dimensions of a tensor.

A dimension of a tensor is a product of factors. That of tokens in rows is
``y`` times ``x``; that of attention windows is images times window rows times
window columns. Reshaping regroups factors, and nothing else: this is enough to
follow windows, tokens and pixel shuffles without any guess.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple


class Factor(NamedTuple):
    """Part of a dimension.

    Attributes:
        axis (str, optional): ``'n'`` (images), ``'y'``, ``'x'``, or None for
            channels and whatever else has no place in the image; a ``Dim``
            of a grid with tokens beside it, which is not taken apart.
        size (int): How many.
        step (int): Units of the axis from one to the next.
    """

    axis: str | Dim | None
    size: int
    step: int = 1


@dataclass(frozen=True)
class Dim:
    """One dimension of a tensor.

    Attributes:
        factors (tuple of Factor): The outermost first.
        before, after (int): Entries that are no part of the factors, such as
            class tokens.
    """

    factors: tuple[Factor, ...] = ()
    before: int = 0
    after: int = 0

    @cached_property
    def inner(self) -> int:
        """Number of entries that the factors make."""
        return math.prod(factor.size for factor in self.factors)

    @cached_property
    def size(self) -> int:
        """Number of entries."""
        return self.before + self.inner + self.after

    def has(self, axes: str) -> bool:
        """Whether any of these axes is in the dimension."""
        return any(
            f.axis.has(axes)
            if isinstance(f.axis, Dim)
            else f.axis is not None and f.axis in axes
            for f in self.factors
        )


def channels(count: int) -> Dim:
    """A dimension without a place in the image."""
    return Dim((Factor(None, count),) if count != 1 else ())


def merged_factors(factors: Iterable[Factor]) -> tuple[Factor, ...]:
    """Neighbouring factors of one axis as one, where they are in order."""
    out: list[Factor] = []
    for factor in factors:
        if factor.axis is None and factor.size == 1:
            continue
        if factor.axis is None or factor.size == 1:
            factor = factor._replace(step=1)
        last = out[-1] if out else None
        if last is None or last.axis != factor.axis:
            out.append(factor)
        elif factor.axis is None:
            out[-1] = Factor(None, last.size * factor.size)
        elif isinstance(factor.axis, Dim):
            out.append(factor)
        elif factor.size == 1:
            continue
        elif last.size == 1 or last.step == factor.step * factor.size:
            out[-1] = Factor(factor.axis, last.size * factor.size, factor.step)
        else:
            out.append(factor)
    return tuple(out)


def reshaped(
    dims: Sequence[Dim], shape: Sequence[int]
) -> tuple[Dim, ...] | None:
    """The dimensions of a tensor after ``view(shape)``.

    None where a new dimension would begin or end inside of a factor in a way
    that no factors describe.

    Example:
        >>> rows, columns = Dim((Factor('y', 4),)), Dim((Factor('x', 6),))
        >>> (tokens,) = reshaped([rows, columns], [24])
        >>> tokens.factors == rows.factors + columns.factors
        True
    """
    old, new = list(dims), list(shape)
    if 0 in new or math.prod(d.size for d in old) != math.prod(new):
        return None
    out: list[Dim] = []
    while old and new:
        group, sizes = [old.pop(0)], [new.pop(0)]
        have, want = group[0].size, sizes[0]
        while have != want:
            if have < want:
                group.append(old.pop(0))
                have *= group[-1].size
            else:
                sizes.append(new.pop(0))
                want *= sizes[-1]
        if len(group) == len(sizes) == 1:
            out.append(group[0])
            continue
        parts = _distributed([f for d in group for f in _packed(d)], sizes)
        if parts is None:
            return None
        out += parts
    rest = tuple(f for dim in old for f in dim.factors)  # all of count 1
    if rest and out and not (out[-1].before or out[-1].after):
        out[-1] = Dim(merged_factors((*out[-1].factors, *rest)))
    return (*out, *(Dim() for _ in new))


def _packed(dim: Dim) -> tuple[Factor, ...]:
    """A dimension's factors; of one with tokens beside its grid, itself."""
    return (Factor(dim, dim.size),) if dim.before or dim.after else dim.factors


def _unpacked(factors: tuple[Factor, ...]) -> Dim:
    """The dimension of some factors, a grid with its tokens taken out."""
    if len(factors) == 1 and isinstance(factors[0].axis, Dim):
        return factors[0].axis
    return Dim(factors)


def _distributed(
    factors: list[Factor], sizes: Sequence[int]
) -> list[Dim] | None:
    """Factors dealt out to dimensions of these sizes, split where needed."""
    queue, out = list(factors), []
    for size in sizes:
        taken: list[Factor] = []
        need = size
        while need > 1:
            factor = queue.pop(0)
            if need % factor.size == 0:
                taken.append(factor)
                need //= factor.size
            elif factor.size % need == 0 and not isinstance(factor.axis, Dim):
                inner = factor.size // need
                axis, _, step = factor
                taken.append(Factor(axis, need, step * inner))
                queue.insert(0, Factor(axis, inner, step))
                need = 1
            else:
                return None
        if size == 1 and queue and queue[0].size == 1:
            taken.append(queue.pop(0))
        out.append(_unpacked(merged_factors(taken)))
    if queue:  # of count 1
        out[-1] = Dim(merged_factors((*out[-1].factors, *queue)))
    return out
