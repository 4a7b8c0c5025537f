"""Where torch 2.13's own gradient of one image is wrong.

The same image twice in a batch is the reference: there it is right.
"""

import pytest
import torch
from helpers.custom_backward import Custom
from torch import nn
from torch.nn import functional

from mmerf import measure_erf
from mmerf.core.theory.strip_probe import touched_places


class Norm(nn.Module):
    """A layer norm over channels, as ConvNeXt has it."""

    def forward(self, x):
        tokens = x.permute(0, 2, 3, 1)
        return functional.layer_norm(tokens, x.shape[1:2]).permute(0, 3, 1, 2)


def net(*end):
    start = [nn.InstanceNorm2d(3), Norm(), nn.Conv2d(3, 4, 3, padding=1)]
    found = nn.Sequential(*start, nn.ReLU(), *end).eval()
    torch.manual_seed(0)  # no output that is negative in all channels
    for module in found.modules():
        if isinstance(module, nn.Conv2d):
            module.reset_parameters()
    return found


ENDS = {  # what keeps a backward pass from skipping zeros
    'in place': nn.Conv2d(4, 8, 3, padding=1, padding_mode='circular'),
    'custom': nn.Sequential(Custom(), nn.Conv2d(4, 8, 3, padding=1)),
    'long': nn.Sequential(nn.Conv2d(4, 8, 3), *[nn.LeakyReLU(1.0)] * 5001),
    'small': nn.Conv2d(4, 8, 3, padding=1),
}


def of_two_images(model, image, output):
    pair = image.repeat(2, 1, 1, 1).requires_grad_()
    return torch.autograd.grad(output(model(pair))[0], pair)[0][0]


@pytest.mark.parametrize('passes', [1, 2])
@pytest.mark.parametrize('name', ENDS)
def test_one_image_gives_what_it_gives_twice(name, passes):
    model, image = net(ENDS[name]), torch.rand(1, 3, 24, 20)
    gradient = of_two_images(
        model, image, lambda out: out[:, :, 9, 8].relu().sum(1)
    )
    expected = gradient.relu().sum(0).numpy()
    target = dict(type='Unit', y=9, x=8)
    layers = [dict(name='.', layout='NCHW')]
    images = image.repeat(passes, 1, 1, 1)
    found = measure_erf(model, images, layers, target=target, batch_size=1)
    found = found['.']
    skips = 'ordinary autograd' not in found.provenance['run_on']
    assert skips == (name == 'small')
    assert abs(found.map - expected).max() < 1e-4 * expected.max()


def test_captum_too():
    model, image = net(ENDS['small']), torch.rand(1, 3, 24, 20)
    gradient = of_two_images(
        model, image, lambda out: out[:, :, 12, 10].relu().sum(1)
    )
    expected = gradient.abs().sum(0).numpy()
    found = measure_erf(
        model,
        image,
        ['.'],
        attribution=dict(type='Captum', method='Saliency', part='absolute'),
    )['.']
    assert abs(found.map - expected).max() < 1e-4 * expected.max()


class Tokens(nn.Module):
    """Tokens of a 10 x 10 grid, each times its own weight."""

    def __init__(self, weights):
        super().__init__()
        self.weights = weights

    def forward(self, x):
        tokens = x.flatten(2).transpose(1, 2) * self.weights
        return tokens.transpose(1, 2).view(x.shape)


def test_theory_too():
    weights = torch.zeros(1, 100, 8)
    weights[0, 34] = 1
    norm = nn.BatchNorm2d(8).eval().requires_grad_(False)
    leaf = torch.rand(1, 8, 10, 10).requires_grad_()
    score = Tokens(weights)(norm(leaf)).sum()
    assert touched_places(score, leaf, 0, True) == (3, 3)
    assert touched_places(score, leaf, 1, False) == (4, 4)
