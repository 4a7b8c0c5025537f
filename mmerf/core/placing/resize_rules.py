"""Where units are after resizing, shuffling and padding."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

from ..grid.coordinates import Axis, even_axis
from ..grid.factors import Dim, Factor, channels
from ..grid.placed import Line, Placed
from .call import Call, Outcome, Rule
from .window_rules import both, moved, sliding, with_channels


def _follow_resized(
    axis: Axis, size: int, new: int, aligned: bool = False, scale: float = 0.0
) -> Axis:
    return axis.resized(size, new, aligned, scale)


def follow_padded(axis: Axis, before: int) -> Axis:
    """An axis with units before it; none are taken away."""
    return axis.window(1, 1, before)


def _follow_copied(
    axis: Axis, size: int, new: int, scale: float, shift: float
) -> Axis:
    """Nearest: unit ``i`` copies unit ``floor((i + shift) * ratio)``."""
    ratio = 1 / scale if scale else size / new
    if ratio < 1:
        return axis.resized(size, new, False, scale)
    copied = [
        min(math.floor((i + shift) * ratio), size - 1) - i * ratio
        for i in range(new)
    ]
    after = axis.slid((min(copied) + max(copied)) / 2, ratio)
    apart = (max(copied) - min(copied)) / 2 * abs(axis.jump)
    return replace(after, doubt=after.doubt + apart)


def _resize(call: Call) -> Outcome:
    tag = call.placed()
    if tag is None:
        return None
    aligned = bool(call.arguments.get('align_corners', False))
    moves = []
    for position, name in ((-2, 'scales_h'), (-1, 'scales_w')):
        size, new = tag.dims[position].size, int(call.out.shape[position])
        scale = call.arguments.get(name) or 0.0
        moves.append(
            partial(
                _follow_resized,
                size=size,
                new=new,
                aligned=aligned,
                scale=scale,
            )
        )
    return both(tag, call.out, moves, enlarged=True)


def _nearest(call: Call, shift: float) -> Outcome:
    """Unit ``i`` copies unit ``floor((i + shift) * ratio)``.

    Where units become finer, they are placed as interpolation places them;
    where fewer are left, each sits where the one sat that it copies.
    """
    tag = call.placed()
    if tag is None:
        return None
    moves = []
    for position, name in ((-2, 'scales_h'), (-1, 'scales_w')):
        size, new = tag.dims[position].size, int(call.out.shape[position])
        scale = call.arguments.get(name) or 0.0
        moves.append(
            partial(
                _follow_copied, size=size, new=new, scale=scale, shift=shift
            )
        )
    return both(tag, call.out, moves, enlarged=True)


def _pixel_shuffle(call: Call) -> Outcome:
    tag = call.placed()
    if tag is None:
        return None
    moves = [
        partial(
            _follow_resized, size=tag.dims[p].size, new=int(call.out.shape[p])
        )
        for p in (-2, -1)
    ]
    return both(with_channels(tag, call), call.out, moves, enlarged=True)


def _pixel_unshuffle(call: Call) -> Outcome:
    factor = call['downscale_factor']
    tag = with_channels(call.placed(), call)
    return both(tag, call.out, sliding(factor, factor, 0, 1))


def _pad(call: Call) -> Outcome:
    tag = call.placed()
    if tag is None:
        return None
    given = list(call['pad'] if 'pad' in call.arguments else call['padding'])
    for number, first in enumerate(given[::2]):
        last = given[2 * number + 1]
        if not (first or last):
            continue
        position = -1 - number
        dim = tag.dims[position]
        count = dim.size + first + last
        found: Placed | None
        if not dim.has('nyx'):
            found = tag.with_dim(position, channels(count))
        elif tag.single(position) is not None:
            found = moved(
                tag,
                position,
                count,
                partial(follow_padded, before=first),
            )
        elif min(first, last) >= 0 and not dim.has('n'):
            found = tag.with_dim(
                position,
                Dim(dim.factors, dim.before + first, dim.after + last),
            )
        else:
            found = None
        if found is None:
            return None
        tag = found
    return tag


def _placed_by_content(call: Call) -> Outcome:
    """A new grid whose units take their values from anywhere."""
    tag, out = call.placed(), call.output()
    if tag is None or len(tag.dims) != 4 or out.dim() != 4:
        return None
    lines = {}
    for name, position in (('y', -2), ('x', -1)):
        single = tag.single(position)
        if single is None or single[0] != name:
            return None
        count, axis = tag.dims[position].size, tag.lines[name].axis
        grid = even_axis(int(out.shape[position]), count)
        lines[name] = Line(
            Axis(
                axis.offset + axis.jump * grid.offset,
                axis.jump * grid.jump,
                math.inf,
            )
        )
    grid_dims = [
        Dim((Factor(name, int(out.shape[position])),))
        for name, position in (('y', -2), ('x', -1))
    ]
    return Placed((*tag.dims[:2], *grid_dims), lines)


FOLLOW_RESIZE: dict[str, Rule] = {
    **dict.fromkeys(
        (
            'upsample_bilinear2d', '_upsample_bilinear2d_aa',
            'upsample_bicubic2d', '_upsample_bicubic2d_aa',
            '_upsample_lanczos2d_aa',
        ),
        _resize,
    ),
    'upsample_nearest2d': partial(_nearest, shift=0.0),
    '_upsample_nearest_exact2d': partial(_nearest, shift=0.5),
    'pixel_shuffle': _pixel_shuffle,
    'pixel_unshuffle': _pixel_unshuffle,
    'constant_pad_nd': _pad,
    'reflection_pad2d': _pad,
    'replication_pad2d': _pad,
    'grid_sampler_2d': _placed_by_content,
    'max_unpool2d': _placed_by_content,
}  # fmt: skip
