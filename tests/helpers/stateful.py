"""Nets whose forward changes state, one kind of state each, and what it is."""

import array
import copy
import itertools
import random
import types
from collections import OrderedDict, deque

import numpy as np
import torch
from torch import nn
from torch.nn import functional


class Stateful(nn.Module):
    """A convolution, and state that its forward changes."""

    def __init__(self, prepare, change):
        super().__init__()
        self.conv, self.change = nn.Conv2d(3, 3, 3, padding=1), change
        prepare(self)

    def forward(self, x):
        self.change(self, x)
        return self.conv(x)


class Slots:
    __slots__ = ('count', 'late', 'seen')

    def __init__(self):
        self.count, self.seen = 0, [1]

    def step(self):
        self.count += 1
        self.late = 2
        self.seen.append(2)


class Counter:
    def __init__(self):
        self.count, self.inner = 0, Slots()

    def step(self):
        self.count += 1
        self.inner.step()


class Queue(list):
    """A list with an attribute."""

    taken = 0


def closure(m):
    count, seen = 0, []

    def step():
        nonlocal count
        count += 1
        seen.append(count)

    m.step = step


def buffers(m):
    m.register_buffer('mean', torch.zeros(3))
    m.register_buffer('scale', torch.ones(3))


def fake_quantised(m):
    m.register_buffer('on', torch.ones(1, dtype=torch.long))
    m.register_buffer('low', torch.zeros(1))
    m.register_buffer('high', torch.zeros(1))
    m.register_buffer('step', torch.ones(1))
    m.register_buffer('zero', torch.zeros(1, dtype=torch.int32))


def quantise(m, x):
    found = m.low, m.high, m.step, m.zero
    torch.fused_moving_avg_obs_fake_quant(
        x, m.on, m.on, *found, 0.1, 0, 255, -1, False, False
    )


def register_late(m, x):
    m.register_buffer('late', torch.ones(2))


def replace_in_inference(m, x):
    with torch.inference_mode():
        m.mean = torch.full((3,), 2.0)


def nested(m, x):
    m.held['inner'][0].append(2)
    m.held['inner'][1]['key'] = 3


def expanded(m):
    m.base = torch.zeros(1)
    m.register_buffer('wide', m.base.expand(3))


def take(m, x):
    m.a.append(m.a.pop(0))
    m.a.taken += 1


def blend(m, x):
    with torch.no_grad():
        m.shadow.weight.mul_(0.9).add_(m.conv.weight, alpha=0.1)


def set_a(value):
    """How the attribute ``a`` is prepared: ``value()``, made anew."""

    def prepare(m):
        m.a = value()

    return prepare


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
    # What follows is reached through other objects.
    'object with slots': (set_a(Slots), lambda m, x: m.a.step()),
    'object': (set_a(Counter), lambda m, x: m.a.step()),
    'namespace': (
        set_a(lambda: types.SimpleNamespace(count=0)),
        lambda m, x: setattr(m.a, 'count', 1),
    ),
    'list with an attribute': (set_a(lambda: Queue([1, 2])), take),
    'closure': (closure, lambda m, x: m.step()),
    'module in a list': (
        set_a(lambda: [nn.BatchNorm2d(3)]),
        lambda m, x: m.a[0](x),
    ),
    'bytes': (
        set_a(lambda: bytearray(b'ab')),
        lambda m, x: m.a.extend(b'c'),
    ),
    'numbers': (
        set_a(lambda: array.array('d', [1.0])),
        lambda m, x: m.a.append(2.0),
    ),
    'array of objects': (
        set_a(lambda: np.array([[1], None], dtype=object)),
        lambda m, x: (m.a[0].append(2), m.a.__setitem__(1, 3)),
    ),
    'iterator over a list': (
        set_a(lambda: iter([1, 2, 3])),
        lambda m, x: next(m.a, None),
    ),
    'iterator at its end': (
        set_a(lambda: iter([1])),
        lambda m, x: list(m.a),
    ),
    'count': (set_a(itertools.count), lambda m, x: next(m.a)),
    'cycle': (
        set_a(lambda: itertools.cycle([1, 2, 3])),
        lambda m, x: next(m.a),
    ),
    'enumerated': (
        set_a(lambda: enumerate([5, 6, 7])),
        lambda m, x: next(m.a, None),
    ),
    # Parameters.
    'parameter': (
        lambda m: setattr(m, 'shadow', nn.Conv2d(3, 3, 3)),
        blend,
    ),
    'data of a parameter': (
        lambda m: None,
        lambda m, x: m.conv.weight.data.mul_(0.9),
    ),
    'numpy view of a parameter': (
        lambda m: None,
        lambda m, x: np.copyto(m.conv.bias.detach().numpy(), 1.0),
    ),
    'other data of a parameter': (
        lambda m: None,
        lambda m, x: setattr(m.conv.bias, 'data', torch.ones(3)),
    ),
    'parameter that is not finite': (
        lambda m: setattr(m, 'p', nn.Parameter(torch.tensor([torch.nan]))),
        lambda m, x: m.p.data.fill_(1.0),
    ),
    # Buffers that torch does not see written.
    'observer': (fake_quantised, quantise),
    'buffer replaced in inference mode': (buffers, replace_in_inference),
    'expanded buffer': (expanded, lambda m, x: m.base.add_(1)),
}


def described(value, seen=()):
    """A value that can be compared, with all that it holds."""
    if any(value is one for one in seen):
        return 'seen'
    seen = (*seen, value)
    if isinstance(value, torch.Tensor):
        numbers = str(value.detach().flatten().tolist())  # NaN is NaN
        kind, wants = type(value).__name__, value.requires_grad
        return kind, tuple(value.shape), value.stride(), wants, numbers
    if isinstance(value, np.ndarray):
        return described(value.tolist(), seen)
    if isinstance(value, torch.Generator):
        return value.get_state().tolist()
    if isinstance(value, np.random.Generator):
        return str(value.bit_generator.state)
    if isinstance(value, np.random.RandomState):
        return str(value.get_state()[1].tolist()), value.get_state()[2]
    if isinstance(value, random.Random):
        return value.getstate()
    if isinstance(value, (itertools.count, itertools.cycle)):
        return list(itertools.islice(copy.copy(value), 4))
    if isinstance(value, enumerate):
        return list(copy.deepcopy(value))
    if type(value).__name__ == 'list_iterator':
        return list(copy.copy(value))
    if isinstance(value, types.FunctionType):
        cells = value.__closure__ or ()
        return [described(cell.cell_contents, seen) for cell in cells]
    found = []
    if isinstance(value, dict):
        found += [(k, described(item, seen)) for k, item in value.items()]
    elif isinstance(value, (set, list, tuple, deque)):
        found += [described(item, seen) for item in value]
    elif isinstance(value, (bytearray, array.array)):
        found += list(value)
    own = (nn.Module, Slots, Counter, Queue, types.SimpleNamespace)
    if not isinstance(value, own):
        return found or value
    if hasattr(value, '__dict__'):
        found.append(described(value.__dict__, seen))
    for name in getattr(type(value), '__slots__', ()):
        found.append((name, described(getattr(value, name, None), seen)))
    return found
