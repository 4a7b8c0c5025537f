"""Marks over a map: the unit, the squares and the theoretical field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.transforms import Bbox

from ...core.results.erf_result import ERFResult
from ...core.statistics.centred_square import centred_square
from .normalization import LABELS
from .style import OUTLINE, SQUARE_LINES, THEORY_STYLE, UNIT_STYLE


def color_label(result: ERFResult, normalization: str) -> str:
    """Label of the colour bar: normalised contribution, or attention."""
    label = LABELS[normalization]
    if result.kind == 'erf':
        return label
    return label.replace('contribution', result.kind)


def square_sides(result: ERFResult) -> dict[float, int]:
    """Side of each share's square, px; none for attention or a zero map."""
    if result.kind != 'erf' or not result.map.any():
        return {}
    return {
        share: centred_square(result.map, share, result.center)
        for share in result.shares
    }


def draw_marks(
    ax: Axes, result: ERFResult, shares: Sequence[float] | None = None
) -> None:
    """Draw the squares, the theoretical field's box and the unit's cross.

    Each gets a label for the legend. A picture of attention gets no marks.

    Args:
        ax (Axes): Axes that show the map, one data unit per map pixel.
        result (ERFResult): The result to mark.
        shares (sequence of float, optional): Shares whose squares are drawn;
            None for all.
    """
    if result.kind != 'erf':  # attention is not about a unit
        return
    for share, side in square_sides(result).items():
        if shares is None or share in shares:
            color, dash = square_line(result, share)
            label = f'{share * 100:g} %: {side} px'
            _draw_square(ax, result, side, color, dash, label)
    if result.theory is not None:
        _draw_theory(ax, result)
    y, x = result.unit_pixel
    ax.plot(
        [x],
        [y],
        linestyle='none',
        label=_unit_label(result),
        path_effects=[OUTLINE],
        **UNIT_STYLE,
    )


def square_line(result: ERFResult, share: float) -> tuple[str, Any]:
    """Colour and dash of a share's square.

    With more shares than colours, the colours repeat with other dashes.
    """
    count = len(SQUARE_LINES)
    cycle, place = divmod(result.shares.index(share), count)
    color, _ = SQUARE_LINES[place]
    _, dash = SQUARE_LINES[(place + cycle) % count]
    return color, dash


def shows_theory(ax: Axes) -> bool:
    """Whether an edge of the theoretical field's box is inside the axes."""
    (left, right), (low, high) = ax.get_xlim(), sorted(ax.get_ylim())
    visible = Bbox.from_extents(left, low, right, high)
    parts = [
        Bbox.intersection(visible, patch.get_bbox())
        for patch in ax.patches
        if isinstance(patch, Rectangle) and patch.get_gid() == 'theory'
    ]
    return any(
        part is not None and not np.array_equal(part.extents, visible.extents)
        for part in parts
    )


def _draw_square(
    ax: Axes, result: ERFResult, side: int, color: str, dash: Any, label: str
) -> None:
    """Draw a square clipped to the map, as the statistic clips it."""
    reach = side // 2
    (top, bottom), (left, right) = [
        (max(c - reach, 0), min(c + reach, length - 1))
        for c, length in zip(result.center, result.map.shape, strict=True)
    ]
    box = _pixel_box(top, bottom, left, right)
    box.set(edgecolor=color, linestyle=dash, linewidth=1.1)
    ax.add_patch(box)
    ax.add_line(
        Line2D([], [], color=color, linestyle=dash, linewidth=1.1, label=label)
    )


def _draw_theory(ax: Axes, result: ERFResult) -> None:
    """Draw the theoretical field's box; if it is no box, only label it."""
    assert result.theory is not None
    label = f'theory: {result.theory}'
    if result.theory.size is not None:
        label += ' px'
    limits = result.theory.box(result.unit_pixel)
    if limits is not None:
        box = _pixel_box(*limits)
        box.set(gid='theory', **THEORY_STYLE)
        box.set_edgecolor(THEORY_STYLE['color'])
        ax.add_patch(box)
    ax.add_line(Line2D([], [], label=label, **THEORY_STYLE))


def _pixel_box(
    top: float, bottom: float, left: float, right: float
) -> Rectangle:
    """Outline around whole pixels, from first to last row and column."""
    return Rectangle(
        (left - 0.5, top - 0.5),
        right - left + 1,
        bottom - top + 1,
        fill=False,
        path_effects=[OUTLINE],
    )


def _unit_label(result: ERFResult) -> str:
    y, x = (
        np.format_float_positional(c, 1, trim='-') for c in result.unit_pixel
    )
    assumed = '' if result.pixel_known else ', assumed'
    if 'centroid' in result.definition.get('average', ''):
        return f"regions' centroids{assumed}"
    if result.units > result.num_images:
        return f'units, aligned{assumed}'
    return f'unit at ({y}, {x}){assumed}'
