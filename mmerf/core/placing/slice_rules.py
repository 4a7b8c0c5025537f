"""Where units are after a part of the entries was taken."""

from __future__ import annotations

from ..grid.factors import Dim, Factor, channels
from ..grid.placed import LOST, Line, Placed
from .call import Call, Outcome, Rule


def part_taken(
    tag: Placed, position: int, start: int, step: int, count: int
) -> Placed | None:
    """Places after ``[start::step]`` of a dimension, ``count`` entries."""
    dim = tag.dims[position]
    if (start, step, count) == (0, 1, dim.size):
        return tag
    if not dim.has('nyx'):
        return tag.with_dim(position, channels(count))
    end = dim.before + dim.inner
    if dim.before or dim.after:
        if step != 1:
            return None
        if start <= dim.before and start + count >= end:
            rest = dim.size - start - count
            return tag.with_dim(
                position,
                Dim(dim.factors, dim.before - start, dim.after - rest),
            )
        beside = start + count <= dim.before or start >= end
        return tag.with_dim(position, channels(count)) if beside else None
    if len(dim.factors) != 1:
        return None
    axis, _, width = dim.factors[0]
    factor = Factor(axis, count, width * step)
    if axis in ('y', 'x'):
        line = tag.lines[axis]
        alone = len(tag.factors_of(axis)) == 1
        moved = line.axis.slid(width * start, 1)
        phases = None
        if step > 1 and alone and count > 1:
            phases = (line.axis, frozenset({moved.offset}))
        tag = tag.with_line(axis, Line(moved, line.enlarged, phases))
    return tag.with_dim(position, Dim((factor,)))


def _slice(call: Call) -> Outcome:
    tag = call.placed()
    if tag is None:
        return None
    position = call['dim'] % len(tag.dims)
    size, start = tag.dims[position].size, call['start'] or 0
    start = max(start + size, 0) if start < 0 else min(start, size)
    count = int(call.out.shape[position])
    return (
        part_taken(tag, position, start, call['step'], count)
        if count
        else None
    )


def _picked(tag: Placed, position: int, index: int) -> Placed | None:
    """Places after one entry of a dimension was taken and it was dropped."""
    index %= tag.dims[position].size
    found = part_taken(tag, position, index, 1, 1)
    if found is None:
        return None
    dims = list(found.dims)
    del dims[position]
    return found.with_dims(dims)


def _select(call: Call) -> Outcome:
    tag = call.placed()
    if tag is None:
        return None
    return _picked(tag, call['dim'] % len(tag.dims), call['index'])


def _unbind(call: Call) -> Outcome:
    tag = call.placed()
    if tag is None:
        return None
    position = call['dim'] % len(tag.dims)
    found = (_picked(tag, position, i) for i in range(len(call.out)))
    return [each or LOST for each in found]


def _split_dim(call: Call) -> Outcome:
    tag = call.placed()
    if tag is None:
        return None
    position = call['dim'] % len(tag.dims)
    start, out = 0, []
    for piece in call.out:
        count = int(piece.shape[position])
        out.append(part_taken(tag, position, start, 1, count) or LOST)
        start += count
    return [*out]


def _unfold(call: Call) -> Outcome:
    """Tensor.unfold: overlapping pieces, their entries in a last dimension."""
    tag = call.placed()
    if tag is None or not tag.dims:
        return None
    position, step = call['dimension'] % len(tag.dims), call['step']
    single = tag.single(position)
    if single is None:
        return None
    axis, (_, _, width) = single
    count = int(call.out.shape[position])
    dims = list(tag.dims)
    dims[position] = Dim((Factor(axis, count, width * step),))
    dims.append(Dim((Factor(axis, call['size'], width),)))
    return tag.with_dims(dims)


SLICE_RULES: dict[str, Rule] = {
    'slice': _slice,
    'select': _select,
    'unbind': _unbind,
    'split': _split_dim,
    'split_with_sizes': _split_dim,
    'unsafe_split': _split_dim,
    'unsafe_split_with_sizes': _split_dim,
    'unfold': _unfold,
}
