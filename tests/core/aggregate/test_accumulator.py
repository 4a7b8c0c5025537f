import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmerf.core.aggregate.accumulator import Accumulator, nearest_pixel


def filled(maps, pixel=(2.0, 3.0)):
    accumulator = Accumulator()
    for i, one in enumerate(maps):
        accumulator.update(one, pixel, 1.0, f'image {i}')
    return accumulator


def test_mean_and_standard_error_are_numpys():
    maps = np.random.default_rng(0).random((6, 4, 7))
    found = filled(maps).compute()
    np.testing.assert_allclose(found.map, maps.mean(0), rtol=1e-14)
    np.testing.assert_allclose(
        found.stderr, maps.std(0, ddof=1) / np.sqrt(6), rtol=1e-12
    )
    assert found.pixel == (2.0, 3.0)
    assert found.coverage.min() == found.coverage.max() == 6


@pytest.mark.parametrize('parts', [1, 2, 3])
def test_merging_over_ranks_changes_nothing(parts):
    maps = np.random.default_rng(1).random((7, 5, 5)) * 1e-6
    whole = filled(maps).compute()
    merged = Accumulator()
    for rank in range(parts):
        merged.merge(filled(maps[rank::parts]))
    found = merged.compute()
    np.testing.assert_allclose(found.map, whole.map, rtol=1e-12)
    np.testing.assert_allclose(found.stderr, whole.stderr, rtol=1e-9)
    assert merged.count == 7 and merged.sizes == {(5, 5): 7}


def test_merging_leaves_the_other_alone():
    first, second = filled([np.ones((2, 2))]), filled([np.zeros((2, 2))])
    empty = Accumulator()
    empty.merge(second)
    empty.merge(first)
    assert second.compute().map.sum() == 0
    assert empty.compute().map.sum() == 2


def test_one_image_has_no_standard_error():
    found = filled([np.ones((2, 3))]).compute()
    assert np.isnan(found.stderr).all() and found.map.sum() == 6


@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_non_finite_is_left_out_by_name(value):
    accumulator = filled([np.ones((2, 2))])
    bad = np.ones((2, 2))
    bad[0, 1] = value
    accumulator.update(bad, (0.0, 0.0), 1.0, 'bad map')
    accumulator.update(np.ones((2, 2)), (0.0, 0.0), value, 'bad score')
    assert accumulator.excluded == ['bad map', 'bad score']
    assert accumulator.count == 1
    np.testing.assert_array_equal(accumulator.compute().map, 1.0)


sizes = st.tuples(st.integers(1, 6), st.integers(1, 6))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(sizes, st.floats(0, 5.4), st.floats(0, 5.4)),
        min_size=1,
        max_size=5,
    )
)
def test_alignment_equals_a_slow_canvas(images):
    rng = np.random.default_rng(0)
    accumulator = Accumulator()
    canvas, count = np.zeros((40, 40)), np.zeros((40, 40))
    for (h, w), y, x in images:
        one = rng.random((h, w))
        accumulator.update(one, (y, x), 1.0, '')
        row, column = (
            20 - nearest_pixel((y, x))[0],
            20 - nearest_pixel((y, x))[1],
        )
        canvas[row : row + h, column : column + w] += one / len(images)
        count[row : row + h, column : column + w] += 1
    found = accumulator.compute()
    near = nearest_pixel(found.pixel)
    h, w = found.map.shape
    window = np.s_[
        20 - near[0] : 20 - near[0] + h, 20 - near[1] : 20 - near[1] + w
    ]
    np.testing.assert_allclose(found.map, canvas[window], atol=1e-12)
    np.testing.assert_array_equal(found.coverage, count[window])
    assert found.map.sum() == pytest.approx(canvas.sum())
