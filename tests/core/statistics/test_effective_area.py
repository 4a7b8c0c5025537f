import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import entropy

from mmerf import ERFResult
from mmerf.apis.compare.table_files import as_csv, as_markdown, table_rows
from mmerf.core.errors import StatisticError
from mmerf.core.statistics import shown_numbers
from mmerf.core.statistics.base import SCALARS
from mmerf.core.statistics.effective_area import (
    entropy_area,
    participation_area,
)

DATA = Path(__file__).parents[2] / 'data' / 'published_erf'
PUBLISHED = json.loads((DATA / 'expected.json').read_text())
BOTH = (entropy_area, participation_area)


@pytest.mark.parametrize('scale', [1e-300, 1.0, 1e200])
@pytest.mark.parametrize('area', BOTH)
def test_a_uniform_disc_is_its_number_of_pixels(area, scale):
    y, x = np.mgrid[-20:21, -30:31]
    disc = (y**2 + x**2 <= 15**2).astype(float)
    assert area(disc * scale) == pytest.approx(disc.sum(), rel=1e-12)


@pytest.mark.parametrize('sigma', [2.0, 7.5, 20.0])
def test_gaussian(sigma):
    y, x = np.mgrid[-160:161, -170:171]
    map_hw = np.exp(-(y**2 + x**2) / (2 * sigma**2))
    by_entropy = 2 * np.pi * np.e * sigma**2
    assert entropy_area(map_hw) == pytest.approx(by_entropy, rel=1e-6)
    by_squares = 4 * np.pi * sigma**2
    assert participation_area(map_hw) == pytest.approx(by_squares, rel=1e-6)


@pytest.mark.parametrize('name', PUBLISHED)
def test_published_maps_against_scipy(name):
    result = ERFResult.from_map(np.load(DATA / f'{name}.npz')['map'])
    found = result.statistics()['effective_area']
    assert found['area'] == pytest.approx(
        np.exp(entropy(result.map.ravel())), rel=1e-9
    )
    norms = np.linalg.norm(result.map.ravel(), 1) / np.linalg.norm(result.map)
    assert found['participation'] == pytest.approx(norms**2, rel=1e-9)
    assert found['side'] ** 2 == pytest.approx(found['area'])
    assert found['participation'] <= found['area'] <= result.map.size


@pytest.mark.parametrize('area', BOTH)
def test_one_pixel_zeros_and_place_do_not_matter(area):
    one = np.zeros((7, 9))
    one[0, 8] = 3
    assert area(one) == 1
    rng = np.random.default_rng(0)
    map_hw = rng.random((12, 5))
    shuffled = rng.permutation(map_hw.ravel()).reshape(map_hw.shape)
    assert area(map_hw) == pytest.approx(area(shuffled))
    assert area(np.pad(map_hw, 9)) == pytest.approx(area(map_hw))
    for wrong in (np.zeros((2, 2)), -map_hw, map_hw[0]):
        with pytest.raises(StatisticError):
            area(wrong)


def test_in_the_tables_and_not_in_the_log():
    result = ERFResult.from_map(np.ones((8, 8)))
    rows = table_rows({'run': {'a': result}}, ['a'])
    (read,) = csv.DictReader(io.StringIO(as_csv(rows)))
    assert float(read['effective_side']) == pytest.approx(8)
    assert float(read['effective_area']) == pytest.approx(64)
    assert float(read['participation_area']) == pytest.approx(64)
    head, _, row = as_markdown(rows).splitlines()
    cells = dict(zip(head.split(' | '), row.split(' | '), strict=True))
    assert cells['effective side (px)'] == '8.0'
    assert cells['participation (px2)'] == '64'
    logged = {name for name, _ in shown_numbers(SCALARS)}
    assert logged == {'centred_square'}
    assert (
        ERFResult.from_map(np.zeros((3, 3))).statistics()['effective_area']
        is None
    )
