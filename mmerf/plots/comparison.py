"""Runs down, layers across, on one scale."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from ..core.results.erf_result import ERFResult
from .drawing.figure import Figure
from .drawing.marks import label_of
from .drawing.panels import (
    gap_between,
    panel_size,
    shared_bar,
    shared_legend,
    sides_below,
    titles,
)
from .drawing.style import CMAP, style
from .drawing.text import LINE, wrapped
from .map import draw_map

_LINES = 5  # of a run's name beside its row
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
    between = gap_between(
        any(
            len({run[la].center[0] for la in columns if la in run}) > 1
            for run in runs.values()
        )
    )
    tall = (extent[0] + extent[1]) / (extent[2] + extent[3])
    with style():
        names, beside = _row_labels(runs, len(columns), tall, between)
        width, height, across = panel_size(len(columns), tall, between, beside)
        fig = Figure(figsize=(across, 1), dpi=150)
        fig.set_layout_engine('compressed')
        axes = fig.subplots(len(runs), len(columns), squeeze=False)
        below = 0.0
        for row, (name, run) in zip(axes, runs.items(), strict=True):
            why = None if run else (gaps or {}).get(name)
            for ax, layer in zip(row, columns, strict=True):
                if layer not in run:
                    _gap(ax, '' if why else 'no such layer', extent)
                    continue
                result = run[layer]
                shown = draw_map(
                    ax, result, normalization, cmap, shares=shares, inset=False
                )
                _same_extent(ax, result, extent)
                below = max(below, sides_below(ax, result, shares, 1))
                ax.set_ylabel('')
            row[0].set_ylabel(names[name], fontsize=7.5, parse_math=False)
            if why:
                room = (width * len(columns), min(height, width * tall) + 0.2)
                _say(row[0], f'not measured: {why}', *room)
        below *= len(runs)
        below += 0.17 * _label_pixels(axes)
        above = titles(axes[0], columns, width)
        label = label_of(every[0], normalization)
        shared_bar(fig, shown, list(axes.ravel()), label, height * len(runs))
        under = shared_legend(fig, axes.ravel(), every, shares)
        if title:
            fig.suptitle(title)
            under += 0.2
        under += above + below + 0.45
        fig.set_figheight((height + 0.15) * len(runs) + under)
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


def _label_pixels(axes: np.ndarray) -> int:
    """Numbers at every panel where scales differ, else at the edge.

    Returns:
        int: Rows with numbers below.
    """
    rows = set()
    for column in axes.T:
        drawn = [i for i, ax in enumerate(column) if ax.get_images()]
        differ = len({column[i].get_xlim() for i in drawn}) > 1
        for i in drawn:
            column[i].tick_params(labelbottom=differ or i == drawn[-1])
        rows.update(drawn if differ else drawn[-1:])
    for row in axes:
        panels = [ax for ax in row if ax.get_images()]
        differ = len({ax.get_ylim() for ax in panels}) > 1
        for ax in panels:
            ax.tick_params(labelleft=differ or ax is panels[0])
    return len(rows)


def _say(ax: Axes, text: str, width: float, height: float) -> None:
    """A sentence across a row of panels, of a size in inches."""
    said = ax.text(
        0,
        0.5,
        wrapped(text, width, 8, most=max(int(height / (8 * LINE)), 1)),
        transform=ax.transAxes,
        va='center',
        parse_math=False,
    )
    said.set_in_layout(False)
    ax.set_zorder(2)  # over the empty panels beside it


def _row_labels(
    names: Iterable[str], columns: int, tall: float, between: float
) -> tuple[dict[str, str], float]:
    """Names beside their rows, and inches for lines beyond the first."""
    width, height, _ = panel_size(columns, tall, between)
    room = min(height, width * tall) + 0.25
    labels = {name: _row_label(name, room) for name in names}
    more = max(label.count('\n') for label in labels.values())
    return labels, more * 7.5 * LINE


def _row_label(name: str, room: float) -> str:
    """A run's name, if long with its settings on lines of their own."""
    label = wrapped(name, room, 7.5)
    if '\n' not in label:
        return label
    settings = re.split(r'(?<=,) (?=[\w.]+=)', name)
    label = '\n'.join(wrapped(part, room, 7.5) for part in settings)
    if label.count('\n') < _LINES:
        return label
    return wrapped(name, room, 7.5, most=_LINES)
