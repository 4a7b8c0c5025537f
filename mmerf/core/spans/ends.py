"""What lies beyond the ends of a dimension: in paddings, and on a strip.

A strip stands for one of any length. Where a tensor's spans move on by the
same number of pixels every so many units, its units in the padding are those
that a longer strip would have: their spans are continued, and so are the
pixels that move them, as if the strip's own content came again.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .memory import BEYOND, NOTHING, Spans, varies
from .operation import Operation

PERIODS = 3  # that a strip has to show
MOST_UNITS = 64  # of a period


class Period(NamedTuple):
    """After so many units, spans have moved on by so many pixels."""

    units: int
    pixels: float


def extended(
    op: Operation,
    spans: Spans,
    dim: int,
    ends: tuple[int, int],
    along: bool | None = None,
) -> Spans:
    """Add or, where negative, remove elements at both ends of a dimension.

    Along the axis, new elements of a strip continue it, or are ``BEYOND`` it
    where its spans have no period; those of an image depend on nothing.
    Across, a wider strip would have units there with the same spans.

    Args:
        op (Operation): The operation.
        spans (list of Tensor): Before.
        dim (int): The dimension.
        ends (tuple[int, int]): How many elements before, and after.
        along (bool, optional): Whether the dimension runs along the axis;
            None: as ``is_along`` finds.
    """
    size = spans[0].shape[dim]
    places = torch.arange(-ends[0], size + ends[1])
    out = [taken(numbers, dim, places) for numbers in spans]
    if ends[0] <= 0 and ends[1] <= 0:
        return out
    if not (is_along(op, spans, dim) if along is None else along):
        return out
    period = period_of(spans, dim) if op.endless else None
    if period is not None:
        for i in (*op.counted[:2], *op.counted[4:]):
            out[i] = _continued(spans[i], dim, places, period, i % 2 == 0)
        return out
    shape = [1] * spans[0].dim()
    shape[dim] = len(places)
    new = ((places < 0) | (places >= size)).view(shape)
    for i in (*op.counted[:2], *op.counted[4:]):
        fill = BEYOND if op.endless and i < 2 else NOTHING
        out[i] = out[i].masked_fill(new, fill)
    return out


def going_on(op: Operation, spans: Spans, dim: int, clamped: Tensor) -> Spans:
    """Let elements that read past an end go on as those before them.

    Args:
        op (Operation): The operation, on an endless strip.
        spans (list of Tensor): Of its output.
        dim (int): A dimension along the axis.
        clamped (Tensor): Which elements along it those are; booleans.
    """
    free = (~clamped).nonzero().flatten().tolist()
    first, last = (free[0], free[-1]) if free else (0, 0)
    count = last - first + 1
    inside = [numbers.narrow(dim, first, count) for numbers in spans]
    ends = (first, len(clamped) - 1 - last)
    if free:
        return extended(op, inside, dim, ends, along=True)
    beyond = torch.full_like(spans[0], BEYOND)
    return [beyond, beyond, *spans[2:]]


def is_along(op: Operation, spans: Spans, dim: int) -> bool:
    """Whether a dimension runs along the axis; else it runs across."""
    if varies(spans, dim):
        return True
    if spans[0].shape[dim] > 1 or not op.endless:
        return False
    # one unit on the strip?
    return not any(varies(spans, d) for d in range(spans[0].dim()))


def period_of(spans: Spans, dim: int) -> Period | None:
    """After how many units all spans have moved on alike; None if never."""
    size = spans[0].shape[dim]
    if max(float(numbers.max()) for numbers in spans[:2]) >= BEYOND / 2:
        return None
    for units in range(1, min(size // PERIODS, MOST_UNITS) + 1):
        moves = [_move(numbers, dim, units) for numbers in spans[:2]]
        if moves[1] > 0 and moves[0] == -moves[1]:
            return Period(units, moves[1])
    return None


def _move(numbers: Tensor, dim: int, units: int) -> float:
    """How far all numbers move on after some units; NaN if not alike."""
    count = numbers.shape[dim] - units
    move = numbers.narrow(dim, units, count) - numbers.narrow(dim, 0, count)
    low, high = (float(n) for n in move.aminmax())
    return high if low == high else float('nan')


def _continued(
    numbers: Tensor, dim: int, places: Tensor, period: Period, first: bool
) -> Tensor:
    size = numbers.shape[dim]
    whole = size // period.units * period.units
    inside = (places >= 0) & (places < size)
    times = torch.div(places, whole, rounding_mode='floor')
    times = times.masked_fill(inside, 0)
    moved = times * (whole // period.units * period.pixels)
    shape = [1] * numbers.dim()
    shape[dim] = len(places)
    found = numbers.index_select(dim, places - times * whole)
    return found + (-moved if first else moved).view(shape).float()


def taken(numbers: Tensor, dim: int, places: Tensor) -> Tensor:
    """Elements at some places, or at the nearest that there is."""
    return numbers.index_select(dim, places.clamp(0, numbers.shape[dim] - 1))
