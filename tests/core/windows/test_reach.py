"""What units may reach by operations, and when that is not known."""

import numpy as np
import pytest
import torch
from helpers.slow_reference import float64_map, images_like
from torch import nn
from torch.nn import functional

from mmerf import measure_erf
from mmerf.core.layers.names import find_layers
from mmerf.core.running.layer_scores import LayerScores
from mmerf.core.windows.reach import Reach, reaches


def seeded(*modules):
    torch.manual_seed(0)
    for module in modules:
        if hasattr(module, 'reset_parameters'):
            module.reset_parameters()
    return nn.Sequential(*modules).eval()


def found(net, axis=0, size=(60, 32)):
    stated = [dict(name='1', layout='NCHW')]  # some cannot be followed
    layers = LayerScores(find_layers(net, stated))
    strip = torch.randn(1, 3, *(size if axis == 0 else size[::-1]))
    return reaches(layers, lambda x, _: net(x), strip, axis, net.parameters())


@pytest.mark.parametrize('axis', [0, 1])
def test_a_convolution_reaches_its_taps(axis):
    net = seeded(
        nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 4, 5, padding=4, dilation=2)
    )
    reach = found(net, axis)['1']
    firsts, lasts = -reach.first, reach.last
    assert (-float(firsts[15]), float(lasts[15])) == (21, 39)
    assert (-float(firsts[0]), float(lasts[0])) == (0, 9)


class Pooled(nn.Module):
    def forward(self, x):
        return x + functional.adaptive_avg_pool2d(x, 1)


def test_a_mean_of_a_channels_last_image_is_told():
    net = seeded(nn.Conv2d(3, 4, 3, padding=1), Pooled())
    layers = LayerScores(find_layers(net, ['1']))
    strip = torch.randn(1, 3, 60, 32).clone(memory_format=torch.channels_last)
    reach = reaches(layers, lambda x, _: net(x), strip, 0, net.parameters())
    assert reach['1'].exact and reach['1'].least == 60


class ShownOtherwise(nn.Module):
    def forward(self, x):
        x = x + 1
        return x.unsqueeze_(0).transpose_(0, 1).squeeze_(1)


def test_what_shows_memory_in_another_way_reaches_no_further():
    net = seeded(nn.Conv2d(3, 4, 3, padding=1), ShownOtherwise())
    reach = found(net)['1']
    assert reach.exact and reach.least == 2  # at the edge


class OutsideOfTorch(torch.autograd.Function):
    """Writes its output as an extension's kernel would."""

    @staticmethod
    def forward(ctx, x, make):
        out = make(x)
        np.copyto(out.numpy(), x.numpy() - x.numpy().mean())
        return out

    @staticmethod
    def backward(ctx, gradient):
        return gradient - gradient.mean(), None


class Hidden(nn.Module):
    def __init__(self, change):
        super().__init__()
        self.change = change

    def forward(self, x):
        return x + self.change(x)


UNSEEN = {
    'empty memory': lambda x: OutsideOfTorch.apply(x, torch.empty_like),
    'zeros': lambda x: OutsideOfTorch.apply(x, torch.zeros_like),
    'memory of NumPy': lambda x: torch.from_numpy(
        np.full((1, 1, 1, 1), x.detach().numpy().mean())
    ),
    'a tensor of numbers': lambda x: x.new_tensor([2.0]),
    'a number': lambda x: x.mean().item(),
    'a condition': lambda x: 1 if x.mean() > 0 else 0,
}


@pytest.mark.parametrize('kind', UNSEEN)
def test_numbers_past_torch_are_noticed(kind):
    conv = nn.Conv2d(3, 4, 3, padding=1)
    reach = found(seeded(conv, Hidden(UNSEEN[kind])))
    if kind in ('empty memory', 'zeros'):  # may be a table of positions, too
        assert reach.pop('1').by_place
    assert reach == {}


SEEN = {
    'written in parts': lambda x: torch.empty_like(x).copy_(x),
    'a part of empty memory': lambda x: _halves(x),
    'zeros': lambda x: torch.zeros_like(x) + x,
}


def _halves(x):
    out = torch.empty_like(x)
    out[:, :2] = x[:, :2]
    out[:, 2:] = x[:, 2:]
    return out


@pytest.mark.parametrize('kind', SEEN)
def test_what_torch_writes_is_followed(kind):
    conv = nn.Conv2d(3, 4, 3, padding=1)
    reach = found(seeded(conv, Hidden(SEEN[kind])))['1']
    assert reach.exact
    firsts, lasts = -reach.first, reach.last
    assert (-float(firsts[30]), float(lasts[30])) == (29, 31)


class AboveMean(nn.Module):
    def forward(self, x):
        return torch.where(x > x.mean((2, 3), keepdim=True), x, 0.1 * x)


def test_a_gate_that_no_drawn_image_opens_takes_no_window():
    """Only its operations tell that the unit depends on the whole image."""
    net = seeded(nn.Conv2d(3, 4, 3, padding=1), AboveMean())
    images = images_like(1, 150, 160)
    result = measure_erf(net, images, ['1'])['1']
    words = result.provenance['run_on']
    assert words.startswith('whole image (no window: the units may depend')
    expected = float64_map(net, images)
    assert abs(result.map - expected).max() < 1e-4 * expected.max()


def test_pooling_to_one_place_and_back():
    class Context(nn.Module):
        def forward(self, x):
            return x + functional.interpolate(
                functional.adaptive_avg_pool2d(x, 1), x.shape[2:]
            )

    net = seeded(nn.Conv2d(3, 4, 3, padding=1), Context())
    reach = found(net)['1']
    firsts, lasts = -reach.first, reach.last
    assert (-float(firsts[30]), float(lasts[30])) == (0, 59)


class AlignedSkip(nn.Module):
    """A coarser branch, resized with aligned corners, added to its input."""

    def forward(self, x):
        coarse = functional.avg_pool2d(x, 2)
        size = dict(size=x.shape[2:], mode='bilinear', align_corners=True)
        return x + 1e-3 * functional.interpolate(coarse, **size)


@pytest.mark.parametrize('unit', [None, (75, 5)])
def test_a_grid_that_a_later_one_hides_still_keeps_a_crop_from_it(unit):
    net = seeded(nn.Conv2d(3, 4, 3, padding=1), AlignedSkip())
    images = images_like(1, 150, 160)
    target = unit and dict(type='Unit', y=unit[0], x=unit[1])
    result = measure_erf(net, images, ['1'], target=target)['1']
    assert result.provenance['run_on'].startswith('whole image')
    expected = float64_map(net, images, unit)
    assert abs(result.map - expected).max() < 1e-4 * expected.max()


def test_a_unit_that_depends_on_nothing_has_less_than_none():
    first = torch.tensor([0.0, torch.inf])
    last = torch.tensor([7.0, -torch.inf])
    assert Reach(first, last, True).least < 0
    assert Reach(first[:1], last[:1], True).least == 8
