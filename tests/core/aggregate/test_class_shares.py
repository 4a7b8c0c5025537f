"""One map, shared out over classes."""

import numpy as np
import pytest
import torch
from torch import nn

from mmerf.core.aggregate.class_shares import ClassSharing, shares_by_class
from mmerf.core.batch import batch_of
from mmerf.core.grid.coordinates import even_grid
from mmerf.core.statistics.effective_area import entropy_area
from mmerf.core.targets import ClassRegion
from mmerf.core.targets.pass_context import bind_target


def test_against_a_loop_over_pixels():
    rng = np.random.default_rng(0)
    map_hw, classes = rng.random((7, 9)), rng.integers(-1, 3, (7, 9))
    expected = np.zeros(4)
    for y in range(7):
        for x in range(9):
            place = classes[y, x] if classes[y, x] >= 0 else 3
            expected[place] += map_hw[y, x] / map_hw.sum()
    found = shares_by_class(map_hw, classes, 3)
    assert found == pytest.approx(expected) and found.sum() == pytest.approx(1)
    assert np.isnan(shares_by_class(np.zeros((7, 9)), classes, 3)).all()


LABELS = torch.tensor(
    [
        [0, 0, 1, 1, 1, 1],
        [0, 0, 1, 1, 1, 1],
        [2, 2, 2, 255, 0, 0],
        [2, 2, 2, 255, 0, 0],
        [2, 2, 2, 2, 0, 0],
        [2, 2, 2, 2, 0, 0],
    ]
)


def sharing(component):
    target = ClassRegion(region='ground_truth', component=component)
    batch = batch_of(nn.Identity(), torch.rand(1, 3, 6, 6))
    bound = bind_target(
        target, nn.Identity(), batch, batch.inputs, LABELS[None],
        ['a', 'b', 'c'], at_pixels=True,
    )  # fmt: skip
    return ClassSharing(bound)


@pytest.mark.parametrize('step', [1, 2])
def test_the_own_segment_is_the_component_that_was_scored(step):
    map_hw = np.random.default_rng(1).random((6, 6))
    grid = even_grid((6 // step, 6 // step), (6, 6))
    total = map_hw.sum()
    small, large = map_hw[:2, :2].sum(), map_hw[2:, 4:].sum()
    one = sharing('largest').of('a', 0, map_hw, grid)
    assert one.own_segment == pytest.approx(large / total)
    assert one.by_class[0] == pytest.approx((small + large) / total)
    assert one.by_class[3] == pytest.approx(map_hw[2:4, 3].sum() / total)
    assert one.by_class.sum() == pytest.approx(1)
    expected = np.sqrt(entropy_area(map_hw)) / np.sqrt(8)
    assert one.size_ratio == pytest.approx(expected)
    both = sharing('all').of('a', 0, map_hw, grid)
    assert both.own_segment == pytest.approx(both.by_class[0])
    assert both.classes == ('a', 'b', 'c') and both.index == 0


def test_a_segment_that_no_unit_falls_into_is_not_scored():
    """Two units lie in class a: at the small segment and at the large."""
    map_hw = np.ones((6, 6))
    found = sharing('all').of('a', 0, map_hw, even_grid((2, 2), (6, 6)))
    units = LABELS[1::3, 1::3]  # pixel 1 of 0-2, 4 of 3-5
    assert units.tolist() == [[0, 1], [2, 0]]
    assert found.own_segment == pytest.approx(12 / 36)
    few = even_grid((1, 3), (6, 6))  # at row 3, columns 1, 3 and 5
    assert sharing('all').of('a', 0, map_hw, few).own_segment == pytest.approx(
        8 / 36
    )
