"""How each aten operation changes the grid: one rule per operation.

A rule takes the coordinate maps so far, the operation's arguments by name, and
its output.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from .coordinates import Axis, Size
from .grid_maps import GridMaps


def _as_pair(value: Any) -> tuple:
    values = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    return values * 2 if len(values) == 1 else values


def _spatial(tensor: torch.Tensor) -> Size:
    return int(tensor.shape[-2]), int(tensor.shape[-1])


def _first_output(out: Any) -> torch.Tensor:
    return out[0] if isinstance(out, (tuple, list)) else out


def _sliding_window(
    maps: GridMaps,
    source: Size,
    size: Size,
    kernel: Any,
    stride: Any,
    padding: Any,
    dilation: Any = 1,
) -> None:
    k, s, p, d = map(_as_pair, (kernel, stride, padding, dilation))
    maps.record(
        source,
        size,
        lambda axis: axis.window(k[0], s[0], p[0], d[0]),
        lambda axis: axis.window(k[1], s[1], p[1], d[1]),
    )


def _convolution(maps: GridMaps, arguments: dict, out: Any) -> None:
    if out.dim() != 4:
        return
    source, size = _spatial(arguments['input']), _spatial(out)
    kernel = _spatial(arguments['weight'])
    stride, padding, dilation = (
        _as_pair(arguments[name]) for name in ('stride', 'padding', 'dilation')
    )
    if not arguments.get('transposed'):
        _sliding_window(maps, source, size, kernel, stride, padding, dilation)
        return
    geometry = list(zip(kernel, stride, padding, dilation, strict=True))
    maps.record(
        source,
        size,
        lambda axis: axis.transposed(*geometry[0]),
        lambda axis: axis.transposed(*geometry[1]),
    )


def _pooling(maps: GridMaps, arguments: dict, out: Any) -> None:
    out = _first_output(out)
    if out.dim() < 3:
        return
    kernel = arguments['kernel_size']
    _sliding_window(
        maps,
        _spatial(arguments['self']),
        _spatial(out),
        kernel,
        arguments['stride'] or kernel,
        arguments['padding'],
        arguments.get('dilation', 1),
    )


def _adaptive_pooling(maps: GridMaps, arguments: dict, out: Any) -> None:
    source, size = _spatial(arguments['self']), _spatial(_first_output(out))
    if size in maps.grids and any(
        part >= full for part, full in zip(size, source, strict=True)
    ):
        return  # it enlarges: like resizing, it replaces no map
    ratio = [full / part for full, part in zip(source, size, strict=True)]
    _sliding_window(maps, source, size, ratio, ratio, 0)


def _unfold(maps: GridMaps, arguments: dict, out: Any) -> None:
    source = _spatial(arguments['self'])
    k, s, p, d = (
        _as_pair(arguments[name])
        for name in ('kernel_size', 'stride', 'padding', 'dilation')
    )
    size = tuple(
        (source[i] + 2 * p[i] - d[i] * (k[i] - 1) - 1) // s[i] + 1
        for i in (0, 1)
    )
    _sliding_window(maps, source, (size[0], size[1]), k, s, p, d)


def _resize(maps: GridMaps, arguments: dict, out: Any) -> None:
    source, size = (
        _spatial(arguments['self']),
        _spatial(out),
    )
    if size in maps.grids:
        return
    aligned = bool(arguments.get('align_corners', False))
    maps.record(
        source,
        size,
        lambda axis: axis.resized(source[0], size[0], aligned),
        lambda axis: axis.resized(source[1], size[1], aligned),
    )


def _pixel_shuffle(maps: GridMaps, arguments: dict, out: Any) -> None:
    source, size = _spatial(arguments['self']), _spatial(out)
    if size not in maps.grids:
        maps.record(
            source,
            size,
            lambda axis: axis.resized(source[0], size[0], False),
            lambda axis: axis.resized(source[1], size[1], False),
        )


def _pixel_unshuffle(maps: GridMaps, arguments: dict, out: Any) -> None:
    factor = arguments['downscale_factor']
    source, size = _spatial(arguments['self']), _spatial(out)
    _sliding_window(maps, source, size, factor, factor, 0)


def _pad(maps: GridMaps, arguments: dict, out: Any) -> None:
    pad = arguments['pad'] if 'pad' in arguments else arguments['padding']
    before = arguments['self'].shape
    if len(before) != 4 or before == out.shape:
        return
    pad = [*pad, 0, 0] if len(pad) == 2 else pad
    if len(pad) == 6 and not any(pad[:2]):  # (N, h, w, C)
        pad, source, size = pad[2:], before[1:3], out.shape[1:3]
    elif len(pad) == 4:
        source, size = before[2:], out.shape[2:]
    else:
        return
    maps.record(
        (int(source[0]), int(source[1])),
        (int(size[0]), int(size[1])),
        lambda axis: axis.window(1, 1, pad[2]),
        lambda axis: axis.window(1, 1, pad[0]),
    )


def _strided_slice(maps: GridMaps, arguments: dict, out: Any) -> None:
    step, dim, before = (
        arguments['step'],
        arguments['dim'],
        arguments['self'].shape,
    )
    if step == 1 or len(before) != 4:
        return
    dim = dim % 4
    rows = 2 if before[2:] in maps.grids else 1  # (N, C, h, w), (N, h, w, C)
    if dim - rows not in (0, 1):
        return
    source, size = before[rows : rows + 2], out.shape[rows : rows + 2]
    # Patch merging stacks slices that start at every phase of a grid: its
    # unit sits at the mean of the starts, that of a lone slice at its start.
    starts = maps.slice_starts.setdefault(
        (tuple(source), tuple(size)), (set(), set())
    )
    starts[dim - rows].add(int(arguments['start'] or 0))

    def sliced(which: int) -> Callable[[Axis], Axis]:
        seen = starts[which]
        if which != dim - rows:
            return lambda axis: axis
        mean = sum(seen) / len(seen)
        return lambda axis: axis.window(1, step, -mean)

    maps.record(
        (int(source[0]), int(source[1])),
        (int(size[0]), int(size[1])),
        sliced(0),
        sliced(1),
    )


GRID_RULES: dict[str, Callable[[GridMaps, dict, Any], None]] = {
    'aten::convolution': _convolution,
    'aten::mkldnn_convolution': _convolution,
    'aten::max_pool2d_with_indices': _pooling,
    'aten::max_pool2d': _pooling,
    'aten::avg_pool2d': _pooling,
    'aten::_adaptive_avg_pool2d': _adaptive_pooling,
    'aten::adaptive_max_pool2d': _adaptive_pooling,
    'aten::im2col': _unfold,
    'aten::upsample_nearest2d': _resize,
    'aten::_upsample_nearest_exact2d': _resize,
    'aten::upsample_bilinear2d': _resize,
    'aten::_upsample_bilinear2d_aa': _resize,
    'aten::upsample_bicubic2d': _resize,
    'aten::_upsample_bicubic2d_aa': _resize,
    'aten::pixel_shuffle': _pixel_shuffle,
    'aten::pixel_unshuffle': _pixel_unshuffle,
    'aten::constant_pad_nd': _pad,
    'aten::reflection_pad2d': _pad,
    'aten::replication_pad2d': _pad,
    'aten::slice': _strided_slice,
}
