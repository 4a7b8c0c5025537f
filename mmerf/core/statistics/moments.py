"""First and second moments of a map's mass."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .profile import check_map


@dataclass(frozen=True)
class Moments:
    """Centre and covariance of a map's mass.

    Attributes:
        center (tuple[float, float]): (y, x), px.
        covariance (np.ndarray): Shape (2, 2), order y, x; px^2.
    """

    center: tuple[float, float]
    covariance: np.ndarray

    @property
    def sigma(self) -> tuple[float, float]:
        """Standard deviation along y and along x, px."""
        return (
            math.sqrt(self.covariance[0, 0]),
            math.sqrt(self.covariance[1, 1]),
        )

    @property
    def orientation(self) -> float | None:
        """Angle of the long axis from the x axis, degrees in (-90, 90].

        Positive towards larger y, which is down in a picture; None if no axis
        is longer than the other.
        """
        values, vectors = np.linalg.eigh(self.covariance)
        if values[1] - values[0] <= 1e-9 * values[1]:
            return None
        y, x = vectors[:, 1]
        angle = math.degrees(math.atan2(y, x))
        angle = angle - 180 if angle > 90 else angle
        return angle + 180 if angle <= -90 else angle


def moments(map_hw: np.ndarray) -> Moments:
    """First and second moments of a map.

    Args:
        map_hw (np.ndarray): Raw ERF map, shape (H, W), >= 0, any scale.

    Raises:
        StatisticError: If ``check_map`` refuses the map.

    Example:
        >>> moments(np.array([[1.0, 0.0, 1.0]])).sigma
        (0.0, 1.0)
    """
    check_map(map_hw)
    weights = map_hw / map_hw.sum()
    y, x = np.arange(map_hw.shape[0]), np.arange(map_hw.shape[1])
    rows, columns = weights.sum(axis=1), weights.sum(axis=0)
    cy, cx = float(rows @ y), float(columns @ x)
    var_y = float(rows @ (y - cy) ** 2)
    var_x = float(columns @ (x - cx) ** 2)
    # by einsum: BLAS would start threads, which take longer
    across = np.einsum('yx,x->y', weights, x - cx)
    cov = float(((y - cy) * across).sum())
    return Moments((cy, cx), np.array([[var_y, cov], [cov, var_x]]))
