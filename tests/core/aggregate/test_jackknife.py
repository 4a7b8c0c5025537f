import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from mmerf import measure_erf
from mmerf.core.aggregate.jackknife import (
    images_worth,
    interpolated_side,
    pad_profiles,
    side_stderr,
    uncertainty_of,
)
from mmerf.core.statistics import mass_by_square


def test_interpolated_side_meets_whole_squares_exactly():
    profile = np.array([[1.0, 9.0, 25.0, 49.0]])  # uniform 7 x 7
    for reach, mass in enumerate(profile[0]):
        found = interpolated_side(profile, mass / 49)[0]
        assert found == pytest.approx(2 * reach + 1)
    assert interpolated_side(profile, 17 / 49)[0] == pytest.approx(4)
    assert interpolated_side(profile, 0.5 / 49)[0] == pytest.approx(0.5)
    assert np.isnan(interpolated_side(np.zeros((1, 3)), 0.5)[0])


def slow_jackknife(maps, center, share):
    """Leave each image out, average the rest, interpolate by np.interp."""
    sides = []
    for left_out in range(len(maps)):
        rest = np.delete(maps, left_out, axis=0).mean(0)
        mass = mass_by_square(rest, center)
        level = np.concatenate([[0], mass / mass[-1]])
        side = np.concatenate([[0], 2 * np.arange(len(mass)) + 1])
        sides.append(np.interp(share, level, side))
    n = len(maps)
    return np.sqrt((n - 1) / n * ((sides - np.mean(sides)) ** 2).sum())


@pytest.mark.parametrize('share', [0.2, 0.5, 0.99])
def test_equals_a_slow_jackknife_over_maps(share):
    maps = np.random.default_rng(0).gamma(0.3, size=(12, 21, 31))
    profiles = pad_profiles([mass_by_square(m, (10, 15)) for m in maps])
    assert side_stderr(profiles, share) == pytest.approx(
        slow_jackknife(maps, (10, 15), share)
    )


def test_images_of_different_size_are_padded_by_their_last_value():
    padded = pad_profiles([np.array([1.0, 2.0]), np.array([3.0, 4.0, 5.0])])
    assert padded.tolist() == [[1, 2, 2], [3, 4, 5]]


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=20))
def test_worth_lies_between_one_and_all(totals):
    worth = images_worth(np.array(totals))
    if max(totals) == 0:
        assert worth == 0
    else:
        assert 1 - 1e-9 <= worth <= len(totals) + 1e-9
    assert images_worth(np.full(len(totals), 3.0)) == pytest.approx(
        len(totals)
    )


def test_too_few_images_have_no_standard_error():
    assert side_stderr(np.ones((1, 4)), 0.5) is None
    assert side_stderr(np.zeros((5, 4)), 0.5) is None
    one = uncertainty_of([np.array([1.0, 2.0])], [0.5])
    assert one['side']['0.5'] == {'stderr': None, 'relative': None}
    assert uncertainty_of([], [0.5]) == {}


def small_model():
    torch.manual_seed(3)
    net = nn.Sequential(
        nn.Conv2d(3, 6, 5, padding=2), nn.ReLU(),
        nn.Conv2d(6, 6, 5, padding=2), nn.ReLU(),
        nn.Conv2d(6, 6, 5, padding=2), nn.ReLU(),
    )  # fmt: skip
    return net


@pytest.mark.slow
@pytest.mark.parametrize('share', [0.5, 0.99])
def test_is_calibrated_over_repeats(share):
    """RMS of the reported errors within 1.5 of the repeats' true spread."""
    net = small_model()
    generator = torch.Generator().manual_seed(0)
    sides, errors = [], []
    for _ in range(60):
        bright = torch.rand(20, 1, 1, 1, generator=generator) * 2
        images = torch.randn(20, 3, 21, 21, generator=generator) * bright
        result = measure_erf(net, images, ['5'], shares=(share,))['5']
        errors.append(result.uncertainty['side'][str(share)]['stderr'])
        mass = mass_by_square(result.map, result.center)
        sides.append(float(interpolated_side(mass[None], share)[0]))
    spread = np.std(sides, ddof=1)
    reported = np.sqrt(np.mean(np.square(errors)))
    assert spread > 1e-3
    assert 1 / 1.5 < reported / spread < 1.5


def test_is_part_of_every_result():
    images = torch.randn(4, 3, 21, 21)
    result = measure_erf(small_model(), images, ['5'])['5']
    found = result.statistics()['uncertainty']
    assert set(found['side']) == {'0.2', '0.3', '0.5', '0.99'}
    assert found['side']['0.5']['stderr'] > 0
    assert 1 <= found['images_worth'] <= 4
    assert result.stderr.shape == result.map.shape
