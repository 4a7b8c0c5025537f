"""A 2-D Gaussian fitted to a map by least squares."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .moments import Moments, moments
from .profile import check_map

_MOST_EVALUATIONS = 100
_MOST_PIXELS = 40_000  # in one fit; a larger map is reduced to block means


@dataclass(frozen=True)
class Fit:
    """A fitted Gaussian.

    Attributes:
        center (tuple[float, float]): (y, x), px.
        sigma (tuple[float, float]): Standard deviations along y and along x
            (its projections on the axes), px.
        correlation (float): Of y and x, in (-1, 1).
        r2 (float): Share of the map's variance that it explains.
    """

    center: tuple[float, float]
    sigma: tuple[float, float]
    correlation: float
    r2: float


def fit(map_hw: np.ndarray) -> Fit | None:
    """Least-squares fit of a 2-D Gaussian with correlated axes.

    Only the surroundings of the map's mass are fitted. A large map is reduced
    to means of blocks that are small compared with its peak.

    Args:
        map_hw (np.ndarray): Raw ERF map, shape (H, W), >= 0, any scale.

    Returns:
        Fit, optional: None if the map has no extent along an axis, or no fit
        is found.

    Raises:
        StatisticError: If ``check_map`` refuses the map.
    """
    check_map(map_hw)
    scaled = map_hw / map_hw.max()
    spread = float(((scaled - scaled.mean()) ** 2).sum())
    if min(moments(map_hw).sigma) < 0.3 or spread == 0:
        return None
    part, top, left = _surroundings(scaled)
    block = _block(part)
    found = _solve(_means(part, block))
    if found is None:
        return None
    a, cy, cx, sy, sx, rho = found
    cy, cx = (c * block + (block - 1) / 2 for c in (cy, cx))
    # Block means add a block's own variance, and no covariance.
    covariance = rho * sy * sx * block**2
    sy, sx = (
        math.sqrt(max((s * block) ** 2 - (block**2 - 1) / 12, 0.0025))
        for s in (sy, sx)
    )
    rho = min(max(covariance / (sy * sx), -0.999), 0.999)
    bell = _bell(np.array([a, cy, cx, sy, sx, rho]), part.shape)[2]
    amplitude = float((bell * part).sum() / (bell**2).sum())
    residual = float(((amplitude * bell - part) ** 2).sum())
    return Fit((cy + top, cx + left), (sy, sx), rho, 1 - residual / spread)


def _surroundings(scaled: np.ndarray) -> tuple[np.ndarray, int, int]:
    """The box of all mass with a margin of its own size; its top and left."""
    slices = []
    for axis in (0, 1):
        used = np.nonzero(scaled.any(axis=1 - axis))[0]
        margin = int(used[-1] - used[0]) + 1
        slices.append(
            slice(max(int(used[0]) - margin, 0), int(used[-1]) + margin + 1)
        )
    return scaled[slices[0], slices[1]], slices[0].start, slices[1].start


def _block(part: np.ndarray) -> int:
    """Side of blocks: few enough pixels are left, and the peak is resolved."""
    needed = math.ceil(math.sqrt(part.size / _MOST_PIXELS))
    return max(min(needed, int(_peak_sigma(part) / 2)), 1)


def _means(part: np.ndarray, block: int) -> np.ndarray:
    """Means of whole blocks; incomplete blocks at the far borders are cut."""
    if block == 1:
        return part
    h, w = (side // block for side in part.shape)
    cut = part[: h * block, : w * block]
    return cut.reshape(h, block, w, block).mean(axis=(1, 3))


def _bell(
    p: np.ndarray, shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scaled distances down and across, and a Gaussian of height 1."""
    u = (np.arange(shape[0])[:, None] - p[1]) / p[3]
    v = (np.arange(shape[1])[None, :] - p[2]) / p[4]
    power = (u * u - 2 * p[5] * u * v + v * v) / (2 * (1 - p[5] ** 2))
    return u, v, np.exp(-power)


def _solve(scaled: np.ndarray) -> list[float] | None:
    """Amplitude, centre, sigmas and correlation of the best fit."""
    from scipy.optimize import least_squares  # late: it takes long to import

    def residual(p: np.ndarray) -> np.ndarray:
        return (p[0] * _bell(p, scaled.shape)[2] - scaled).ravel()

    def jacobian(p: np.ndarray) -> np.ndarray:
        u, v, bell = _bell(p, scaled.shape)
        rho, rest, high = p[5], 1 - p[5] ** 2, p[0] * bell
        du, dv = (u - rho * v) / rest, (v - rho * u) / rest
        power = (u * u - 2 * rho * u * v + v * v) / (2 * rest)
        columns = (
            bell,
            high * du / p[3],
            high * dv / p[4],
            high * du * u / p[3],
            high * dv * v / p[4],
            high * (u * v - 2 * rho * power) / rest,
        )
        return np.stack([c.ravel() for c in columns], axis=1)

    height, width = scaled.shape
    bounds = (
        [0, -height, -width, 0.05, 0.05, -0.999],
        [np.inf, 2 * height, 2 * width, 10 * height, 10 * width, 0.999],
    )
    best: Any = None
    for first in _starts(scaled, moments(scaled)):
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
    return None if best is None else [float(value) for value in best.x]


def _peak_sigma(scaled: np.ndarray) -> float:
    """Sigma of a round Gaussian whose half height is as large as the map's."""
    high = np.count_nonzero(scaled > 0.5 * scaled.max())
    return max(math.sqrt(high / (2 * math.pi * math.log(2))), 0.3)


def _starts(scaled: np.ndarray, start: Moments) -> list[list[float]]:
    """Starting points of fits: from the peak's half height, and from moments.

    A map with a long tail has moments far wider than its peak, and a fit
    that starts there alone may miss the peak.
    """
    y, x = np.unravel_index(int(np.argmax(scaled)), scaled.shape)
    narrow, peak = _peak_sigma(scaled), float(scaled.max())
    starts = [[peak, float(y), float(x), narrow, narrow, 0.0]]
    sigma = [max(s, 0.3) for s in start.sigma]
    if max(sigma) > 2 * narrow or min(sigma) < narrow / 2:
        starts.append([peak, *start.center, *sigma, 0.0])
    return starts
