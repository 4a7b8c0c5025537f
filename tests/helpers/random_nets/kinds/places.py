"""Blocks that know where they are in the image, or move it."""

import torch
from torch import nn
from torch.nn import functional

from ..block import Apply, Block, Kind, Unfit, mixed
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


def interpolated_positions(channels, size, draw):
    mode = draw.choice(('bicubic', 'bilinear', 'nearest'))

    def run(m, x):
        table = functional.interpolate(m.table, x.shape[2:], mode=mode)
        return functional.gelu(x + table)

    table = nn.Parameter(torch.randn(1, channels, 14, 14) * 0.5)
    return Apply(run, table=table)


def absolute_positions(channels, size, draw):
    """A table for grids of this size alone."""
    table = nn.Parameter(torch.randn(1, channels, *size) * 0.5)
    return Apply(lambda m, x: functional.gelu(x + m.table), table=table)


def cut_positions(channels, size, draw):
    """A table for larger grids, cut to the grid at hand."""

    def run(m, x):
        h, w = x.shape[2:]
        return functional.gelu(x + m.table[:, :, :h, :w])

    larger = [side + 9 for side in size]
    table = nn.Parameter(torch.randn(1, channels, *larger) * 0.5)
    return Apply(run, table=table)


class LazySines(Block):
    """A table of sines, made by the first forward and kept."""

    def __init__(self, remade):
        super().__init__()
        self.table, self.remade = None, remade

    def forward(self, x):
        h, w = x.shape[2:]
        stale = self.table is not None and (
            self.table.shape[2:] != x.shape[2:] and self.remade
        )
        if self.table is None or stale:
            y = torch.arange(h).to(x).view(1, 1, h, 1) / 7
            z = torch.arange(w).to(x).view(1, 1, 1, w) / 5
            self.table = y.sin() + z.cos()
        table = self.table
        if table.shape[2:] != x.shape[2:]:
            table = functional.interpolate(table, (h, w), mode='bilinear')
        return functional.gelu(x + table)


class Calibrated(Block):
    """Scales by what its first call has seen."""

    def __init__(self, buffered):
        super().__init__()
        self.scale = None
        self.buffered = buffered
        if buffered:
            self.register_buffer('kept', torch.zeros(()))
            self.register_buffer('seen', torch.zeros((), dtype=torch.bool))

    def forward(self, x):
        most = x.detach().abs().amax()
        if self.buffered:
            if not self.seen:
                self.kept.copy_(most)
                self.seen.fill_(True)
            return (x / self.kept).tanh()
        if self.scale is None:
            self.scale = most
        return (x / self.scale).tanh()


def coordinates(biased):
    """Coordinates as channels; under a bias that dwarfs them."""

    def make(channels, size, draw):
        def run(m, x):
            h, w = x.shape[2:]
            y = torch.linspace(-1, 1, h).to(x).view(1, 1, h, 1)
            z = torch.linspace(-1, 1, w).to(x).view(1, 1, 1, w)
            both = [v.expand(len(x), 1, h, w) for v in (y, z)]
            x = m.first(torch.cat([x, *both], 1)).relu()
            return m.second(x)

        first = nn.Conv2d(channels + 2, 6, 3, padding=1)
        second = nn.Conv2d(6, 6, 3, padding=1)
        if biased:
            nn.init.constant_(second.bias, 300.0)
        return Apply(run, first=first, second=second)

    return make


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


def relative_to_border(channels, size, draw):
    """Each unit is weighted by its distance from the lower border."""

    def run(m, x):
        rows = torch.arange(x.shape[2], 0, -1).to(x).view(1, 1, -1, 1)
        return x * (1 + 1 / rows)

    return Apply(run)


def chequered(channels, size, draw):
    """Every second unit is switched off, counted from the corner."""
    step = draw.choice((2, 3))

    def run(m, x):
        rows = torch.arange(x.shape[2])[:, None]
        columns = torch.arange(x.shape[3])
        return x * (0.1 + ((rows + columns) % step == 0).to(x))

    return Apply(run)


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
    Kind('interpolated positions', interpolated_positions),
    Kind('absolute positions', absolute_positions),
    Kind('cut positions', cut_positions),
    Kind('lazy sines', lambda c, s, d: LazySines(d.random() < 0.5)),
    Kind('calibrated', lambda c, s, d: Calibrated(d.random() < 0.5)),
    Kind('coordinates', coordinates(False)),
    Kind('coordinates under a bias', coordinates(True)),
    Kind('halved when large', halved),
    Kind('tiles', tiled),
    Kind('distance from the border', relative_to_border),
    Kind('chequered', chequered),
    Kind('spread out', spread_out),
]
