import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmerf import ERFResult
from mmerf.core.errors import StatisticError
from mmerf.core.statistics import SHARES
from mmerf.core.statistics.centred_square import (
    centred_square,
    reaches_edge,
    square_area_ratio,
)

DATA = Path(__file__).parents[2] / 'data' / 'published_erf'
PUBLISHED = json.loads((DATA / 'expected.json').read_text())


def slow_side(map_hw, share, center):
    """The definition, word for word: try one odd side after another."""
    total = map_hw.sum()
    for reach in range(max(map_hw.shape) + 1):
        top, left = max(center[0] - reach, 0), max(center[1] - reach, 0)
        part = map_hw[
            top : center[0] + reach + 1, left : center[1] + reach + 1
        ]
        if part.sum() / total >= share:
            return 2 * reach + 1, part.size / map_hw.size
    raise AssertionError('no side holds the share')


@pytest.mark.parametrize('name', PUBLISHED)
def test_published_maps(name):
    map_hw = np.load(DATA / f'{name}.npz')['map']
    expected = PUBLISHED[name]['raw_centred_square_side']
    center = tuple(side // 2 for side in map_hw.shape)
    for share, side in expected.items():
        assert centred_square(map_hw, float(share), center) == side


integers = st.integers(0, 1000)


@settings(deadline=None)
@given(st.data())
def test_equals_the_definition_tried_side_by_side(data):
    h, w = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))
    values = data.draw(
        st.lists(integers, min_size=h * w, max_size=h * w).filter(any)
    )
    map_hw = np.array(values, float).reshape(h, w)
    center = data.draw(st.tuples(st.integers(0, h - 1), st.integers(0, w - 1)))
    share = data.draw(st.sampled_from((*SHARES, 0.07, 1.0)))
    side, ratio = slow_side(map_hw, share, center)
    assert centred_square(map_hw, share, center) == side
    assert square_area_ratio((h, w), side, center) == pytest.approx(ratio)
    # any power of two scales a float without rounding
    assert centred_square(map_hw * 2.0**-40, share, center) == side


@pytest.mark.parametrize('shape', [(512, 1024), (1024, 512), (7, 1)])
@pytest.mark.parametrize('share', [*SHARES, 1.0])
def test_a_square_exists_for_every_share_and_shape(shape, share):
    uniform = np.ones(shape)
    side = centred_square(uniform, share, (shape[0] // 2, shape[1] // 2))
    assert side % 2 == 1 and side <= 2 * max(shape) - 1
    ratio = square_area_ratio(shape, side, (shape[0] // 2, shape[1] // 2))
    assert share <= ratio <= 1


def test_one_pixel_has_side_one_and_the_far_corner_the_largest():
    map_hw = np.zeros((8, 12))
    map_hw[3, 5] = 1e-30
    assert centred_square(map_hw, 0.99, (3, 5)) == 1
    assert centred_square(map_hw, 0.01, (0, 11)) == 13
    map_hw[3, 5], map_hw[0, 0] = 0, 1
    assert centred_square(map_hw, 0.5, (7, 11)) == 2 * 12 - 1


@settings(deadline=None, max_examples=50)
@given(st.integers(-8, 8), st.integers(-8, 8))
def test_moves_with_the_unit(down, across):
    rng = np.random.default_rng(0)
    map_hw = np.zeros((41, 41))
    map_hw[16:25, 16:25] = rng.random((9, 9))
    moved = np.roll(map_hw, (down, across), (0, 1))
    for share in SHARES:
        assert centred_square(moved, share, (20 + down, 20 + across)) == (
            centred_square(map_hw, share, (20, 20))
        )


def test_gaussian_of_known_sigma():
    """P(|x|, |y| <= r) = erf(r / (sigma sqrt 2))^2 for a wide Gaussian."""
    from scipy.special import erfinv

    sigma = 20.0
    y, x = np.mgrid[-150:151, -200:201]
    map_hw = np.exp(-(y**2 + x**2) / (2 * sigma**2))
    for share in SHARES:
        reach = sigma * np.sqrt(2) * erfinv(np.sqrt(share))
        side = centred_square(map_hw, share, (150, 200))
        assert side == pytest.approx(2 * reach, abs=2)


@pytest.mark.parametrize(
    ('map_hw', 'share', 'center'),
    [
        (np.ones(4), 0.5, (0, 0)),
        (np.ones((0, 4)), 0.5, (0, 0)),
        (np.zeros((2, 2)), 0.5, (0, 0)),
        (-np.ones((2, 2)), 0.5, (0, 0)),
        (np.full((2, 2), np.nan), 0.5, (0, 0)),
        (np.ones((2, 2)), 0.0, (0, 0)),
        (np.ones((2, 2)), 1.1, (0, 0)),
        (np.ones((2, 2)), float('nan'), (0, 0)),
        (np.ones((2, 2)), 0.5, (2, 0)),
        (np.ones((2, 2)), 0.5, (0, -1)),
    ],
)
def test_undefined_arguments_are_refused(map_hw, share, center):
    with pytest.raises(StatisticError):
        centred_square(map_hw, share, center)


def test_area_is_against_the_mean_image_where_sizes_differ():
    result = ERFResult.from_map(np.ones((10, 10)))
    object.__setattr__(result, 'sizes', ((10, 10, 1), (10, 5, 1)))
    square = result.statistics()['centred_square']['0.99']
    assert square['area_ratio'] == 100 / 75


@settings(deadline=None)
@given(st.data())
def test_a_square_reaches_the_edge_if_a_pixel_of_it_is_at_the_edge(data):
    h, w = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))
    top, left = (
        data.draw(st.integers(0, h - 1)),
        data.draw(st.integers(0, w - 1)),
    )
    bottom = data.draw(st.integers(top, h - 1))
    right = data.draw(st.integers(left, w - 1))
    y = data.draw(st.integers(top, bottom))
    x = data.draw(st.integers(left, right))
    side = 2 * data.draw(st.integers(0, 9)) + 1
    edge = np.zeros((h, w), bool)
    edge[[top, bottom], left : right + 1] = True
    edge[top : bottom + 1, [left, right]] = True
    reach = side // 2
    square = np.zeros((h, w), bool)
    square[max(y - reach, 0) : y + reach + 1,
           max(x - reach, 0) : x + reach + 1] = True  # fmt: skip
    frame = (top, bottom, left, right)
    found = reaches_edge((h, w), side, (y, x), frame)
    assert found == (edge & square).any()
    if frame == (0, h - 1, 0, w - 1):
        assert reaches_edge((h, w), side, (y, x)) == found


def test_a_result_knows_which_sides_an_image_limits():
    flat = ERFResult.from_map(np.ones((11, 31)), (5, 20), shares=(0.1, 0.9))
    squares = flat.statistics()['centred_square']
    assert [squares[k]['side'] for k in ('0.1', '0.9')] == [7, 35]
    assert [squares[k]['reaches_edge'] for k in ('0.1', '0.9')] == [
        False, True,
    ]  # fmt: skip
    assert '90 % side (px) ≥ 35' in repr(flat) and '10 %' in repr(flat)
    assert '≥ 7' not in repr(flat)
