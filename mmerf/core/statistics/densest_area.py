"""Share of pixels, largest first, that holds a share of the map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .base import SHAPES, Number, Statistic, middle_share
from .context import StatisticContext
from .profile import Center, check_map, check_share


def densest_area(map_hw: np.ndarray, share: float) -> int:
    """Fewest pixels that together hold a share of the map.

    Args:
        map_hw (np.ndarray): Raw ERF map, shape (H, W), >= 0, any scale.
        share (float): Part of the map's sum to hold, in (0, 1].

    Returns:
        int: Number of pixels, from 1 to H * W.

    Raises:
        StatisticError: If ``check_map`` refuses the map, or
            ``check_share`` the share.

    Example:
        >>> densest_area(np.array([[1.0, 6.0], [3.0, 0.0]]), 0.9)
        2
    """
    check_map(map_hw)
    check_share(share)
    mass = np.cumsum(np.sort(map_hw, axis=None)[::-1])
    return int(np.argmax(mass / mass[-1] >= share)) + 1


class DensestArea(Statistic):
    """Fewest pixels that hold a share of the map, for each share."""

    name = 'densest_area'

    def compute(
        self, map_hw: np.ndarray, center_yx: Center, context: StatisticContext
    ) -> dict:
        """Number of pixels, and their area ratio, for each share."""
        area = map_hw.size if context.area is None else context.area
        result = {}
        for share in context.shares:
            pixels = densest_area(map_hw, share)
            result[str(share)] = {
                'pixels': pixels,
                'area_ratio': pixels / area,
            }
        return result

    def numbers(self, shares: Sequence[float]) -> list[Number]:
        """The area at the middle share."""
        if not shares:
            return []
        share = middle_share(shares)
        return [
            Number(
                f'densest_area_{share}',
                (str(share), 'area_ratio'),
                f'densest {share * 100:g} %',
                form='.2f',
                percent=True,
                share=share,
                places={SHAPES},
                rank=44,
            )
        ]
