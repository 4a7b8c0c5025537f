"""Units' pixels where sizes alone would mislead."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from mmerf import measure_erf


def halved(channels):
    return nn.Conv2d(channels, 8, 3, 2, 1)


class Do(nn.Module):
    def __init__(self, run, **modules):
        super().__init__()
        self.run = run
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x):
        return self.run(self, x)


def resize(**kwargs):
    return Do(lambda m, x: functional.interpolate(x, **kwargs))


def shift(m, x):
    """What was in row i comes to row i + 8."""
    return functional.pad(x, (8, 0, 8, 0))[..., : x.shape[2], : x.shape[3]]


def two(join):
    """Branches of stride 4 whose units are 3.5 px apart."""
    return Do(
        join,
        a=nn.Sequential(halved(3), halved(8)),
        b=nn.Sequential(nn.ZeroPad2d((0, 4, 0, 4)), nn.Conv2d(3, 8, 8, 4)),
        c=nn.Conv2d(8, 8, 1),
    )


def one_of_two(m, x):
    first = m.a(x)
    m.b(x)
    return m.c(first)


def claim(layers, size):
    torch.manual_seed(0)
    net = nn.Sequential(*layers).eval()
    key = str(len(layers) - 1)
    return measure_erf(net, torch.rand(1, 3, *size), [key])[key]


EIGHTH = [halved(3), halved(8), halved(8)]
SQUARE, ODD = (512, 512), (255, 333)


@pytest.mark.parametrize(
    ('layers', 'size', 'pixel'),
    [
        ([*EIGHTH, resize(scale_factor=0.25)], SQUARE, (256, 256)),
        (
            [*EIGHTH, resize(scale_factor=0.25, mode='nearest-exact')],
            SQUARE,
            (272, 272),
        ),
        (
            [resize(scale_factor=0.25, mode='bilinear')],
            ODD,
            (125.5, 165.5),
        ),
        (
            [*EIGHTH[:2], resize(scale_factor=0.25, mode='bilinear')],
            ODD,
            (8 * 16 + 6, 10 * 16 + 6),
        ),
        ([halved(3), Do(shift)], SQUARE, (240, 240)),
        (
            [halved(3), Do(lambda m, x: x.roll((8, 8), (2, 3)))],
            SQUARE,
            (240, 240),
        ),
        ([halved(3), Do(lambda m, x: x.flip(3))], SQUARE, (256, 254)),
        ([two(one_of_two)], SQUARE, (256, 256)),
    ],
)
def test_pixels_are_those_of_what_the_unit_copies(layers, size, pixel):
    result = claim(layers, size)
    assert result.unit_pixel == pixel and result.pixel_known


def test_the_units_beyond_the_seam_of_a_roll():
    roll = Do(lambda m, x: x.roll((8, 8), (2, 3)))
    net = nn.Sequential(halved(3), roll).eval()
    target = dict(type='Unit', y=2, x=12)
    found = measure_erf(net, torch.rand(1, 3, 64, 80), ['1'], target=target)
    assert found['1'].unit_pixel == (2 * (2 - 8 + 32), 2 * 4)
    for pixel, unit in (((52, 8), (2, 12)), ((0, 0), (8, 8))):
        target = dict(type='Pixel', y=pixel[0], x=pixel[1])
        found = measure_erf(
            net, torch.rand(1, 3, 64, 80), ['1'], target=target
        )
        assert found['1'].unit == unit
        assert found['1'].unit_pixel == pixel


@pytest.mark.parametrize(
    'join',
    [
        lambda m, x: m.a(x) + m.b(x),
        lambda m, x: m.c(m.b(x) * m.a(x)),
        lambda m, x: torch.cat([m.a(x), m.b(x)], 1),
    ],
)
def test_branches_of_different_offset_have_no_one_pixel(join):
    result = claim([two(join)], SQUARE)
    assert not result.pixel_known
    assert result.unit_pixel == (257.75, 257.75)  # between them


@pytest.mark.parametrize(
    'layers',
    [
        # copies of units that are not evenly apart
        [*EIGHTH, resize(size=(20, 24))],
        # a convolution across the seam of a roll
        [halved(3), Do(lambda m, x: x.roll(8, 2)), nn.Conv2d(8, 8, 3)],
        # values from anywhere
        [
            halved(3),
            Do(
                lambda m, x: functional.grid_sample(
                    x, x[:, :2].permute(0, 2, 3, 1), align_corners=False
                )
            ),
        ],
        # entries fetched by index
        [halved(3), Do(lambda m, x: x[:, :, torch.arange(x.shape[2])])],
    ],
)
def test_what_is_not_certain_is_not_known(layers):
    assert not claim(layers, (240, 272)).pixel_known
