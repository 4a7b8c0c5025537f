"""Lines of one quantity over the steps of a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from .drawing.style import LayerStyle, drawable

History = Sequence[Mapping]
_MAX_MARKERS = 12  # of a line


def draw_line(
    ax: Axes,
    records: History,
    look: LayerStyle,
    values: Sequence[float | None],
    errors: Sequence[float | None] = (),
    bounds: Sequence[bool] = (),
) -> Line2D:
    """Draw the values of a layer; a gap where a step has none.

    Args:
        ax (Axes): The panel of one quantity of one training.
        records: The layer's records.
        look (LayerStyle): The layer's.
        values: One value per record.
        errors: One standard error per record, if measured.
        bounds: Whether each value is only a lower bound; its marker is hollow.
    """
    number = len(ax.get_lines())  # that are drawn already
    lighter = 0.3 * number  # later lines are thinner
    steps = [r['step'] for r in records]
    every = -(-len(steps) // _MAX_MARKERS)
    y = np.array(values, dtype=float)
    (line,) = ax.plot(
        steps,
        y,
        color=look.color,
        marker=look.marker,
        markevery=(number % every, every),
        linestyle=look.dash,
        markersize=max(3.8 - lighter, 2.4),
        linewidth=max(1.8 - lighter, 0.8),
        label=drawable(records[0]['layer']),
    )
    if any(error is not None for error in errors):
        band = np.array(errors, dtype=float)
        ax.fill_between(
            steps,
            y - band,
            y + band,
            color=look.color,
            alpha=0.18,
            linewidth=0,
        )
    if any(bounds):
        marked = range(number % every, len(steps), every)
        _open_markers(ax, line, marked, bounds)
    return line


def _open_markers(
    ax: Axes, line: Line2D, marked: Sequence[int], bounds: Sequence[bool]
) -> None:
    """Open those of a line's markers whose value is only a lower bound."""
    shown = [i for i in marked if bounds[i]]
    if shown:
        steps, values = line.get_data()
        ax.scatter(
            np.asarray(steps)[shown],
            np.asarray(values)[shown],
            s=line.get_markersize() ** 2,
            marker=line.get_marker(),
            facecolors='white',
            edgecolors=line.get_color(),
            linewidths=0.9,
            zorder=line.get_zorder() + 0.1,
        )


def draw_ceiling(ax: Axes, history: History, largest: float) -> None:
    """Lines at the height and width of a training's images, if in sight."""
    sizes = {tuple(record.get('input_size') or ()) for record in history}
    for size in sorted({side for pair in sizes for side in pair}):
        if len(sizes) == 1 and size <= 2 * largest:
            ax.axhline(size, color='#888888', linestyle=':', linewidth=0.9)
            ax.annotate(
                f'image: {size} px',
                (0.0, size),
                xycoords=('axes fraction', 'data'),
                xytext=(2, 1),
                textcoords='offset points',
                va='bottom',
                fontsize=6.5,
                color='#666666',
            )
