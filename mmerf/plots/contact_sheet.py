"""All layers in one nearly square picture, to be seen small: a viewer's card.

Without ticks, insets and colour bar: those are in the figures of the layers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from ..core.results.erf_result import ERFResult
from .drawing.figure import Figure
from .drawing.marks import draw_marks, drawn_shares, side_texts
from .drawing.normalization import normalize
from .drawing.style import style
from .drawing.text import wrap_text
from .drawing.view import common_view
from .numbers_below import some_fields_missing, theory_text

_PANEL = 1.9  # inches


def plot_contact_sheet(
    results: Mapping[str, ERFResult],
    *,
    normalization: str = 'power',
    cmap: str = 'inferno',
    title: str = '',
) -> tuple[Figure, np.ndarray]:
    """Maps of all layers, with the squares that hold two shares.

    All panels show as much about their units, as ``common_view`` chooses it;
    its side is written behind the title. Above each panel stand the layer and
    the sides of its squares; and its theoretical field, where a box of it is
    seen in some panels only.

    Args:
        results (mapping of str to ERFResult): By layer, in drawing order.
        normalization (str): 'power', 'log10', 'sqrt' or 'linear'; each map is
            normalised by itself.
        cmap (str): Name of a matplotlib colour map.
        title (str): Over the figure; the view's side follows.

    Returns:
        tuple[Figure, np.ndarray]: The figure, and its axes in layer order,
        shape (results,).

    Raises:
        ConfigError: If the normalisation is unknown.
    """
    count = len(results)
    columns = max(min(count, 2), round(math.sqrt(count)))
    rows = -(-count // columns)
    view = common_view(results.values())
    with style():
        fig = Figure(
            figsize=(_PANEL * columns, (_PANEL + 0.4) * rows + 0.3), dpi=110
        )
        fig.set_layout_engine('constrained')
        grid = fig.subplots(rows, columns, squeeze=False).ravel()
        for ax in grid:
            ax.set_axis_off()
        for ax, result in zip(grid, results.values(), strict=False):
            ax.imshow(
                normalize(result.map, normalization),
                cmap=cmap,
                vmin=0,
                vmax=1,
                interpolation='nearest',
            )
            if result.map.any():
                draw_marks(ax, result, drawn_shares(result))
            view.show(ax, result)
        panels = list(zip(grid, results.values(), strict=False))
        missing = some_fields_missing(panels)
        for layer, (ax, result) in zip(results, panels, strict=True):
            head = wrap_text(layer, _PANEL, 8.5, max_lines=1)
            lines = [head, _sides_in_words(result)]
            if missing and result.kind == 'erf':
                lines.append(f'theory: {theory_text(ax, result)}')
            ax.set_title('\n'.join(lines), fontsize=8.5, parse_math=False)
        shown = f'{max(view.size)} px shown'
        fig.suptitle(
            f'{title}, {shown}' if title else shown,
            fontsize=9,
            parse_math=False,
        )
    return fig, grid[:count]


def _sides_in_words(result: ERFResult) -> str:
    """Sides of the two squares, or why there are none."""
    if result.kind != 'erf':
        return result.kind
    sides = side_texts(result, drawn_shares(result))
    if not sides:
        return 'zero everywhere'
    return ', '.join(
        f'{share * 100:g} %: {side} px' for share, side in sides.items()
    )
