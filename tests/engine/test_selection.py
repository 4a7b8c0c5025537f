import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmengine.dataset import DefaultSampler, pseudo_collate
from torch.utils.data import DataLoader, RandomSampler

from mmerf.core.errors import ConfigError
from mmerf.engine import selection
from mmerf.engine.selection import Selection, check_order, chosen_indices


@given(st.integers(1, 5000), st.integers(1, 200))
def test_even_order_is_the_contracts_formula(length, number):
    found = chosen_indices(length, number, 'even')
    count = min(length, number)
    assert found == [k * length // count for k in range(count)]
    assert len(set(found)) == count and found[-1] < length
    assert chosen_indices(length, number, 'first') == list(range(count))


def test_order_has_two_names():
    with pytest.raises(ConfigError, match="'even' or 'first'"):
        check_order('random')


def over_ranks(monkeypatch, length, world, batch_size, number, order='even'):
    """Selections of every rank, with mmengine's own sampler."""
    loaders = []
    for rank in range(world):
        sampler = DefaultSampler(range(length), shuffle=False)
        sampler.rank, sampler.world_size = rank, world
        sampler.num_samples = -(-length // world)
        sampler.total_size = sampler.num_samples * world
        loaders.append(
            DataLoader(
                range(length), batch_size, sampler=sampler,
                collate_fn=pseudo_collate,
            )
        )  # fmt: skip
    every = [[list(b) for b in loader.batch_sampler] for loader in loaders]
    monkeypatch.setattr(selection, 'all_gather_object', lambda own: every)
    taken = []
    for rank, loader in enumerate(loaders):
        monkeypatch.setattr(selection, 'get_rank', lambda rank=rank: rank)
        chosen = Selection(loader, number, order)
        for batch_idx, indices in enumerate(every[rank]):
            taken += [indices[i] for i in chosen.of_batch(batch_idx)]
    return sorted(taken)


@pytest.mark.parametrize('world', [1, 2, 3])
@pytest.mark.parametrize('batch_size', [1, 4])
@pytest.mark.parametrize(('length', 'number'), [(7, 7), (7, 4), (10, 50)])
def test_any_number_of_ranks_takes_the_same_images_once(
    monkeypatch, world, batch_size, length, number
):
    for order in ('even', 'first'):
        assert over_ranks(
            monkeypatch, length, world, batch_size, number, order
        ) == chosen_indices(length, number, order)


def test_unknown_order_counts_positions():
    loader = DataLoader(range(9), 2, sampler=RandomSampler(range(9)))
    chosen = Selection(loader, 3, 'even')
    assert [chosen.of_batch(i) for i in range(5)] == [[0], [1], [], [0], []]
    assert chosen.of_batch(99) == []


@pytest.mark.parametrize(
    ('dataset', 'error'), [(range(3), AttributeError), (iter([]), TypeError)]
)
def test_a_loader_of_unknown_batches_is_an_error_kept_for_later(
    dataset, error
):
    class Odd:
        pass

    Odd.dataset = dataset
    chosen = Selection(Odd(), 2, 'even')
    assert isinstance(chosen.error, error)
    assert chosen.of_batch(0) == []
