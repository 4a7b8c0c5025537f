"""Position tables, coordinates, and what a first call leaves behind."""

import torch
from torch import nn
from torch.nn import functional

from ..block import Apply, Block, Kind


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


KINDS = [
    Kind('interpolated positions', interpolated_positions),
    Kind('absolute positions', absolute_positions),
    Kind('cut positions', cut_positions),
    Kind('lazy sines', lambda c, s, d: LazySines(d.random() < 0.5)),
    Kind('calibrated', lambda c, s, d: Calibrated(d.random() < 0.5)),
    Kind('coordinates', coordinates(False)),
    Kind('coordinates under a bias', coordinates(True)),
    Kind('distance from the border', relative_to_border),
    Kind('chequered', chequered),
]
