import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmerf import ERFResult
from mmerf.core.errors import StatisticError
from mmerf.core.statistics.densest_area import densest_area

DATA = Path(__file__).parents[2] / 'data' / 'published_erf'
PUBLISHED = json.loads((DATA / 'expected.json').read_text())


@pytest.mark.parametrize('name', PUBLISHED)
def test_published_maps(name):
    result = ERFResult.from_map(np.load(DATA / f'{name}.npz')['map'])
    found = result.statistics()['densest_area']
    expected = PUBLISHED[name]['densest_area_ratio']
    assert {k: v['area_ratio'] for k, v in found.items()} == expected


@given(
    st.lists(st.integers(0, 50), min_size=1, max_size=30).filter(any),
    st.sampled_from([0.1, 0.5, 0.99, 1.0]),
)
def test_equals_taking_the_largest_one_by_one(values, share):
    taken = count = 0
    for value in sorted(values, reverse=True):
        taken, count = taken + value, count + 1
        if taken / sum(values) >= share:
            break
    assert densest_area(np.array([values], float), share) == count


def test_uniform_one_pixel_and_place_does_not_matter():
    assert densest_area(np.ones((10, 10)), 0.25) == 25
    one = np.zeros((7, 9))
    one[0, 8] = 3
    assert densest_area(one, 1.0) == 1
    rng = np.random.default_rng(0)
    map_hw = rng.random((12, 5))
    shuffled = rng.permutation(map_hw.ravel()).reshape(map_hw.shape)
    assert densest_area(map_hw, 0.5) == densest_area(shuffled, 0.5)
    with pytest.raises(StatisticError):
        densest_area(np.zeros((2, 2)), 0.5)
