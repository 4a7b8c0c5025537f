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


@pytest.mark.parametrize(
    ('middle', 'most'), [(66_000, 8), (100_000, 8), (131_000, 1)]
)
def test_of_products_the_middle_tensor_decides(middle, most):
    sizes = [2_000, middle, 400_000]
    assert most_together(witness(sizes, convolves=False)) == most
    assert most_together(witness(sizes, convolves=True)) == 8
    # Weights are none of the tensors that an image adds.
    heavy = witness(sizes, convolves=False, weights=9_000_000)
    assert most_together(heavy) == most


def test_one_if_refused_or_if_nothing_was_kept():
    assert most_together(witness([100], refused='hooks')) == 1
    assert most_together(witness([])) == 1
