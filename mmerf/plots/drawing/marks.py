"""Marks over a map: unit, squares, theoretical field, and a scale bar."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.transforms import blended_transform_factory

from ...core.results.erf_result import ERFResult
from ...core.statistics import headline_shares
from ...core.statistics.centred_square import centred_square, reaches_edge
from ...core.statistics.texts import lower_bound
from .look import Look
from .normalization import ABSOLUTE_LABELS, LABELS
from .style import (
    CONTOUR_LINES,
    LIGHT_OUTLINE,
    OUTLINE,
    SQUARE_LINES,
    THEORY_STYLE,
    UNIT_STYLE,
)

_LONGEST_BAR = 0.35  # of the panel's width

SquareLine = tuple[str, str]  # colour and dash


def color_label(result: ERFResult, look: Look) -> str:
    """Label of the colour bar: contribution or attention, its scale."""
    labels = LABELS if look.colorbars == 'shared' else ABSOLUTE_LABELS
    label = labels[look.normalization]
    if result.kind == 'erf':
        return label
    return label.replace('contribution', result.kind)


def drawn_shares(result: ERFResult, look: Look | None = None) -> list[float]:
    """Shares whose squares a figure shows.

    0.5 and 0.99 where measured; with contours all shares, the smallest
    first.
    """
    if look is not None and look.contours:
        return sorted(result.shares)
    return headline_shares(result.shares)


def square_lines(shares: Sequence[float]) -> dict[float, SquareLine]:
    """Colour and dash of each share's square; the usual two keep theirs."""
    usual = headline_shares(shares) if shares else []
    lines = dict(zip(usual, SQUARE_LINES, strict=False))
    others = cycle(CONTOUR_LINES)
    return {share: lines.get(share) or next(others) for share in shares}


def square_sides(
    result: ERFResult, shares: Sequence[float]
) -> dict[float, int]:
    """Side of each share's square, px; none for attention or a zero map."""
    if result.kind != 'erf' or not result.map.any():
        return {}
    return {
        share: centred_square(result.map, share, result.center)
        for share in shares
    }


def side_texts(result: ERFResult, shares: Sequence[float]) -> dict[float, str]:
    """The same as people read them: such as ``'25'``, or ``'≥ 127'``.

    A square that reaches the edge of an image is only a lower bound.
    """
    return {
        share: lower_bound(
            side,
            reaches_edge(
                result.map.shape, side, result.center, result.common_frame
            ),
        )
        for share, side in square_sides(result, shares).items()
    }


def draw_marks(
    ax: Axes,
    result: ERFResult,
    shares: Sequence[float],
    color: str | None = None,
) -> None:
    """Draw the squares, the theoretical field's box and the unit's cross.

    Each gets a label for the legend. A picture of attention gets no marks.

    Args:
        ax (Axes): Axes that show the map, one data unit per map pixel.
        result (ERFResult): The result to mark.
        shares (sequence of float): Whose squares are drawn.
        color (str, optional): The layer's, for its squares; None for the
            colours of the shares.
    """
    if result.kind != 'erf':  # attention is not about a unit
        return
    draw_squares(ax, result, shares, color)
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


def draw_squares(
    ax: Axes,
    result: ERFResult,
    shares: Sequence[float],
    color: str | None = None,
) -> None:
    """Draw the square of each share, with a label for the legend."""
    sides, texts = square_sides(result, shares), side_texts(result, shares)
    for share, line in square_lines(list(sides)).items():
        label = f'{share * 100:g} %: {texts[share]} px'
        box = _draw_square(ax, result, sides[share], line, label)
        if color is not None:
            box[0].set(edgecolor=color, linewidth=1.8)
            box[0].set_path_effects([LIGHT_OUTLINE])
            box[1].set_color(color)
        for part in box:
            part.set_gid(f'square {share}')


def is_seen(ax: Axes, gid: str) -> bool:
    """Whether an edge of a box that was drawn lies inside the axes.

    Args:
        ax (Axes): The panel.
        gid (str): ``'theory'``, or ``'square 0.5'`` for a share's square.
    """
    left, right = sorted(ax.get_xlim())
    low, high = sorted(ax.get_ylim())
    for patch in ax.patches:
        if isinstance(patch, Rectangle) and patch.get_gid() == gid:
            x0, y0, x1, y1 = patch.get_bbox().extents
            beside = any(left <= x <= right for x in (x0, x1))
            over = any(low <= y <= high for y in (y0, y1))
            if (beside and y0 <= high and y1 >= low) or (
                over and x0 <= right and x1 >= left
            ):
                return True
    return False


def _draw_square(
    ax: Axes, result: ERFResult, side: int, line: SquareLine, label: str
) -> tuple[Rectangle, Line2D]:
    """Draw a square clipped to the map, as the statistic clips it.

    Returns:
        tuple[Rectangle, Line2D]: The square, and what the legend names.
    """
    color, dash = line
    reach = side // 2
    (top, bottom), (left, right) = [
        (max(c - reach, 0), min(c + reach, length - 1))
        for c, length in zip(result.center, result.map.shape, strict=True)
    ]
    box = _pixel_box(top, bottom, left, right)
    box.set(edgecolor=color, linestyle=dash, linewidth=1.1)
    ax.add_patch(box)
    named = Line2D([], [], color=color, linewidth=1.1)
    named.set(linestyle=dash, label=label)
    ax.add_line(named)
    return box, named


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
    ax.add_line(Line2D([], [], label=label, gid='theory', **THEORY_STYLE))


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
    return f'output unit at ({y}, {x}){assumed}'


def round_length(width: float) -> int:
    """The largest of 1, 2, 5, 10, ... px of at most 0.35 of a width.

    Example:
        >>> round_length(128), round_length(1404)
        (20, 200)
    """
    room = max(_LONGEST_BAR * width, 1)
    ten = 10 ** math.floor(math.log10(room))
    return int(ten * max(step for step in (1, 2, 5) if step * ten <= room))


def add_scale_bar(ax: Axes) -> None:
    """Draw a bar with its length into the lower left corner of a panel."""
    left, right = ax.get_xlim()
    length = round_length(right - left)
    zero = np.mean(ax.get_images()[-1].to_rgba(np.zeros(1))[0, :3])
    ink: dict[str, Any] = {'color': 'white', 'path_effects': [OUTLINE]}
    if zero > 0.5:  # a light ground
        ink = {'color': '#222222'}
    start = left + 0.04 * (right - left)
    place = blended_transform_factory(ax.transData, ax.transAxes)
    ax.add_line(
        Line2D(
            [start, start + length],
            [0.05, 0.05],
            transform=place,
            linewidth=1.8,
            solid_capstyle='butt',
            gid='scale bar',
            zorder=6,
            **ink,
        )
    )
    ax.annotate(
        f'{length} px',
        (start + length, 0.05),
        xycoords=place,
        xytext=(3, 0),
        textcoords='offset points',
        va='center_baseline',
        fontsize=6,
        zorder=6,
        **ink,
    )
