"""Spans after interpolation and adaptive pooling."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .ends import going_on, is_along
from .memory import Spans
from .operation import Operation

MOST_CELLS = 2**24  # of the matrix that shows which units an output reads


def _resized(op: Operation, adaptive: bool) -> Spans:
    """The operation itself shows, on unit vectors, which units it reads."""
    count = len(op.arguments['output_size'] or op.shape[2:])
    spans, first = op.read(op.source), op.source.dim() - count
    if count > 2:
        raise ValueError('a volume')
    for i in range(count):
        dim = first + i
        low, high = _taps(op, i, count, spans[0].shape[dim], op.shape[dim])
        clamped = (low == 0) | (high == spans[0].shape[dim] - 1)
        along = is_along(op, spans, dim)
        middle = (low + high) // 2
        spans = [
            numbers.index_select(dim, middle)
            if which in (2, 3) and not adaptive
            else _largest(numbers, dim, low, high)
            for which, numbers in enumerate(spans)
        ]
        if along and op.endless and not adaptive:
            found = going_on(op, spans, dim, clamped)
            spans = found[:2] + spans[2:4] + found[4:]
    return spans


def _taps(
    op: Operation, place: int, count: int, before: int, after: int
) -> tuple[Tensor, Tensor]:
    """The first and the last unit that each output reads, along one side."""
    if before * after > MOST_CELLS:
        raise ValueError('too large to be followed')
    ones = [1] * (count - 1)
    shape = [1, before, *ones]
    shape.insert(2 + place, before)
    size = list(ones)
    size.insert(place, after)
    eye = torch.eye(before, dtype=torch.float64).reshape(shape)
    out = op.func(**{**op.arguments, 'self': eye, 'output_size': size})
    out = out[0] if isinstance(out, (tuple, list)) else out
    reads = (out.reshape(before, after) != 0).T.to(torch.uint8)
    last = before - 1 - reads.flip(1).argmax(1)
    return reads.argmax(1), last


def _largest(numbers: Tensor, dim: int, low: Tensor, high: Tensor) -> Tensor:
    """The largest of the elements from ``low`` to ``high``, for each pair."""
    width = int((high - low).max()) + 1
    places = low[:, None] + torch.arange(width)
    places = torch.minimum(places, high[:, None])
    seen = numbers.index_select(dim, places.flatten())
    return seen.unflatten(dim, (len(low), width)).amax(dim + 1)


def _interpolated(op: Operation) -> Spans:
    return _resized(op, adaptive=False)


def _pooled_adaptively(op: Operation) -> Spans:
    return _resized(op, adaptive=True)


_INTERPOLATIONS = (
    'upsample_nearest1d upsample_nearest2d _upsample_nearest_exact2d '
    'upsample_linear1d upsample_bilinear2d _upsample_bilinear2d_aa '
    'upsample_bicubic2d _upsample_bicubic2d_aa'
)

RESIZE_RULES: dict[str, Callable[[Operation], Spans]] = {
    **{f'aten::{name}': _interpolated for name in _INTERPOLATIONS.split()},
    'aten::_adaptive_avg_pool2d': _pooled_adaptively,
    'aten::adaptive_avg_pool2d': _pooled_adaptively,
    'aten::adaptive_max_pool2d': _pooled_adaptively,
}
