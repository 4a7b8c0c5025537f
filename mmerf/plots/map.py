"""One layer's map as a finished figure."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox

from ..core.errors import ConfigError
from ..core.results.erf_result import ERFResult
from .drawing.figure import Figure
from .drawing.marks import draw_marks, label_of, sides_of
from .drawing.normalization import normalize
from .drawing.style import CMAP, COLUMN, LEGEND, UNIT, style
from .drawing.text import FittingText, wrapped

_SMALL = 8  # a square is small where it fits so often into the map


def plot_map(
    result: ERFResult,
    *,
    normalization: str = 'power',
    cmap: str = CMAP,
    title: str | None = None,
    image: np.ndarray | None = None,
) -> tuple[Figure, Axes]:
    """Map with colour bar, the unit, the squares and the theoretical field.

    As wide as a column of a paper. Scales in pixels to the left and below,
    as a share of the image above and to the right.

    Args:
        result (ERFResult): What was measured.
        normalization (str): 'power', 'log10', 'sqrt' or 'linear'.
        cmap (str): Any matplotlib colour map.
        title (str, optional): None for the layer's name.
        image (np.ndarray, optional): A picture to lie under the map, of its
            (H, W), grey or with channels: a photograph, or the mean of the
            images. The map is the more opaque the larger it is.

    Returns:
        tuple[Figure, Axes]: A figure of its own, not known to pyplot.

    Raises:
        ConfigError: If the image has another size than the map.

    Example:
        >>> fig, ax = plot_map(ERFResult.from_map(np.eye(9)), title='nine')
        >>> ax.get_title()
        'nine'
    """
    height, width = result.map.shape
    panel = 2.35 * min(max(height / width, 0.4), 1.8)
    with style():
        fig = Figure(figsize=(COLUMN, panel + 1.0), dpi=150)
        fig.set_layout_engine('compressed')
        ax = fig.add_subplot()
        drawn = draw_map(ax, result, normalization, cmap, image=image)
        _share_axes(ax, height, width)
        if title is None:
            ax.set_title(wrapped(result.layer, 2.9), parse_math=False)
        else:
            ax.set_title('\n'.join(wrap(title, 44)))
        bar = fig.colorbar(drawn, ax=ax, pad=0.02)
        bar.set_label(label_of(result, normalization))
        handles = ax.get_legend_handles_labels()[0]
        if not handles:  # a picture of attention
            fig.settle()
            return fig, ax
        fig.legend(
            handles=handles,
            loc='outside lower center',
            ncols=3,
            **LEGEND,
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
        ax (Axes): Where to.
        result (ERFResult): What was measured.
        normalization, cmap, image: As for :func:`plot_map`.
        shares (sequence of float, optional): Only these squares.
        inset (bool): Where squares are small beside the map, enlarge them.

    Returns:
        matplotlib.image.AxesImage: The map's image, scaled 0 to 1.

    Raises:
        ConfigError: If the image has another size than the map.
    """
    picture = normalize(result.map, normalization)
    under = None if image is None else _grey(image, result)
    shown = _draw(ax, result, picture, cmap, under, shares)
    ax.set_xlabel('x (px)')
    ax.set_ylabel('y (px)')
    ax.set_xlim(-0.5, picture.shape[1] - 0.5)
    ax.set_ylim(picture.shape[0] - 0.5, -0.5)
    sides = sides_of(result)
    if not result.map.any():
        _say_zero(ax, result)
    small = [s for s in sides.values() if s * _SMALL < min(picture.shape)]
    if small and inset:
        window = 2 * max(small)
        enlarged = _inset(ax, result, window)
        _draw(enlarged, result, picture, cmap, under, shares)
        _frame(ax, enlarged, result, window)
    return shown


def _say_zero(ax: Axes, result: ERFResult) -> None:
    """Why a map is black, beside the unit's cross."""
    why = 'no channel of the unit\nis positive'
    if result.kind != 'erf':
        why = 'nothing attends\nto the target'
    whole = f'zero everywhere:\n{why}'
    wordings = [(whole, 8), (whole, 6.5), ('zero everywhere', 6.5)]
    wordings += [('zero\neverywhere', 6.5), ('zero', 6.5)]

    def beside_the_cross() -> list[Bbox]:
        box = ax.get_window_extent()
        x, y = ax.transData.transform(result.unit_pixel[::-1])
        arm = UNIT['markersize'] * ax.figure.dpi / 72
        return [
            Bbox.from_extents(box.x0, y + arm, box.x1, box.y1),
            Bbox.from_extents(box.x0, box.y0, box.x1, y - arm),
            Bbox.from_extents(box.x0, box.y0, x - arm, box.y1),
            Bbox.from_extents(x + arm, box.y0, box.x1, box.y1),
        ]

    ax.add_artist(FittingText(wordings, beside_the_cross))


def _draw(
    ax: Axes,
    result: ERFResult,
    picture: np.ndarray,
    cmap: str,
    under: np.ndarray | None,
    shares: Sequence[float] | None,
) -> Any:
    alpha = None
    if under is not None:
        ax.imshow(under, cmap='gray', vmin=0, vmax=1, zorder=-1)
        alpha = picture
    shown = ax.imshow(picture, cmap=cmap, vmin=0, vmax=1, alpha=alpha)
    draw_marks(ax, result, shares)
    return shown


def _grey(image: np.ndarray, result: ERFResult) -> np.ndarray:
    """An image as brightness from 0 to 1, from its darkest to brightest."""
    if image.shape[:2] != result.map.shape or image.ndim not in (2, 3):
        raise ConfigError(
            f'the image is {" x ".join(map(str, image.shape))}, the map '
            f"{' x '.join(map(str, result.map.shape))}; give it the map's "
            'height and width'
        )
    grey = np.asarray(image, dtype=np.float64)
    grey = grey if grey.ndim == 2 else grey.mean(axis=2)
    low, high = float(grey.min()), float(grey.max())
    return (grey - low) / (high - low) if high > low else grey * 0 + 0.5


def _share_axes(ax: Axes, height: int, width: int) -> None:
    """Scales above and to the right: percent of the image's extent."""
    for side, length in (('top', width), ('right', height)):
        add = ax.secondary_xaxis if side == 'top' else ax.secondary_yaxis
        axis = add(
            side,
            functions=(
                lambda px, n=length: (px + 0.5) / n * 100,
                lambda share, n=length: share / 100 * n - 0.5,
            ),
        )
        ticks = (0, 25, 50, 75, 100) if side == 'right' else (0, 50, 100)
        axis.set_ticks(ticks, [f'{tick} %' for tick in ticks])
        axis.tick_params(labelsize=6.5, length=2, pad=1.5)


def _inset(ax: Axes, result: ERFResult, window: int) -> Axes:
    """Axes about the unit, in the corner away from it."""
    y, x = result.center
    height, width = result.map.shape
    half = max(window / 2, 4)
    right, top = x < 0.6 * width, y > 0.4 * height
    share = 0.4 * min(height, width)
    size = (share / width, share / height)
    corner = (
        0.98 - size[0] if right else 0.02,
        0.98 - size[1] if top else 0.02,
    )
    return ax.inset_axes(
        (*corner, *size),
        xlim=(x - half, x + half),
        ylim=(y + half, y - half),
    )


def _frame(ax: Axes, inset: Axes, result: ERFResult, window: int) -> None:
    """The inset's limits, frame, size and lines to what it enlarges."""
    y, x = result.center
    half = max(window / 2, 4)
    inset.set_xlim(x - half, x + half)
    inset.set_ylim(y + half, y - half)
    inset.set_facecolor('black')
    inset.tick_params(bottom=False, left=False, labelbottom=False)
    inset.tick_params(labelleft=False)
    for spine in inset.spines.values():
        spine.set_edgecolor('white')
    ax.indicate_inset_zoom(inset, edgecolor='white', alpha=0.8)
    text = [(f'{2 * half:g} px', 6.5)]
    ax.add_artist(FittingText(text, lambda: _places(inset, ax)))


def _places(inset: Axes, ax: Axes) -> list[Bbox]:
    """Where an inset's size may stand: at its foot, or beside it."""
    own, around = inset.get_window_extent(), ax.get_window_extent()
    line = 9 * ax.figure.dpi / 72
    reach = 3.5 * line
    right = own.x0 + own.x1 > around.x0 + around.x1
    left = own.x1 - reach if right else own.x0
    tall = max(own.height, line)
    beside = [
        Bbox.from_bounds(left, own.y0 - line, reach, line),
        Bbox.from_bounds(left, own.y1, reach, line),
        Bbox.from_bounds(own.x0 - reach, own.y0, reach, tall),
        Bbox.from_bounds(own.x1, own.y0, reach, tall),
    ]
    seen = [Bbox.intersection(place, around) for place in beside]
    foot = Bbox.from_bounds(own.x0, own.y0, min(own.width, reach), line)
    return [foot, *filter(None, seen)]
