"""Where units sit, carried along as an array of pixel coordinates.

An array (2, h, w) holds each unit's own row and column in the input. It is
sampled the way a block samples its input; no offsets and no jumps are kept.
"""

import torch


class NoPixel(Exception):
    """There is no one input pixel at which a unit sits.

    Args:
        strict (bool): Whether a claim that there is one is wrong for sure,
            as where branches of different offsets are added.
    """

    def __init__(self, strict=False):
        super().__init__(strict)
        self.strict = strict


def pair(value):
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * 2


def start(height, width):
    """Coordinates of the input's own pixels."""
    rows = torch.arange(float(height), dtype=torch.float64)
    columns = torch.arange(float(width), dtype=torch.float64)
    return torch.stack(torch.meshgrid(rows, columns, indexing='ij'))


def at(coords, rows, columns):
    """Coordinates at indices that may lie between units, or outside."""
    return _along(_along(coords, rows, 1), columns, 2)


def _along(coords, index, dim):
    count = coords.shape[dim]
    if count == 1:
        if bool((index != 0).any()):
            raise NoPixel
        return coords.index_select(dim, index.long())
    low = index.floor().clamp(0, count - 2)
    shape = [1, 1, 1]
    shape[dim] = len(index)
    part = (index - low).view(shape)
    one = coords.index_select(dim, low.long())
    two = coords.index_select(dim, low.long() + 1)
    return one + part * (two - one)


def _indices(size, rule):
    """Indices of both axes; ``rule(axis, units)`` gives one axis's."""
    return [
        rule(axis, torch.arange(float(count), dtype=torch.float64))
        for axis, count in enumerate(size)
    ]


def sliding(coords, size, kernel, stride=1, padding=0, dilation=1):
    """A convolution's or pooling's unit sits at its kernel's centre."""
    k, s, p, d = map(pair, (kernel, stride, padding, dilation))
    return at(
        coords,
        *_indices(size, lambda a, o: o * s[a] - p[a] + d[a] * (k[a] - 1) / 2),
    )


def transposed(coords, size, kernel, stride=1, padding=0, dilation=1):
    """The same for a transposed convolution: its kernel's centre."""
    k, s, p, d = map(pair, (kernel, stride, padding, dilation))
    return at(
        coords,
        *_indices(
            size, lambda a, o: (o + p[a] - d[a] * (k[a] - 1) / 2) / s[a]
        ),
    )


def resized(coords, size, mode='bilinear', aligned=False, factor=None):
    """Interpolation, as torch samples its input.

    Args:
        coords (Tensor): Before, (2, h, w).
        size (tuple): (h, w) after.
        mode (str): As for ``interpolate``; nearest modes that shrink pick
            exact units, those that enlarge follow the half-pixel rule.
        aligned (bool): ``align_corners``.
        factor (tuple, optional): ``scale_factor``, where torch uses it.
    """
    before = coords.shape[1:]

    def rule(axis, o):
        old, new = before[axis], size[axis]
        if aligned:
            return o * ((old - 1) / max(new - 1, 1))
        step = old / new if factor is None else 1 / pair(factor)[axis]
        if mode.startswith('nearest') and new < old:
            half = 0.5 if mode == 'nearest-exact' else 0.0
            return ((o + half) * step).floor().clamp(max=old - 1)
        return (o + 0.5) * step - 0.5

    return at(coords, *_indices(size, rule))


def adaptive(coords, size):
    """Adaptive pooling: the centre of each unit's own bin."""
    before = coords.shape[1:]

    def rule(axis, o):
        ratio = before[axis] / size[axis]
        first = (o * ratio + 1e-9).floor()
        after = ((o + 1) * ratio - 1e-9).ceil()
        return (first + after - 1) / 2

    return at(coords, *_indices(size, rule))


def moved(coords, size, rows=0, columns=0):
    """Unit (i, j) reads the unit (i + rows, j + columns)."""
    by = (rows, columns)
    return at(coords, *_indices(size, lambda a, o: o + by[a]))
