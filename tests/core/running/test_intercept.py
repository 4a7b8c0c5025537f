"""What a layer returns, with the hooks that change it."""

import pytest
import torch
from helpers.slow_reference import float64_map, images_like
from torch import nn

from mmerf import measure_erf


class Head(nn.Module):
    """Called as segmentors call their heads: no hook sees it."""

    def __init__(self):
        super().__init__()
        self.head = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x):
        return self.head.forward(x)


def gated(module, inputs, output):
    return output * output.sigmoid()


@pytest.mark.parametrize('size', [(32, 40), (160, 144)])
def test_an_output_that_a_forward_hook_replaces(size):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1)).eval()
    net[0].register_forward_hook(gated)
    images = images_like(1, *size)
    result = measure_erf(net, images, ['0'])['0']
    expected = float64_map(net, images, result.unit)
    assert abs(result.map - expected).max() <= 1e-5 * expected.max()
    assert list(net[0].__dict__.keys() & {'forward', '_call_impl'}) == []


def test_a_bare_forward_is_seen_and_its_hooks_are_not_run():
    torch.manual_seed(0)
    net = Head().eval()
    net.head.register_forward_hook(gated)
    images = images_like(1, 32, 40)
    result = measure_erf(net, images, ['head'])['head']
    expected = float64_map(net, images, result.unit)
    assert abs(result.map - expected).max() <= 1e-5 * expected.max()


def clipping(kind):
    """A convolution whose gradient is clipped before its batch norm."""
    conv, norm = nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6)
    nn.init.uniform_(norm.running_var, 4.0, 9.0)
    if kind == 'module':
        conv.register_full_backward_pre_hook(
            lambda module, gradient: (gradient[0].clamp(-0.05, 0.05),)
        )

    class Clipped(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm = conv, norm

        def forward(self, x):
            x = self.conv(x)
            if kind == 'tensor' and x.requires_grad:
                x.register_hook(lambda gradient: gradient.clamp(-0.05, 0.05))
            return self.norm(x).relu()

    return nn.Sequential(Clipped())


@pytest.mark.parametrize('kind', ['module', 'tensor'])
@pytest.mark.parametrize('size', [(64, 80), (160, 144)])
def test_hooks_see_the_gradient_of_the_model_as_it_is(kind, size):
    torch.manual_seed(0)
    net = clipping(kind).eval()
    images = images_like(1, *size)
    result = measure_erf(net, images, ['0'])['0']
    expected = float64_map(net, images, result.unit)
    assert abs(result.map - expected).max() <= 1e-5 * expected.max()
