"""Deletion curves of attributions, and how faithful each is."""

from __future__ import annotations

import numpy as np

from ..core.context.ranking import RankingResult
from ..core.results.over_images import mean_and_stderr
from .drawing.figure import Figure
from .drawing.panels import BARS, add_foot
from .drawing.style import COLUMN_WIDTH, SERIES_STYLES, drawable, style

_RANDOM_STYLE: dict = {'color': '#777777', 'linestyle': '--', 'linewidth': 1.2}
_LONGEST_LABEL = 26  # characters beside the axis


def plot_ranking(result: RankingResult) -> tuple[Figure, np.ndarray]:
    """Change by the share of replaced patches, and the areas above chance.

    Upper panel: how much the score changes as patches are replaced in each
    map's own order; dashed, in random order. Lower panel: the area between
    the two, the most faithful attribution first; bars are standard errors
    over images.

    Args:
        result (RankingResult): The ranking.

    Returns:
        tuple[Figure, np.ndarray]: The figure, as wide as a column of a
        paper, and its two axes.
    """
    rows = result.ranked()
    with style():
        height = 2.1 + 0.5 + 0.22 * len(rows)
        fig = Figure(figsize=(COLUMN_WIDTH, height), dpi=150)
        fig.set_layout_engine('constrained')
        ratios = [2.1, 0.3 + 0.22 * len(rows)]
        axes = fig.subplots(2, 1, height_ratios=ratios)
        shares = 100 * np.array(result.fractions)
        axes[0].plot(
            shares, result.random.mean(axis=0), zorder=3, **_RANDOM_STYLE
        )
        for place, row in enumerate(rows):
            index = result.names.index(row['name'])
            color, marker = SERIES_STYLES[place % len(SERIES_STYLES)]
            shown = {'color': color, 'marker': marker, 'markersize': 3.5}
            mean, _ = mean_and_stderr(result.own[index])
            axes[0].plot(shares, mean, linewidth=1.0, **shown)
            axes[1].errorbar(
                row['faithfulness'],
                place,
                xerr=row['stderr'],
                capsize=2,
                **shown,
            )
        axes[0].set(
            xlabel='patches replaced (%)',
            ylabel='change of the logit\n(standard deviations)',
        )
        if shares[0]:
            axes[0].set_xscale('log')
            axes[0].xaxis.set_major_formatter('{x:g}')
        axes[0].set_xlim(shares[0], 100)
        axes[0].set_ylim(bottom=0)
        axes[0].set_title(drawable(result.layer), parse_math=False)
        names = [_short(row['name']) for row in rows]
        axes[1].set_yticks(range(len(rows)), names, parse_math=False)
        axes[1].set_ylim(len(rows) - 0.5, -0.5)
        axes[1].set_xlabel('area above random order, dashed')
        axes[1].axvline(0, zorder=1, **_RANDOM_STYLE)
        for ax in axes:
            ax.grid(color='#dddddd', linewidth=0.5)
            ax.spines[['top', 'right']].set_visible(False)
        if any(row['stderr'] is not None for row in rows):
            add_foot(fig, BARS)
    return fig, axes


def _short(name: str) -> str:
    text = drawable(name)
    if len(text) <= _LONGEST_LABEL:
        return text
    return text[: _LONGEST_LABEL - 3] + '...'
