"""What tiles change, by the distance to their borders."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from ..core.tiling.grid import Tiling
from ..core.tiling.result import TilingResult
from .drawing.figure import Figure
from .drawing.panels import BARS, add_foot
from .drawing.style import (
    COLUMN_WIDTH,
    PAGE_WIDTH,
    SERIES_STYLES,
    literal,
    style,
)

_MOST_IN_A_COLUMN = 4  # windows below each other; more get two columns
_PANEL, _BESIDE = 1.05, 0.75  # inches: of a panel, and above and below all
_STRIDES_APART = 0.14  # of a bin, between the points of two strides


def plot_tiles(
    result: TilingResult, *, title: str | None = None
) -> tuple[Figure, np.ndarray]:
    """Share of pixels that change class, by distance to the nearest border.

    One panel per window, one line per stride, from no overlap on. Points
    stand between the edges of their bin, those of several strides side by
    side. Bars are standard errors over images.

    Args:
        result (TilingResult): What tiles change.
        title (str, optional): Title of the figure; None for none.

    Returns:
        tuple[Figure, np.ndarray]: The figure, as wide as a column of a paper,
        or as a page for more than four windows; and its axes, smallest window
        first, shape (windows,).
    """
    shown = np.flatnonzero(result.pixels.sum(axis=(0, 1)))
    windows = sorted({tiling.window for tiling in result.tilings})
    columns = 1 if len(windows) <= _MOST_IN_A_COLUMN else 2
    rows = -(-len(windows) // columns)
    width = COLUMN_WIDTH if columns == 1 else PAGE_WIDTH
    with style():
        fig = Figure(figsize=(width, _PANEL * rows + _BESIDE), dpi=150)
        fig.set_layout_engine('constrained')
        grid = fig.subplots(
            rows, columns, squeeze=False, sharex=True, sharey=True
        )
        axes = grid.ravel()[: len(windows)]
        for ax in grid.ravel()[len(windows) :]:
            ax.set_axis_off()
        for ax, window in zip(axes, windows, strict=True):
            same = [t for t in result.tilings if t.window == window]
            for tiling in sorted(same, key=lambda one: -one.stride):
                _draw_tiling(ax, result, tiling, same, shown)
            ax.set_title(f'window {window} px', loc='left', pad=2, fontsize=8)
            ax.grid(color='#dddddd', linewidth=0.5, axis='y')
            ax.spines[['top', 'right']].set_visible(False)
            ax.legend(title='stride (px)', title_fontsize=7, **_LEGEND)
        edges = [result.edges[0], *(result.edges[i + 1] for i in shown)]
        axes[0].set_xticks(
            np.arange(len(edges)) - 0.5, [str(edge) for edge in edges]
        )
        axes[0].set_ylim(bottom=0)
        for ax in axes[-columns:]:
            ax.set_xlabel('distance to the nearest tile border (px)')
            ax.tick_params(labelbottom=True)
        fig.supylabel('pixels whose class changes (%)', fontsize=8)
        bars = np.isfinite(result.by_distance()[1]).any()
        add_foot(fig, BARS if bars else '')
        if title is not None:
            fig.suptitle(literal(title))
    return fig, axes


_LEGEND: dict = {
    'loc': 'upper right',
    'frameon': False,
    'handlelength': 1.6,
    'labelspacing': 0.2,
    'borderaxespad': 0.0,
}


def _draw_tiling(
    ax: Axes,
    result: TilingResult,
    tiling: Tiling,
    same: list[Tiling],
    shown: np.ndarray,
) -> None:
    """Draw the line of a tiling, beside those with the same window."""
    mean, error = result.by_distance()
    number = result.tilings.index(tiling)
    place = sorted(same, key=lambda one: -one.stride).index(tiling)
    color, marker = SERIES_STYLES[place % len(SERIES_STYLES)]
    share = 100 * mean[number, shown]
    bars = np.nan_to_num(100 * error[number, shown])
    ax.errorbar(
        np.arange(len(shown)) + _STRIDES_APART * (place - (len(same) - 1) / 2),
        share,
        yerr=(np.fmin(bars, share), bars),  # none below zero
        label=f'{tiling.stride}',
        color=color,
        marker=marker,
        markersize=3,
        linewidth=1.1,
        elinewidth=0.8,
        clip_on=False,
    )
