"""One layer's map as a finished figure."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill, wrap
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.transforms import Bbox

from ..core.errors import ConfigError
from ..core.results.erf_result import ERFResult
from ..core.results.summary import why_zero
from .drawing.figure import Figure
from .drawing.look import Look
from .drawing.marks import (
    add_scale_bar,
    color_label,
    draw_marks,
    draw_squares,
    drawn_shares,
    is_seen,
    square_sides,
)
from .drawing.normalization import normalize
from .drawing.panels import (
    add_legend_and_note,
    bar_scale,
    contour_note,
    view_note,
)
from .drawing.style import COLUMN_WIDTH, UNIT_STYLE, style
from .drawing.text import FittingText, wrap_text
from .drawing.view import (
    IMAGE_MARGIN,
    MARGIN,
    View,
    common_view,
)
from .inset import add_inset, finish_inset
from .numbers_below import bounds_note, missing_reasons

_SMALL = 8  # a square is small if the panel is more than this times larger
_WHY_WIDTH = 22  # characters of a line of why a map is zero
_OPAQUE = 0.85  # of the map's largest values over an image
_SMOOTH = 2.0  # px, sigma by which an opacity is smoothed


def plot_map(
    result: ERFResult,
    *,
    title: str | None = None,
    image: np.ndarray | None = None,
    **look: Any,
) -> tuple[Figure, Axes]:
    """Map with colour bar, the unit, its squares and the theoretical field.

    The figure is as wide as a column of a paper. It shows the pixels about the
    unit, 1.2 times as large as the largest square; below it stands the size
    of the image. The scales are in pixels of the image.

    Args:
        result (ERFResult): The result to draw.
        title (str, optional): Title; None for the result's label.
        image (np.ndarray, optional): Image to draw under the map, of its
            (H, W), grey or with channels: a photograph, or the mean of the
            images. Where the map is small, the image shows through.
        **look: Attributes of ``drawing.look.Look``: ``normalization``,
            ``cmap``, ``style``, ``inset``, ``contours``, ``colorbars``.

    Returns:
        tuple[Figure, Axes]: The figure, which pyplot does not hold, and the
        axes that show the map.

    Raises:
        ConfigError: If a setting is unknown, or the image's size is not the
            map's.

    Example:
        >>> fig, ax = plot_map(ERFResult.from_map(np.eye(9)), title='nine')
        >>> ax.get_title()
        'nine'
    """
    chosen = Look(**look)
    margin = MARGIN if image is None else IMAGE_MARGIN
    view = common_view([result], margin=margin)
    panel = 2.3 * min(max(view.aspect, 0.4), 1.8)
    with style():
        fig = Figure(figsize=(COLUMN_WIDTH, panel + 0.7), dpi=150)
        layout = ConstrainedLayoutEngine(compress=True)
        fig.set_layout_engine(layout)
        ax = fig.add_subplot()
        drawn = draw_map(ax, result, chosen, image=image, view=view)
        if title is None:
            ax.set_title(wrap_text(result.label, 2.9), parse_math=False)
        else:
            ax.set_title('\n'.join(wrap(title, 44)))
        scale = bar_scale(result, chosen)
        bar = fig.colorbar(drawn, ax=ax, pad=0.02, **scale)
        bar.set_label(color_label(result, chosen))
        note = ''
        handles: list[Artist] = []
        if chosen.marked:
            ax.set_xlabel('x (px)')
            ax.set_ylabel('y (px)')
        else:
            ax.set(xticks=[], yticks=[])
            add_scale_bar(ax)
        if chosen.marked or chosen.contours:
            handles, note = _foot(ax, result, view, image, chosen)
        foot, place_foot = add_legend_and_note(fig, handles, note)
        height = fig.get_figheight() + foot
        fig.set_figheight(height)
        layout.set(rect=(0, foot / height, 1, 1 - foot / height))
        place_foot()
        fig.settle()
    return fig, ax


def _foot(
    ax: Axes,
    result: ERFResult,
    view: View,
    image: np.ndarray | None,
    look: Look,
) -> tuple[list[Artist], str]:
    """What a legend names, and a note of what the panel shows."""
    note = contour_note(result, look) + view_note(view, [result])
    note += bounds_note([result]) + image_note(image, [result])
    seen = not look.marked or is_seen(ax, 'theory')
    if result.theory is not None and not seen:
        unit = ' px' if result.theory.size else ''
        note += f'; theoretical field: {result.theory}{unit}'
    note += missing_reasons([result])
    handles = [
        handle
        for handle in ax.get_legend_handles_labels()[0]
        if (gid := handle.get_gid()) is None or is_seen(ax, gid)
    ]
    return handles, note


def draw_map(
    ax: Axes,
    result: ERFResult,
    look: Look | None = None,
    *,
    image: np.ndarray | None = None,
    view: View | None = None,
) -> Any:
    """Draw a map, its unit and its squares into existing axes.

    Args:
        ax (Axes): The axes to draw into.
        result (ERFResult): The result to draw.
        look (Look, optional): Colours and marks; None for the usual ones.
        image: As for :func:`plot_map`.
        view (View, optional): What the axes show; None for the whole
            map.

    Returns:
        matplotlib.image.AxesImage: The normalised map as drawn, 0 to 1.

    Raises:
        ConfigError: If the image's size is not the map's.
    """
    look = look or Look()
    normalized = normalize(result.map, look.normalization)
    under = None if image is None else _scaled_image(image, result)
    drawn = _draw_content(ax, result, normalized, look, under)
    if view is None:
        ax.set_xlim(-0.5, normalized.shape[1] - 0.5)
        ax.set_ylim(normalized.shape[0] - 0.5, -0.5)
    else:
        view.show(ax, result)
    if not result.map.any():
        _label_zero_map(ax, result)
    if look.inset and look.marked:
        shorter = min(view.size if view else normalized.shape)
        sides = square_sides(result, drawn_shares(result, look)).values()
        small = [side for side in sides if side * _SMALL < shorter]
        if small:
            enlarged = add_inset(ax, result, 2 * max(small))
            _draw_content(enlarged, result, normalized, look, under)
            finish_inset(ax, enlarged, result, 2 * max(small))
    return drawn


def image_note(image: np.ndarray | None, results: Sequence[ERFResult]) -> str:
    """What lies under the maps, to be written behind another note."""
    if image is None:
        return ''
    count = max(result.num_images for result in results)
    if count == 1:
        return '; under the map: the image'
    return f'; under the map: the mean of {count} images'


def _label_zero_map(ax: Axes, result: ERFResult) -> None:
    """Write why the map is black, beside the unit's cross."""
    why = why_zero(result)
    wordings: list[tuple[str, float]] = [
        ('zero everywhere', 6.5),
        ('zero\neverywhere', 6.5),
        ('zero', 6.5),
    ]
    if why:
        whole = f'zero everywhere:\n{fill(why, _WHY_WIDTH)}'
        wordings = [(whole, 8), (whole, 6.5), *wordings]

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
    look: Look,
    under: np.ndarray | None,
) -> Any:
    """Draw the image, the map over it and the marks over both."""
    alpha = None
    if under is not None:
        ax.imshow(under, cmap='gray', vmin=0, vmax=1, zorder=-1)
        alpha = _OPAQUE * np.sqrt(smoothed(normalized))
    drawn = ax.imshow(normalized, cmap=look.cmap, vmin=0, vmax=1, alpha=alpha)
    shares = drawn_shares(result, look)
    if look.marked:
        draw_marks(ax, result, shares)
    elif look.contours:
        draw_squares(ax, result, shares)
    return drawn


def smoothed(normalized: np.ndarray) -> np.ndarray:
    """A map without its finest detail, so that single zeros are no holes."""
    from scipy.ndimage import gaussian_filter  # late: it takes long to import

    return gaussian_filter(normalized, _SMOOTH)


def _scaled_image(image: np.ndarray, result: ERFResult) -> np.ndarray:
    """An image scaled to reach from 0 to 1: (H, W), or (H, W, 3) in colour."""
    if image.shape[:2] != result.map.shape or image.ndim not in (2, 3):
        raise ConfigError(
            f'the image is {" x ".join(map(str, image.shape))}, the map '
            f'{" x ".join(map(str, result.map.shape))}; give an image of '
            "the map's height and width"
        )
    picture = np.asarray(image, dtype=np.float64)
    if picture.ndim == 3 and picture.shape[2] != 3:
        picture = picture.mean(axis=2)
    low, high = float(picture.min()), float(picture.max())
    return (picture - low) / (high - low) if high > low else picture * 0 + 0.5
