"""A Gaussian put to the map: by its moments, and by least squares."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import least_squares

from ._profile import Center, check_map
from .context import StatisticContext

_MOST_EVALUATIONS = 100


@dataclass(frozen=True)
class Moments:
    """Centre (y, x) and covariance of a map's mass, in pixels."""

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

        Counted towards larger y, which is down in a picture; None where no
        axis is longer than the other.
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
        StatisticError: If statistics are not defined for the map.

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
    cov = float((y - cy) @ weights @ (x - cx))
    return Moments((cy, cx), np.array([[var_y, cov], [cov, var_x]]))


@dataclass(frozen=True)
class Fit:
    """A fitted Gaussian; sigmas are those of its projections on the axes."""

    center: tuple[float, float]
    sigma: tuple[float, float]
    correlation: float
    r2: float


def fit(map_hw: np.ndarray, start: Moments | None = None) -> Fit | None:
    """Least-squares fit of a 2-D Gaussian with correlated axes.

    Args:
        map_hw (np.ndarray): Raw ERF map, shape (H, W), >= 0, any scale.
        start (Moments, optional): Where to start; None for the map's own.

    Returns:
        Fit, optional: With R2, the share of the map's variance explained;
        None where the map has no extent along an axis, or no fit is found.

    Raises:
        StatisticError: If statistics are not defined for the map.
    """
    check_map(map_hw)
    start = start or moments(map_hw)
    scaled = map_hw / map_hw.max()
    spread = float(((scaled - scaled.mean()) ** 2).sum())
    if min(start.sigma) < 0.3 or spread == 0:
        return None
    y = np.arange(map_hw.shape[0])[:, None]
    x = np.arange(map_hw.shape[1])[None, :]

    def parts(p: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        u, v = (y - p[1]) / p[3], (x - p[2]) / p[4]
        rest = 1 - p[5] ** 2
        power = (u * u - 2 * p[5] * u * v + v * v) / (2 * rest)
        return u, v, np.exp(-power)

    def residual(p: np.ndarray) -> np.ndarray:
        return (p[0] * parts(p)[2] - scaled).ravel()

    def jacobian(p: np.ndarray) -> np.ndarray:
        u, v, bell = parts(p)
        rho, rest = p[5], 1 - p[5] ** 2
        bell_a = p[0] * bell
        du, dv = (u - rho * v) / rest, (v - rho * u) / rest
        power = (u * u - 2 * rho * u * v + v * v) / (2 * rest)
        columns = (
            bell,
            bell_a * du / p[3],
            bell_a * dv / p[4],
            bell_a * du * u / p[3],
            bell_a * dv * v / p[4],
            bell_a * (u * v - 2 * rho * power) / rest,
        )
        return np.stack([c.ravel() for c in columns], axis=1)

    height, width = map_hw.shape
    bounds = (
        [0, -height, -width, 0.05, 0.05, -0.999],
        [np.inf, 2 * height, 2 * width, 10 * height, 10 * width, 0.999],
    )
    best: Any = None
    for first in _starts(scaled, start):
        found = least_squares(
            residual,
            first,
            jacobian,
            bounds=bounds,
            x_scale=[1, *first[3:5], *first[3:5], 0.1],
            max_nfev=_MOST_EVALUATIONS,
        )
        if found.success and (best is None or found.cost < best.cost):
            best = found
    if best is None:
        return None
    p = [float(value) for value in best.x]
    r2 = 1 - 2 * float(best.cost) / spread
    return Fit((p[1], p[2]), (p[3], p[4]), p[5], r2)


def _starts(scaled: np.ndarray, start: Moments) -> list[list[float]]:
    """Where fits begin: at the moments, and at the peak's half height.

    A map with a long tail has moments far wider than its peak, and a fit
    that starts there alone may miss the peak.
    """
    y, x = np.unravel_index(int(np.argmax(scaled)), scaled.shape)
    high = np.count_nonzero(scaled > 0.5)
    narrow = max(math.sqrt(high / (2 * math.pi * math.log(2))), 0.3)
    starts = [[1.0, float(y), float(x), narrow, narrow, 0.0]]
    sigma = [max(s, 0.3) for s in start.sigma]
    if max(sigma) > 2 * narrow or min(sigma) < narrow / 2:
        starts.append([1.0, *start.center, *sigma, 0.0])
    return starts


def summary(
    map_hw: np.ndarray, center_yx: Center, context: StatisticContext
) -> dict:
    """Moments and fit: centre (y, x), sigmas (px), anisotropy, angle."""
    by_moments = moments(map_hw)
    sigma_y, sigma_x = by_moments.sigma
    result: dict = {
        'moments': {
            'center': list(by_moments.center),
            'sigma_y': sigma_y,
            'sigma_x': sigma_x,
        },
        'anisotropy': sigma_y / sigma_x if sigma_x else None,
        'orientation': by_moments.orientation,
        'fit': None,
    }
    fitted = fit(map_hw, by_moments)
    if fitted is not None:
        result['fit'] = {
            'center': list(fitted.center),
            'sigma_y': fitted.sigma[0],
            'sigma_x': fitted.sigma[1],
            'correlation': fitted.correlation,
            'r2': fitted.r2,
        }
    return result
