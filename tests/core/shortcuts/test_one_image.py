"""What one image shows of a layout, and what it does not show of others."""

import numpy as np
import pytest
import torch
from helpers.slow_reference import float64_map
from helpers.strides import RowsAdded
from torch import nn
from torch.nn import functional

from mmerf import measure_erf
from mmerf.core.shortcuts import budget


class Filled(nn.Module):
    """A huge number in some places, as of a mask."""

    def forward(self, x):
        mask = torch.arange(x.shape[-2])[:, None] < 4
        return x.masked_fill(mask, -1e9)


class Finer(nn.Module):
    """Every second row and column tells nothing; the others read strides."""

    def __init__(self):
        super().__init__()
        self.plain = nn.Conv2d(3, 4, 3, padding=1)
        self.other = nn.Sequential(RowsAdded(), nn.Conv2d(3, 4, 3, padding=1))

    def forward(self, x):
        four = [self.plain(x), *[self.other(x)] * 3]
        return functional.pixel_shuffle(torch.stack(four, 2).flatten(1, 2), 2)


class Scales(nn.Module):
    """A channel of huge values, which differ by rounding, hides the others."""

    def __init__(self):
        super().__init__()
        self.large, self.other = nn.Conv2d(3, 1, 3, padding=1), last()

    def forward(self, x):
        beside = torch.arange(x.shape[-1]) < 9
        large = 1e5 * self.large(x) * beside
        return torch.cat([large, RowsAdded()(self.other(x))], 1)


class InTheMiddle(nn.Module):
    def forward(self, x):
        h = x.shape[2]
        here = (torch.arange(h) == h // 2)[:, None]
        return torch.where(here, RowsAdded()(x), x)


class Where(nn.Module):
    def __init__(self, test):
        super().__init__()
        self.test, self.rows = test, RowsAdded()

    def forward(self, x):
        return self.rows(x) if self.test(x) else x


def last():
    return nn.Conv2d(3, 4, 3, padding=1)


def dim(images):
    return [images[0] * 1e-3, *images[1:]]


def bright_later(images):
    return [images[0], *[image + 128 for image in images[1:]]]


def small(images):
    return [image[..., :49, :53].contiguous() for image in images]


def cut(images):
    """Views of larger images, which are in neither layout."""
    return [image[..., 2:51, 1:54] for image in images]


def higher(images):
    return list(torch.randn(3, 3, 75, 72).split(1))


def wider_later(images):
    wider = torch.randn(3, 3, 72, 96).split(1)
    return [*images, *wider]


def constant_when_dim():
    net = nn.Sequential(RowsAdded(), last(), nn.ReLU(), nn.Conv2d(4, 4, 1))
    nn.init.constant_(net[1].bias, -0.05)
    nn.init.constant_(net[3].bias, 0.3)
    return net


def even_later(images):
    """The later ones bright, and nearly of one colour."""
    return [images[0], *(image * 0.01 + 5 for image in images[1:])]


OTHER_IMAGES = {
    'a constant that is not zero': (constant_when_dim, dim),
    'places that are filled': (
        lambda: nn.Sequential(RowsAdded(), last(), Filled()), list,
    ),
    'places between': (lambda: nn.Sequential(Finer()), small),
    'crops': (lambda: nn.Sequential(RowsAdded(), last()), cut),
    'a group norm': (
        lambda: nn.Sequential(nn.GroupNorm(1, 3), last()), bright_later,
    ),
    'a norm by statistics of the batch': (
        lambda: nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1),
            nn.BatchNorm2d(16, track_running_stats=False), nn.GELU(),
            nn.Conv2d(16, 4, 3, padding=1),
        ),
        even_later,
    ),
    'a channel of huge values': (lambda: nn.Sequential(Scales()), list),
    'the middle row': (lambda: nn.Sequential(last(), InTheMiddle()), higher),
    'another size': (
        lambda: nn.Sequential(Where(lambda x: x.shape[-1] > 80), last()),
        wider_later,
    ),
    'a truth': (
        lambda: nn.Sequential(Where(lambda x: x.mean() > 9), last()),
        bright_later,
    ),
    'a list': (
        lambda: nn.Sequential(Where(lambda x: max(x[0, 0, 0].tolist()) > 60),
                              last()),
        bright_later,
    ),
    'an array': (
        lambda: nn.Sequential(Where(lambda x: x.detach().numpy().max() > 60),
                              last()),
        bright_later,
    ),
}  # fmt: skip


@pytest.mark.parametrize('few', [False, True])
@pytest.mark.parametrize('case', OTHER_IMAGES)
def test_one_image_speaks_for_those_like_it_alone(case, few, request):
    """Outputs of one image agree in both layouts; those of others do not."""
    if few:
        request.getfixturevalue('as_few')
        request.getfixturevalue('monkeypatch').setattr(budget, 'REPEATS', 2)
    torch.manual_seed(0)
    make, given = OTHER_IMAGES[case]
    net, images = make().eval(), given(torch.randn(3, 3, 53, 72).split(1))
    layers = [dict(name=str(len(net) - 1), layout='NCHW')]
    (result,) = measure_erf(net, images, layers).values()
    maps = [float64_map(net, image) for image in images]
    wanted = sum(centred(each, result.map.shape) for each in maps) / len(maps)
    assert abs(result.map - wanted).max() <= 1e-5 * wanted.max()


def centred(found, shape):
    """A map on the canvas of a larger one, their units on one another."""
    canvas = np.zeros(shape)
    y, x = ((a // 2 - b // 2) for a, b in zip(shape, found.shape, strict=True))
    canvas[y : y + found.shape[0], x : x + found.shape[1]] = found
    return canvas
