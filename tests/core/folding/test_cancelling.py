"""Kernels whose weights sum to zero are exactly zero on flat parts."""

import copy

import pytest
import torch
from helpers.slow_reference import float64_map
from torch import nn

from mmerf import measure_erf
from mmerf.core.folding.cancelling import may_cancel

SOBEL = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])


class Edges(nn.Module):
    """Edges by fixed kernels, a norm that shifts nothing, and a kink."""

    def __init__(self, kernels, kink):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 8, kernels.shape[-1], bias=False)
        self.conv.weight.data = kernels
        self.norm, self.kink = nn.BatchNorm2d(8), kink
        nn.init.uniform_(self.norm.running_var, 0.5, 2)
        self.out = nn.Conv2d(8, 8, 3)

    def forward(self, x):
        return self.out(self.kink(self.norm(self.conv(x))))


def edges():
    each = [SOBEL if i % 2 else SOBEL.T for i in range(8)]
    return torch.stack(each)[:, None].repeat(1, 3, 1, 1)


def opponents():
    draw = torch.Generator().manual_seed(0)
    two = torch.randint(1, 4096, (8, 2, 1, 1), generator=draw) / 4096
    return torch.cat([two, -two.sum(1, keepdim=True)], 1)


@pytest.mark.parametrize('kink', [torch.relu, torch.abs])
@pytest.mark.parametrize('kernels', [edges, opponents])
def test_where_zeros_are_exact_no_rounding_decides(kernels, kink):
    net = Edges(kernels(), kink).eval()
    fresh = copy.deepcopy(net)
    images = torch.randn(3, 3, 150, 171, generator=torch.manual_seed(1))
    images[1:, :, 50:100, 50:120] = 0.5
    result = measure_erf(net, images, ['out'])['out']
    wanted = float64_map(fresh, images, result.unit)
    assert abs(result.map - wanted).max() <= 1e-5 * wanted.max()


def test_a_norm_that_shifts_and_other_kernels_are_folded():
    conv, norm = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)
    norm.requires_grad_(False)
    assert not may_cancel(conv, norm)
    conv.weight.data = edges()
    assert not may_cancel(conv, norm)  # its bias shifts
    nn.init.zeros_(conv.bias)
    assert may_cancel(conv, norm)
    norm.bias[:] = norm.running_mean[:] = 0.25
    assert not may_cancel(conv, norm)
    norm.running_mean[3] = 0.25 * (1 + norm.eps) ** 0.5
    assert may_cancel(conv, norm)
    conv.weight.data[3] = 0
    assert not may_cancel(conv, norm)
