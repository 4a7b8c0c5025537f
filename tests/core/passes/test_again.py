"""A pass that is run again finds the model as its first run found it."""

import copy

import pytest
import torch
from helpers.custom_backward import Doubled
from helpers.slow_reference import float64_map
from torch import nn

from mmerf import measure_erf


def strided(x):
    _, c, h, w = x.shape
    return x + 0.5 * x.as_strided(x.shape, (c * h * w, h * w, w, 1))


def hooked(x):
    if x.requires_grad:
        x.register_hook(lambda gradient: gradient * 1)
    return x


def told(x):
    float(x.mean())
    return x


def flat_from_the_left(x):
    """A largest value among equal ones, where the image is of one colour."""
    return nn.functional.max_pool2d(x, 3, 1, 1)


AGAIN = {
    'group norm': nn.GroupNorm(2, 8),
    'strides': strided,
    'hook': hooked,
    'value': told,
    'own backward': Doubled.apply,
    'equal values': flat_from_the_left,
}


class Counting(nn.Module):
    """Its weights are stronger with each forward."""

    def __init__(self, inner):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.inner = inner
        self.last = nn.Conv2d(8, 8, 3, padding=1)
        self.register_buffer('seen', torch.zeros(()))

    def forward(self, x):
        x = self.inner(self.norm(self.first(x)))
        x = x * (1 + self.seen)
        self.seen += 1
        return self.last((x - 0.3).relu())


@pytest.mark.parametrize('size', [(72, 80), (150, 170)])
@pytest.mark.parametrize('kind', AGAIN)
def test_a_pass_that_is_run_again_finds_the_state_of_before(kind, size):
    torch.manual_seed(0)
    net = Counting(AGAIN[kind]).eval()
    images = list(torch.rand(3, 3, *size).split(1))
    images[1][..., :40] = 0.2
    layers = [dict(name='last', layout='NCHW')]
    result = measure_erf(net, images, layers)['last']
    wanted = sum(float64_map(copy.deepcopy(net), i) for i in images) / 3
    assert abs(result.map - wanted).max() <= 1e-5 * wanted.max()
    assert net.seen == 0
