"""The size of an ERF as Luo et al. 2016 count it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .base import CSV, GROWTH, REPORT, SHAPES, Number, Statistic
from .context import StatisticContext
from .profile import Center, check_map

LEVEL = 1 - 0.9545  # of the value at the unit; two sigma of a Gaussian
SIZE_IN_WORDS = (
    f'root of the number of pixels above {LEVEL:.2%} of the value at the unit'
).replace('%', ' %')


def erf_size(map_hw: np.ndarray, center_yx: Center) -> float | None:
    """Square root of the number of pixels above 1 - 0.9545 of the centre.

    Args:
        map_hw (np.ndarray): Raw ERF map, shape (H, W), >= 0, any scale.
        center_yx (tuple[int, int]): The unit's input pixel.

    Returns:
        float, optional: In pixels; None where the map is zero at the unit's
        pixel, so that there is no level to compare with.

    Raises:
        StatisticError: If ``check_map`` refuses the map or the centre.

    Source: Luo et al. 2016, arXiv:1701.04128, section 3.

    Example:
        >>> erf_size(np.ones((4, 9)), (2, 4))
        6.0
    """
    check_map(map_hw, center_yx)
    peak = map_hw[center_yx]
    if peak == 0:
        return None
    return math.sqrt(np.count_nonzero(map_hw > LEVEL * peak))


class ERFSize(Statistic):
    """The size of Luo et al. 2016, and its ratio to the theoretical field."""

    name = 'erf_size'

    def compute(
        self, map_hw: np.ndarray, center_yx: Center, context: StatisticContext
    ) -> dict:
        """Size (px), and its ratio to the theoretical field's side."""
        size = erf_size(map_hw, center_yx)
        ratio = None
        if size is not None and context.field_size is not None:
            ratio = size / math.sqrt(math.prod(context.field_size))
        return {'size': size, 'theory_ratio': ratio}

    def numbers(self, shares: Sequence[float]) -> list[Number]:
        """The size, and its ratio to the theoretical field's side."""
        return [
            Number(
                'erf_size',
                ('size',),
                'ERF size (px)',
                form='.1f',
                places={SHAPES, REPORT, CSV, GROWTH},
                rank=20,
            ),
            Number(
                'theory_ratio',
                ('theory_ratio',),
                'ERF size / theory',
                form='.2f',
                places={SHAPES},
                rank=21,
            ),
        ]
