"""Pooling, unpooling, shuffles and merges."""

import torch
from torch import nn
from torch.nn import functional

from ..block import Apply, Kind, nowhere
from ..chain import Chain
from ..pixels import adaptive, moved, resized, sliding


def max_pool(channels, size, draw):
    kernel, stride, padding = draw.choice(
        ((2, 2, 0), (3, 2, 1), (3, 1, 1), (3, 3, 0))
    )
    ceil = draw.random() < 0.3
    return Chain(nn.MaxPool2d(kernel, stride, padding, ceil_mode=ceil))


def avg_pool(channels, size, draw):
    kernel, stride, padding = draw.choice(((2, 2, 0), (3, 2, 1), (3, 1, 1)))
    counted = draw.random() < 0.5
    return Chain(
        nn.AvgPool2d(kernel, stride, padding, count_include_pad=counted)
    )


def lp_pool(channels, size, draw):
    return Chain(nn.Softplus(), nn.LPPool2d(3, 3, 2))


def adaptive_pool(channels, size, draw):
    part = draw.choice((2, 3, 2.5))
    most = draw.random() < 0.5
    goal = [max(2, int(side / part)) for side in size]
    pool = nn.AdaptiveMaxPool2d if most else nn.AdaptiveAvgPool2d
    inner = pool(goal)
    return Apply(lambda m, x: m.inner(x), adaptive, inner=inner)


def pyramid(channels, size, draw):
    """Pyramid pooling: bins of the whole image beside each unit."""
    sides = (1, 2, 3, 6)
    mix = nn.ModuleList([nn.Conv2d(channels, 2, 1) for _ in sides])

    def run(m, x):
        parts = [x]
        for side, conv in zip(sides, m.mix, strict=True):
            pooled = conv(functional.adaptive_avg_pool2d(x, side))
            parts.append(
                functional.interpolate(pooled, x.shape[2:], mode='bilinear')
            )
        return torch.cat(parts, 1)

    return Apply(run, mix=mix)


def unpooled(channels, size, draw):
    inner = nn.Conv2d(channels, channels, 3, padding=1)

    def run(m, x):
        pooled, places = functional.max_pool2d(x, 2, return_indices=True)
        return functional.max_unpool2d(
            m.inner(pooled), places, 2, output_size=x.shape[2:]
        )

    return Apply(run, inner=inner)


def sliced(channels, size, draw):
    first, step = draw.choice(((0, 2), (1, 2), (0, 3)))

    def pixels(coords, size):
        return sliding(coords, size, 1, step, -first)

    return Apply(lambda m, x: x[:, :, first::step, first::step], pixels)


def merged_slices(channels, size, draw):
    """Patch merging by strided slices."""
    mix = nn.Conv2d(4 * channels, 6, 1)

    def run(m, x):
        x = functional.pad(x, (0, x.shape[3] % 2, 0, x.shape[2] % 2))
        parts = [x[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)]
        return m.mix(torch.cat(parts, 1))

    return Apply(run, lambda c, s: sliding(c, s, 2, 2), mix=mix)


def merged_reshape(channels, size, draw):
    """Patch merging by a reshape, on (N, h, w, C)."""
    mix = nn.Linear(4 * channels, 6)

    def run(m, x):
        n, c, h, w = x.shape
        x = x[:, :, : h // 2 * 2, : w // 2 * 2].permute(0, 2, 3, 1)
        x = x.reshape(n, h // 2, 2, w // 2, 2, c).permute(0, 1, 3, 4, 2, 5)
        return m.mix(x.flatten(3)).permute(0, 3, 1, 2)

    return Apply(run, lambda c, s: sliding(c, s, 2, 2), mix=mix)


def unshuffle(channels, size, draw):
    mix = nn.Conv2d(4 * channels, 6, 1)

    def run(m, x):
        h, w = x.shape[2:]
        x = x[:, :, : h // 2 * 2, : w // 2 * 2]
        return m.mix(functional.pixel_unshuffle(x, 2))

    return Apply(run, lambda c, s: sliding(c, s, 2, 2), mix=mix)


def shuffle(channels, size, draw):
    mix = nn.Conv2d(channels, 16, 1)
    return Apply(
        lambda m, x: functional.pixel_shuffle(m.mix(x), 2), resized, mix=mix
    )


def blur_pool(channels, size, draw):
    def run(m, x):
        line = torch.tensor([1.0, 2.0, 1.0]).to(x) / 4
        weight = (line[:, None] * line).expand(x.shape[1], 1, 3, 3)
        x = functional.pad(x, (1, 1, 1, 1), mode='reflect')
        return functional.conv2d(x, weight, stride=2, groups=x.shape[1])

    return Apply(run, lambda c, s: sliding(c, s, 3, 2, 1))


def cropped(channels, size, draw):
    cut = draw.choice((1, 2, 5))
    return Apply(
        lambda m, x: x[:, :, cut:-cut, cut:-cut],
        lambda c, s: moved(c, s, cut, cut),
    )


def bordered(channels, size, draw):
    top, left = draw.choice(((2, 0), (1, 3), (4, 4)))
    mode = draw.choice(('constant', 'reflect', 'replicate'))
    return Apply(
        lambda m, x: functional.pad(x, (left, 1, top, 2), mode=mode),
        lambda c, s: moved(c, s, -top, -left),
    )


def fractional(channels, size, draw):
    """Bins at random places, the same ones in every call."""
    samples = torch.rand(1, channels, 2)

    def run(m, x):
        return functional.fractional_max_pool2d(
            x,
            2,
            output_ratio=(0.6, 0.6),
            _random_samples=m.samples.to(x).expand(len(x), -1, -1),
        )

    return Apply(run, nowhere, samples=samples)


KINDS = [
    Kind('max pool', max_pool, filler=True),
    Kind('average pool', avg_pool, filler=True),
    Kind('lp pool', lp_pool),
    Kind('adaptive pool', adaptive_pool),
    Kind('pyramid pooling', pyramid),
    Kind('max unpool', unpooled),
    Kind('strided slice', sliced),
    Kind('merge by slices', merged_slices),
    Kind('merge by reshape', merged_reshape),
    Kind('pixel unshuffle', unshuffle),
    Kind('pixel shuffle', shuffle, most=10000),
    Kind('blur pool', blur_pool),
    Kind('crop', cropped),
    Kind('pad', bordered),
    Kind('fractional pool', fractional),
]
