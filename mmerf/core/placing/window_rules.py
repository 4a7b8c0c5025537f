"""Where units are after convolution, pooling and unfolding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from ..grid.coordinates import Axis
from ..grid.factors import Dim, Factor, channels
from ..grid.placed import Line, Placed
from .call import Call, Outcome, Rule, first_only, pair

Move = Callable[[Axis], Axis]


def moved(
    tag: Placed,
    position: int,
    count: int,
    move: Move,
    enlarged: bool = False,
) -> Placed | None:
    """Places after a dimension's units were replaced by ``count`` others.

    Args:
        tag (Placed): Before.
        position (int): The dimension, from the end.
        count (int): Units after.
        move (callable): From the axis before to the one after.
        enlarged (bool): Whether the new units are finer than the old.
    """
    dim = tag.dims[position]
    if not dim.factors and dim.size == 1:  # averaged before
        if count == 1:
            return tag
        name = 'y' if position == -2 else 'x'
        if tag.factors_of(name):
            return None
        dim = Dim((Factor(name, 1),))
        tag = tag.with_dim(position, dim)
    single = tag.single(position)
    if single is None:
        return None
    name, (_, _, step) = single
    line = tag.lines[name]
    # Along the dimension, units are ``step`` units of the axis apart.
    local = replace(line.axis, jump=line.axis.jump * step)
    after = move(local)
    if len(tag.factors_of(name)) > 1:  # pieces of an axis, such as windows
        stride = after.jump / line.axis.jump if line.axis.jump else 0.0
        if stride != int(stride) or line.axis.turn:
            return None
        factor = Factor(name, count, int(stride))
        after = replace(after, jump=line.axis.jump)
    else:
        factor = Factor(name, count)
    tag = tag.with_line(name, Line(after, enlarged or line.enlarged))
    image = [f for f in dim.factors if f.axis == 'n']
    return tag.with_dim(position, Dim((*image, factor)))


def both(
    tag: Placed | None,
    out: Any,
    moves: Sequence[Move],
    enlarged: bool = False,
) -> Placed | None:
    """``moved`` for rows and columns, the last two dimensions."""
    if tag is None or len(tag.dims) < 3 or out.dim() != len(tag.dims):
        return None
    found: Placed | None = tag.subpixels()
    for position, move in zip((-2, -1), moves, strict=True):
        if found is None:
            return None
        count = int(out.shape[position])
        finer = enlarged and count > found.dims[position].size
        found = moved(found, position, count, move, finer)
    return found


def sliding(
    kernel: Any, stride: Any, padding: Any, dilation: Any
) -> list[Move]:
    """What a sliding window does to rows and to columns."""
    values = list(zip(*map(pair, (kernel, stride, padding, dilation)),
                      strict=True))  # fmt: skip
    return [partial(_windowed, geometry=v) for v in values]


def _windowed(axis: Axis, geometry: tuple) -> Axis:
    return axis.window(*geometry)


def _follow_transposed(axis: Axis, geometry: tuple) -> Axis:
    return axis.transposed(*geometry)


def with_channels(tag: Placed | None, call: Call) -> Placed | None:
    """Places with the output's channels, which mix the input's."""
    if tag is None:
        return None
    position, count = len(tag.dims) - 3, int(call.output().shape[-3])
    dim = tag.dims[position]
    images = dim.factors[:1] if dim.has('n') else ()
    if images:
        number = images[0].size
        if call.arguments.get('groups', 1) % number or count % number:
            return None
        dim = Dim((images[0], *channels(count // number).factors))
        return tag.with_dim(position, dim)
    return tag.consumed(position).with_dim(position, channels(count))


def _convolution(call: Call) -> Outcome:
    if call.out.dim() != 4:
        return None
    tag = with_channels(call.placed(), call)
    kernel = tuple(call['weight'].shape[-2:])
    geometry = [call[name] for name in ('stride', 'padding', 'dilation')]
    if not call.arguments.get('transposed'):
        return both(tag, call.out, sliding(kernel, *geometry))
    values = list(zip(*map(pair, (kernel, *geometry)), strict=True))
    moves = [partial(_follow_transposed, geometry=v) for v in values]
    return both(tag, call.out, moves, enlarged=True)


def _pooling(call: Call) -> Outcome:
    kernel = call['kernel_size']
    moves = sliding(
        kernel,
        call['stride'] or kernel,
        call['padding'],
        call.arguments.get('dilation', 1),
    )
    tag = both(call.placed(), call.output(), moves)
    return first_only(tag) if isinstance(call.out, tuple) else tag


def _adaptive_pooling(call: Call) -> Outcome:
    tag, out = call.placed(), call.output()
    if tag is None:
        return None
    moves = []
    for position in (-2, -1):
        full, part = tag.dims[position].size, int(out.shape[position])
        moves.append(partial(_in_even_parts, full=full, part=part))
    found = both(tag, out, moves, enlarged=True)
    return first_only(found) if isinstance(call.out, tuple) else found


def _in_even_parts(axis: Axis, full: int, part: int) -> Axis:
    """Adaptive pooling; parts of unequal size are off by half a unit."""
    ratio = full / part
    after = axis.window(ratio, ratio, 0)
    uneven = 0.5 * abs(axis.jump) if full % part else 0.0
    return replace(after, doubt=after.doubt + uneven)


def _im2col(call: Call) -> Outcome:
    """Columns of patches (N, C * k * k, L): tokens across, L = h * w."""
    tag = call.placed()
    if tag is None or len(tag.dims) != 4:
        return None
    kernel, stride, padding, dilation = (
        pair(call[name])
        for name in ('kernel_size', 'stride', 'padding', 'dilation')
    )
    found: Placed | None = tag.consumed(1)
    moves = sliding(kernel, stride, padding, dilation)
    for axis, move in zip((0, 1), moves, strict=True):
        if found is None:
            return None
        reach = dilation[axis] * (kernel[axis] - 1) + 1
        count = (tag.dims[axis - 2].size + 2 * padding[axis] - reach) // (
            stride[axis]
        ) + 1
        found = moved(found, axis - 2, count, move)
    if found is None:
        return None
    rows, columns = found.dims[-2], found.dims[-1]
    tokens = Dim((*rows.factors, *columns.factors))
    patch = channels(int(call.out.shape[1]))
    return found.with_dims([found.dims[0], patch, tokens])


def _col2im(call: Call) -> Outcome:
    """Patches (N, C * k * k, L) laid out over an image again."""
    tag = call.placed()
    if tag is None or len(tag.dims) != 3:
        return None
    factors = tag.dims[2].factors
    if [f.axis for f in factors] != ['y', 'x'] or tag.dims[2].before:
        return None
    rows, columns = factors
    spread = tag.consumed(1).with_dims(
        [
            tag.dims[0],
            channels(int(call.out.shape[1])),
            Dim((rows,)),
            Dim((columns,)),
        ]
    )
    names = ('kernel_size', 'stride', 'padding', 'dilation')
    values = list(zip(*(pair(call[name]) for name in names), strict=True))
    moves = [partial(_follow_transposed, geometry=v) for v in values]
    return both(spread, call.out, moves, enlarged=True)


WINDOW_RULES: dict[str, Rule] = {
    **dict.fromkeys(
        (
            'convolution',
            '_convolution',
            'mkldnn_convolution',
            'cudnn_convolution',
            'thnn_conv2d',
            '_slow_conv2d_forward',
            '_conv_depthwise2d',
            'conv2d',
        ),
        _convolution,
    ),
    **dict.fromkeys(
        (
            'max_pool2d_with_indices',
            'max_pool2d',
            'avg_pool2d',
            'mkldnn_max_pool2d',
            'quantized_max_pool2d',
        ),
        _pooling,
    ),
    **dict.fromkeys(
        (
            '_adaptive_avg_pool2d',
            'adaptive_avg_pool2d',
            'mkldnn_adaptive_avg_pool2d',
            'adaptive_max_pool2d',
        ),
        _adaptive_pooling,
    ),
    'im2col': _im2col,
    'col2im': _col2im,
}
