"""All layers in one nearly square picture, to be seen small: a viewer's card.

Without ticks, insets and colour bar: those are in the figures of the layers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from ..core.results.erf_result import ERFResult
from ..core.statistics import headline_shares
from .drawing.figure import Figure
from .drawing.marks import square_sides
from .drawing.normalization import normalize
from .drawing.style import SQUARE_LINES, UNIT_STYLE, style
from .drawing.text import wrap_text

_PANEL = 1.9  # inches
_WINDOW_MARGIN = 1.2  # of the largest square


def plot_contact_sheet(
    results: Mapping[str, ERFResult],
    *,
    normalization: str = 'power',
    cmap: str = 'inferno',
    title: str = '',
) -> tuple[Figure, np.ndarray]:
    """Maps of all layers, with the squares that hold two shares.

    All panels show the same window about their units, 1.2 times the largest
    square in one of them; its side is written behind the title. Above each
    panel stand the layer and the sides of its squares.

    Args:
        results (mapping of str to ERFResult): By layer, in drawing order.
        normalization (str): 'power', 'log10', 'sqrt' or 'linear'; each map is
            normalised by itself.
        cmap (str): Name of a matplotlib colour map.
        title (str): Over the figure; the window's side follows.

    Returns:
        tuple[Figure, np.ndarray]: The figure, and its axes in layer order,
        shape (results,).

    Raises:
        ConfigError: If the normalisation is unknown.
    """
    count = len(results)
    columns = max(min(count, 2), round(math.sqrt(count)))
    rows = -(-count // columns)
    window = _window(results)
    with style():
        fig = Figure(
            figsize=(_PANEL * columns, (_PANEL + 0.4) * rows + 0.3), dpi=110
        )
        fig.set_layout_engine('constrained')
        grid = fig.subplots(rows, columns, squeeze=False).ravel()
        for ax in grid:
            ax.set_axis_off()
        for ax, (layer, result) in zip(grid, results.items(), strict=False):
            ax.imshow(
                normalize(result.map, normalization),
                cmap=cmap,
                vmin=0,
                vmax=1,
                interpolation='nearest',
            )
            _draw_marks_small(ax, result, window)
            head = wrap_text(layer, _PANEL, 8.5, max_lines=1)
            ax.set_title(
                f'{head}\n{_sides_in_words(result)}',
                fontsize=8.5,
                parse_math=False,
            )
        shown = f'{window} px shown'
        fig.suptitle(
            f'{title}, {shown}' if title else shown,
            fontsize=9,
            parse_math=False,
        )
    return fig, grid[:count]


def _window(results: Mapping[str, ERFResult]) -> int:
    """Side of what every panel shows, px."""
    squares = [
        side
        for result in results.values()
        for side in _shown_sides(result).values()
    ]
    whole = max(max(result.map.shape) for result in results.values())
    if not squares:
        return whole
    return min(math.ceil(_WINDOW_MARGIN * max(squares)), whole)


def _draw_marks_small(ax: Axes, result: ERFResult, window: int) -> None:
    """The unit and two squares; then the window about the unit."""
    y, x = result.center
    looks = zip(_shown_sides(result).values(), SQUARE_LINES, strict=False)
    for side, (color, dash) in looks:
        corner = (x - side / 2, y - side / 2)
        ax.add_patch(
            Rectangle(
                corner,
                side,
                side,
                fill=False,
                edgecolor=color,
                linestyle=dash,
                linewidth=1.2,
            )
        )
    ax.plot([x], [y], linestyle='none', **UNIT_STYLE)
    height, width = result.map.shape
    half = window / 2
    ax.set_xlim(max(x - half, -0.5), min(x + half, width - 0.5))
    ax.set_ylim(min(y + half, height - 0.5), max(y - half, -0.5))


def _sides_in_words(result: ERFResult) -> str:
    """Sides of the two squares, or why there are none."""
    if result.kind != 'erf':
        return result.kind
    sides = _shown_sides(result)
    if not sides:
        return 'zero everywhere'
    return ', '.join(
        f'{share * 100:g} %: {side} px' for share, side in sides.items()
    )


def _shown_sides(result: ERFResult) -> dict[float, int]:
    """Sides of the two squares, px."""
    return square_sides(result, headline_shares(result.shares))
