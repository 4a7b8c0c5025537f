"""One layer's map as a finished figure."""

from __future__ import annotations

from textwrap import wrap
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from ..core.result import ERFResult
from ..core.statistics.centred_square import centred_square
from .normalization import LABELS, normalize
from .style import CMAP, SQUARES, style

_OUTLINE = withStroke(linewidth=2.6, foreground='#00000070')

_SMALL = 8  # a square is small where it fits so often into the map


def plot_map(
    result: ERFResult,
    *,
    normalization: str = 'power',
    cmap: str = CMAP,
    title: str | None = None,
) -> tuple[Figure, Axes]:
    """Map with colour bar, the unit, and the squares that hold the shares.

    Args:
        result (ERFResult): What was measured.
        normalization (str): 'power', 'log10', 'sqrt' or 'linear'.
        cmap (str): Any matplotlib colour map.
        title (str, optional): None for the layer's name.

    Returns:
        tuple[Figure, Axes]: A figure of its own, not known to pyplot.
    """
    height, width = result.map.shape
    panel = 3.4 * min(max(height / width, 0.4), 1.8)
    with style():
        fig = Figure(figsize=(4.6, panel + 1.15), dpi=120)
        fig.set_layout_engine('constrained', rect=(0, 0, 1, 0.985))
        ax = fig.add_subplot()
        image = draw_map(ax, result, normalization, cmap)
        text = result.layer if title is None else title
        ax.set_title('\n'.join(wrap(text, 48)))
        bar = fig.colorbar(image, ax=ax, shrink=0.9, pad=0.02)
        bar.set_label(label_of(result, normalization))
        handles = ax.get_legend_handles_labels()[0]
        if not handles:  # a picture of attention
            return fig, ax
        fig.legend(
            handles=handles,
            loc='outside lower center',
            ncols=2,
            frameon=True,
            facecolor='#3b3b45',
            labelcolor='white',
            edgecolor='none',
            columnspacing=1.2,
        )
    return fig, ax


def draw_map(
    ax: Axes,
    result: ERFResult,
    normalization: str = 'power',
    cmap: str = CMAP,
) -> Any:
    """Draw a map, its unit and its squares into existing axes.

    Where squares are small beside the map, an inset enlarges them.

    Returns:
        matplotlib.image.AxesImage: The map's image, scaled 0 to 1.
    """
    picture = normalize(result.map, normalization)
    sides = _sides(result)
    image = _draw(ax, result, picture, sides, cmap)
    ax.set_xlabel('x (px)')
    ax.set_ylabel('y (px)')
    ax.set_xlim(-0.5, picture.shape[1] - 0.5)
    ax.set_ylim(picture.shape[0] - 0.5, -0.5)
    if not result.map.any():
        ax.text(
            0.5,
            0.65,
            'zero everywhere:\nno channel of the unit\nis positive',
            transform=ax.transAxes,
            color='white',
            ha='center',
            va='center',
        )
    small = [s for s in sides.values() if s * _SMALL < min(picture.shape)]
    if small:
        _inset(ax, result, picture, sides, cmap, window=2 * max(small))
    return image


def label_of(result: ERFResult, normalization: str) -> str:
    """What the colours are: the contribution, or the attention, as shown."""
    label = LABELS[normalization]
    if result.kind == 'erf':
        return label
    return label.replace('contribution', result.kind)


def _sides(result: ERFResult) -> dict[float, int]:
    """Side of each share's square; none for a map that has none."""
    if result.kind != 'erf' or not result.map.any():
        return {}
    return {
        share: centred_square(result.map, share, result.center)
        for share in result.shares
    }


def _draw(
    ax: Axes,
    result: ERFResult,
    picture: np.ndarray,
    sides: dict[float, int],
    cmap: str,
) -> Any:
    image = ax.imshow(picture, cmap=cmap, vmin=0, vmax=1)
    for number, (share, side) in enumerate(sides.items()):
        color, dash = SQUARES[number % len(SQUARES)]
        label = f'{share * 100:g} %: {side} px'
        _square(ax, result, side, color, dash, label)
    if result.kind != 'erf':
        return image
    y, x = result.unit_pixel
    ax.plot(
        [x],
        [y],
        marker='+',
        color='#00e5ff',
        markersize=7,
        markeredgewidth=1.1,
        linestyle='none',
        label=_unit_label(result),
        path_effects=[_OUTLINE],
    )
    return image


def _square(
    ax: Axes, result: ERFResult, side: int, color: str, dash: Any, label: str
) -> None:
    """Outline of a square, clipped to the map as it is measured."""
    reach = side // 2
    (top, bottom), (left, right) = [
        (max(c - reach, 0), min(c + reach, length - 1))
        for c, length in zip(result.center, result.map.shape, strict=True)
    ]
    ax.add_patch(
        Rectangle(
            (left - 0.5, top - 0.5),
            right - left + 1,
            bottom - top + 1,
            fill=False,
            edgecolor=color,
            linestyle=dash,
            linewidth=1.3,
            path_effects=[_OUTLINE],
        )
    )
    ax.add_line(
        Line2D([], [], color=color, linestyle=dash, linewidth=1.3, label=label)
    )


def _inset(
    ax: Axes,
    result: ERFResult,
    picture: np.ndarray,
    sides: dict[float, int],
    cmap: str,
    window: int,
) -> None:
    """Enlarge the surroundings of the unit, in the corner away from it."""
    y, x = result.center
    height, width = picture.shape
    half = max(window / 2, 4)
    right, top = x < 0.6 * width, y > 0.4 * height
    share = 0.4 * min(height, width)
    size = (share / width, share / height)
    corner = (
        0.98 - size[0] if right else 0.02,
        0.98 - size[1] if top else 0.02,
    )
    inset = ax.inset_axes(
        (*corner, *size),
        xlim=(x - half, x + half),
        ylim=(y + half, y - half),
    )
    _draw(inset, result, picture, sides, cmap)
    inset.set_xlim(x - half, x + half)
    inset.set_ylim(y + half, y - half)
    inset.set_facecolor('black')
    inset.tick_params(bottom=False, left=False, labelbottom=False)
    inset.tick_params(labelleft=False)
    for spine in inset.spines.values():
        spine.set_edgecolor('white')
    ax.indicate_inset_zoom(inset, edgecolor='white', alpha=0.8)
    inset.text(
        0.04,
        0.04,
        f'{2 * half:g} px',
        transform=inset.transAxes,
        color='white',
        fontsize=7,
        path_effects=[_OUTLINE],
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
