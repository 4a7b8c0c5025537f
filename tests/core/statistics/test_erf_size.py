import numpy as np
import pytest

from mmerf import ERFResult
from mmerf.core.errors import StatisticError
from mmerf.core.results.theoretical_field import Extent, Support
from mmerf.core.statistics.erf_size import erf_size


@pytest.mark.parametrize('sigma', [3.0, 8.0, 20.0])
def test_gaussian_by_its_own_area(sigma):
    """exp(-r^2 / 2 s^2) > 1 - 0.9545 holds on a disk of known area."""
    y, x = np.mgrid[-150:151, -170:171]
    map_hw = np.exp(-(y**2 + x**2) / (2 * sigma**2))
    area = np.pi * 2 * sigma**2 * np.log(1 / (1 - 0.9545))
    assert erf_size(map_hw, (150, 170)) == pytest.approx(
        np.sqrt(area), rel=0.01
    )


def test_counts_pixels_above_the_level_at_the_unit():
    map_hw = np.array([[1.0, 0.0456, 0.0454], [0.0453, 5.0, 0.0]])
    assert erf_size(map_hw, (0, 0)) == np.sqrt(3)
    assert erf_size(map_hw * 1e-8, (0, 0)) == np.sqrt(3)
    assert erf_size(map_hw, (1, 2)) is None
    with pytest.raises(StatisticError):
        erf_size(map_hw, (2, 0))


def test_ratio_to_the_theoretical_field():
    def result(kind):
        y, x = Extent(kind, -4, 4), Extent('box', -9.5, 5.5)
        theory = Support(y, x, (1, 1))
        plain = ERFResult.from_map(np.ones((6, 6)))
        object.__setattr__(plain, 'theory', theory)
        return plain.statistics()['erf_size']

    assert result('box') == {'size': 6.0, 'theory_ratio': 6 / 12}
    assert result('global') == {'size': 6.0, 'theory_ratio': None}
