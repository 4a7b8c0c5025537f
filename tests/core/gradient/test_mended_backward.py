"""Where torch 2.13's own gradient of one image is wrong.

The same image twice in a batch is the reference: there it is right.
"""

import pytest
import torch
from helpers.custom_backward import Custom
from helpers.slow_reference import float64_map
from torch import nn
from torch.nn import functional

from mmerf import measure_erf
from mmerf.core.gradient import worth
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


class Recomputing(torch.autograd.Function):
    """Runs its part again in the backward pass, as reversible nets do."""

    @staticmethod
    def forward(ctx, x, part):
        ctx.part = part
        ctx.save_for_backward(x)
        with torch.no_grad():
            return part(x)

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            out = ctx.part(x)
        return torch.autograd.grad(out, x, gradient)[0], None


class Reversible(nn.Module):
    """Norms inside of a custom function, and perhaps before it."""

    def __init__(self, before, own):
        super().__init__()
        torch.manual_seed(1)
        first = nn.InstanceNorm2d(6) if before else nn.Identity()
        self.start = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), first)
        conv = nn.Conv2d(6, 6, 3, padding=1)
        self.part = nn.Sequential(conv, nn.InstanceNorm2d(6))
        self.mix, self.own = nn.Linear(6, 6), own

    def forward(self, x):
        x = self.start(x)
        x = Recomputing.apply(x, self.part) if self.own else self.part(x)
        return self.mix(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


@pytest.mark.parametrize('before', [False, True])
def test_norms_that_a_custom_function_runs_in_its_backward(before):
    image = torch.randn(1, 3, 24, 20)
    gradient = of_two_images(
        Reversible(before, own=False).eval(),
        image,
        lambda out: out[:, :, 12, 10].relu().sum(1),
    )
    expected = gradient.relu().sum(0).numpy()
    layers = [dict(name='.', layout='NCHW')]
    found = measure_erf(Reversible(before, True).eval(), image, layers)['.']
    assert abs(found.map - expected).max() < 1e-4 * expected.max()


class Once(nn.Module):
    """Keeps what its backward needs so that it can be taken once only."""

    def __init__(self, hooked):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.norm = (
            nn.Conv2d(3, 4, 3, padding=1),
            nn.InstanceNorm2d(4),
        )
        self.mix, self.hooked = nn.Linear(4, 4), hooked

    def forward(self, x):
        if not self.hooked:
            return self.run(x)

        def pack(tensor):
            return [tensor]

        def unpack(kept):
            return kept.pop()

        with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
            return self.run(x)

    def run(self, x):
        x = self.norm(self.conv(x)).permute(0, 2, 3, 1)
        return self.mix(x).permute(0, 3, 1, 2)


@pytest.mark.parametrize('few', [False, True])
def test_what_can_be_taken_once_is_not_taken_to_look_at_it(request, few):
    if few:
        request.getfixturevalue('as_few')
    image = torch.rand(1, 3, 24, 20)
    gradient = of_two_images(
        Once(False).eval(),
        image,
        lambda out: out[:, :, 12, 10].relu().sum(1),
    )
    expected = gradient.relu().sum(0).numpy()
    found = measure_erf(Once(True).eval(), image, ['.'])['.']
    assert found.pixel_known
    assert abs(found.map - expected).max() < 1e-4 * expected.max()


class Beside(nn.Module):
    """An instance norm and what is beside it, added."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.InstanceNorm2d(8, track_running_stats=True)
        self.last = nn.Conv2d(8, 4, 3, padding=1)

    def forward(self, x):
        x = self.first(x)
        return self.last(torch.tanh(x + self.norm(x)))


def test_an_instance_norm_in_a_channels_last_image(monkeypatch):
    """Its own input was copied to the plain layout; the gradient was not."""
    monkeypatch.setattr(worth, 'LARGE_GRADIENT', 2**19)  # no box of it
    monkeypatch.setattr(worth, 'LARGE_SHARE', 0.04)
    torch.manual_seed(1)
    model, given = Beside().eval(), list(torch.randn(9, 3, 24, 24).split(1))
    found = measure_erf(model, given, ['last'], batch_size=1)['last']
    assert 'not channels last' not in found.provenance['run_on']
    wanted = sum(float64_map(model, image) for image in given) / 9
    assert abs(found.map - wanted).max() <= 1e-5 * wanted.max()
