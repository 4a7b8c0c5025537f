"""Spans after sliding windows: convolution, pooling, unfolding, padding."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .ends import extended, going_on, is_along, taken
from .memory import NOTHING, Spans, filled, joined, unmoved
from .moving import only_where
from .operation import Operation


def _per_dim(value: Any, count: int) -> list[int]:
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    return values * count if len(values) == 1 else values


def _slid(
    op: Operation,
    spans: Spans,
    dim: int,
    size: int,
    kernel: int,
    stride: int,
    padding: int,
    dilation: int = 1,
    whole: bool = False,
    moves: list[bool] | None = None,
) -> Spans:
    """Spans after a window has slid along one dimension.

    Args:
        op (Operation): The operation.
        spans (list of Tensor): Before.
        dim (int): The dimension.
        size (int): Its new size.
        kernel, stride, padding, dilation (int): The window.
        whole (bool): Whether sites get the whole window, not its middle.
        moves (list of bool, optional): Which taps move what they read.
    """
    length = spans[0].shape[dim]
    if kernel == stride == 1 and size == length and moves is None:
        return spans
    steps = (size - 1) * stride + 1
    after = steps + (kernel - 1) * dilation - length - padding
    along = is_along(op, spans, dim)
    if not along and not op.endless and op.memory.count == 2:
        shape = list(spans[0].shape)
        shape[dim] = size  # alike everywhere, as are units beside a strip
        return [n.amax(dim, keepdim=True).expand(shape) for n in spans]
    if not along:
        first = size // 2 * stride - padding
        taps = range(first, first + kernel * dilation, dilation)
        if not any(0 <= tap < length for tap in taps):
            nearest = min(abs(2 * tap + 1 - length) for tap in taps)
            times = math.ceil((nearest + 2) / length)
            op.memory.beside = max(op.memory.beside, times)
    middle = torch.arange(size) * stride - padding
    middle += (kernel - 1) * dilation // 2
    padded = extended(op, spans, dim, (padding, after), along)
    out = []
    for which, numbers in enumerate(spans):
        if which in (2, 3) and not whole:
            out.append(taken(numbers, dim, middle))
            continue
        largest = None
        for tap in range(kernel):
            if which > 3 and moves is not None and not moves[tap]:
                continue
            seen = padded[which].narrow(dim, tap * dilation, steps)
            seen = seen[(slice(None),) * (dim % seen.dim()) + (
                slice(None, None, stride),
            )]  # fmt: skip
            largest = seen if largest is None else torch.maximum(largest, seen)
        if largest is None:
            largest = torch.full_like(out[0], NOTHING)
        out.append(largest)
    return out


def _moving_taps(op: Operation, weight: Tensor, dim: int) -> list[bool] | None:
    """Which taps of a kernel have no weight that is zero, if that is asked."""
    if op.memory.count == 2:
        return None
    taps = weight.detach().movedim(dim, 0).flatten(1)
    return [bool(found) for found in (taps != 0).all(1)]


def _convolved(op: Operation) -> Spans:
    weight, source = op.arguments['weight'], op.arguments['input']
    groups, count = op.arguments['groups'], source.dim() - 2
    slide = _transposed if op.arguments.get('transposed') else _slid
    dynamic = op.is_tracked(weight)
    if dynamic and slide is _transposed:
        raise ValueError('the weight depends on the input')
    shape = source.shape
    spans = [
        numbers.reshape(shape[0], groups, -1, *shape[2:]).amax(2)
        for numbers in op.read(source)
    ]
    stride, padding, dilation = (
        _per_dim(op.arguments[name], count)
        for name in ('stride', 'padding', 'dilation')
    )
    for i in range(count):
        spans = slide(
            op, spans, 2 + i, op.shape[2 + i], weight.shape[2 + i],
            stride[i], padding[i], dilation[i],
            moves=_moving_taps(op, weight, 2 + i),
        )  # fmt: skip
    spread = (op.shape[0], groups, op.shape[1] // groups, *op.shape[2:])
    found = [
        numbers.unsqueeze(2).expand(spread).reshape(op.shape)
        for numbers in spans
    ]
    parts = [found, _by_weight(op, weight, source)] if dynamic else [found]
    return joined(parts, op.shape)


def _by_weight(op: Operation, weight: Tensor, source: Tensor) -> Spans:
    """What a kernel that depends on the input adds to each channel.

    It moves the output where all of a kernel's weights are moved alike, and
    a single tap multiplies them by anything.
    """
    found = [
        (numbers.flatten(1).amax(1) if i < 4 else numbers.flatten(1).amin(1))
        for i, numbers in enumerate(op.read(weight))
    ]
    found = [n.view(1, -1, *[1] * (source.dim() - 2)) for n in found]
    same_grid = source.shape[2:] == op.out.shape[2:]
    if not same_grid or weight[0, 0].numel() * op.arguments['groups'] > 1:
        return unmoved(found)
    return only_where((source != 0).any(1, keepdim=True), found)


def _transposed(
    op: Operation,
    spans: Spans,
    dim: int,
    size: int,
    kernel: int,
    stride: int,
    padding: int,
    dilation: int,
    moves: list[bool] | None,
) -> Spans:
    """A transposed convolution: units apart, then a window of stride 1."""
    reach = (kernel - 1) * dilation
    nearest = torch.div(
        torch.arange(size) + padding - reach // 2,
        stride,
        rounding_mode='floor',
    )
    # Units stand ``stride`` apart, the first of those outside at
    # -reach * stride; output o reads at o + padding - tap * dilation.
    begin = reach * stride + padding - reach
    wide = extended(op, spans, dim, (reach, reach + size))
    out = []
    for which, numbers in enumerate(spans):
        if which in (2, 3):
            out.append(taken(numbers, dim, nearest))
            continue
        shape = list(wide[which].shape)
        shape[dim] = (shape[dim] - 1) * stride + 1
        apart = filled(shape, NOTHING)
        apart[(slice(None),) * dim + (slice(None, None, stride),)] = wide[
            which
        ]
        seen = [
            apart.narrow(dim, begin + tap * dilation, size)
            for tap in range(kernel)
            if which < 4 or moves is None or moves[tap]
        ]
        seen = seen or [torch.full_like(out[0], NOTHING)]
        out.append(torch.stack(seen).amax(0))
    return out


def _max_pooled(op: Operation) -> Spans:
    """Of a maximum, the element that was chosen moves it."""
    found = _pooled(op)
    if op.memory.count < 6:
        return found
    if len(op.outputs) < 2 or op.source.dim() != 4:
        return unmoved(found)
    places = op.outputs[1].cpu().flatten(2)
    source = op.read(op.source)
    found = found[:4] + [
        numbers.flatten(2).gather(2, places).reshape(op.shape)
        for numbers in source[4:]
    ]
    for dim, (kernel, stride, padding, dilation) in zip(
        (2, 3), _windows(op), strict=True
    ):
        first = torch.arange(op.shape[dim]) * stride - padding
        last = first + (kernel - 1) * dilation
        clamped = (first < 0) | (last >= source[0].shape[dim])
        if op.endless and bool(clamped.any()) and is_along(op, source, dim):
            found = found[:4] + going_on(op, found, dim, clamped)[4:]
    return found


def _pooled(op: Operation) -> Spans:
    windows = _windows(op)
    spans, first = op.read(op.source), op.source.dim() - len(windows)
    for i, (k, s, p, d) in enumerate(windows):
        whole = k >= op.source.shape[first + i]  # a mean of the whole grid
        spans = _slid(
            op, spans, first + i, op.shape[first + i], k, s, p, d, whole
        )
    return spans


def _windows(op: Operation) -> list[tuple[int, ...]]:
    """Of a pooling, kernel, stride, padding and dilation along each side."""
    kernel = list(op.arguments['kernel_size'])
    count = len(kernel)
    return list(
        zip(
            kernel,
            _per_dim(list(op.arguments['stride'] or kernel), count),
            _per_dim(op.arguments['padding'], count),
            _per_dim(op.arguments.get('dilation', 1), count),
            strict=True,
        )
    )


def _constant_pad(op: Operation) -> Spans:
    return _padded(op, op.read(op.source), op.arguments['pad'])


def _padded(op: Operation, spans: Spans, pad: list[int]) -> Spans:
    for i in range(0, len(pad), 2):
        dim = spans[0].dim() - 1 - i // 2
        ends = (pad[i], pad[i + 1])
        if ends != (0, 0):
            spans = extended(op, spans, dim, ends)
    return spans


def _mirrored_pad(op: Operation) -> Spans:
    """Padding by copies of pixels inside; of a strip, by more of it."""
    if op.endless:
        return _padded(op, op.read(op.source), list(op.arguments['padding']))
    return [op.run_on_spans(which) for which in op.counted]


def _unfolded(op: Operation) -> Spans:
    """``im2col``: every tap of a window becomes a channel."""
    up, left = _per_dim(op.arguments['padding'], 2)
    spans = _padded(op, op.read(op.source), [left, left, up, up])
    return [
        op.func(**{**op.arguments, 'self': numbers, 'padding': [0, 0]})
        for numbers in spans
    ]


def _rules(
    rule: Callable[[Operation], Spans], names: str
) -> dict[str, Callable[[Operation], Spans]]:
    return {f'aten::{name}': rule for name in names.split()}


KERNEL_RULES: dict[str, Callable[[Operation], Spans]] = {
    **_rules(_convolved, 'convolution mkldnn_convolution'),
    **_rules(
        _pooled,
        'max_pool2d avg_pool2d avg_pool1d max_pool3d_with_indices avg_pool3d',
    ),
    **_rules(_max_pooled, 'max_pool2d_with_indices'),
    **_rules(_constant_pad, 'constant_pad_nd'),
    **_rules(
        _mirrored_pad,
        'reflection_pad1d reflection_pad2d replication_pad1d '
        'replication_pad2d',
    ),
    **_rules(_unfolded, 'im2col'),
}
