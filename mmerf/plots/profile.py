"""Contribution by distance from the unit, with the fitted Gaussian."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ..core.results.erf_result import ERFResult
from ..core.statistics.radial import mass_by_radius, ring_means
from .drawing.figure import Figure
from .drawing.look import Look
from .drawing.panels import legend_below
from .drawing.sheet import fold
from .drawing.style import COLUMN_WIDTH, PAGE_WIDTH, layer_styles, style
from .drawing.text import wrap_text

_LOWEST = 1e-6  # lower end of the logarithmic scale, of the largest mean
_MAP_LINE: dict[str, Any] = {'linestyle': '-', 'linewidth': 1.2}
_FIT_LINE: dict[str, Any] = {
    'color': '#666666',
    'linestyle': '--',
    'linewidth': 1.2,
}
_SHOWN_MASS = 0.995  # the distances shown hold this share of the map


def plot_profile(
    results: ERFResult | Mapping[str, ERFResult],
    *,
    title: str | None = None,
    width: str = 'page',
) -> tuple[Figure, np.ndarray]:
    """Mean contribution at each distance from the unit, and share within it.

    Upper row, on a logarithmic scale: the map's mean over the ring of pixels
    at a distance (rounded to whole pixels), divided by the largest such mean;
    dashed, the same for the fitted Gaussian, with its R2. Lower row: the
    share of the map's sum within a distance. R2 is the share of the variance
    of the map's pixels that the Gaussian explains. A tail of small values
    changes little of it, even where it holds much of the sum.

    Args:
        results (ERFResult or mapping of str to ERFResult): One result, drawn
            as wide as a column of a paper; or several by layer, in drawing
            order, as wide as a page.
        title (str, optional): Title of the whole figure.
        width (str): ``'page'``, or ``'column'``: more than three layers are
            then folded into further pairs of rows.

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
    across, inches = count, COLUMN_WIDTH
    if Look(width=width).width == 'column':
        across = fold(count, 3)
    elif count > 1:
        inches = max(PAGE_WIDTH, 1.3 * count + 0.5)
    blocks = -(-count // across)
    with style():
        fig = Figure(figsize=(inches, 0.4 + 3.2 * blocks), dpi=150)
        fig.set_layout_engine('constrained')
        axes, unused = _pairs_of_rows(fig, count, across)
        reach = 10
        looks = layer_styles(results)
        for (ring, mass), (layer, result) in zip(
            axes.T, results.items(), strict=True
        ):
            name = wrap_text(layer, inches / across - 0.3)
            ring.set_title(name, parse_math=False)
            if result.map.any():
                reach = max(
                    reach,
                    _draw_profile(ring, mass, result, looks[layer].color),
                )
            else:
                ring.text(0.5, 0.5, 'zero', transform=ring.transAxes)
            mass.set_xlabel('distance (px)')
        axes[0, 0].set_yscale('log')
        axes[0, 0].set_ylim(max(axes[0, 0].get_ylim()[0], _LOWEST), 2)
        axes[1, 0].set_ylim(0, 1.03)
        for first in range(0, count, across):
            axes[0, first].set_ylabel('ring mean / largest')
            axes[1, first].set_ylabel('share within')
        for ax in unused:
            ax.set_axis_off()
        axes[0, 0].set_xlim(0, reach)
        for ax in axes.ravel():
            ax.grid(color='#dddddd', linewidth=0.5)
            ax.spines[['top', 'right']].set_visible(False)
        handles = [Line2D([], [], label='map', **_MAP_LINE, color='black')]
        label = "fitted Gaussian (R²: share of the pixels' variance)"
        handles.append(Line2D([], [], label=label, **_FIT_LINE))
        legend_below(fig, handles, frameon=False)
        if title:
            fig.suptitle(title)
    return fig, axes


def _pairs_of_rows(
    fig: Figure, count: int, across: int
) -> tuple[np.ndarray, list[Axes]]:
    """Two axes per layer, shape (2, layers), and those that stay empty.

    Layers beyond ``across`` go into further pairs of rows. All axes share the
    distances, and all of one kind their values.
    """
    blocks = -(-count // across)
    grid = fig.subplots(2 * blocks, across, squeeze=False)
    upper, lower = grid[::2].ravel(), grid[1::2].ravel()
    for ax in (*upper[:count], *lower[:count]):
        if ax is not upper[0]:
            ax.sharex(upper[0])
    for kind in (upper[:count], lower[:count]):
        for place, ax in enumerate(kind):
            if place:
                ax.sharey(kind[0])
            ax.tick_params(labelleft=place % across == 0)
    for ax in upper[:count]:
        ax.tick_params(labelbottom=False)
    return np.stack([upper[:count], lower[:count]]), [
        *upper[count:],
        *lower[count:],
    ]


def _draw_profile(
    ring: Axes, mass: Axes, result: ERFResult, color: str
) -> int:
    """Draw one layer in its colour; return the distance to show, px."""
    means = ring_means(result.map, result.center)
    within = mass_by_radius(result.map, result.center)
    largest = means.max()
    ring.plot(
        np.arange(len(means)),
        _without_tiny(means / largest),
        color=color,
        **_MAP_LINE,
    )
    mass.plot(np.arange(len(within)), within, color=color, **_MAP_LINE)
    fit = (result.statistics()['gaussian'] or {}).get('fit')
    if fit:
        bell = fitted_map(result.map, fit)
        fitted = ring_means(bell, result.center) / largest
        ring.plot(np.arange(len(fitted)), _without_tiny(fitted), **_FIT_LINE)
        bell_within = mass_by_radius(bell, result.center)
        mass.plot(np.arange(len(bell_within)), bell_within, **_FIT_LINE)
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
