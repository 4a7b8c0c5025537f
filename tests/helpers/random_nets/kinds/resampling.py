"""Up- and downsampling in every mode, by size and by factor."""

import torch
from torch import nn
from torch.nn import functional

from ..block import Apply, Kind
from ..pixels import adaptive, resized, sliding

UP, DOWN, ODD = (2, 3), (0.5, 0.25), (1.5, 0.6, 0.75, 1.3)


def by_factor(mode, factors, aligned=None, recompute=False, **more):
    """Resizing by ``scale_factor``, which is what torch then samples by."""

    def make(channels, size, draw):
        factor = float(draw.choice(factors))
        given = dict(
            scale_factor=factor,
            mode=mode,
            recompute_scale_factor=recompute or None,
            **more,
        )
        if aligned is not None:
            given['align_corners'] = aligned
        used = None if recompute else (factor, factor)
        return Apply(
            lambda m, x: functional.interpolate(x, **given),
            lambda c, s: resized(c, s, mode, bool(aligned), used),
        )

    return make


def by_size(mode, aligned=None, **more):
    """Resizing to a size, up or down, whose ratio need not be simple."""

    def make(channels, size, draw):
        ratios = (0.37, 0.5, 0.71, 1.25, 2)
        goal = [max(4, round(s * draw.choice(ratios))) for s in size]
        given = dict(size=goal, mode=mode, **more)
        if aligned is not None:
            given['align_corners'] = aligned
        return Apply(
            lambda m, x: functional.interpolate(x, **given),
            lambda c, s: (
                adaptive(c, s)
                if mode == 'area'
                else resized(c, s, mode, bool(aligned))
            ),
        )

    return make


def to_skip(mode, aligned=None, added=True):
    """Down, a convolution, and up again to the size of the skip."""

    def make(channels, size, draw):
        down = nn.Conv2d(channels, 6, 3, 2, 1)
        deep = nn.Conv2d(6, channels, 3, draw.choice((1, 2)), 1)
        given = dict(mode=mode)
        if aligned is not None:
            given['align_corners'] = aligned

        def run(m, x):
            y = m.deep(m.down(x).relu()).relu()
            y = functional.interpolate(y, x.shape[2:], **given)
            return x + y if added else torch.cat([x, y], 1)

        return Apply(run, down=down, deep=deep)

    return make


def unet(aligned):
    """Two levels of the usual U-Net, upsampled by a factor of 2."""

    def make(channels, size, draw):
        first = nn.Conv2d(channels, 6, 3, padding=1)
        second = nn.Conv2d(6, 8, 3, padding=1)
        last = nn.Conv2d(14, 6, 3, padding=1)

        def run(m, x):
            h, w = x.shape[2:]
            x = functional.pad(x, (0, w % 2, 0, h % 2))
            one = m.first(x).relu()
            two = m.second(functional.max_pool2d(one, 2)).relu()
            two = functional.interpolate(
                two, scale_factor=2, mode='bilinear', align_corners=aligned
            )
            return m.last(torch.cat([one, two], 1))[:, :, :h, :w]

        return Apply(run, first=first, second=second, last=last)

    return make


def down_up(channels, size, draw):
    """Nearest, down by 2 and up by 2: the same grid, a coarser image."""

    def run(m, x):
        y = functional.interpolate(x, scale_factor=0.5)
        return functional.interpolate(y, x.shape[2:])

    def pixels(coords, size):
        half = tuple(side // 2 for side in size)
        coords = resized(coords, half, 'nearest', factor=(0.5, 0.5))
        return resized(coords, size, 'nearest')

    return Apply(run, pixels)


def upsampled_patches(channels, size, draw):
    """A patch embedding, brought back by nearest upsampling."""
    inner = nn.Conv2d(channels, 6, 4, 4)

    def run(m, x):
        return functional.interpolate(m.inner(x), scale_factor=4.0)

    def pixels(coords, size):
        small = tuple(side // 4 for side in size)
        coords = sliding(coords, small, 4, 4)
        return resized(coords, size, 'nearest', factor=(4, 4))

    return Apply(run, pixels, inner=inner)


KINDS = [
    Kind('nearest up', by_factor('nearest', UP), most=8000),
    Kind('nearest down', by_factor('nearest', DOWN)),
    Kind('nearest odd factor', by_factor('nearest', ODD), most=20000),
    Kind('nearest by size', by_size('nearest'), most=20000),
    Kind('nearest-exact up', by_factor('nearest-exact', UP), most=8000),
    Kind('nearest-exact down', by_factor('nearest-exact', DOWN)),
    Kind('nearest-exact by size', by_size('nearest-exact'), most=20000),
    Kind('bilinear up', by_factor('bilinear', UP, False), most=8000),
    Kind('bilinear down', by_factor('bilinear', DOWN, False)),
    Kind('bilinear odd factor', by_factor('bilinear', ODD, False)),
    Kind('bilinear recomputed', by_factor('bilinear', ODD, False, True)),
    Kind('bilinear by size', by_size('bilinear', False), most=20000),
    Kind('bilinear aligned', by_factor('bilinear', UP, True), most=8000),
    Kind('bilinear aligned by size', by_size('bilinear', True), most=20000),
    Kind('bicubic up', by_factor('bicubic', UP, False), most=8000),
    Kind('bicubic odd factor', by_factor('bicubic', ODD, False)),
    Kind('bicubic aligned', by_factor('bicubic', UP, True), most=8000),
    Kind('bicubic by size', by_size('bicubic', False), most=20000),
    Kind(
        'antialiased down',
        by_factor('bilinear', DOWN, False, antialias=True),
    ),
    Kind('area by size', by_size('area'), most=20000),
    Kind('skip, nearest', to_skip('nearest')),
    Kind('skip, bilinear', to_skip('bilinear', False)),
    Kind('skip, aligned', to_skip('bilinear', True, added=False)),
    Kind('skip, bicubic', to_skip('bicubic', False, added=False)),
    Kind('U-Net', unet(False)),
    Kind('U-Net, aligned', unet(True)),
    Kind('nearest down and up', down_up),
    Kind('patches and up', upsampled_patches),
]
