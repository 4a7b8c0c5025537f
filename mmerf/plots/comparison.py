"""Maps of several runs in one figure: a row per run, a column per layer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from ..core.results.erf_result import ERFResult
from .drawing.figure import Figure
from .drawing.marks import color_label
from .drawing.normalization import CMAP
from .drawing.panels import (
    draw_titles,
    panel_gap,
    panel_size,
    shared_colorbar,
    shared_legend,
    write_sides,
)
from .drawing.style import style
from .drawing.text import LINE_HEIGHT, wrap_text
from .map import draw_map

_MAX_NAME_LINES = 5  # of a run's name beside its row
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

    Each map is normalised to 0 to 1 by itself. Every panel shows the same
    extent in pixels about the unit, so that maps of different size are drawn
    to the same scale, the smaller ones with a grey margin. A panel whose
    layer the run does not have stays empty but for a note.

    Args:
        runs (mapping): Results by the run's name, then by layer; in drawing
            order.
        layers (sequence of str, optional): The columns; None for all layers.
        gaps (mapping of str to str, optional): By the name of a run without
            results, the reason to write in its row.
        normalization (str): 'power', 'log10', 'sqrt' or 'linear'.
        cmap (str): Name of a matplotlib colour map.
        title (str, optional): Title of the whole figure.

    Returns:
        tuple[Figure, np.ndarray]: The figure, and its axes, shape
        (runs, layers).

    Raises:
        ConfigError: If the normalisation is unknown.
    """
    known = list(dict.fromkeys(la for run in runs.values() for la in run))
    columns = list(layers or known)
    results = [run[la] for run in runs.values() for la in columns if la in run]
    shares = headline(results[0].shares)
    extent = _common_extent(results)
    gap = panel_gap(
        any(
            len({run[la].center[0] for la in columns if la in run}) > 1
            for run in runs.values()
        )
    )
    aspect = (extent[0] + extent[1]) / (extent[2] + extent[3])
    with style():
        labels, beside = _row_labels(runs, len(columns), aspect, gap)
        width, height, figure_width = panel_size(
            len(columns), aspect, gap, beside
        )
        fig = Figure(figsize=(figure_width, 1), dpi=150)
        fig.set_layout_engine('compressed')
        axes = fig.subplots(len(runs), len(columns), squeeze=False)
        inches_below = 0.0
        for row, (name, run) in zip(axes, runs.items(), strict=True):
            why = None if run else (gaps or {}).get(name)
            for ax, layer in zip(row, columns, strict=True):
                if layer not in run:
                    _draw_empty_panel(
                        ax, '' if why else 'no such layer', extent
                    )
                    continue
                result = run[layer]
                drawn = draw_map(
                    ax, result, normalization, cmap, shares=shares, inset=False
                )
                _set_extent(ax, result, extent)
                taken = write_sides(ax, result, shares, 1)
                inches_below = max(inches_below, taken)
                ax.set_ylabel('')
            row[0].set_ylabel(labels[name], fontsize=7.5, parse_math=False)
            if why:
                room = (
                    width * len(columns),
                    min(height, width * aspect) + 0.2,
                )
                _write_across(row[0], f'not measured: {why}', *room)
        inches_below *= len(runs)
        inches_below += 0.17 * _set_tick_labels(axes)
        inches_above = draw_titles(axes[0], columns, width)
        label = color_label(results[0], normalization)
        shared_colorbar(
            fig, drawn, list(axes.ravel()), label, height * len(runs)
        )
        margins = shared_legend(fig, axes.ravel(), results, shares)
        if title:
            fig.suptitle(title)
            margins += 0.2
        margins += inches_above + inches_below + 0.45
        fig.set_figheight((height + 0.15) * len(runs) + margins)
        fig.settle()
    return fig, axes


def headline(shares: Sequence[float]) -> list[float]:
    """The two shares whose squares small panels show.

    They are 0.5 and 0.99; if one was not measured, the first or the last
    share instead.
    """
    return sorted(
        {
            0.5 if 0.5 in shares else shares[0],
            0.99 if 0.99 in shares else shares[-1],
        }
    )


def _common_extent(results: Sequence[ERFResult]) -> tuple[float, ...]:
    """Largest distance from a unit to its map's edges, px.

    Returns:
        tuple[float, ...]: Above, below, to the left and to the right.
    """
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


def _set_extent(
    ax: Axes, result: ERFResult, extent: tuple[float, ...]
) -> None:
    """Show this extent about the unit, grey outside the map."""
    above, below, left, right = extent
    y, x = result.center
    ax.set_xlim(x - left, x + right)
    ax.set_ylim(y + below, y - above)
    ax.set_facecolor('#b0b0b0')


def _draw_empty_panel(ax: Axes, text: str, extent: tuple[float, ...]) -> None:
    """Draw a text in a panel of the others' form; its row's label stays."""
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


def _set_tick_labels(axes: np.ndarray) -> int:
    """Show tick labels at every panel if scales differ, else at the edge.

    Returns:
        int: Rows with tick labels below them.
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


def _write_across(ax: Axes, text: str, width: float, height: float) -> None:
    """Write a sentence across a row of panels, in a box of inches."""
    written = ax.text(
        0,
        0.5,
        wrap_text(
            text, width, 8, max_lines=max(int(height / (8 * LINE_HEIGHT)), 1)
        ),
        transform=ax.transAxes,
        va='center',
        parse_math=False,
    )
    written.set_in_layout(False)
    ax.set_zorder(2)  # over the empty panels beside it


def _row_labels(
    names: Iterable[str], columns: int, aspect: float, gap: float
) -> tuple[dict[str, str], float]:
    """Labels of the rows by name, and inches for lines beyond the first."""
    width, height, _ = panel_size(columns, aspect, gap)
    room = min(height, width * aspect) + 0.25
    labels = {name: _row_label(name, room) for name in names}
    extra = max(label.count('\n') for label in labels.values())
    return labels, extra * 7.5 * LINE_HEIGHT


def _row_label(name: str, room: float) -> str:
    """A run's name; if it is long, one line per setting in it."""
    label = wrap_text(name, room, 7.5)
    if '\n' not in label:
        return label
    settings = re.split(r'(?<=,) (?=[\w.]+=)', name)
    label = '\n'.join(wrap_text(part, room, 7.5) for part in settings)
    if label.count('\n') < _MAX_NAME_LINES:
        return label
    return wrap_text(name, room, 7.5, max_lines=_MAX_NAME_LINES)
