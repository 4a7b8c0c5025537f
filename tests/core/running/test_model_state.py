"""What forwards change, of 20 kinds, and that it is given back."""

import random
from collections import OrderedDict, deque

import numpy as np
import pytest
import torch
from helpers.slow_reference import images_like
from torch import nn
from torch.nn import functional
from torch.nn.parameter import is_lazy

from mmerf import measure_erf
from mmerf.core.running.model_state import ModelState, run_all


class Stateful(nn.Module):
    """A convolution, and state that its forward changes."""

    def __init__(self, prepare, change):
        super().__init__()
        self.conv, self.change = nn.Conv2d(3, 4, 3, padding=1), change
        prepare(self)

    def forward(self, x):
        self.change(self, x)
        return self.conv(x)


def buffers(m):
    m.register_buffer('mean', torch.zeros(3))
    m.register_buffer('scale', torch.ones(3))


def register_late(m, x):
    m.register_buffer('late', torch.ones(2))


def nested(m, x):
    m.held['inner'][0].append(2)
    m.held['inner'][1]['key'] = 3


# what is prepared, what a forward does to it, what is compared
KINDS = {
    'list': (lambda m: setattr(m, 'a', [1]), lambda m, x: m.a.append(2)),
    'deque': (
        lambda m: setattr(m, 'a', deque([1, 2], 2)),
        lambda m, x: m.a.append(3),
    ),
    'dict': (lambda m: setattr(m, 'a', {}), lambda m, x: m.a.update(b=1)),
    'ordered dict': (
        lambda m: setattr(m, 'a', OrderedDict(b=1, c=2)),
        lambda m, x: m.a.move_to_end('b'),
    ),
    'set': (lambda m: setattr(m, 'a', {1}), lambda m, x: m.a.add(2)),
    'nested': (
        lambda m: setattr(m, 'held', {'inner': ([1], {'key': 1})}),
        nested,
    ),
    'array': (
        lambda m: setattr(m, 'a', np.zeros(3)),
        lambda m, x: np.copyto(m.a, 1.0),
    ),
    'tensor': (
        lambda m: setattr(m, 'a', torch.zeros(3)),
        lambda m, x: m.a.add_(1),
    ),
    'tensor in a list': (
        lambda m: setattr(m, 'a', [torch.zeros(3)]),
        lambda m, x: m.a[0].add_(1),
    ),
    'torch generator': (
        lambda m: setattr(m, 'a', torch.Generator().manual_seed(1)),
        lambda m, x: torch.rand(3, generator=m.a),
    ),
    'numpy generator': (
        lambda m: setattr(m, 'a', np.random.default_rng(1)),
        lambda m, x: m.a.random(3),
    ),
    'numpy random state': (
        lambda m: setattr(m, 'a', np.random.RandomState(1)),
        lambda m, x: m.a.rand(3),
    ),
    'python generator': (
        lambda m: setattr(m, 'a', random.Random(1)),
        lambda m, x: m.a.random(),
    ),
    'batch norm without a version': (
        buffers,
        lambda m, x: functional.batch_norm(x, m.mean, m.scale, training=True),
    ),
    'data of a buffer': (buffers, lambda m, x: m.mean.data.add_(1)),
    'other data': (
        buffers,
        lambda m, x: setattr(m.mean, 'data', torch.ones(3)),
    ),
    'numpy view of a buffer': (
        buffers,
        lambda m, x: np.copyto(m.mean.numpy(), 1.0),
    ),
    'resized buffer': (buffers, lambda m, x: m.mean.resize_(7).fill_(2.0)),
    'replaced buffer': (
        buffers,
        lambda m, x: setattr(m, 'mean', torch.ones(3)),
    ),
    'late buffer': (buffers, register_late),
    'late parameter': (
        lambda m: m.register_parameter('late', None),
        lambda m, x: setattr(m, 'late', nn.Parameter(torch.ones(2))),
    ),
    'hook': (
        buffers,
        lambda m, x: m.conv.register_forward_hook(lambda *a: None),
    ),
}


def described(value):
    """A value that can be compared, with all that it holds."""
    if isinstance(value, torch.Tensor):
        return type(value).__name__, tuple(value.shape), value.tolist()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, torch.Generator):
        return value.get_state().tolist()
    if isinstance(value, np.random.Generator):
        return str(value.bit_generator.state)
    if isinstance(value, np.random.RandomState):
        return str(value.get_state()[1].tolist()), value.get_state()[2]
    if isinstance(value, random.Random):
        return value.getstate()
    if isinstance(value, dict):
        return [(key, described(item)) for key, item in value.items()]
    if isinstance(value, (set, list, tuple, deque)):
        return [described(item) for item in value]
    if isinstance(value, nn.Module):
        return described(value.__dict__)
    return value


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


def test_every_callback_runs_whatever_the_others_raise():
    ran = []

    def fails():
        ran.append('fails')
        raise ValueError('first')

    def interrupted():
        ran.append('interrupted')
        if ran.count('interrupted') == 1:
            raise KeyboardInterrupt

    with pytest.raises((ValueError, KeyboardInterrupt)):
        run_all([lambda: ran.append('last'), fails, interrupted])
    assert ran == ['interrupted', 'interrupted', 'fails', 'last']


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
