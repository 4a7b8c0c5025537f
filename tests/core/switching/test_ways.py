import pytest
import torch
from helpers.branched import branched
from torch import nn
from torch.nn import functional

from mmerf.core.errors import ConfigError, LayerError
from mmerf.core.switching.requests import find_switches
from mmerf.core.switching.ways import decide_ways, watch_modules


def ways(net, *texts, size=(24, 24)):
    net.eval().requires_grad_(False)
    switches = find_switches(net, texts)
    image = torch.randn(1, 3, *size, requires_grad=True)
    return decide_ways(switches, watch_modules(switches, lambda: net(image)))


@pytest.mark.parametrize(
    ('name', 'way'),
    [
        ('blocks.0', 'identity'),  # a convolution and a sum use it
        ('blocks.1', 'identity'),
        ('blocks.0.f', 'zero'),
        ('blocks.0.f.2', 'zero'),  # the last of the branch
        ('blocks.0.f.1', 'identity'),
        ('arms.2', 'zero'),
        ('gate.conv', 'identity'),
        ('stem=zero', 'zero'),
        ('gate=identity', 'identity'),
        ('head=zero', 'zero'),
    ],
)
def test_the_rule(name, way):
    assert ways(branched(), name) == {name.partition('=')[0]: way}


class Odd(nn.Module):
    """Branches that are moved, resized and scaled on their way to a sum."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 1)
        self.tokens = nn.Linear(4, 4)
        self.scale = nn.Parameter(torch.ones(4) / 2)
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(4, 4, 1))
        self.places = nn.Conv2d(4, 4, 1)
        self.inplace = nn.Conv2d(4, 4, 1)
        self.pair = Pair()
        self.query = nn.Conv2d(4, 4, 1)
        self.both = nn.Bilinear(4, 4, 4)
        self.table = nn.Parameter(torch.randn(4, 1, 1))

    def forward(self, x):
        x = self.stem(x)
        tokens = self.scale * self.tokens(x.flatten(2).transpose(1, 2))
        x = x + tokens.transpose(1, 2).reshape(x.shape)
        wide = functional.interpolate(self.pool(x), x.shape[2:])
        x = torch.stack([x, wide]).sum(0)
        x = (self.places(x) + self.table).relu()
        out = self.inplace(x)
        out += x
        x = out.relu_() + self.pair(x)[0]
        score = torch.einsum('nchw,nchw->nhw', self.query(x), x)
        last = x.movedim(1, 3)
        return score.unsqueeze(1) + self.both(last, 2 * last).movedim(3, 1)


class Pair(nn.Module):
    def forward(self, x):
        return 2 * x, None


@pytest.mark.parametrize(
    ('name', 'way'),
    [
        ('tokens', 'zero'),  # scaled by a parameter, then reshaped
        ('pool', 'zero'),  # resized
        ('places', 'identity'),  # a table is no other branch
        ('inplace', 'zero'),
        ('pair', 'zero'),
        ('query', 'identity'),
        ('both', 'zero'),
        ('both=identity', 'identity'),
    ],
)
def test_what_is_moved_is_still_the_output(name, way):
    assert ways(Odd(), name) == {name.partition('=')[0]: way}


class Several(nn.Module):
    """Uses modules that cannot be switched off by a guess."""

    def __init__(self):
        super().__init__()
        self.split = Split()
        self.merge = Merge()
        self.late = nn.Conv2d(3, 3, 1)

    def forward(self, x):
        left, right = self.split(x)
        return self.late(self.merge(left, right)).relu()


class Split(nn.Module):
    def forward(self, x):
        return x, x.flip(3)


class Merge(nn.Module):
    def forward(self, left, right):
        return left * 2 + right


@pytest.mark.parametrize(
    ('net', 'name', 'error', 'words'),
    [
        (branched, 'stem', ConfigError, '(1, 6, 12, 12) has not the shape of'),
        (branched, 'stem', ConfigError, 'state stem=zero'),
        (branched, 'gate', ConfigError, 'multiplies another tensor; state g'),
        (branched, 'stem=identity', ConfigError, 'cannot become identity: it'),
        (branched, 'never', LayerError, 'never is not run in inference'),
        (branched, 'neve*', LayerError, 'none of the modules to switch off'),
        (Several, 'split', ConfigError, 'it returns 2 values'),
        (Several, 'split=zero', ConfigError, 'cannot become zero: it returns'),
        (Several, 'merge', ConfigError, 'state merge=zero or merge=identity'),
    ],
)
def test_nothing_is_guessed(net, name, error, words):
    with pytest.raises(error) as caught:
        ways(net(), name)
    assert words in str(caught.value) and '\n' not in str(caught.value)
    assert '  ' not in str(caught.value)


def test_a_glob_passes_over_what_does_not_run():
    found = ways(branched(), '*.0=zero', 'never*=zero')
    assert found == {'blocks.0': 'zero', 'arms.0': 'zero'}
