"""What several statistics share: checks, and mass by distance."""

from __future__ import annotations

import numpy as np

from ..errors import StatisticError

Center = tuple[int, int]


def check_map(map_hw: np.ndarray, center_yx: Center | None = None) -> None:
    """Check that statistics are defined for a map.

    Args:
        map_hw (np.ndarray): Any array.
        center_yx (tuple[int, int], optional): A pixel of the map.

    Raises:
        StatisticError: If the array is not 2-D, holds a negative or
            non-finite value, or is zero everywhere; if the centre is outside
            it.
    """
    if map_hw.ndim != 2 or map_hw.size == 0:
        raise StatisticError(
            f'a map has shape (H, W), not {map_hw.shape}; give a 2-D array'
        )
    if not np.isfinite(map_hw).all() or (map_hw < 0).any():
        raise StatisticError(
            'the map holds a negative or non-finite value; an ERF map is '
            '>= 0 everywhere'
        )
    if not map_hw.any():
        raise StatisticError(
            'the map is zero everywhere, so it has no statistics; '
            'measure more images or another layer'
        )
    if center_yx is not None and not all(
        0 <= c < side for c, side in zip(center_yx, map_hw.shape, strict=True)
    ):
        raise StatisticError(
            f'the centre {tuple(center_yx)} lies outside the '
            f'{map_hw.shape[0]} x {map_hw.shape[1]} map'
        )


def check_share(share: float) -> None:
    """Raise StatisticError unless a share is in (0, 1]."""
    if not 0 < share <= 1:
        raise StatisticError(f'a share lies in (0, 1], not {share}')


def mass_by_square(map_hw: np.ndarray, center_yx: Center) -> np.ndarray:
    """Mass within each square about a pixel.

    Args:
        map_hw (np.ndarray): Shape (H, W).
        center_yx (tuple[int, int]): The squares' common centre.

    Returns:
        np.ndarray: Element ``i`` is the mass in the square of side
        ``2 i + 1``, clipped to the map; the last one holds everything.
    """
    rows = np.abs(np.arange(map_hw.shape[0]) - center_yx[0])
    columns = np.abs(np.arange(map_hw.shape[1]) - center_yx[1])
    distance = np.maximum(rows[:, None], columns[None, :])
    rings = np.bincount(distance.ravel(), weights=map_hw.ravel())
    return np.cumsum(rings)
