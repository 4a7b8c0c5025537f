"""Which graphs go to a backward pass that skips zeros."""

import pytest
import torch
from helpers.custom_backward import Custom
from torch import nn

from mmerf import measure_erf
from mmerf.core.gradient import worth
from mmerf.core.gradient.worth import graph_of

FEW = 'few large convolutions'
SIDE = 32
conv = lambda width=8: nn.Conv2d(width, width, 3, padding=1)  # noqa: E731


class Tokens(nn.Module):
    """To tokens and back."""

    def forward(self, x):
        return x.flatten(2).transpose(1, 2).transpose(1, 2).view(x.shape)


@pytest.fixture(autouse=True)
def _large(monkeypatch, _every_shortcut):
    monkeypatch.setattr(worth, 'LARGE_GRADIENT', 8 * SIDE**2)
    monkeypatch.setattr(worth, 'LARGE_SHARE', 0.1)


@pytest.mark.parametrize(
    ('blocks', 'side', 'expected'),
    [
        ([conv(), nn.ReLU(), conv()], SIDE, None),
        ([conv(), nn.ReLU(), conv()], SIDE - 1, FEW),
        ([conv(), *[nn.GELU()] * 20], SIDE, FEW),
        ([conv(), nn.BatchNorm2d(8), *[nn.GELU()] * 20], SIDE, FEW),
        ([conv(), nn.BatchNorm2d(8), Tokens(), *[nn.GELU()] * 20], SIDE, FEW),
        ([conv(), Custom()], SIDE, 'Doubled has backward code of its own'),
        ([nn.GELU()] * 5001, 2, 'more than 5,000 operations'),
    ],
)
def test_which_graphs_skip_zeros(blocks, side, expected):
    net = nn.Sequential(*blocks).eval().requires_grad_(False)
    image = torch.randn(1, 8, side, side, requires_grad=True)
    assert graph_of(net(image).sum()).refusal == expected


@pytest.mark.parametrize(
    ('middle', 'norms', 'nodes'),
    [(nn.ReLU(), 0, 5), (Tokens(), 2, 8), (Custom(), 2, 5)],
)
def test_batch_norms_are_found_beside_tokens(middle, norms, nodes):
    """There torch's gradient of one is wrong; so it may be beside own code."""
    net = nn.Sequential(nn.BatchNorm2d(8), middle, nn.BatchNorm2d(8)).eval()
    image = torch.randn(1, 8, SIDE, SIDE, requires_grad=True)
    found = graph_of(net.requires_grad_(False)(image).sum())
    assert len(found.norms) == norms and found.nodes == nodes


@pytest.mark.parametrize(('middle', 'norms'), [(nn.ReLU(), 0), (Tokens(), 2)])
def test_of_channels_last_images_the_copy_of_them_decides_nothing(
    middle, norms
):
    net = nn.Sequential(nn.BatchNorm2d(8), middle, nn.BatchNorm2d(8)).eval()
    image = torch.randn(1, 8, SIDE, SIDE).to(memory_format=torch.channels_last)
    leaf = image.requires_grad_()
    output = net.requires_grad_(False)(leaf.clone())
    assert len(graph_of(output.sum(), channels_last=True).norms) == norms
    copied = graph_of(output.clone().sum(), channels_last=True)
    assert len(copied.norms) == 2


def test_what_is_said_of_a_layer_that_ordinary_autograd_ran():
    net = nn.Sequential(nn.Conv2d(3, 4, 3)).eval()
    result = measure_erf(net, torch.randn(1, 3, 16, 16), ['0'])['0']
    assert f'ordinary autograd: {FEW}' in result.provenance['run_on']
