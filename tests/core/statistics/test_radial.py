import json
from pathlib import Path

import numpy as np
import pytest

from mmerf import ERFResult
from mmerf.core.errors import StatisticError
from mmerf.core.statistics.radial import (
    centroid,
    cumulative_mass,
    mass_by_radius,
    ring_means,
)

DATA = Path(__file__).parents[2] / 'data' / 'published_erf'
PUBLISHED = json.loads((DATA / 'expected.json').read_text())


@pytest.mark.parametrize('name', PUBLISHED)
def test_published_maps(name):
    """That project's own published numbers, about (h // 2, w // 2)."""
    result = ERFResult.from_map(np.load(DATA / f'{name}.npz')['map'])
    radial, expected = result.statistics()['radial'], PUBLISHED[name]
    assert radial['argmax'] == expected['argmax_yx']
    assert radial['centroid'] == pytest.approx(expected['com_yx'], abs=1e-10)
    assert radial['cumulative_mass'] == pytest.approx(
        expected['radial_cumulative_mass'], rel=1e-12
    )


SINGLE = DATA / 'single_precision'
ROUNDED = json.loads((SINGLE / 'expected.json').read_text())


@pytest.mark.parametrize('name', ROUNDED)
def test_published_maps_in_single_precision(name):
    """The other maps of that project, rounded to float32 for their size."""
    map_hw = np.load(SINGLE / f'{name}.npz')['map'].astype(np.float64)
    radial = ERFResult.from_map(map_hw).statistics()['radial']
    expected = ROUNDED[name]
    assert radial['argmax'] == expected['argmax_yx']
    assert radial['centroid'] == pytest.approx(expected['com_yx'], rel=1e-7)
    assert radial['cumulative_mass'] == pytest.approx(
        expected['radial_cumulative_mass'], rel=1e-6
    )


def test_all_maps_of_that_project_are_compared():
    assert len(PUBLISHED) == 5 and len(ROUNDED) == 14


def test_a_pixel_on_the_radius_counts():
    map_hw = np.zeros((11, 11))
    map_hw[5, 10] = map_hw[1, 8] = map_hw[0, 6] = 1  # 5, 5 and 5.1 px away
    assert cumulative_mass(map_hw, (5, 5), (4.99, 5, 5.1)) == pytest.approx(
        [0, 2 / 3, 1]
    )


def test_uniform_disk_by_counting():
    mass = cumulative_mass(np.ones((21, 31)), (10, 15), (3,))
    count = sum(y * y + x * x <= 9 for y in range(-3, 4) for x in range(-3, 4))
    assert mass == [count / (21 * 31)]


def test_about_the_units_pixel_not_the_images_centre():
    map_hw = np.zeros((200, 200))
    map_hw[40, 40] = 1
    radial = ERFResult.from_map(map_hw, (42, 40)).statistics()['radial']
    assert radial['cumulative_mass']['5'] == 1
    assert radial['argmax'] == [40, 40] and radial['centroid'] == [40, 40]


def test_refused_outside_the_map():
    with pytest.raises(StatisticError, match='outside'):
        cumulative_mass(np.ones((3, 3)), (3, 0))
    with pytest.raises(StatisticError, match='zero'):
        centroid(np.zeros((3, 3)))


def test_rings_and_radii_against_a_loop():
    rng = np.random.default_rng(1)
    map_hw, center = rng.random((13, 9)), (4, 6)
    means, mass = ring_means(map_hw, center), mass_by_radius(map_hw, center)
    distance = [
        (np.hypot(y - center[0], x - center[1]), map_hw[y, x])
        for y in range(13)
        for x in range(9)
    ]
    assert len(means) == 11 and len(mass) == 11
    for r, mean in enumerate(means):
        ring = [v for d, v in distance if r - 0.5 <= d < r + 0.5]
        assert mean == pytest.approx(np.mean(ring) if ring else 0)
    assert mass == pytest.approx(cumulative_mass(map_hw, center, range(11)))
