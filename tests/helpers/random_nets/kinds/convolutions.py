"""Convolutions of every kind."""

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrizations

from ..block import Apply, Kind, mixed
from ..chain import Chain


def activation(draw):
    return draw.choice((nn.ReLU, nn.GELU, nn.SiLU, nn.Hardswish, nn.ELU))()


def width(draw):
    return draw.choice((4, 6, 8))


def conv(channels, size, draw):
    kernel = draw.choice((1, 2, 3, 3, 5))
    padding = draw.choice((0, kernel // 2, kernel // 2, kernel - 1))
    stride = draw.choice((1, 1, 2)) if kernel > 1 else 1
    inner = nn.Conv2d(channels, width(draw), kernel, stride, padding)
    return Chain(inner, activation(draw))


def conv_norm(channels, size, draw):
    out = width(draw)
    return Chain(
        nn.Conv2d(channels, out, 3, draw.choice((1, 2)), 1, bias=False),
        nn.BatchNorm2d(out),
        nn.ReLU(inplace=draw.random() < 0.5),
    )


def strided(channels, size, draw):
    kernel, stride, padding = draw.choice(
        ((3, 2, 1), (2, 2, 0), (4, 4, 0), (7, 4, 3), (3, 3, 1), (5, 2, 2))
    )
    return Chain(
        nn.Conv2d(channels, width(draw), kernel, stride, padding),
        activation(draw),
    )


def padded(channels, size, draw):
    mode = draw.choice(('reflect', 'replicate', 'circular'))
    return Chain(
        nn.Conv2d(channels, width(draw), 3, 1, 1, padding_mode=mode),
        nn.ReLU(),
    )


def separable(channels, size, draw):
    kernel = draw.choice((3, 5, 7))
    return Chain(
        nn.Conv2d(channels, channels, kernel, 1, kernel // 2, groups=channels),
        nn.Conv2d(channels, width(draw), 1),
        nn.GELU(),
    )


def grouped(channels, size, draw):
    out = 2 * channels if channels < 9 else channels
    return Chain(nn.Conv2d(channels, out, 3, 1, 1, groups=channels))


def dilated(channels, size, draw):
    rate = draw.choice((2, 3, 4))
    return Chain(
        nn.Conv2d(channels, width(draw), 3, 1, rate, dilation=rate),
        nn.ReLU(),
    )


def gap(channels, size, draw):
    """A dilation beyond the field below: a field with gaps."""
    rate = max(5, int(min(size) * draw.uniform(0.15, 0.4)))
    return Chain(nn.Conv2d(channels, width(draw), 3, 1, rate, dilation=rate))


def anisotropic(channels, size, draw):
    kernel, stride = draw.choice(
        (((1, 5), (1, 2)), ((5, 1), (2, 1)), ((3, 5), (1, 1)))
    )
    padding = tuple(k // 2 for k in kernel)
    return Chain(nn.Conv2d(channels, width(draw), kernel, stride, padding))


def transposed_conv(channels, size, draw):
    kernel, stride, padding, more = draw.choice(
        ((2, 2, 0, 0), (4, 2, 1, 0), (3, 2, 1, 1), (3, 1, 1, 0))
    )
    return Chain(
        nn.ConvTranspose2d(
            channels, width(draw), kernel, stride, padding, more
        ),
        nn.ReLU(),
    )


def residual(channels, size, draw):
    inner = nn.Sequential(
        nn.Conv2d(channels, 4, 3, 1, 1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, channels, 3, 1, 1),
    )
    return Apply(lambda m, x: x + m.inner(x), inner=inner)


def inception(channels, size, draw):
    branches = nn.ModuleList(
        [
            nn.Conv2d(channels, 2, 1),
            nn.Conv2d(channels, 2, 3, padding=1),
            nn.Conv2d(channels, 2, 5, padding=2),
            nn.MaxPool2d(3, 1, 1),
        ]
    )
    return Apply(
        lambda m, x: torch.cat([b(x) for b in m.branches], 1),
        branches=branches,
    )


def shared(channels, size, draw):
    inner = nn.Conv2d(channels, channels, 3, padding=1)
    return Apply(lambda m, x: m.inner(m.inner(x).relu()), inner=inner)


def unfolded(channels, size, draw):
    linear = nn.Linear(9 * channels, 6)

    def run(m, x):
        n, _, h, w = x.shape
        patches = functional.unfold(x, 3, padding=1).transpose(1, 2)
        return m.linear(patches).transpose(1, 2).reshape(n, 6, h, w)

    return Apply(run, steps=[((3, 3), (1, 1), (1, 1))], linear=linear)


def weight_norm(channels, size, draw):
    inner = nn.Conv2d(channels, width(draw), 3, 1, 1)
    return Chain(parametrizations.weight_norm(inner))


def spectral_norm(channels, size, draw):
    inner = nn.Conv2d(channels, width(draw), 3, 2, 1)
    return Chain(parametrizations.spectral_norm(inner), nn.ReLU())


def rows_1d(channels, size, draw):
    """A 1-D convolution along every row."""
    inner = nn.Conv1d(channels, channels, 5, padding=2)

    def run(m, x):
        n, c, h, w = x.shape
        lines = m.inner(x.transpose(1, 2).reshape(n * h, c, w))
        return lines.reshape(n, h, c, w).transpose(1, 2)

    return Apply(run, inner=inner)


def clip_3d(channels, size, draw):
    inner = nn.Conv3d(channels, 6, (1, 3, 3), padding=(0, 1, 1))
    return Apply(lambda m, x: m.inner(x.unsqueeze(2)).squeeze(2), inner=inner)


def blurred(channels, size, draw):
    """The usual depthwise blur by ``view``."""

    def run(m, x):
        n, c, h, w = x.shape
        weight = torch.ones(1, 1, 3, 3).to(x) / 9
        x = functional.conv2d(x.view(n * c, 1, h, w), weight, padding=1)
        return x.view(n, c, h, w)

    return Apply(run)


def two_offsets(channels, size, draw):
    """Two branches of different offsets, added on the same grid."""
    step = max(3, min(size) // 12)
    one = nn.Conv2d(channels, 6, 3, padding=1)
    two = nn.Conv2d(channels, 6, 3, padding=1)

    def run(m, x):
        shifted = functional.pad(x, (step, -step, step, -step))
        return m.one(x) + m.two(shifted)

    return Apply(run, mixed, one=one, two=two)


KINDS = [
    Kind('conv', conv, filler=True),
    Kind('conv, batch norm', conv_norm, filler=True),
    Kind('strided conv', strided, filler=True),
    Kind('padded conv', padded),
    Kind('separable conv', separable, filler=True),
    Kind('grouped conv', grouped),
    Kind('dilated conv', dilated, filler=True),
    Kind('gap', gap),
    Kind('anisotropic conv', anisotropic, filler=True),
    Kind('transposed conv', transposed_conv),
    Kind('residual', residual, filler=True),
    Kind('inception', inception),
    Kind('shared conv', shared),
    Kind('unfold', unfolded),
    Kind('weight norm', weight_norm),
    Kind('spectral norm', spectral_norm),
    Kind('conv 1d by rows', rows_1d),
    Kind('conv 3d', clip_3d),
    Kind('blur by view', blurred),
    Kind('two offsets', two_offsets),
]
