"""Where the units of a tensor sit that several tensors are combined into."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from .coordinates import Axis
from .factors import Dim, channels
from .placed import LOST, Line, Lost, Placed, Tag


def broadcast(
    operands: Sequence[tuple[Tag | None, Sequence[int]]],
    shape: Sequence[int],
) -> Tag:
    """The tag of an operation that combines tensors entry by entry.

    Args:
        operands (sequence of tuple): Each tensor's tag, None for a constant,
            and its shape.
        shape (sequence of int): Shape of the result.
    """
    placed = [tag for tag, _ in operands if isinstance(tag, Placed)]
    if not placed:
        return LOST
    first = placed[0]
    same = all(tag is None or tag == first for tag, _ in operands)
    if same and first.shape == tuple(shape):
        return first
    dims: list[Dim] = []
    giving: dict[str, list[Placed]] = {'y': [], 'x': []}
    for position in range(len(shape)):
        found = _dim_at(placed, position - len(shape), shape[position], giving)
        if found is None:
            return LOST
        dims.append(found)
    lines = {}
    for name in ('y', 'x'):
        of = giving[name] or placed
        lines[name] = merged([tag.lines[name] for tag in of])
    result = Placed(tuple(dims), lines)
    for tag, other in operands:
        if isinstance(tag, Lost) and _reaches_places(dims, other, shape):
            return result.in_doubt()
    return result


def _dim_at(
    placed: Sequence[Placed],
    back: int,
    size: int,
    giving: dict[str, list[Placed]],
) -> Dim | None:
    """The result's dimension, ``back`` from the end; None in a conflict.

    Operands whose axes are in it are added to ``giving``.
    """
    chosen: Dim | None = None
    for tag in placed:
        if -back > len(tag.dims):
            continue
        dim = tag.dims[back]
        if dim.size != size:
            continue  # of size 1: the same for all entries
        if not dim.has('nyx'):
            continue
        if chosen is not None and not _alike(chosen, dim):
            return None
        chosen = chosen or dim
        for name in ('y', 'x'):
            if dim.has(name) and tag not in giving[name]:
                giving[name].append(tag)
    return chosen or channels(size)


def _alike(one: Dim, other: Dim) -> bool:
    """Whether two dimensions are the same, factors of one entry aside."""
    a, b = ([f for f in dim.factors if f.size > 1] for dim in (one, other))
    ends = (one.before, one.after) == (other.before, other.after)
    return a == b and ends


def _reaches_places(
    dims: Sequence[Dim], other: Sequence[int], shape: Sequence[int]
) -> bool:
    """Whether a tensor varies along a dimension that has a place."""
    for position, dim in enumerate(dims):
        back = position - len(shape)
        if dim.has('yx') and -back <= len(other) and other[back] != 1:
            return True
    return not any(dim.has('yx') for dim in dims)


def merged(lines: Sequence[Line]) -> Line:
    """The line of units that several grids of one size are combined into.

    A grid that was not enlarged decides over those that were. Grids that
    differ otherwise leave the unit between them, in doubt by half of what
    they differ.
    """
    own = [line for line in lines if not line.enlarged] or list(lines)
    first = own[0]
    if all(line.axis == first.axis for line in own):
        return first
    if first.phases and all(
        line.phases and line.phases[0] == first.phases[0] for line in own
    ):
        return _merged_phases(own)
    axes = [line.axis for line in own]
    if any(
        axis.jump != axes[0].jump or axis.turn != axes[0].turn for axis in axes
    ):
        return Line(replace(axes[0], doubt=math.inf), first.enlarged)
    offsets = [axis.offset for axis in axes]
    low, high = min(offsets), max(offsets)
    doubt = max(axis.doubt for axis in axes) + (high - low) / 2
    middle = Axis((low + high) / 2, axes[0].jump, doubt, axes[0].turn)
    return Line(middle, first.enlarged)


def _merged_phases(lines: Sequence[Line]) -> Line:
    """Strided slices of one grid together: a unit is all that they hold."""
    assert lines[0].phases is not None
    origin = lines[0].phases[0]
    offsets = frozenset().union(*(line.phases[1] for line in lines))  # type: ignore[index]
    axis = replace(lines[0].axis, offset=sum(offsets) / len(offsets))
    return Line(axis, lines[0].enlarged, (origin, offsets))


def side_by_side(
    tags: Sequence[Tag | None],
    shapes: Sequence[Sequence[int]],
    position: int,
) -> Tag:
    """The tag of tensors joined along a dimension (``cat``)."""
    if all(not isinstance(tag, Placed) for tag in tags):
        return LOST
    tags = [
        _without_phases(tag, position) if isinstance(tag, Placed) else tag
        for tag in tags
    ]
    size = sum(shape[position] for shape in shapes)
    joined = _joined_dim(tags, shapes, position, size)
    if joined is None:
        return LOST
    shape = list(shapes[0])
    shape[position] = 1
    operands = []
    for tag, other in zip(tags, shapes, strict=True):
        flat = list(other)
        flat[position] = 1
        if isinstance(tag, Placed):
            held = tag.dims[position].has('yx')
            dims = list(tag.dims)
            dims[position] = Dim()
            tag = Placed(tuple(dims), tag.lines)
            if not held and joined.has('yx'):
                tag = None  # class tokens: beside the grid, not on it
        elif tag is LOST and joined.has('yx'):
            tag = None
        operands.append((tag, flat))
    result = broadcast(operands, shape)
    if not isinstance(result, Placed):
        return LOST
    dims = list(result.dims)
    dims[position] = joined
    lines = dict(result.lines)
    for tag in tags:
        if isinstance(tag, Placed):
            for name in ('y', 'x'):
                if tag.dims[position].has(name):
                    lines[name] = tag.lines[name]
    return Placed(tuple(dims), lines)


def _joined_dim(
    tags: Sequence[Tag | None],
    shapes: Sequence[Sequence[int]],
    position: int,
    size: int,
) -> Dim | None:
    """The dimension along which tensors are joined; None if not followed."""
    with_place = [
        index
        for index, tag in enumerate(tags)
        if isinstance(tag, Placed) and tag.dims[position].has('nyx')
    ]
    if not with_place:
        return channels(size)
    if len(with_place) > 1:
        return None
    (index,) = with_place
    tag = tags[index]
    assert isinstance(tag, Placed)
    dim = tag.dims[position]
    if dim.has('n') and size != dim.size:
        return None
    before = sum(shape[position] for shape in shapes[:index])
    after = sum(shape[position] for shape in shapes[index + 1 :])
    return Dim(dim.factors, dim.before + before, dim.after + after)


def _without_phases(tag: Placed, position: int) -> Placed:
    """Mix a dimension of channels that holds parts of other axes."""
    dim = tag.dims[position]
    mixed = dim.has('yx') and any(f.axis is None for f in dim.factors)
    if not mixed or dim.before or dim.after:
        return tag
    lines = tag.consumed(position)
    return lines.with_dim(position, channels(dim.size))
