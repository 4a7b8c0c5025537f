"""Models with a state of their own are as they were, and can be measured."""

import copy

import numpy as np
import pytest
import torch
from helpers.slow_reference import images_like
from mmengine.runner.activation_checkpointing import (
    turn_on_activation_checkpointing,
)
from torch import nn
from torch.utils.checkpoint import CheckpointFunction, checkpoint

from mmerf import measure_erf
from mmerf.core.errors import MeasurementError
from mmerf.core.state.isolation import Between, Preserved, preserved
from mmerf.core.state.process_state import AROUND_CHECKPOINT


class Stateful(nn.Module):
    """Counts, keeps a cache, and refuses to run inside itself."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.last = nn.Conv2d(4, 4, 3, padding=1)
        self.calls, self.busy = 0, False

    def forward(self, x):
        assert not self.busy
        self.busy, self.calls = True, self.calls + 1
        self.cache = self.first(x)
        x = self.last(self.cache)
        self.busy = False
        return x


@pytest.mark.parametrize('fails', [False, True])
def test_plain_attributes_of_modules_are_put_back(fails):
    net = Stateful()
    before = {m: dict(m.__dict__) for m in net.modules()}

    def score(output, context):
        if fails:
            raise RuntimeError('no memory')
        return output.sum((1, 2, 3))

    try:
        batches = [images_like(1, 12, 15)] * 2
        target = dict(type='Function', function=score, y=0, x=0)
        measure_erf(net, batches, ['first'], target=target)
    except RuntimeError:
        assert fails
    assert {m: m.__dict__ for m in net.modules()} == before
    assert net(images_like(1, 12, 15)).shape == (1, 4, 12, 15)


def test_hooks_that_are_always_called_are():
    net, open_forwards = Stateful(), []
    net.register_forward_pre_hook(lambda *_: open_forwards.append(1))
    net.register_forward_hook(
        lambda *_: open_forwards.pop() and None, always_call=True
    )
    batches = [images_like(1, 12, 15)] * 2  # from the second on, stop early
    measure_erf(net, batches, ['first'])
    assert not open_forwards


class Merging(nn.Conv2d):
    """Adds to its weight where it leaves training, as LoRA layers do."""

    merged = False

    def train(self, mode=True):
        if not mode and not self.merged:
            self.weight.data += 0.1
        if mode and self.merged:
            self.weight.data -= 0.1
        self.merged = not mode
        return super().train(mode)


def test_no_train_method_runs():
    net = nn.Sequential(Merging(3, 4, 3, padding=1), nn.Dropout())
    before = net[0].weight.clone()
    results = measure_erf(net, images_like(2, 12, 15), ['1'])
    assert not net[0].merged and torch.equal(net[0].weight, before)
    assert net.training and net[0].training and net[1].training
    net[1].training = False  # what the measurement saw: no dropout
    again = measure_erf(net, images_like(2, 12, 15), ['1'])
    np.testing.assert_array_equal(results['1'].map, again['1'].map)


def test_blocks_that_mmengine_checkpoints():
    """It wraps ``forward``: no switch of the block's own is on."""
    torch.manual_seed(0)
    block = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())
    net = nn.Sequential(block, nn.Conv2d(4, 4, 3, padding=1))
    images = images_like(2, 12, 15)
    plain = measure_erf(copy.deepcopy(net), images, ['0.0', '1'])
    turn_on_activation_checkpointing(net, ['0'])
    wrapped = measure_erf(net, images, ['0.0', '1'])
    for layer, result in plain.items():
        np.testing.assert_array_equal(result.map, wrapped[layer].map)
    assert 'apply' not in vars(CheckpointFunction)
    net(images.requires_grad_()).sum().backward()
    assert images.grad.any()


def test_measurements_inside_one_another_end_in_order():
    with preserved(nn.Conv2d(3, 4, 1)):
        with preserved(nn.Conv2d(3, 4, 1)):
            pass
        assert 'apply' in vars(CheckpointFunction)
    assert 'apply' not in vars(CheckpointFunction)


def test_a_scripted_part_does_not_matter():
    torch.manual_seed(0)
    part = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4))
    plain = nn.Sequential(part, nn.Conv2d(4, 4, 1))
    scripted = nn.Sequential(torch.jit.script(part), plain[1])
    images = images_like(2, 12, 15)
    expected = measure_erf(plain, images, ['1'])['1']
    found = measure_erf(scripted, images, ['1'])['1']
    np.testing.assert_allclose(found.map, expected.map, rtol=1e-5, atol=1e-12)
    assert scripted[0].training


class DTensor(nn.Parameter):
    """Named as torch names what FSDP spreads."""


def test_a_model_spread_over_processes_is_refused():
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1))
    net[0].weight = DTensor(net[0].weight)
    with pytest.raises(MeasurementError, match=r'0\.weight is spread .*FSDP'):
        measure_erf(net, images_like(2, 12, 15), ['0'])


class Stubborn(nn.Conv2d):
    def __setattr__(self, name, value):
        if name == 'with_cp' and value:
            raise RuntimeError('not again')
        super().__setattr__(name, value)


class Recomputed(nn.Module):
    """A part of it runs again in the backward pass."""

    def __init__(self, reentrant):
        super().__init__()
        torch.manual_seed(0)
        self.start = nn.Conv2d(3, 4, 3, 2, 1)
        self.part = nn.Sequential(nn.Conv2d(4, 4, 3, 1, 1), nn.Tanh())
        self.reentrant = reentrant

    def forward(self, x):
        x = self.start(x)
        if self.reentrant is None:
            return self.inner(x)
        return checkpoint(self.inner, x, use_reentrant=self.reentrant)

    def inner(self, x):
        RUNS.append(1)
        return self.part(x)


RUNS = []


@pytest.mark.parametrize('reentrant', [True, False])
def test_layers_inside_of_checkpoints(reentrant, as_few):
    images = torch.rand(1, 3, 24, 20)
    layers = ['part.0', 'part']
    expected = measure_erf(Recomputed(None).eval(), images, layers)
    del RUNS[:]
    found = measure_erf(Recomputed(reentrant).eval(), images, layers)
    assert len(RUNS) == 1
    for key, result in found.items():
        assert result.map.any() and (result.map == expected[key].map).all()
    assert AROUND_CHECKPOINT in vars(torch.utils.checkpoint)
    around = vars(torch.utils.checkpoint)[AROUND_CHECKPOINT]
    assert around.__module__ == 'torch.utils.checkpoint'


def test_one_that_cannot_be_put_back_keeps_no_other_from_it():
    net = nn.Sequential(Stubborn(3, 4, 1), nn.Conv2d(4, 4, 1))
    net[0].__dict__['with_cp'] = True
    with pytest.raises(RuntimeError, match='not again'):
        with preserved(net):
            pass
    assert all(parameter.requires_grad for parameter in net.parameters())


def test_passes_share_the_memory_of_copies():
    net, between = nn.Conv2d(64, 64, 9), Between()
    weights = net.weight.detach().clone()
    places = []
    for _ in range(2):
        with Preserved(net, between=between) as kept:
            copies = between.copies.taken
            places.append([copy.data_ptr() for copy in copies])
            net.weight.data.mul_(2)
        assert kept.changed == ['weight']
        assert torch.equal(net.weight, weights)
        with torch.no_grad():
            net.weight += 1
        weights += 1
    assert places[0] and set(places[0]) == set(places[1])


def test_copies_of_what_could_not_be_put_back_are_not_written_to():
    net, between = nn.Sequential(Stubborn(64, 64, 9)), Between()
    net[0].__dict__['with_cp'] = True
    kept = Preserved(net, between=between)
    with pytest.raises(RuntimeError, match='not again'), kept:
        first = list(between.copies.taken)
    with pytest.raises(RuntimeError, match='not again'):
        with Preserved(net, between=between):
            second = list(between.copies.taken)
    places = {copy.data_ptr() for copy in (*first, *second)}
    assert first and second and len(places) == len(first) + len(second)


class ChangesAll(nn.Module):
    """Changes what it holds in every forward, and depends on it."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(64, 64, 3)  # large: kept in a copy of its own
        self.norm = nn.BatchNorm2d(64)
        self.seen, self.tables = [1], {'a': 1}
        self.turns = 0

    def forward(self, x):
        x = self.norm(self.conv(x)) * (self.turns + len(self.seen))
        with torch.no_grad():
            self.conv.weight.mul_(2)
            self.norm.running_mean.data.add_(1)
        self.turns += 1
        self.seen.append(x)
        self.tables['b'] = nn.Conv2d(1, 1, 1)
        self.late = nn.Parameter(torch.ones(1))
        self.conv.register_forward_hook(lambda *_: None)
        self.conv.weight.requires_grad_(True)
        self.norm.train()
        return x


def test_what_nothing_disturbs_is_looked_at_once():
    net, between, image = ChangesAll(), Between(), torch.rand(1, 64, 5, 5)
    before = copy.deepcopy(net)
    outputs, states = [], []
    with between.nothing_runs():
        for _ in range(3):
            with Preserved(net, between=between) as kept:
                outputs.append(net(image).detach())
                states.append(kept.state)
            assert kept.changed == ['conv.weight']
            assert 'late' not in net._parameters and net.turns == 0
            assert net.training and not net.conv._forward_hooks
            assert net.seen == [1] and net.tables == {'a': 1}
    for name, value in before.state_dict().items():
        assert torch.equal(net.state_dict()[name], value), name
    assert states[0] is states[1] is states[2] and between.same is False
    assert all(torch.equal(output, outputs[0]) for output in outputs)


def test_what_may_be_disturbed_is_looked_at_again():
    net, between = nn.Conv2d(3, 4, 1), Between()
    for value in (1.0, 2.0):
        net.weight.data.fill_(value)
        with Preserved(net, between=between):
            net.weight.data.zero_()
        assert not between.same and bool((net.weight == value).all())


def test_what_was_replaced_is_looked_at_again():
    net, between = nn.Conv2d(3, 4, 1), Between()
    net.names = iter({'a': 1, 'b': 2})  # one that only a copy can replace
    with between.nothing_runs():
        for _ in range(3):
            with Preserved(net, between=between):
                assert list(net.names) == ['a', 'b']
            assert not between.same
    assert list(net.names) == ['a', 'b']


class HooksItself(nn.Module):
    """Puts hooks on its parts in its first forward, and notes that it did."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1)
        self.hooked = False

    def forward(self, x):
        if not self.hooked:
            for part in (self.first, self.last):
                part.register_forward_hook(self.keep)
            self.register_buffer('scale', torch.tensor(2.0))
            self.added = nn.ReLU()
            self.hooked = True
        self.kept = []
        self.last(self.first(x))
        return self.added(sum(self.kept)) * self.scale

    def keep(self, module, inputs, output):
        self.kept.append(output)


@pytest.mark.parametrize('fails', [False, True])
def test_what_a_first_forward_makes_is_taken_back_whole(fails):
    torch.manual_seed(0)
    net = nn.Sequential(HooksItself())
    images = images_like(2, 8, 9)
    torch.manual_seed(0)
    expected = nn.Sequential(HooksItself())(images)
    target = 'CentreUnit'
    if fails:
        target = dict(type='Function', function=failing, y=0, x=0)
    for _ in range(3):
        if fails:
            with pytest.raises(RuntimeError, match='no memory'):
                measure_erf(net, images, ['0'], target=target)
        else:
            measure_erf(net, images, ['0'], target=target)
        parts = [net[0].first, net[0].last]
        assert not any(part._forward_hooks for part in parts)
        assert not net[0].hooked and 'scale' not in dict(net.named_buffers())
        assert [name for name, _ in net[0].named_children()] == [
            'first', 'last',
        ]  # fmt: skip
    assert torch.equal(net(images), expected)
    before = len(net[0].first._forward_hooks)
    measure_erf(net, images, ['0'])
    assert len(net[0].first._forward_hooks) == before == 1
    assert torch.equal(net(images), expected)


def failing(output, context):
    raise RuntimeError('no memory')


def test_a_model_built_in_inference_mode_still_wants_gradients():
    """It cannot be measured, as in a plain loop."""
    with torch.inference_mode():
        net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).train()
    with pytest.raises(RuntimeError, match='Inference tensors'):
        measure_erf(net, images_like(1, 12, 10), ['0'])
    assert net.training
    assert all(p.requires_grad for p in net.parameters())
