"""Tensors of all kinds, kept together or one by one, get their values back."""

import pytest
import torch
from torch import nn

from mmerf.core.state.model_state import ModelState
from mmerf.core.state.tensors import SMALL, Copies


def quantised(scale):
    return torch.quantize_per_tensor(
        torch.tensor([0.5, 1, 2]), scale, 3, torch.quint8
    )


NUMBERS = (
    torch.float64, torch.float16, torch.bfloat16, torch.bool, torch.uint8,
    torch.int8, torch.int16, torch.int64, torch.complex64,
    torch.float8_e4m3fn, torch.uint16,
)  # fmt: skip
TENSORS = {
    **{str(dtype): torch.ones(3, 2, dtype=dtype) for dtype in NUMBERS},
    'no number': torch.empty(0),
    'one number': torch.tensor(1.5),
    'not a number': torch.tensor([float('nan'), 1.0, -0.0]),
    'an expanded one': torch.ones(3, 1).expand(3, 4),
    'channels last': torch.rand(1, 2, 3, 4).to(
        memory_format=torch.channels_last
    ),
    'every second': torch.rand(8)[::2],
    'a large one': torch.rand(SMALL + 1),
    'conjugated': torch.ones(2, dtype=torch.complex64).conj(),
    'negated': torch.ones(2, dtype=torch.complex64).conj().imag,
    'quantised': quantised(0.5),
    'quantised more finely': quantised(0.1),
}


def holder():
    net = nn.Module()
    for number, tensor in enumerate(TENSORS.values()):
        net.register_buffer(f'tensor{number}', tensor)
    return net


def bytes_of(tensor):
    return bytes(tensor.resolve_neg().clone().untyped_storage())


@pytest.mark.parametrize('name', TENSORS)
def test_values_come_back(name):
    net, tensor = holder(), TENSORS[name]
    before = bytes_of(tensor)
    state = ModelState(net)
    tensor.untyped_storage().fill_(0 if tensor.dtype == torch.bool else 3)
    assert not tensor.numel() or bytes_of(tensor) != before
    state.restore()
    assert bytes_of(tensor) == before


def test_all_that_was_changed_comes_back_and_nothing_else_is_named():
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 300), nn.Linear(300, 60))
    before = {k: v.clone() for k, v in net.state_dict().items()}
    state = ModelState(net)
    with torch.no_grad():
        net[0].bias += 1
        net[2].weight *= 2
    net[1].weight.data = torch.zeros(7)
    net[1].bias.requires_grad_(False)
    state.restore()
    assert sorted(state.changed) == ['0.bias', '1.weight', '2.weight']
    after = net.state_dict()
    assert all(torch.equal(after[k], v) for k, v in before.items())
    assert all(p.requires_grad for p in net.parameters())


def test_small_tensors_are_kept_in_one_copy_for_each_kind():
    net = nn.Sequential(*(nn.Conv2d(3, 3, 1) for _ in range(50)))
    alone = len(ModelState(nn.Identity())._callbacks)
    assert len(ModelState(net)._callbacks) < alone + 60  # of 100


def test_a_tensor_that_cannot_be_read_any_more_leaves_no_other_changed():
    net = nn.Module()
    for name in ('one', 'other'):
        net.register_buffer(name, torch.ones(3))
    one, other = net.one, net.other
    state = ModelState(net)
    other += 1
    torch.utils.swap_tensors(one, torch.zeros(3).to_sparse())
    with pytest.raises(RuntimeError):
        state.restore()
    assert other.tolist() == [1, 1, 1]


def test_memory_that_moves_without_a_change_is_none():
    net = nn.Linear(2, 3)
    state = ModelState(net)
    net.weight.share_memory_()
    state.restore()
    assert state.changed == []


LARGE = {
    'alone': torch.rand(SMALL + 1),
    'half precision': torch.rand(3, SMALL).half(),
    'channels last': torch.rand(2, 3, 90, 90).to(
        memory_format=torch.channels_last
    ),
    'every second': torch.rand(SMALL * 4)[::2],
    'bytes': torch.zeros(SMALL + 3, dtype=torch.int8),
    'complex': torch.ones(SMALL * 2, dtype=torch.complex64),
    'quantised': torch.quantize_per_tensor(
        torch.rand(SMALL * 2), 0.5, 3, torch.quint8
    ),
}


@pytest.mark.parametrize('name', LARGE)
def test_copies_are_equal_and_share_no_memory(name):
    copies, tensor = Copies(), LARGE[name]
    first, second = copies.of(tensor), copies.of(tensor)
    for copy in (first, second):
        assert copy.dtype == tensor.dtype and torch.equal(copy, tensor)
    if name != 'quantised':
        second.zero_()
        assert torch.equal(first, tensor)


def test_memory_of_copies_is_used_again_once_it_is_given_back():
    copies, tensor = Copies(), torch.rand(SMALL * 2)
    first, second = copies.of(tensor), copies.of(tensor)
    places = {first.data_ptr(), second.data_ptr()}
    assert len(places) == 2
    copies.give_back()
    assert copies.of(tensor + 1).data_ptr() in places
    other = copies.of(tensor.double())
    assert other.dtype == torch.float64 and torch.equal(other, tensor.double())


class Gathered(nn.Module):
    """Its weights lie in memory while it runs, as sharded ones do."""

    def __init__(self, count):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(count))
        self.shard = self.weight.detach().clone()

    def forward(self, x):
        storage = self.weight.untyped_storage()
        storage.resize_(4 * len(self.shard))
        self.weight.data.copy_(self.shard)
        x = x * self.weight.sum()
        storage.resize_(0)
        return x


@pytest.mark.parametrize('count', [3, SMALL * 2])
def test_memory_that_a_forward_frees_is_there_again(count):
    net = nn.Sequential(Gathered(count), nn.BatchNorm1d(5))
    weights, shard = net[0].weight, net[0].shard
    state = ModelState(net)
    net(torch.rand(2, 5))
    assert weights.untyped_storage().nbytes() == 0
    state.restore()
    assert net[0].weight is weights and torch.equal(weights, shard)
    assert state.changed == ['0.weight']
    assert not net[1].num_batches_tracked
