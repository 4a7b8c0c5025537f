"""A norm is folded where it alone reads a convolution's output."""

import pytest
import torch
from helpers.slow_reference import float64_map
from torch import nn
from torch.nn.modules.module import register_module_forward_hook
from torch.nn.utils import parametrize

from mmerf import measure_erf
from mmerf.core.folding.bn_folding import Folding
from mmerf.core.folding.pairs import PairFinder

SIZE = (136, 152)


class Net(nn.Module):
    """A convolution, a batch norm and, by another way, the former again."""

    def __init__(self, run):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.norm = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.out = nn.Conv2d(4, 4, 3, padding=1)
        nn.init.uniform_(self.norm.running_var, 4, 9)
        nn.init.normal_(self.norm.running_mean)
        self.run = run

    def forward(self, x):
        return self.run(self, x, self.conv(x))


def plain(net, x, y):
    return net.out(net.norm(y).relu())


def added(net, x, y):
    return net.out(net.norm(y).relu() + y)


def dead_on_black(net, x, y):
    inside = x.abs().amax(1, keepdim=True) > 0
    return net.out(net.norm(y).relu() + y) * inside


def straight_through(net, x, y):
    return net.out(net.norm(y).relu() + (y - y.detach()))


def in_a_view(net, x, y):
    part = y[:, :2]
    return net.out(net.norm(y).relu() + part.repeat(1, 2, 1, 1))


def without_gradient(net, x, y):
    with torch.no_grad():
        gate = y.sigmoid()
    return net.out(net.norm(y).relu() * gate)


def by_content(net, x, y):
    features = net.norm(y).relu()
    return net.out(features + y if x.mean() > 0 else features)


def by_list(net, x, y):
    features = net.norm(y).relu()
    brightest = max(x.mean((1, 2, 3)).tolist())
    return net.out(features + y if brightest > 0 else features)


def by_array(net, x, y):
    features = net.norm(y).relu()
    mean = x.detach().mean().numpy()
    return net.out(features + y if mean > 0 else features)


def by_count(net, x, y):
    features = net.norm(y).relu()
    bright = (x.mean((2, 3)) > 0).nonzero()
    return net.out(features + y if len(bright) > 1 else features)


def by_mask(net, x, y):
    features, means = net.norm(y).relu(), x.mean((2, 3))
    bright = means[means > 0].numel()
    return net.out(features + y if bright > 1 else features)


def with_gradient(net, x, y):
    features = net.norm(y).relu()
    return net.out(features + y if torch.is_grad_enabled() else features)


def same_weights(net, x, y):
    again = nn.functional.conv2d(x, net.conv.weight, padding=1)
    return net.out(net.norm(y).relu() + again)


READERS = [
    added, dead_on_black, straight_through, in_a_view, without_gradient,
    by_content, by_list, by_array, by_count, by_mask, with_gradient,
    same_weights,
]  # fmt: skip


def pairs(net):
    finder = PairFinder(net, set())
    with finder.watching():
        net(-torch.rand(1, 3, 20, 24))  # no value is above zero
    return finder.pairs()


def images(count=3):
    torch.manual_seed(1)
    given = list(torch.randn(count, 3, *SIZE).split(1))
    given[0] = torch.zeros(1, 3, *SIZE)
    return given


def assert_right(net, given):
    (result,) = measure_erf(net, iter(given), ['']).values()
    found = result.map
    wanted = sum(float64_map(net, image) for image in given) / len(given)
    assert abs(found - wanted).max() <= 1e-5 * wanted.max()


def test_the_usual_pair_is_found():
    net = Net(plain).eval()
    assert pairs(net) == [(net.conv, net.norm)]
    assert_right(net, images())


@pytest.mark.parametrize('run', READERS)
def test_another_reader_is_seen_whatever_the_values_are(run):
    net = Net(run).eval()
    assert not pairs(net)
    assert_right(net, images())


@pytest.mark.parametrize('which', ['conv', 'norm'])
def test_modules_with_hooks_are_left_alone(which):
    net, seen = Net(plain).eval(), []
    module = net.get_submodule(which)
    module.register_forward_hook(lambda m, x, y: seen.append(y.mean()))
    assert not pairs(net)


def test_hooks_on_all_modules_leave_nothing_to_fold():
    net = Net(plain).eval()
    handle = register_module_forward_hook(
        lambda m, x, y: y.clamp(-4, 4) if m is net.conv else None
    )
    try:
        assert not pairs(net)
    finally:
        handle.remove()


def test_a_norm_without_gradient_has_none():
    def run(net, x, y):
        with torch.no_grad():
            gate = net.norm(y)
        return net.out(gate.relu() * x.mean(1, keepdim=True))

    net = Net(run).eval()
    assert_right(net, images())


def test_indices_that_pick_places_decide_nothing():
    def run(net, x, y):
        return net.out(net.norm(y)[:, :, torch.arange(y.shape[2])])

    assert len(pairs(Net(run).eval())) == 1


class PerDomain(nn.BatchNorm2d):
    """Statistics of two domains, of which the first is used."""

    def __init__(self):
        super().__init__(4)
        self.running_mean = torch.randn(2, 4)
        self.running_var = torch.rand(2, 4) + 1

    def forward(self, x):
        mean, var = self.running_mean[0], self.running_var[0]
        return nn.functional.batch_norm(x, mean, var, self.weight, self.bias)


class InTuple(nn.Conv2d):
    def forward(self, x):
        return (super().forward(x),)


class Clamped(nn.Conv2d):
    def forward(self, x):
        return super().forward(x).clamp(-4, 4)


class WithActivation(nn.BatchNorm2d):
    def forward(self, x):
        return super().forward(x).clamp(max=5)


def of_kind(kind):
    if kind == 'statistics of domains':
        net = Net(plain)
        net.norm = PerDomain()
    elif kind == 'tuple':
        net = Net(lambda net, x, y: net.out(net.norm(y[0]).relu()))
        net.conv = InTuple(3, 4, 3, padding=1)
    elif kind == 'clamped':
        net = Net(plain)
        net.conv = Clamped(3, 4, 3, padding=1)
    elif kind == 'with an activation':
        net = Net(plain)
        net.norm = WithActivation(4)
    else:
        net = Net(plain)
        parametrize.register_parametrization(net.conv, 'bias', nn.Tanh())
    return net.eval()


@pytest.mark.parametrize(
    'kind',
    [
        'statistics of domains',
        'tuple',
        'clamped',
        'with an activation',
        'parametrized bias',
    ],
)
def test_modules_of_other_kinds_are_left_alone(kind):
    net = of_kind(kind)
    assert not pairs(net)
    assert_right(net, images())


def scaled(net):
    with torch.no_grad():
        net.conv.weight.mul_(-2)


def past_the_count(net):
    net.conv.weight.data[1:] *= 3


def biased(net):
    with torch.no_grad():
        net.conv.bias.add_(20)


def trained(net):
    net.train()
    net(3 + torch.randn(2, 3, 30, 30))
    net.eval()


def hooked(net):
    net.conv.register_forward_hook(lambda m, x, y: y.relu())


def replaced(net):
    net.norm = nn.Identity()


@pytest.mark.parametrize(
    'change', [scaled, past_the_count, biased, trained, hooked, replaced]
)
def test_what_is_folded_is_made_of_the_model_of_now(change):
    """Code of others runs between the images of a stream."""
    net, image = Net(plain).eval(), images()[1]
    folding = Folding(net, pairs(net))
    assert folding.count == 1
    change(net)
    expected = net(image)
    kept = change not in (hooked, replaced)
    assert folding.renew() == kept and folding.count == kept
    with torch.no_grad(), folding.applied():
        found = net(image)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_a_kernel_whose_values_change_places_is_another():
    """Its sum and its length are the same, to the bit."""
    net, given = Net(plain).eval(), images(4)[1:]
    net.conv.weight.data.mul_(64).round_().div_(64)
    wanted = 0

    def stream():
        nonlocal wanted
        for image in given:
            wanted = wanted + float64_map(net, image) / len(given)
            yield image
            kernel = net.conv.weight.data
            kernel.copy_(kernel.roll(1, 0).flip(3))

    (result,) = measure_erf(net, stream(), ['']).values()
    assert abs(result.map - wanted).max() <= 1e-5 * wanted.max()


def test_each_image_of_a_stream_meets_the_model_of_now():
    net, given = Net(plain).eval(), images(4)[1:]
    wanted = 0

    def stream():
        nonlocal wanted
        for image, change in zip(given, (None, biased, hooked), strict=True):
            if change is not None:
                change(net)
            wanted = wanted + float64_map(net, image) / len(given)
            yield image

    (result,) = measure_erf(net, stream(), ['']).values()
    assert abs(result.map - wanted).max() <= 1e-5 * wanted.max()
    way = result.provenance['run_on']
    assert 'batch norms not folded: modules were replaced or got hooks' in way
