"""Layers whose outputs have other layouts than (N, C, h, w)."""

import torch
from torch import nn

from ..block import Block, Kind, Layout, Unfit
from ..pixels import moved, sliding


class Inner(Block):
    """An inner layer in a layout of its own, measured as ``inner``.

    Subclasses define ``enter`` and ``leave``: to the layout and back.
    """

    layout = Layout()

    def __init__(self, channels):
        super().__init__()
        self.inner = nn.Sequential(
            nn.LayerNorm(channels), nn.Linear(channels, channels), nn.GELU()
        )

    @property
    def reads(self):
        return {'': Layout(), 'inner': self.layout}

    def forward(self, x):
        return self.leave(self.inner(self.enter(x)), x.shape)


class ChannelsLast(Inner):
    layout = Layout('NHWC')

    def enter(self, x):
        return x.permute(0, 2, 3, 1)

    def leave(self, y, shape):
        return y.permute(0, 3, 1, 2)


class Cube(ChannelsLast):
    """(N, h, w, C) with C = h = w, from a patch embedding."""

    def __init__(self, channels, size, draw):
        self.step = max(1, min(size) // draw.choice((12, 20, 28)))
        side = min(size) // self.step
        if size[0] != size[1] or side > 48 or side < 5:
            raise Unfit
        super().__init__(side)
        self.patches = nn.Conv2d(channels, side, self.step, self.step)
        self.gamma = nn.Parameter(torch.ones(side))

    def forward(self, x):
        return super().forward(self.patches(x))

    def pixels(self, coords, size):
        return sliding(coords, size, self.step, self.step)


class CutCube(ChannelsLast):
    """The same without patches: the grid is cut to a square first."""

    def __init__(self, channels, size, draw):
        side = min(*size, 40)
        super().__init__(side)
        self.side = side
        self.widen = nn.Conv2d(channels, side, 1)

    def forward(self, x):
        return super().forward(self.widen(x[:, :, : self.side, : self.side]))

    def pixels(self, coords, size):
        return moved(coords, size)


class Rows(Inner):
    """Tokens row by row, with others in front or at the end."""

    def __init__(self, channels, front=0, end=0, named=True):
        super().__init__(channels)
        self.front, self.end = front, end
        name = 'cls_token' if named else 'more'
        more = nn.Parameter(torch.randn(1, front + end, channels))
        if front + end:
            setattr(self, name, more)
        self.name = name
        self.layout = Layout('rows', front)

    def enter(self, x):
        tokens = x.flatten(2).transpose(1, 2)
        if self.front + self.end:
            more = getattr(self, self.name).expand(len(x), -1, -1)
            parts = (more[:, : self.front], tokens, more[:, self.front :])
            tokens = torch.cat(parts, 1)
        return tokens

    def leave(self, y, shape):
        count = shape[2] * shape[3]
        y = y[:, self.front : self.front + count]
        return y.transpose(1, 2).reshape(shape)


class Columns(Inner):
    """Tokens column by column."""

    layout = Layout('columns')

    def enter(self, x):
        return x.transpose(2, 3).flatten(2).transpose(1, 2)

    def leave(self, y, shape):
        n, c, h, w = shape
        return y.transpose(1, 2).reshape(n, c, w, h).transpose(2, 3)


class Flat(Inner):
    """(N, C, L), from a 1-D convolution of kernel 1."""

    layout = Layout('NCL')

    def __init__(self, channels):
        super().__init__(channels)
        self.inner = nn.Sequential(nn.Conv1d(channels, channels, 1), nn.GELU())

    def enter(self, x):
        return x.flatten(2)

    def leave(self, y, shape):
        return y.reshape(shape)


class Sized(nn.Module):
    """Returns tokens with their grid, as mmseg's transformers do."""

    def __init__(self, channels):
        super().__init__()
        self.linear = nn.Linear(channels, channels)

    def forward(self, x):
        size = tuple(x.shape[2:])
        return self.linear(x.flatten(2).transpose(1, 2)), size


class WithSize(Block):
    """A layer that returns (tokens, (h, w))."""

    def __init__(self, channels):
        super().__init__()
        self.inner = Sized(channels)

    reads = {'': Layout(), 'inner': Layout('rows')}

    def forward(self, x):
        tokens, size = self.inner(x)
        return tokens.transpose(1, 2).unflatten(2, size)


class Many(nn.Module):
    """Returns a list, a tuple or a dictionary of two outputs."""

    def __init__(self, channels, form):
        super().__init__()
        self.form = form
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        outputs = [x, self.conv(x).relu()]
        if self.form is dict:
            return {'first': outputs[0], 'second': outputs[1]}
        return self.form(outputs)


class OneOfMany(Block):
    reads = {'': Layout(), 'inner[1]': Layout()}

    def __init__(self, channels, form):
        super().__init__()
        self.inner = Many(channels, form)

    def forward(self, x):
        outputs = self.inner(x)
        if isinstance(outputs, dict):
            return outputs['second']
        return outputs[1]


class Twice(Block):
    """A layer that is called twice in a forward."""

    reads = {'': Layout(), 'inner@0': Layout(), 'inner@1': Layout()}

    def __init__(self, channels):
        super().__init__()
        self.inner = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        return self.inner(self.inner(x).relu_())


class TokensFirst(Inner):
    """Tokens of several windows as a batch: (windows, L, C) inside."""

    def __init__(self, channels, size, draw):
        super().__init__(channels)
        self.side = draw.choice((4, 5))

    reads = {'': Layout()}

    def forward(self, x):
        s = self.side
        n, c, h, w = x.shape
        y = nn.functional.pad(x, (0, -w % s, 0, -h % s))
        rows, columns = y.shape[2] // s, y.shape[3] // s
        y = y.view(n, c, rows, s, columns, s).permute(0, 2, 4, 3, 5, 1)
        y = self.inner(y.reshape(-1, s * s, c))
        y = y.view(n, rows, columns, s, s, c).permute(0, 5, 1, 3, 2, 4)
        return y.reshape(n, c, rows * s, columns * s)[:, :, :h, :w]


KINDS = [
    Kind('channels last', lambda c, s, d: ChannelsLast(c)),
    Kind('C = h = w', Cube, square=True),
    Kind('C = h = w, cut', CutCube, most=8000),
    Kind('tokens by rows', lambda c, s, d: Rows(c)),
    Kind('tokens, class in front', lambda c, s, d: Rows(c, 1)),
    Kind('tokens, class at the end', lambda c, s, d: Rows(c, 0, 1)),
    Kind('tokens, five in front', lambda c, s, d: Rows(c, 5, 0, False)),
    Kind('tokens by columns', lambda c, s, d: Columns(c)),
    Kind('channels, tokens', lambda c, s, d: Flat(c)),
    Kind('tokens and grid', lambda c, s, d: WithSize(c)),
    Kind('list', lambda c, s, d: OneOfMany(c, list)),
    Kind('tuple', lambda c, s, d: OneOfMany(c, tuple)),
    Kind('dictionary', lambda c, s, d: OneOfMany(c, dict)),
    Kind('called twice', lambda c, s, d: Twice(c)),
    Kind('tokens of windows', TokensFirst),
]
