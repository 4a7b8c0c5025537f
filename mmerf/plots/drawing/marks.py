"""What is drawn over a map: the unit, squares, the theoretical field."""

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
from .style import OUTLINE, SQUARES, THEORY, UNIT


def label_of(result: ERFResult, normalization: str) -> str:
    """What the colours are: the contribution, or the attention, as shown."""
    label = LABELS[normalization]
    if result.kind == 'erf':
        return label
    return label.replace('contribution', result.kind)


def sides_of(result: ERFResult) -> dict[float, int]:
    """Side of each share's square; none for a map that has none."""
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

    Every one is labelled for a legend.

    Args:
        ax (Axes): In which the map is drawn, in its own pixels.
        result (ERFResult): Whose marks.
        shares (sequence of float, optional): Only these squares.
    """
    if result.kind != 'erf':  # a picture of attention is about no unit
        return
    for share, side in sides_of(result).items():
        if shares is None or share in shares:
            color, dash = line_of(result, share)
            label = f'{share * 100:g} %: {side} px'
            _square(ax, result, side, color, dash, label)
    if result.theory is not None:
        _theory(ax, result)
    y, x = result.unit_pixel
    ax.plot(
        [x],
        [y],
        linestyle='none',
        label=_unit_label(result),
        path_effects=[OUTLINE],
        **UNIT,
    )


def line_of(result: ERFResult, share: float) -> tuple[str, Any]:
    """Colour and dash of a share's square; in each round, other pairs."""
    again, place = divmod(result.shares.index(share), len(SQUARES))
    return SQUARES[place][0], SQUARES[(place + again) % len(SQUARES)][1]


def shows_theory(ax: Axes) -> bool:
    """Whether a piece of a theoretical field's box is within the limits."""
    (left, right), (low, high) = ax.get_xlim(), sorted(ax.get_ylim())
    seen = Bbox.from_extents(left, low, right, high)
    parts = [
        Bbox.intersection(seen, patch.get_bbox())
        for patch in ax.patches
        if patch.get_gid() == 'theory'
    ]
    return any(
        part is not None and (part.extents != seen.extents).any()
        for part in parts
    )


def _square(
    ax: Axes, result: ERFResult, side: int, color: str, dash: Any, label: str
) -> None:
    """Outline of a square, clipped to the map as it is measured."""
    reach = side // 2
    (top, bottom), (left, right) = [
        (max(c - reach, 0), min(c + reach, length - 1))
        for c, length in zip(result.center, result.map.shape, strict=True)
    ]
    box = _outline(top, bottom, left, right)
    box.set(edgecolor=color, linestyle=dash, linewidth=1.1)
    ax.add_patch(box)
    ax.add_line(
        Line2D([], [], color=color, linestyle=dash, linewidth=1.1, label=label)
    )


def _theory(ax: Axes, result: ERFResult) -> None:
    """Box of the theoretical field; where it is none, only its words."""
    assert result.theory is not None
    label = f'theory: {result.theory}'
    if result.theory.size is not None:
        label += ' px'
    limits = result.theory.box(result.unit_pixel)
    if limits is not None:
        box = _outline(*limits)
        box.set(gid='theory', **THEORY)
        box.set_edgecolor(THEORY['color'])
        ax.add_patch(box)
    ax.add_line(Line2D([], [], label=label, **THEORY))


def _outline(
    top: float, bottom: float, left: float, right: float
) -> Rectangle:
    """Outline around whole pixels, the first and last of each axis given."""
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
