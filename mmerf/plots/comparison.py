"""Runs down, layers across, on one scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap

import numpy as np
from matplotlib.axes import Axes

from ..core.result import ERFResult
from .figure import Figure
from .map import draw_map
from .marks import label_of
from .panels import (
    figure_width,
    panel_size,
    shared_bar,
    shared_legend,
    sides_below,
    wrapped,
)
from .style import CMAP, style

Runs = Mapping[str, Mapping[str, ERFResult]]


def plot_comparison(
    runs: Runs,
    *,
    layers: Sequence[str] | None = None,
    gaps: Mapping[str, str] | None = None,
    normalization: str = 'power',
    cmap: str = CMAP,
    title: str | None = None,
) -> tuple[Figure, np.ndarray]:
    """Maps of several runs, each run a row and each layer a column.

    Normalised values share 0 to 1. Every panel shows the same extent in
    pixels about the unit, so that maps of different size are drawn to the
    same scale, the smaller ones with a grey margin. What a run does not have
    stays empty and says so.

    Args:
        runs (mapping): By name, then by layer; in drawing order.
        layers (sequence of str, optional): The columns; None for all.
        gaps (mapping, optional): Of runs without results, why; without it
            they have no such layer.
        normalization (str): 'power', 'log10', 'sqrt' or 'linear'.
        cmap (str): Any matplotlib colour map.
        title (str, optional): Over the whole figure.

    Returns:
        tuple[Figure, np.ndarray]: The figure, and its axes (runs, layers).
    """
    known = list(dict.fromkeys(la for run in runs.values() for la in run))
    columns = list(layers or known)
    every = [run[la] for run in runs.values() for la in columns if la in run]
    shares = headline(every[0].shares)
    extent = _extent(every)
    width, height = panel_size(
        len(columns), (extent[0] + extent[1]) / (extent[2] + extent[3])
    )
    with style():
        fig = Figure(
            figsize=(
                figure_width(len(columns), width),
                (height + 0.42) * len(runs) + 0.65,
            ),
            dpi=150,
        )
        fig.set_layout_engine('compressed')
        axes = fig.subplots(len(runs), len(columns), squeeze=False)
        for row, (name, run) in zip(axes, runs.items(), strict=True):
            why = None if run else (gaps or {}).get(name)
            last = row[0] is axes[-1, 0]
            for ax, layer in zip(row, columns, strict=True):
                if layer not in run:
                    _gap(ax, '' if why else 'no such layer', extent)
                    continue
                result = run[layer]
                shown = draw_map(
                    ax, result, normalization, cmap, shares=shares, inset=False
                )
                _same_extent(ax, result, extent)
                sides_below(ax, result, shares, per_line=1)
                ax.set_ylabel('')
                ax.tick_params(labelleft=ax is row[0], labelbottom=last)
            row[0].set_ylabel(_wrapped_name(name, height), fontsize=7.5)
            if why:
                _say(row[0], f'not measured: {why}', width * len(columns))
        for ax, layer in zip(axes[0], columns, strict=True):
            ax.set_title(wrapped(layer, width))
        label = label_of(every[0], normalization)
        shared_bar(fig, shown, list(axes.ravel()), label)
        shared_legend(fig, every, shares)
        if title:
            fig.suptitle(title)
        fig.settle()
    return fig, axes


def headline(shares: Sequence[float]) -> list[float]:
    """The two squares that fit into small panels: 50 % and 99 %, or so."""
    return sorted(
        {
            0.5 if 0.5 in shares else shares[0],
            0.99 if 0.99 in shares else shares[-1],
        }
    )


def _extent(results: Sequence[ERFResult]) -> tuple[float, ...]:
    """Furthest map edge above, below, left and right of any unit, px."""
    reaches = [
        (
            result.center[0] + 0.5,
            result.map.shape[0] - result.center[0] - 0.5,
            result.center[1] + 0.5,
            result.map.shape[1] - result.center[1] - 0.5,
        )
        for result in results
    ]
    return tuple(max(reach) for reach in zip(*reaches, strict=True))


def _same_extent(
    ax: Axes, result: ERFResult, extent: tuple[float, ...]
) -> None:
    above, below, left, right = extent
    y, x = result.center
    ax.set_xlim(x - left, x + right)
    ax.set_ylim(y + below, y - above)
    ax.set_facecolor('#b0b0b0')


def _gap(ax: Axes, text: str, extent: tuple[float, ...]) -> None:
    """An empty panel of the others' form, that keeps its row's label."""
    above, below, left, right = extent
    ax.set(xticks=[], yticks=[], aspect='equal')
    ax.set(xlim=(0, left + right), ylim=(above + below, 0))
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.text(
        0.5,
        0.5,
        text,
        transform=ax.transAxes,
        ha='center',
        va='center',
        color='#555555',
    )


def _say(ax: Axes, text: str, width: float) -> None:
    """A sentence across a row of panels, of a width in inches."""
    lines = wrap(text, int(14 * width))
    said = ax.text(
        0,
        0.5,
        '\n'.join(lines),
        transform=ax.transAxes,
        va='center',
        parse_math=False,
    )
    said.set_in_layout(False)
    ax.set_zorder(2)  # over the empty panels beside it


def _wrapped_name(name: str, height: float) -> str:
    """A run's name beside its row: settings on lines of their own."""
    longest = max(int(height * 18), 10)
    if len(name) <= longest:
        return name
    parts = name.split(', ')
    parts = [part + ',' for part in parts[:-1]] + parts[-1:]
    return '\n'.join(
        line
        for part in parts
        for line in wrap(part, longest, break_long_words=False)
    )
