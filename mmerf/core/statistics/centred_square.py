"""Smallest centred square that holds a share of the map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .base import (
    CSV,
    GROWTH,
    REPORT,
    SCALARS,
    SIZES,
    Number,
    Statistic,
    middle_share,
)
from .context import StatisticContext
from .profile import Center, check_map, check_share, mass_by_square


def centred_square(map_hw: np.ndarray, share: float, center_yx: Center) -> int:
    """Side of the smallest odd square about a pixel that holds a share.

    Args:
        map_hw (np.ndarray): Raw ERF map, shape (H, W), >= 0, any scale.
        share (float): Part of the map's sum to hold, in (0, 1].
        center_yx (tuple[int, int]): Row and column of the square's centre,
            in input pixels.

    Returns:
        int: Side in pixels, odd, from 1 to 2 * max(H, W) - 1. The square is
        clipped to the map, so it always exists.

    Raises:
        StatisticError: If ``map_hw`` is not 2-D, holds a negative or
            non-finite value, or is zero everywhere; if ``share`` is outside
            (0, 1]; if ``center_yx`` is outside the map.

    Source: the areas of high contribution of Ding et al. 2022,
    arXiv:2203.06717; here on the raw map, so that scaling it changes nothing.

    Example:
        >>> centred_square(np.ones((5, 5)), 0.36, (2, 2))
        3
    """
    check_map(map_hw, center_yx)
    check_share(share)
    mass = mass_by_square(map_hw, center_yx)
    return 2 * int(np.argmax(mass / mass[-1] >= share)) + 1


def square_area_ratio(
    shape_hw: tuple[int, int],
    side: int,
    center_yx: Center,
    area: float | None = None,
) -> float:
    """Area of a clipped square over the area of the image.

    Args:
        shape_hw (tuple[int, int]): (H, W) of the map.
        side (int): The square's side in pixels.
        center_yx (tuple[int, int]): Its centre.
        area (float, optional): Area of an image in pixels; None for H * W.

    Returns:
        float: Ratio, no unit.

    Example:
        >>> square_area_ratio((10, 10), 5, (0, 0))
        0.09
    """
    reach = side // 2
    clipped = 1
    for center, length in zip(center_yx, shape_hw, strict=True):
        low, high = max(center - reach, 0), min(center + reach, length - 1)
        clipped *= high - low + 1
    return clipped / (shape_hw[0] * shape_hw[1] if area is None else area)


def reaches_edge(
    shape_hw: tuple[int, int],
    side: int,
    center_yx: Center,
    frame: tuple[int, int, int, int] | None = None,
) -> bool:
    """Whether a square reaches the edge of an image on some side.

    Nothing was measured beyond, so that the side is only a lower bound of
    what a larger image would give.

    Args:
        shape_hw (tuple[int, int]): (H, W) of the map.
        side (int): The square's side in pixels.
        center_yx (tuple[int, int]): Its centre.
        frame (tuple[int, int, int, int], optional): First and last row,
            first and last column that every image reaches; None for the
            whole map.

    Example:
        >>> [reaches_edge((10, 10), side, (5, 5)) for side in (7, 9)]
        [False, True]
    """
    top, bottom, left, right = frame or (
        0,
        shape_hw[0] - 1,
        0,
        shape_hw[1] - 1,
    )
    (y, x), reach = center_yx, side // 2
    room = min(y - top, bottom - y, x - left, right - x)
    return reach >= room


class CentredSquare(Statistic):
    """Side and area of the smallest square about the unit, for each share."""

    name = 'centred_square'

    def compute(
        self, map_hw: np.ndarray, center_yx: Center, context: StatisticContext
    ) -> dict:
        """Side (px), area ratio and ``reaches_edge`` for each share."""
        result = {}
        for share in context.shares:
            side = centred_square(map_hw, share, center_yx)
            shape = (map_hw.shape[0], map_hw.shape[1])
            ratio = square_area_ratio(shape, side, center_yx, context.area)
            result[str(share)] = {
                'side': side,
                'area_ratio': ratio,
                'reaches_edge': reaches_edge(
                    shape, side, center_yx, context.frame
                ),
            }
        return result

    def numbers(self, shares: Sequence[float]) -> list[Number]:
        """Every side; tables show the area of one share."""
        found = []
        for share in shares:
            percent = f'{share * 100:g} %'
            found.append(
                Number(
                    f'side_{share}',
                    (str(share), 'side'),
                    f'{percent} side (px)',
                    form='',
                    stderr=('side', str(share), 'stderr'),
                    bound=(str(share), 'reaches_edge'),
                    share=share,
                    places={SIZES, REPORT, CSV, GROWTH, SCALARS},
                    rank=10,
                )
            )
            places = {CSV}
            if share == middle_share(shares):
                places |= {SIZES, REPORT, SCALARS}
            found.append(
                Number(
                    f'area_ratio_{share}',
                    (str(share), 'area_ratio'),
                    f'{percent} area',
                    form='.2f',
                    percent=True,
                    share=share,
                    places=places,
                    rank=11,
                )
            )
        return found
