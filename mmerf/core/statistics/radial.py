"""Mass by distance from the unit, centroid and peak."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .base import Statistic
from .context import StatisticContext
from .profile import Center, check_map

RADII = (5, 10, 20, 30, 40, 60, 80)  # px


def cumulative_mass(
    map_hw: np.ndarray, center_yx: Center, radii: Sequence[float] = RADII
) -> list[float]:
    """Share of the map within circles about a pixel.

    Args:
        map_hw (np.ndarray): Raw ERF map, shape (H, W), >= 0, any scale.
        center_yx (tuple[int, int]): The circles' centre, in input pixels.
        radii (sequence of float): In pixels; a pixel counts where its
            distance is <= the radius.

    Returns:
        list[float]: One share, in [0, 1], per radius.

    Raises:
        StatisticError: If ``check_map`` refuses the map or the centre.

    Example:
        >>> cumulative_mass(np.ones((3, 3)), (1, 1), (0, 1, 2))
        [0.1111111111111111, 0.5555555555555556, 1.0]
    """
    check_map(map_hw, center_yx)
    rows = np.arange(map_hw.shape[0]) - center_yx[0]
    columns = np.arange(map_hw.shape[1]) - center_yx[1]
    squared = rows[:, None] ** 2 + columns[None, :] ** 2
    total = map_hw.sum()
    return [float(map_hw[squared <= r * r].sum() / total) for r in radii]


def ring_means(map_hw: np.ndarray, center_yx: Center) -> np.ndarray:
    """Mean of the map over rings of one pixel about a pixel.

    Args:
        map_hw (np.ndarray): Raw ERF map, shape (H, W), >= 0, any scale.
        center_yx (tuple[int, int]): The rings' centre, in input pixels.

    Returns:
        np.ndarray: Entry r is the mean over pixels whose distance rounds to
        r px (halves up), from 0 to the furthest pixel; 0 for an empty ring.

    Raises:
        StatisticError: If ``check_map`` refuses the map or the centre.

    Example:
        >>> ring_means(np.array([[0.0, 4.0, 2.0]]), (0, 1))
        array([4., 1.])
    """
    nearest = np.floor(_distances(map_hw, center_yx) + 0.5).astype(int)
    sums = np.bincount(nearest.ravel(), map_hw.ravel())
    counts = np.bincount(nearest.ravel())
    return sums / np.maximum(counts, 1)


def mass_by_radius(map_hw: np.ndarray, center_yx: Center) -> np.ndarray:
    """Share of the map within every whole radius about a pixel.

    Returns:
        np.ndarray: Entry r is what :func:`cumulative_mass` gives for r px;
        the last is 1.

    Raises:
        StatisticError: If ``check_map`` refuses the map or the centre.

    Example:
        >>> mass_by_radius(np.ones((3, 3)), (1, 1))
        array([0.11111111, 0.55555556, 1.        ])
    """
    rings = np.ceil(_distances(map_hw, center_yx)).astype(int)
    mass = np.cumsum(np.bincount(rings.ravel(), map_hw.ravel()))
    return mass / mass[-1]


def _distances(map_hw: np.ndarray, center_yx: Center) -> np.ndarray:
    check_map(map_hw, center_yx)
    rows = np.arange(map_hw.shape[0]) - center_yx[0]
    columns = np.arange(map_hw.shape[1]) - center_yx[1]
    return np.sqrt(rows[:, None] ** 2 + columns[None, :] ** 2)


def centroid(map_hw: np.ndarray) -> tuple[float, float]:
    """Mean position (y, x) of the map's mass, in input pixels.

    Example:
        >>> centroid(np.array([[0.0, 1.0], [0.0, 1.0]]))
        (0.5, 1.0)
    """
    check_map(map_hw)
    total = map_hw.sum()
    rows, columns = np.arange(map_hw.shape[0]), np.arange(map_hw.shape[1])
    return (
        float(map_hw.sum(axis=1) @ rows / total),
        float(map_hw.sum(axis=0) @ columns / total),
    )


class Radial(Statistic):
    """Mass by distance from the unit, centroid and peak."""

    name = 'radial'

    def compute(
        self, map_hw: np.ndarray, center_yx: Center, context: StatisticContext
    ) -> dict:
        """Cumulative mass by radius (px), centroid and argmax (y, x) in px."""
        mass = cumulative_mass(map_hw, center_yx)
        peak = np.unravel_index(int(np.argmax(map_hw)), map_hw.shape)
        return {
            'cumulative_mass': {
                str(r): m for r, m in zip(RADII, mass, strict=True)
            },
            'centroid': list(centroid(map_hw)),
            'argmax': [int(peak[0]), int(peak[1])],
        }
