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
    return _densest_areas(map_hw, [share])[0]


def _densest_areas(map_hw: np.ndarray, shares: Sequence[float]) -> list[int]:
    """As :func:`densest_area`, for several shares."""
    check_map(map_hw)
    for share in shares:
        check_share(share)
    mass = np.cumsum(np.sort(map_hw, axis=None)[::-1])
    mass /= mass[-1]
    return [int(np.argmax(mass >= share)) + 1 for share in shares]


class DensestArea(Statistic):
    """Fewest pixels that hold a share of the map, for each share."""

    name = 'densest_area'

    def compute(
        self, map_hw: np.ndarray, center_yx: Center, context: StatisticContext
    ) -> dict:
        """Number of pixels, and their area ratio, for each share."""
        area = map_hw.size if context.area is None else context.area
        found = _densest_areas(map_hw, context.shares)
        return {
            str(share): {'pixels': pixels, 'area_ratio': pixels / area}
            for share, pixels in zip(context.shares, found, strict=True)
        }

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
