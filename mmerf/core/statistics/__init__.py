"""Statistics: a raw (H, W) map -> plain numbers, one family a file.

A new family joins by one file with a ``summary`` function and one line in
``STATISTICS``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from . import centred_square, radial, replknet

SHARES = (0.2, 0.3, 0.5, 0.99)

STATISTICS: dict[str, Callable[..., dict]] = {
    'centred_square': centred_square.summary,
    'radial': radial.summary,
    'replknet': replknet.summary,
}


def all_statistics(
    map_hw: np.ndarray,
    center_yx: tuple[int, int],
    shares: Sequence[float] = SHARES,
    area: float | None = None,
) -> dict:
    """Every statistic of one map, as plain JSON.

    Args:
        map_hw (np.ndarray): Raw ERF map, shape (H, W), >= 0.
        center_yx (tuple[int, int]): The unit's input pixel.
        shares (sequence of float): Shares of the mass, in (0, 1].
        area (float, optional): Mean pixels of an image, where images
            differed in size; None for one size, H * W.

    Returns:
        dict: Family to numbers; None for every family of an all-zero map.
    """
    if not map_hw.any():
        return dict.fromkeys(STATISTICS)
    return {
        name: family(map_hw, center_yx, shares, area)
        for name, family in STATISTICS.items()
    }
