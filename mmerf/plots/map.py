"""One layer's map as a finished figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from textwrap import wrap
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox

from ..core.errors import ConfigError
from ..core.results.erf_result import ERFResult
from .drawing.figure import Figure
from .drawing.inset import add_inset, finish_inset
from .drawing.marks import color_label, draw_marks, square_sides
from .drawing.normalization import CMAP, normalize
from .drawing.style import COLUMN_WIDTH, LEGEND_STYLE, UNIT_STYLE, style
from .drawing.text import FittingText, wrap_text

_SMALL = 8  # a square is small if the map is more than this times larger


def plot_map(
    result: ERFResult,
    *,
    normalization: str = 'power',
    cmap: str = CMAP,
    title: str | None = None,
    image: np.ndarray | None = None,
) -> tuple[Figure, Axes]:
    """Map with colour bar, the unit, the squares and the theoretical field.

    The figure is as wide as a column of a paper. The scales to the left and
    below are in pixels, those above and to the right in percent of the image.

    Args:
        result (ERFResult): The result to draw.
        normalization (str): 'power', 'log10', 'sqrt' or 'linear'.
        cmap (str): Name of a matplotlib colour map.
        title (str, optional): Title; None for the result's label.
        image (np.ndarray, optional): Image to draw under the map, of its
            (H, W), grey or with channels: a photograph, or the mean of the
            images. Where the map is small, the image shows through.

    Returns:
        tuple[Figure, Axes]: The figure, which pyplot does not hold, and the
        axes that show the map.

    Raises:
        ConfigError: If the normalisation is unknown, or the image's size is
            not the map's.

    Example:
        >>> fig, ax = plot_map(ERFResult.from_map(np.eye(9)), title='nine')
        >>> ax.get_title()
        'nine'
    """
    height, width = result.map.shape
    panel = 2.35 * min(max(height / width, 0.4), 1.8)
    with style():
        fig = Figure(figsize=(COLUMN_WIDTH, panel + 1.0), dpi=150)
        fig.set_layout_engine('compressed')
        ax = fig.add_subplot()
        drawn = draw_map(ax, result, normalization, cmap, image=image)
        _add_percent_scales(ax, height, width)
        if title is None:
            ax.set_title(wrap_text(result.label, 2.9), parse_math=False)
        else:
            ax.set_title('\n'.join(wrap(title, 44)))
        bar = fig.colorbar(drawn, ax=ax, pad=0.02)
        bar.set_label(color_label(result, normalization))
        handles = ax.get_legend_handles_labels()[0]
        if not handles:  # a picture of attention
            fig.settle()
            return fig, ax
        fig.legend(
            handles=handles,
            loc='outside lower center',
            ncols=3,
            **LEGEND_STYLE,
        )
        fig.settle()
    return fig, ax


def draw_map(
    ax: Axes,
    result: ERFResult,
    normalization: str = 'power',
    cmap: str = CMAP,
    *,
    image: np.ndarray | None = None,
    shares: Sequence[float] | None = None,
    inset: bool = True,
) -> Any:
    """Draw a map, its unit and its squares into existing axes.

    Args:
        ax (Axes): The axes to draw into.
        result (ERFResult): The result to draw.
        normalization, cmap, image: As for :func:`plot_map`.
        shares (sequence of float, optional): Shares whose squares are drawn;
            None for all.
        inset (bool): Whether to enlarge squares that are small beside the
            map in an inset.

    Returns:
        matplotlib.image.AxesImage: The normalised map as drawn, 0 to 1.

    Raises:
        ConfigError: If the normalisation is unknown, or the image's size is
            not the map's.
    """
    normalized = normalize(result.map, normalization)
    under = None if image is None else _brightness(image, result)
    drawn = _draw_content(ax, result, normalized, cmap, under, shares)
    ax.set_xlabel('x (px)')
    ax.set_ylabel('y (px)')
    ax.set_xlim(-0.5, normalized.shape[1] - 0.5)
    ax.set_ylim(normalized.shape[0] - 0.5, -0.5)
    sides = square_sides(result)
    if not result.map.any():
        _label_zero_map(ax, result)
    shorter = min(normalized.shape)
    small = [side for side in sides.values() if side * _SMALL < shorter]
    if small and inset:
        window = 2 * max(small)
        enlarged = add_inset(ax, result, window)
        _draw_content(enlarged, result, normalized, cmap, under, shares)
        finish_inset(ax, enlarged, result, window)
    return drawn


def _label_zero_map(ax: Axes, result: ERFResult) -> None:
    """Write why the map is black, beside the unit's cross."""
    why = 'no channel of the unit\nis positive'
    if result.kind != 'erf':
        why = 'nothing attends\nto the target'
    whole = f'zero everywhere:\n{why}'
    wordings = [(whole, 8), (whole, 6.5), ('zero everywhere', 6.5)]
    wordings += [('zero\neverywhere', 6.5), ('zero', 6.5)]

    def beside_the_cross() -> list[Bbox]:
        box = ax.get_window_extent()
        x, y = ax.transData.transform(result.unit_pixel[::-1])
        arm = UNIT_STYLE['markersize'] * ax.figure.dpi / 72
        return [
            Bbox.from_extents(box.x0, y + arm, box.x1, box.y1),
            Bbox.from_extents(box.x0, box.y0, box.x1, y - arm),
            Bbox.from_extents(box.x0, box.y0, x - arm, box.y1),
            Bbox.from_extents(x + arm, box.y0, box.x1, box.y1),
        ]

    ax.add_artist(FittingText(wordings, beside_the_cross))


def _draw_content(
    ax: Axes,
    result: ERFResult,
    normalized: np.ndarray,
    cmap: str,
    under: np.ndarray | None,
    shares: Sequence[float] | None,
) -> Any:
    """Draw the image, the map over it and the marks over both."""
    alpha = None
    if under is not None:
        ax.imshow(under, cmap='gray', vmin=0, vmax=1, zorder=-1)
        alpha = normalized
    drawn = ax.imshow(normalized, cmap=cmap, vmin=0, vmax=1, alpha=alpha)
    draw_marks(ax, result, shares)
    return drawn


def _brightness(image: np.ndarray, result: ERFResult) -> np.ndarray:
    """An image's brightness (H, W), scaled to reach from 0 to 1."""
    if image.shape[:2] != result.map.shape or image.ndim not in (2, 3):
        raise ConfigError(
            f'the image is {" x ".join(map(str, image.shape))}, the map '
            f'{" x ".join(map(str, result.map.shape))}; give an image of '
            "the map's height and width"
        )
    grey = np.asarray(image, dtype=np.float64)
    grey = grey if grey.ndim == 2 else grey.mean(axis=2)
    low, high = float(grey.min()), float(grey.max())
    return (grey - low) / (high - low) if high > low else grey * 0 + 0.5


def _add_percent_scales(ax: Axes, height: int, width: int) -> None:
    """Scales above and to the right, in percent of the image's extent."""
    above = ax.secondary_xaxis('top', functions=_percent_scale(width))
    right = ax.secondary_yaxis('right', functions=_percent_scale(height))
    for axis, ticks in (
        (above, (0, 50, 100)),
        (right, (0, 25, 50, 75, 100)),
    ):
        axis.set_ticks(ticks, [f'{tick} %' for tick in ticks])
        axis.tick_params(labelsize=6.5, length=2, pad=1.5)


def _percent_scale(length: int) -> tuple[Callable, Callable]:
    """From pixels to percent of a length in pixels, and back."""
    return (
        lambda px: (px + 0.5) / length * 100,
        lambda percent: percent / 100 * length - 0.5,
    )
