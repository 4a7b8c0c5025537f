"""Contribution by distance from the unit, with the fitted Gaussian."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from ..core.results.erf_result import ERFResult
from ..core.statistics.radial import mass_by_radius, ring_means
from .drawing.figure import Figure
from .drawing.style import COLUMN_WIDTH, PAGE_WIDTH, SERIES_STYLES, style
from .drawing.text import wrap_text

_LOWEST = 1e-6  # lower end of the logarithmic scale, of the largest mean
_SHOWN_MASS = 0.995  # the distances shown hold this share of the map


def plot_profile(
    results: ERFResult | Mapping[str, ERFResult],
    *,
    title: str | None = None,
) -> tuple[Figure, np.ndarray]:
    """Mean contribution at each distance from the unit, and share within it.

    Upper row, on a logarithmic scale: the map's mean over the ring of pixels
    at a distance (rounded to whole pixels), divided by the largest such mean;
    dashed, the same for the fitted Gaussian, with its R2. Lower row: the
    share of the map's sum within a distance.

    Args:
        results (ERFResult or mapping of str to ERFResult): One result, drawn
            as wide as a column of a paper; or several by layer, in drawing
            order, as wide as a page.
        title (str, optional): Title of the whole figure.

    Returns:
        tuple[Figure, np.ndarray]: The figure, and its axes, shape
        (2, layers).

    Example:
        >>> fig, axes = plot_profile(ERFResult.from_map(np.eye(9)))
        >>> axes[1, 0].get_ylabel()
        'share within'
    """
    if isinstance(results, ERFResult):
        results = {results.layer: results}
    count = len(results)
    width = COLUMN_WIDTH if count == 1 else max(PAGE_WIDTH, 1.3 * count + 0.5)
    with style():
        fig = Figure(figsize=(width, 3.6), dpi=150)
        fig.set_layout_engine('constrained')
        axes = fig.subplots(2, count, squeeze=False, sharex=True, sharey='row')
        reach = 10
        for (ring, mass), (layer, result) in zip(
            axes.T, results.items(), strict=True
        ):
            name = wrap_text(layer, width / count - 0.3)
            ring.set_title(name, parse_math=False)
            if result.map.any():
                reach = max(reach, _draw_profile(ring, mass, result))
            else:
                ring.text(0.5, 0.5, 'zero', transform=ring.transAxes)
            mass.set_xlabel('distance (px)')
        axes[0, 0].set(yscale='log', ylabel='ring mean / largest')
        axes[0, 0].set_ylim(max(axes[0, 0].get_ylim()[0], _LOWEST), 2)
        axes[1, 0].set(ylabel='share within', ylim=(0, 1.03))
        axes[0, 0].set_xlim(0, reach)
        for ax in axes.ravel():
            ax.grid(color='#dddddd', linewidth=0.5)
            ax.spines[['top', 'right']].set_visible(False)
        handles = [axes[0, 0].plot([], [], label='map', **_profile_line(0))[0]]
        handles += axes[0, 0].plot(
            [], [], label='fitted Gaussian', **_profile_line(1)
        )
        fig.legend(
            handles=handles,
            loc='outside lower center',
            ncols=2,
            frameon=False,
        )
        if title:
            fig.suptitle(title)
    return fig, axes


def _draw_profile(ring: Axes, mass: Axes, result: ERFResult) -> int:
    """Draw one layer; return the distance to show, px."""
    means = ring_means(result.map, result.center)
    within = mass_by_radius(result.map, result.center)
    largest = means.max()
    ring.plot(
        np.arange(len(means)),
        _without_tiny(means / largest),
        **_profile_line(0),
    )
    mass.plot(np.arange(len(within)), within, **_profile_line(0))
    fit = (result.statistics()['gaussian'] or {}).get('fit')
    if fit:
        bell = fitted_map(result.map, fit)
        fitted = ring_means(bell, result.center) / largest
        ring.plot(
            np.arange(len(fitted)), _without_tiny(fitted), **_profile_line(1)
        )
        bell_within = mass_by_radius(bell, result.center)
        mass.plot(np.arange(len(bell_within)), bell_within, **_profile_line(1))
        ring.text(
            0.96,
            0.95,
            f'R² = {fit["r2"]:.2f}',
            transform=ring.transAxes,
            ha='right',
            va='top',
            fontsize=7,
        )
    return int(1.1 * np.searchsorted(within, _SHOWN_MASS)) + 1


def fitted_map(map_hw: np.ndarray, fit: Mapping) -> np.ndarray:
    """The Gaussian of ``statistics()['gaussian']['fit']`` as a map.

    Its height is the one with the least squared distance from the map.

    Args:
        map_hw (np.ndarray): The raw map that was fitted, shape (H, W).
        fit (mapping): ``center`` (y, x), ``sigma_y`` and ``sigma_x`` (px),
            ``correlation``.

    Returns:
        np.ndarray: Shape (H, W).
    """
    rows, columns = np.ogrid[: map_hw.shape[0], : map_hw.shape[1]]
    u = (rows - fit['center'][0]) / fit['sigma_y']
    v = (columns - fit['center'][1]) / fit['sigma_x']
    rho = fit['correlation']
    bell = np.exp(-(u * u - 2 * rho * u * v + v * v) / (2 * (1 - rho * rho)))
    return bell * float((bell * map_hw).sum() / (bell * bell).sum())


def _without_tiny(values: np.ndarray) -> np.ndarray:
    return np.where(values >= _LOWEST / 10, values, np.nan)


def _profile_line(number: int) -> dict:
    dash = ('-', '--')[number]
    return {
        'color': SERIES_STYLES[number][0],
        'linestyle': dash,
        'linewidth': 1.2,
    }
