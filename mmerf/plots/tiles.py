"""What tiles change, by the distance to their borders."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from ..core.tiling.result import TilingResult
from .drawing.figure import Figure
from .drawing.style import COLUMN_WIDTH, SERIES_STYLES, literal, style

_OVERLAP_DASHES = ('-', '--', ':', '-.')


def plot_tiles(
    result: TilingResult, *, title: str | None = None
) -> tuple[Figure, Axes]:
    """Share of pixels that change class, by distance to the nearest border.

    Points stand between the edges of their bin.

    One line per window and overlap: colour and marker tell the window, dashes
    the overlap, least to most. Bars are standard errors over images.

    Args:
        result (TilingResult): What tiles change.
        title (str, optional): Title of the figure; None for none.

    Returns:
        tuple[Figure, Axes]: The figure, as wide as a column of a paper, and
        its axes.
    """
    mean, error = result.by_distance()
    shown = np.flatnonzero(result.pixels.sum(axis=(0, 1)))
    windows = sorted({tiling.window for tiling in result.tilings})
    with style():
        rows = len(result.tilings)
        fig = Figure(figsize=(COLUMN_WIDTH, 2.5 + 0.08 * rows), dpi=150)
        fig.set_layout_engine('constrained')
        ax = fig.subplots()
        for number, tiling in enumerate(result.tilings):
            place = windows.index(tiling.window)
            same = [t for t in result.tilings if t.window == tiling.window]
            color, marker = SERIES_STYLES[place % len(SERIES_STYLES)]
            share = 100 * mean[number, shown]
            bars = np.nan_to_num(100 * error[number, shown])
            ax.errorbar(
                np.arange(len(shown)),
                share,
                yerr=(np.fmin(bars, share), bars),  # none below zero
                label=f'{tiling.window} px, stride {tiling.stride}',
                color=color,
                marker=marker,
                linestyle=_OVERLAP_DASHES[
                    same.index(tiling) % len(_OVERLAP_DASHES)
                ],
                markersize=3,
                linewidth=1.1,
                elinewidth=0.8,
                clip_on=False,
            )
        edges = [result.edges[0], *(result.edges[i + 1] for i in shown)]
        ax.set_xticks(
            np.arange(len(edges)) - 0.5, [str(edge) for edge in edges]
        )
        ax.set(
            xlabel='distance to the nearest tile border (px)',
            ylabel='pixels that change class (%)',
        )
        ax.set_ylim(bottom=0)
        ax.grid(color='#dddddd', linewidth=0.5, axis='y')
        ax.spines[['top', 'right']].set_visible(False)
        fig.legend(
            loc='outside lower center', ncols=2, frameon=False, handlelength=3
        )
        if title is not None:
            ax.set_title(literal(title))
    return fig, ax
