"""An inset that enlarges small squares about the unit."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.transforms import Bbox

from ..core.results.erf_result import ERFResult
from .drawing.text import FittingText


def add_inset(ax: Axes, result: ERFResult, window: int) -> Axes:
    """Add axes that enlarge a window about the unit, in a far corner."""
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


def finish_inset(
    ax: Axes, inset: Axes, result: ERFResult, window: int
) -> None:
    """Set an inset's limits and frame; label its size, mark its window."""
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
    ax.add_artist(FittingText(text, lambda: _size_label_boxes(inset, ax)))


def _size_label_boxes(inset: Axes, ax: Axes) -> list[Bbox]:
    """Boxes for the label of an inset's size: at its foot, or beside it."""
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
    inside = [Bbox.intersection(box, around) for box in beside]
    foot = Bbox.from_bounds(own.x0, own.y0, min(own.width, reach), line)
    return [foot, *filter(None, inside)]
