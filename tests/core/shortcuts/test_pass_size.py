"""As many images in a pass as take less time for each."""

from types import SimpleNamespace

import pytest
from torch import nn

from mmerf.core.running.memory import SavedStorages
from mmerf.core.shortcuts.pass_size import most_together


def witness(kept, convolves=True, weights=0, refused=None):
    """One whose graph keeps tensors of these bytes, and its weights."""
    model = nn.Linear(2, 2)
    saved = SavedStorages()
    saved.sizes = dict(enumerate(kept))
    if weights:
        saved.sizes[model.weight.data_ptr()] = weights
    noticed = SimpleNamespace(convolves=convolves)
    layers = SimpleNamespace(noticed=noticed)
    return SimpleNamespace(
        model=model, layers=layers, saved=saved, refused=refused
    )


@pytest.mark.parametrize(
    ('size', 'most'),
    [(74_000, 8), (205_000, 7), (300_000, 5), (390_000, 1), (9_000_000, 1)],
)
def test_the_larger_the_tensors_the_fewer_images(size, most):
    assert most_together(witness([size] * 10)) == most


def test_weights_count_where_products_take_the_time():
    small = [100_000] * 3
    assert most_together(witness(small, False, 1_000_000)) == 8
    assert most_together(witness(small, False, 9_000_000)) == 1
    assert most_together(witness(small, True, 9_000_000)) == 8


def test_one_if_refused_or_if_nothing_was_kept():
    assert most_together(witness([100], refused='hooks')) == 1
    assert most_together(witness([])) == 1
