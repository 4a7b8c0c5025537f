"""A 2-D Gaussian fitted to a map by least squares."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .bell_equations import BellEquations
from .moments import Moments, moments
from .profile import check_map

_MOST_EVALUATIONS = 100
_COARSE_PIXELS = 10_000  # block means of so few pixels are fitted first
_COARSE, _FINE = 1e-6, 1e-13  # relative change of the cost at which to stop


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

    Only the surroundings of the map's mass are fitted. A large map is first
    fitted as means of blocks that are small compared with its peak; the fit
    to all pixels starts from there.

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
    found = _solve(part, _starts(part))
    if found is None:
        return None
    _, cy, cx, sy, sx, rho = (float(value) for value in found.x)
    r2 = 1 - 2 * found.cost / spread
    return Fit((cy + top, cx + left), (sy, sx), rho, r2)


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


def _starts(part: np.ndarray) -> list[list[float]]:
    """Where the fit to all pixels starts: at the optimum of block means."""
    block = _block(part)
    means = _means(part, block)
    starts = _first_starts(means, moments(means))
    if block == 1:
        return starts
    found = _solve(means, starts, _COARSE)
    if found is None:
        return _first_starts(part, moments(part))
    a, cy, cx, sy, sx, rho = found.x
    cy, cx = (c * block + (block - 1) / 2 for c in (cy, cx))
    # Block means add a block's own variance, and no covariance.
    covariance = rho * sy * sx * block**2
    sy, sx = (
        math.sqrt(max((s * block) ** 2 - (block**2 - 1) / 12, 0.0026))
        for s in (sy, sx)
    )
    rho = min(max(covariance / (sy * sx), -0.99), 0.99)
    return [[a, cy, cx, sy, sx, rho]]


def _block(part: np.ndarray) -> int:
    """Side of blocks: few pixels are left, and their means show the peak."""
    block = math.ceil(math.sqrt(part.size / _COARSE_PIXELS))
    block = min(block, *part.shape)
    while block > 1 and _peak_sigma(_means(part, block)) < 2:
        block //= 2
    return block


def _means(part: np.ndarray, block: int) -> np.ndarray:
    """Means of whole blocks; incomplete blocks at the far borders are cut."""
    if block == 1:
        return part
    h, w = (side // block for side in part.shape)
    cut = part[: h * block, : w * block]
    return cut.reshape(h, block, w, block).mean(axis=(1, 3))


def _solve(
    part: np.ndarray, starts: list[list[float]], tolerance: float = _FINE
) -> Any:
    """SciPy's result of the best fit from several starts, None without one.

    ``x`` is amplitude, centre, sigmas and correlation.
    """
    from scipy.optimize import least_squares  # late: it takes long to import

    height, width = part.shape
    bounds = (
        [0, -height, -width, 0.05, 0.05, -0.999],
        [np.inf, 2 * height, 2 * width, 10 * height, 10 * width, 0.999],
    )
    equations = BellEquations(part)
    best: Any = None
    for start in starts:
        # An optimum of block means may lie at a bound, or just beyond it.
        first = np.clip(start, *bounds)
        found = least_squares(
            equations.residual,
            first,
            equations.jacobian,
            bounds=bounds,
            x_scale=[1, *first[3:5], *first[3:5], 0.1],
            ftol=tolerance,
            xtol=tolerance,
            gtol=tolerance,
            max_nfev=_MOST_EVALUATIONS,
        )
        if found.success and (best is None or found.cost < best.cost):
            best = found
    return best


def _peak_sigma(scaled: np.ndarray) -> float:
    """Sigma of a round Gaussian whose half height is as large as the map's."""
    high = np.count_nonzero(scaled > 0.5 * scaled.max())
    return max(math.sqrt(high / (2 * math.pi * math.log(2))), 0.3)


def _first_starts(scaled: np.ndarray, start: Moments) -> list[list[float]]:
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
