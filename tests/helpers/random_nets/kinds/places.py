"""Blocks that know where they are in the image, or move it."""

import torch
from torch import nn
from torch.nn import functional

from ..block import Apply, Kind, Unfit, mixed
from ..pixels import at, moved, sliding


def flipped(channels, size, draw):
    axis = draw.choice((2, 3))
    return Apply(lambda m, x: x.flip(axis), lambda c, s: c.flip(axis - 1))


def mirrored_half(channels, size, draw):
    """The features and their mirror image, added."""
    return Apply(
        lambda m, x: m.one(x) + m.two(x.flip(3)),
        mixed,
        one=nn.Conv2d(channels, 6, 1),
        two=nn.Conv2d(channels, 6, 1),
    )


def far_shift(size, draw):
    """A shift of some units, down and across."""
    return [max(1, int(side * draw.uniform(0.02, 0.4))) for side in size]


def rolled(channels, size, draw):
    down, across = far_shift(size, draw)

    def pixels(coords, size):
        return coords.roll((down, across), (1, 2))

    return Apply(lambda m, x: x.roll((down, across), (2, 3)), pixels)


def rolled_and_added(channels, size, draw):
    down, across = far_shift(size, draw)
    return Apply(
        lambda m, x: x + m.mix(x.roll((down, across), (2, 3))),
        mixed,
        mix=nn.Conv2d(channels, channels, 1),
    )


def shifted(channels, size, draw):
    """A shift by padding and cropping."""
    down, across = far_shift(size, draw)

    def run(m, x):
        h, w = x.shape[2:]
        return functional.pad(x, (across, 0, down, 0))[:, :, :h, :w]

    return Apply(run, lambda c, s: moved(c, s, -down, -across))


def shifted_channels(channels, size, draw):
    """Part of the channels moved by one unit each way, as in S2-MLP."""

    def run(m, x):
        x = m.mix(x)
        parts = [
            part.roll((dy, dx), (2, 3))
            for part, dy, dx in zip(
                x.chunk(4, 1), (1, -1, 0, 0), (0, 0, 1, -1), strict=True
            )
        ]
        return m.out(torch.cat(parts, 1))

    return Apply(run, mix=nn.Conv2d(channels, 8, 1), out=nn.Conv2d(8, 6, 1))


def swapped(channels, size, draw):
    """Rows become columns."""
    return Apply(
        lambda m, x: x.transpose(2, 3),
        lambda c, s: c.transpose(1, 2),
    )


def halved(channels, size, draw):
    """Halves what is larger than three quarters of the image at hand."""
    limit = max(8, int(0.75 * size[0]))

    def run(m, x):
        return functional.avg_pool2d(x, 2) if x.shape[2] > limit else x

    def pixels(coords, size):
        if coords.shape[1] > limit:
            return sliding(coords, size, 2, 2)
        return coords

    return Apply(run, pixels)


def tiled(channels, size, draw):
    """Forwards in tiles that do not see each other."""
    side = max(8, int(min(size) * draw.uniform(0.3, 0.6)))

    def run(m, x):
        rows = [
            torch.cat([m.inner(part) for part in line.split(side, 3)], 3)
            for line in x.split(side, 2)
        ]
        return torch.cat(rows, 2)

    return Apply(run, inner=nn.Conv2d(channels, 6, 3, padding=1))


def spread_out(channels, size, draw):
    """Zeros between units, as a transposed convolution has inside."""
    if size[0] * size[1] > 8000:
        raise Unfit

    def run(m, x):
        n, c, h, w = x.shape
        out = x.new_zeros(n, c, 2 * h, 2 * w)
        out[:, :, ::2, ::2] = x
        return m.mix(out)

    def pixels(coords, size):
        rows, columns = (torch.arange(float(s)).double() for s in size)
        return at(coords, rows / 2, columns / 2)

    return Apply(run, pixels, mix=nn.Conv2d(channels, 6, 3, padding=1))


KINDS = [
    Kind('flip', flipped),
    Kind('mirror image added', mirrored_half),
    Kind('roll', rolled),
    Kind('roll and add', rolled_and_added),
    Kind('shift', shifted),
    Kind('shifted channels', shifted_channels),
    Kind('rows and columns swapped', swapped),
    Kind('halved when large', halved),
    Kind('tiles', tiled),
    Kind('spread out', spread_out),
]
