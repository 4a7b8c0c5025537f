"""A layer without a theoretical field has a reason; no map is lost."""

import copy

import pytest
import torch
from mmengine.runner.activation_checkpointing import (
    turn_on_activation_checkpointing,
)
from torch import nn

from mmerf import measure_erf
from mmerf.core.errors import LayerError
from mmerf.core.layers.names import find_layers
from mmerf.core.theory import search
from mmerf.core.theory.search import structural_support

IMAGES = torch.rand(2, 3, 64, 64)


class OneSize(nn.Module):
    def forward(self, x):
        assert x.shape[2:] == (64, 64), 'the input must be 64 x 64'
        return x


SIDES = []  # of all images that ``FailsLate`` was run on


class FailsLate(nn.Module):
    """Takes memory by the square of the image's side, then fails."""

    def forward(self, x):
        SIDES.append(max(x.shape[2:]))
        return OneSize()(x)


class NotCopied(nn.Module):
    def forward(self, x):
        return x

    def __deepcopy__(self, memo):
        raise RuntimeError('a handle to a file')


@pytest.mark.parametrize(
    ('module', 'reason'),
    [
        (OneSize(), 'the input must be 64 x 64'),
        (NotCopied(), 'cannot be copied: a handle to a file'),
    ],
)
def test_a_missing_field_says_why_and_keeps_the_map(module, reason):
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), module)
    nn.init.ones_(net[0].weight)
    with pytest.warns(UserWarning, match=reason):
        result = measure_erf(net, IMAGES, ['1'], theory=True)['1']
    assert result.theory is None and result.map.sum() > 0
    assert reason in result.provenance['theory']


def test_a_model_that_runs_on_no_strip_is_run_on_no_long_one():
    net = nn.Sequential(FailsLate(), nn.Conv2d(3, 4, 3, padding=1))
    SIDES.clear()
    with pytest.warns(UserWarning, match='the input must be 64 x 64'):
        measure_erf(net, IMAGES, ['1'], theory=True)
    assert 64 < max(SIDES) <= 1056


def test_a_layer_without_gradient_says_so():
    class Steps(nn.Module):
        def forward(self, x):
            return x.sign()

    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), Steps())
    found = theory_of(net, ['0', '1'])
    assert found.fields['0'].size == (3, 3) and '1' not in found.fields
    assert 'no gradient' in found.why('1') and found.why('0') is None


def test_a_layer_that_depends_on_nothing_has_no_field():
    class Fixed(nn.Module):
        def forward(self, x):
            return torch.ones_like(x)

    net = nn.Sequential(nn.Conv2d(3, 4, 3), Fixed())
    with pytest.raises(LayerError, match='can be measured'):
        theory_of(net, ['1'])  # neither its axes nor its field can be told


def test_an_error_of_our_own_loses_no_map(monkeypatch):
    def fails(*args):
        raise ZeroDivisionError('a bug')

    monkeypatch.setattr(search, 'private_copy', fails)
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1))
    nn.init.ones_(net[0].weight)
    with pytest.warns(UserWarning, match='ZeroDivisionError: a bug'):
        result = measure_erf(net, IMAGES, ['0'], theory=True)['0']
    assert result.map.sum() > 0
    assert 'ZeroDivisionError' in result.provenance['theory']


def test_a_known_field_has_no_reason_and_no_warning(recwarn):
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1))
    result = measure_erf(net, IMAGES, ['0'], theory=True)['0']
    assert result.theory.size == (3, 3)
    assert 'theory' not in result.provenance
    assert not [w for w in recwarn if 'theor' in str(w.message)]


def theory_of(net, names):
    return structural_support(
        net,
        find_layers(net, names),
        lambda copied: lambda images, positions: copied(images),
        (64, 64),
    )


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_a_forward_that_closes_over_the_original_changes_nothing(dtype):
    """mmengine's activation checkpointing wraps an instance's forward."""
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU()
    )
    net = nn.Sequential(net, nn.Conv2d(4, 4, 3, padding=1)).to(dtype).train()
    turn_on_activation_checkpointing(net, ['0.1', '0.0'])
    before = copy.deepcopy(net.state_dict())
    found = theory_of(net, ['0', '1'])
    assert found.fields['0'].size == (3, 3)
    assert found.fields['1'].size == (5, 5)
    for key, value in net.state_dict().items():
        assert torch.equal(value, before[key]), key
    assert all(module.training for module in net.modules())
    assert all(p.grad is None and p.requires_grad for p in net.parameters())


def test_what_still_reaches_the_original_changes_nothing_either():
    """A list in an object hides the original from the copy."""

    class Hidden:
        def __init__(self, module):
            self.module = module

        def __deepcopy__(self, memo):
            return self

    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.BatchNorm2d(3)
            self.hidden = Hidden(self.inner)

        def forward(self, x):
            return self.hidden.module(x)

    net = nn.Sequential(Outer(), nn.Conv2d(3, 4, 3, padding=1)).double()
    before = copy.deepcopy(net.state_dict())
    assert theory_of(net.train(), ['1']).fields['1'].size == (3, 3)
    for key, value in net.state_dict().items():
        assert torch.equal(value, before[key]), key


def test_a_field_that_the_map_exceeds_is_not_told():
    """No strip is large enough to be halved; the image is."""

    class Halved(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 5, padding=2)

        def forward(self, x):
            if min(x.shape[2:]) > 150:
                x = nn.functional.avg_pool2d(x, 2)
            return self.conv(x)

    torch.manual_seed(0)
    net = nn.Sequential(Halved()).eval()
    small, large = (
        measure_erf(net, torch.randn(1, 3, n, n), ['0'], theory=True)['0']
        for n in (140, 180)
    )
    assert small.theory.size == (5, 5)
    assert large.theory is None
    assert 'beyond the field' in large.provenance['theory']
