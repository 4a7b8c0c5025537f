import pytest
import torch
from torch import nn

from mmerf.apis.config.checkpoint import load_checkpoint
from mmerf.apis.config.checkpoint.key_mapping import (
    KeyMapping,
    choose_mapping,
)
from mmerf.core.errors import CheckpointError


def net(seed=0, width=4):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, width, 3),
        nn.Sequential(nn.Conv2d(width, width, 3), nn.BatchNorm2d(width)),
        nn.Sequential(nn.Conv2d(width, width, 3), nn.BatchNorm2d(width)),
    )


class Wrapped(nn.Module):
    """A model with net() as a part, or as its only part."""

    def __init__(self, name, head=True, seed=9):
        super().__init__()
        self.add_module(name, net(seed))
        if head:
            self.head = nn.Conv2d(4, 2, 1)


def prefixed(state, prefix):
    return {prefix + key: value for key, value in state.items()}


def loaded(model, state, tmp_path):
    torch.save(state, tmp_path / 'x.pth')
    return load_checkpoint(model, tmp_path / 'x.pth')


def assert_is(module, state):
    for key, value in module.state_dict().items():
        assert torch.equal(value, state[key]), key


PREFIXES = ['module.', 'model.', 'net.', 'backbone.', 'encoder.',
            '_orig_mod.', 'module.model.', '_orig_mod.module.',
            'my.own.name.', 'module.module.', '0.']  # fmt: skip


@pytest.mark.parametrize('prefix', PREFIXES)
def test_a_prefix_of_the_file_is_taken_off(prefix, tmp_path):
    state, model = net(1).state_dict(), net()
    found = loaded(model, prefixed(state, prefix), tmp_path)
    assert_is(model, state)
    assert found['missing'] == found['unexpected'] == []
    assert found['notes'] == [
        f'the keys of x.pth were read without {prefix!r}'
    ]


@pytest.mark.parametrize('name', ['module', 'backbone', 'my'])
@pytest.mark.parametrize('head', [True, False])
def test_a_prefix_of_the_model_is_put_in_front(name, head, tmp_path):
    state, model = net(1).state_dict(), Wrapped(name, head)
    found = loaded(model, state, tmp_path)
    assert_is(getattr(model, name), state)
    assert found['missing'] == ['head.weight', 'head.bias'] * head
    assert found['unexpected'] == []
    assert found['notes'] == [
        f'the keys of x.pth were read with {f"{name}."!r} in front'
    ]


def test_one_prefix_becomes_another(tmp_path):
    state, model = net(1).state_dict(), Wrapped('backbone')
    state = {**prefixed(state, 'module.encoder.'), 'module.fc': torch.ones(9)}
    found = loaded(model, state, tmp_path)
    assert_is(model.backbone, net(1).state_dict())
    assert found['unexpected'] == ['module.fc']
    assert found['notes'][0].endswith(
        "without 'module.encoder.' and with 'backbone.' in front"
    )


def test_a_part_of_the_file_fills_a_model(tmp_path):
    whole, model = Wrapped('backbone', seed=3), net()
    found = loaded(model, whole.state_dict(), tmp_path)
    assert_is(model, whole.backbone.state_dict())
    assert found['unexpected'] == ['head.weight', 'head.bias']
    assert found['missing'] == []


def test_as_they_are_comes_first(tmp_path):
    """Weights whose copies under a prefix would fit as well."""
    state, model = net(1).state_dict(), net()
    both = {**state, **prefixed(net(2).state_dict(), 'module.')}
    found = loaded(model, both, tmp_path)
    assert_is(model, state)
    assert found['notes'] == []
    assert len(found['unexpected']) == len(state)


def test_more_than_as_they_are_is_better(tmp_path):
    state, model = net(1).state_dict(), net()
    found = loaded(
        model,
        {**prefixed(state, 'a.'), '0.bias': torch.zeros(4)},
        tmp_path,
    )
    assert_is(model, state)
    assert found['unexpected'] == ['0.bias']


@pytest.mark.parametrize('side', ['file', 'model'])
def test_two_ways_are_refused(side, tmp_path):
    if side == 'file':
        model, way = net(), "without 'k.', and as many without 'q.'"
        state = {
            **prefixed(net(1).state_dict(), 'q.'),
            **prefixed(net(2).state_dict(), 'k.'),
        }
    else:
        model = nn.ModuleDict({'left': net(1), 'right': net(2)})
        way = "with 'left.' in front, and as many with 'right.' in front"
        state = net().state_dict()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with pytest.raises(CheckpointError) as caught:
        loaded(model, state, tmp_path)
    assert 'in two ways: 16 of its weights fit ' + way in str(caught.value)
    assert '\n' not in str(caught.value)
    assert_is(model, before)


@pytest.mark.parametrize('name', ['ema_model.', 'model_ema.', 'ema.'])
def test_averaged_weights_under_a_prefix_give_way_to_raw_ones(name, tmp_path):
    state, model = net(1).state_dict(), net()
    both = {
        **prefixed(net(2).state_dict(), name),
        **prefixed(state, 'online.'),
    }
    found = loaded(model, both, tmp_path)
    assert_is(model, state)
    assert found['notes'] == ["the keys of x.pth were read without 'online.'"]


def test_a_module_that_a_model_has_twice_is_one_place(tmp_path):
    state, model = net(1).state_dict(), Wrapped('inner')
    model.outer = nn.Sequential(model.inner)
    found = loaded(model, state, tmp_path)
    assert_is(model.inner, state)
    assert found['missing'] == ['head.weight', 'head.bias']


def test_a_block_that_fits_another_by_chance_is_no_way(tmp_path):
    """Another net: its third stage has the shapes of this one's second."""
    state = prefixed(net(1)[2].state_dict(), 'stages.2.')
    state |= prefixed(net(1, 8).state_dict(), 'trunk.')
    with pytest.raises(CheckpointError, match='none of the model'):
        loaded(net(), state, tmp_path)


def test_nothing_that_fits_names_both_sides(tmp_path):
    with pytest.raises(CheckpointError) as caught:
        loaded(net(), {'foo.bar': torch.ones(2, 3)}, tmp_path)
    assert str(caught.value) == (
        f"none of the model's 16 weights is in {tmp_path / 'x.pth'}: it holds "
        "'foo.bar' (2, 3); the model has '0.weight' (4, 3, 3, 3), '0.bias' "
        '(4,), ...; give the model that it was trained with'
    )


def test_another_width_is_told_by_shape_not_by_prefix(tmp_path):
    with pytest.raises(CheckpointError, match='have another shape, first 0'):
        loaded(net(), net(1, 8).state_dict(), tmp_path)


def test_lazy_weights_take_any_shape(tmp_path):
    model = nn.Sequential(nn.LazyConv2d(4, 3), nn.ReLU())
    state = nn.Conv2d(3, 4, 3).state_dict()
    found = loaded(model, prefixed(state, 'module.0.'), tmp_path)
    assert torch.equal(model[0].weight, state['weight'])
    assert found['missing'] == []


def test_many_equal_blocks_are_quick():
    """2,000 weights of one shape on both sides: no time to the square."""
    names = [f'{i}.block.{j}.weight' for i in range(50) for j in range(40)]
    weights = {f'm.{name}': torch.zeros(2) for name in names}
    own = {name: torch.zeros(2) for name in names}
    assert choose_mapping(weights, own) == (KeyMapping('m.'), 2000)
