"""Context curves: flips and changes by the side of a square."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from ..core.context.result import ContextResult
from .drawing.figure import Figure
from .drawing.panels import BARS, add_foot
from .drawing.style import COLUMN_WIDTH, SERIES_STYLES, literal, style

_WAYS = (
    ('keep', 'only the square is kept', SERIES_STYLES[0]),
    ('replace', 'only the square is replaced', SERIES_STYLES[1]),
)
_MASS_STYLE: dict[str, Any] = {
    'color': '#000000',
    'linestyle': '--',
    'linewidth': 1.0,
}
_TEXTS_APART = 0.3  # least distance of two marks' names, of the axis
_BEYOND = 0.03  # of the axis, before its first side and after its last
_APART = 0.1  # least distance of two ticks, of the axis


def plot_context(
    result: ContextResult, *, title: str | None = None
) -> tuple[Figure, np.ndarray]:
    """Flips, and changes of the score, by the side of the square.

    Upper panel: the share of units whose class flips where only the square
    about the unit is kept, and where only it is replaced; dashed, the share
    of the ERF in the square. Lower panel: how much the score changes, in
    standard deviations of its channel. Bars are standard errors over images.
    Vertical lines are the sides that hold 50 and 99 % of the ERF.

    Args:
        result (ContextResult): The curves.
        title (str, optional): Title of the figure; None for the layer's key.

    Returns:
        tuple[Figure, np.ndarray]: The figure, as wide as a column of a
        paper, and its two axes.
    """
    sides = np.array(result.sides)
    with style():
        fig = Figure(figsize=(COLUMN_WIDTH, 3.9), dpi=150)
        fig.set_layout_engine('constrained')
        axes = fig.subplots(2, 1, sharex=True)
        for ax, name, scale in zip(
            axes, ('flips', 'change'), (100, 1), strict=True
        ):
            for way, label, (color, marker) in _WAYS:
                mean, error = result.curve(f'{way}_{name}')
                ax.errorbar(
                    sides,
                    scale * mean,
                    yerr=scale * error if np.isfinite(error).all() else None,
                    label=label,
                    color=color,
                    marker=marker,
                    markersize=3,
                    linewidth=1.1,
                    elinewidth=0.8,
                    clip_on=False,
                )
            ax.grid(color='#dddddd', linewidth=0.5, axis='y')
            ax.spines[['top', 'right']].set_visible(False)
        if len(result.mass):
            _draw_mass(axes[0], result)
        _mark_erf_sides(axes, result)
        axes[0].set(ylabel='units whose class\nchanges (%)', ylim=(0, 102))
        axes[1].set(
            ylabel='change of the logit\n(standard deviations)',
            xlabel='side of the square about the unit (px)',
        )
        axes[1].set_ylim(bottom=0)
        _side_axis(axes[1], result.sides)
        fig.legend(
            *axes[0].get_legend_handles_labels(),
            loc='outside lower center',
            ncols=1,
            frameon=False,
        )
        if any(bar.has_yerr for bar in axes[0].containers):
            add_foot(fig, BARS)
        axes[0].set_title(
            literal(result.layer if title is None else title), pad=14
        )
    return fig, axes


def _draw_mass(ax: Axes, result: ContextResult) -> None:
    every = 2 * np.arange(len(result.mass)) + 1
    shown = (every >= result.sides[0]) & (every <= result.sides[-1])
    ax.plot(
        every[shown],
        100 * result.mass[shown],
        label='share of the ERF in the square',
        zorder=1.5,
        **_MASS_STYLE,
    )


def _mark_erf_sides(axes: np.ndarray, result: ContextResult) -> None:
    """Vertical lines where the ERF's shares are, named above the panels."""
    marks: dict[float, list[str]] = {}
    for share, entry in (result.erf_sides or {}).items():
        if result.sides[0] <= entry['side'] <= result.sides[-1]:
            percent = f'{float(share) * 100:g}'
            marks.setdefault(entry['side'], []).append(percent)
    for side in marks:
        for ax in axes:
            ax.axvline(side, color='#999999', linewidth=0.7, zorder=1)
    reach = math.log(result.sides[-1] / result.sides[0])
    if marks and math.log(max(marks) / min(marks)) < _TEXTS_APART * reach:
        middle = math.sqrt(max(marks) * min(marks))
        marks = {middle: [one for shares in marks.values() for one in shares]}
    for place, shares in marks.items():
        axes[0].annotate(
            f'{" and ".join(shares)} % of ERF',
            (place, 1.0),
            xycoords=('data', 'axes fraction'),
            xytext=(0, 1),
            textcoords='offset points',
            ha='center',
            va='bottom',
            fontsize=7,
            color='#555555',
        )


def _side_axis(ax: Axes, sides: tuple[int, ...]) -> None:
    ax.set_xscale('log')
    ticks = [sides[-1]]
    for side in reversed(sides):  # none so near that numbers would meet
        room = math.log(ticks[-1] / side)
        if room >= _APART * math.log(sides[-1] / sides[0]) and room:
            ticks.append(side)
    ax.set_xticks(ticks, [str(side) for side in ticks])
    ax.xaxis.set_minor_locator(NullLocator())
    if len(sides) > 1:
        beyond = (sides[-1] / sides[0]) ** _BEYOND
        ax.set_xlim(sides[0] / beyond, sides[-1] * beyond)
