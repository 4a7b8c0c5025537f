"""Statistics: a raw (H, W) map -> plain numbers, one family a file.

A new family joins by one file with a ``summary`` function and one line in
``STATISTICS``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from . import (
    centred_square,
    densest_area,
    erf_size,
    gaussian,
    radial,
    replknet,
)
from ._profile import mass_by_square
from .context import SHARES, StatisticContext

STATISTICS: dict[str, Callable[..., dict]] = {
    'centred_square': centred_square.summary,
    'densest_area': densest_area.summary,
    'gaussian': gaussian.summary,
    'erf_size': erf_size.summary,
    'radial': radial.summary,
    'replknet': replknet.summary,
}


def all_statistics(
    map_hw: np.ndarray,
    center_yx: tuple[int, int],
    context: StatisticContext | None = None,
) -> dict:
    """Every statistic of one map, as plain JSON.

    Args:
        map_hw (np.ndarray): Raw ERF map, shape (H, W), >= 0.
        center_yx (tuple[int, int]): The unit's input pixel.
        context (StatisticContext, optional): Shares, mean image area,
            theoretical field.

    Returns:
        dict: Family to numbers; None for every family of an all-zero map.
    """
    if not map_hw.any():
        return dict.fromkeys(STATISTICS)
    context = context or StatisticContext()
    return {
        name: family(map_hw, center_yx, context)
        for name, family in STATISTICS.items()
    }


__all__ = [
    'SHARES',
    'STATISTICS',
    'StatisticContext',
    'all_statistics',
    'mass_by_square',
]
