"""The numbers of the RepLKNet paper's own analysis, for its tables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .base import CSV, Number, Statistic
from .context import StatisticContext
from .profile import Center, check_map, check_share, mass_by_square


def replknet_side(map_hw: np.ndarray, share: float) -> int | None:
    """Side of a high-contribution square by the rule of that paper.

    The map's log10(x + 1) over its maximum; squares about
    (H // 2, W // 2), from side 3, whose half stays below H // 2 and inside
    the width; the first that holds strictly more than the share.

    Args:
        map_hw (np.ndarray): Raw ERF map, shape (H, W), >= 0. Its scale
            matters: the rule is not scale invariant.
        share (float): In (0, 1].

    Returns:
        int, optional: Side in pixels; None if the rule finds none.

    Raises:
        StatisticError: If ``check_map`` refuses the map, or
            ``check_share`` the share.

    Source: Ding et al. 2022, arXiv:2203.06717, table of high-contribution
    areas.

    Example:
        >>> replknet_side(np.ones((9, 9)), 0.2)
        5
        >>> replknet_side(np.ones((9, 9)), 0.99) is None
        True
    """
    return _replknet_sides(map_hw, [share])[0]


def _replknet_sides(
    map_hw: np.ndarray, shares: Sequence[float]
) -> list[int | None]:
    """As :func:`replknet_side`, for several shares."""
    check_map(map_hw)
    for share in shares:
        check_share(share)
    scaled = np.log10(map_hw + 1)
    peak = scaled.max()
    if peak == 0:  # every value below the resolution of x + 1
        return [None] * len(shares)
    height, width = map_hw.shape
    mass = mass_by_square(scaled / peak, (height // 2, width // 2))
    held = mass[1 : min(height // 2, width // 2 + 1)] / mass[-1]
    return [
        2 * int(np.argmax(held > share)) + 3 if (held > share).any() else None
        for share in shares
    ]


class RepLKNetAreas(Statistic):
    """Sides and area ratios exactly as the RepLKNet paper reports them."""

    name = 'replknet'

    def compute(
        self, map_hw: np.ndarray, center_yx: Center, context: StatisticContext
    ) -> dict:
        """Side (px) and area ratio for each share; a note where there is none.

        The published rule is about the middle of one image: with images of
        different sizes (``area`` given) there is no such middle, and each
        entry is None.
        """
        height, width = map_hw.shape
        one_size = context.area is None
        result: dict = {}
        missing = []
        sides: list[int | None] = [None] * len(context.shares)
        if one_size:
            sides = _replknet_sides(map_hw, context.shares)
        for share, side in zip(context.shares, sides, strict=True):
            if side is None:
                missing.append(str(share))
                result[str(share)] = None
            else:
                ratio = side / height * side / width
                result[str(share)] = {'side': side, 'area_ratio': ratio}
        if not one_size:
            result['note'] = (
                'images differ in size or in place: the rule needs one frame'
            )
        elif missing:
            largest = 2 * min(height // 2 - 1, width // 2) + 1
            result['note'] = (
                'no square of the published rule (side 3 to '
                f'{max(largest, 0)}) holds more than {", ".join(missing)}'
            )
        return result

    def numbers(self, shares: Sequence[float]) -> list[Number]:
        """The area ratios, for tables that stand beside published ones."""
        return [
            Number(
                f'replknet_area_ratio_{share}',
                (str(share), 'area_ratio'),
                f'RepLKNet {share * 100:g} % area',
                form='.2f',
                percent=True,
                share=share,
                places={CSV},
                rank=60,
            )
            for share in shares
        ]
