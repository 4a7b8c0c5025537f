"""What forwards change, of some forty kinds, and that it is given back."""

import copy

import numpy as np
import pytest
import torch
from helpers.slow_reference import float64_map, images_like
from helpers.stateful import KINDS, Stateful, described
from torch import nn
from torch.nn.parameter import is_lazy

from mmerf import measure_erf
from mmerf.core.state.model_state import ModelState


@pytest.mark.parametrize('ends', ['well', 'with an error'])
@pytest.mark.parametrize('kind', KINDS)
def test_a_measurement_gives_state_back(kind, ends):
    torch.manual_seed(0)
    prepare, change = KINDS[kind]
    net = Stateful(prepare, change).train()
    before = described(net)

    def act(m, x):
        change(m, x)
        if ends != 'well':
            raise KeyError('its own')

    net.__dict__['change'] = act
    try:
        measure_erf(net, images_like(1, 16, 18), ['conv'])
    except KeyError:
        assert ends != 'well'
    net.__dict__['change'] = change
    assert described(net) == before
    change(net, images_like(1, 16, 18))
    assert described(net) != before  # it is a change


LAZY = {
    'both': lambda: (nn.LazyConv2d(4, 3, 1, 1), nn.LazyBatchNorm2d()),
    'convolution': lambda: (nn.LazyConv2d(4, 3, 1, 1), nn.BatchNorm2d(4)),
    'norm': lambda: (nn.Conv2d(3, 4, 3, 1, 1), nn.LazyBatchNorm2d()),
}


@pytest.mark.parametrize('kind', LAZY)
@pytest.mark.parametrize('size', [(16, 18), (160, 170)])
def test_lazy_layers_are_lazy_again(size, kind):
    torch.manual_seed(0)
    net = nn.Sequential(*LAZY[kind](), nn.Conv2d(4, 4, 1)).eval()
    kinds = [type(module) for module in net]
    images = images_like(1, *size)
    torch.manual_seed(1)
    result = measure_erf(net, images, ['2'])['2']
    words, first = result.provenance['run_on'], result.map
    assert words.startswith('window' if size[0] > 128 else 'whole')
    assert [type(module) for module in net] == kinds
    lazy = [is_lazy(p) for p in (*net.parameters(), *net.buffers())]
    assert any(lazy)
    second = measure_erf(net, images, ['2'])['2'].map
    assert np.array_equal(first, second)
    made = net(images)  # with the weights that it was measured with
    if kind != 'norm':
        torch.manual_seed(1)
        conv = nn.Conv2d(3, 4, 3, 1, 1)
        assert torch.equal(net[0].weight, conv.weight)
    assert made.shape == (1, 4, *size)


class Drifting(nn.Sequential):
    """Moves its weights in every forward."""

    def forward(self, x):
        self[0].weight.data.mul_(0.5)
        self[0].bias.data.add_(0.1)
        return super().forward(x)


@pytest.mark.parametrize('size', [(16, 18), (150, 160)])
def test_a_model_that_moves_its_weights_is_measured_plainly(size):
    torch.manual_seed(0)
    net = Drifting(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())
    images = images_like(1, *size)
    results = [measure_erf(net, images, ['1'])['1'] for _ in range(2)]
    words = results[0].provenance['run_on']
    assert words.startswith('whole image (no window: the model changes its')
    expected = float64_map(copy.deepcopy(net), images)
    for result in results:
        assert abs(result.map - expected).max() < 1e-4 * expected.max()


def test_state_of_script_modules():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer('count', torch.zeros(1))

        def forward(self, x):
            self.count.add_(1)
            return x

    net = torch.jit.script(Counting())
    state = ModelState(net)
    net(torch.zeros(1))
    assert net.count == 1
    state.restore()
    assert net.count == 0


class Drops(nn.Conv2d):
    """Deletes a flag as it runs."""

    def forward(self, x):
        vars(self).pop('with_cp', None)
        return super().forward(x)


def test_a_flag_that_a_forward_deletes_is_there_again():
    net = nn.Sequential(Drops(3, 4, 3))
    net[0].with_cp = True
    measure_erf(net, images_like(1, 16, 18), ['0'])
    assert net[0].with_cp is True


class Guarded(dict):
    """A dictionary whose own code must not run."""

    def values(self):
        raise RuntimeError

    items = keys = values


def test_no_code_of_a_dictionary_runs():
    net = nn.Identity()
    net.table = Guarded(one=1, two=2)
    state = ModelState(net)
    dict.__setitem__(net.table, 'two', 3)
    state.restore()
    assert dict.__getitem__(net.table, 'two') == 2
