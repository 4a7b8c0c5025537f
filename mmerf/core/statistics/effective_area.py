"""Sizes of a map without a threshold: entropy and participation ratio."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .base import CSV, REPORT, SHAPES, SIZES, Number, Statistic
from .context import StatisticContext
from .profile import Center, check_map


def entropy_area(map_hw: np.ndarray) -> float:
    """Exponential of the entropy of a map that is scaled to sum 1.

    Args:
        map_hw (np.ndarray): Raw ERF map, shape (H, W), >= 0, any scale.

    Returns:
        float: exp(-sum p log p), in square pixels, from 1 to H * W: as many
        equal pixels have the same entropy. A Gaussian has 2 pi e sigma^2.

    Raises:
        StatisticError: If ``check_map`` refuses the map.

    Source: Campbell 1966, Exponential entropy as a measure of extent of a
    distribution.

    Example:
        >>> round(entropy_area(np.array([[1.0, 1.0], [1.0, 0.0]])), 6)
        3.0
    """
    check_map(map_hw)
    parts = map_hw[map_hw > 0] / map_hw.max()
    total = parts.sum()
    entropy = math.log(total) - float((parts * np.log(parts)).sum()) / total
    return math.exp(entropy)


def participation_area(map_hw: np.ndarray) -> float:
    """Participation ratio of a map: its squared sum over its sum of squares.

    Args:
        map_hw (np.ndarray): Raw ERF map, shape (H, W), >= 0, any scale.

    Returns:
        float: (sum m)^2 / sum m^2, in square pixels, from 1 to H * W; at most
        ``entropy_area``. A Gaussian has 4 pi sigma^2.

    Raises:
        StatisticError: If ``check_map`` refuses the map.

    Source: Bell, Dean 1970, doi:10.1039/DF9705000055.

    Example:
        >>> participation_area(np.array([[1.0, 1.0], [1.0, 0.0]]))
        3.0
    """
    check_map(map_hw)
    parts = map_hw / map_hw.max()
    return float(parts.sum() ** 2 / (parts**2).sum())


class EffectiveArea(Statistic):
    """How many equal pixels a map is worth, by entropy and by squares.

    No level and no share is chosen, so that both tell maps apart that fill
    the image. Neither has a standard error: a jackknife would need every
    image's own map, of which only the profiles about the unit are kept.
    """

    name = 'effective_area'

    def compute(
        self, map_hw: np.ndarray, center_yx: Center, context: StatisticContext
    ) -> dict:
        """Area by entropy (px^2), its root (px), participation (px^2)."""
        area = entropy_area(map_hw)
        return {
            'area': area,
            'side': math.sqrt(area),
            'participation': participation_area(map_hw),
        }

    def numbers(self, shares: Sequence[float]) -> list[Number]:
        """The root of the area by entropy stands beside the sides."""
        return [
            Number(
                'effective_side',
                ('side',),
                'effective side (px)',
                form='.1f',
                places={SIZES, REPORT, CSV},
                rank=15,
            ),
            Number(
                'effective_area',
                ('area',),
                'effective area (px2)',
                form='.0f',
                places={CSV},
                rank=16,
            ),
            Number(
                'participation_area',
                ('participation',),
                'participation (px2)',
                form='.0f',
                places={SHAPES, REPORT, CSV},
                rank=17,
            ),
        ]
