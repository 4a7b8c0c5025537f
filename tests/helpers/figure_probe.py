"""Maps to draw, and what a drawn figure shows."""

import itertools
from operator import attrgetter

import numpy as np
from PIL import Image

from mmerf.plots import to_rgb


def gaussian(height, width, sigma, center):
    y, x = np.mgrid[:height, :width]
    squared = (y - center[0]) ** 2 + (x - center[1]) ** 2
    return np.exp(-squared / (2 * sigma**2))


def side_in_words(result, share):
    """A square's side as figures write it: marked if an image limits it.

    By the definition: whether a pixel of the square is the first or the last
    of its row or column that every image reaches.
    """
    side = result.statistics()['centred_square'][share]['side']
    reached = np.ones(result.map.shape)
    if result.coverage is not None:
        reached = result.coverage > 0.999 * result.coverage.max()
    y, x = result.center
    rows, columns = np.nonzero(np.pad(reached, 1) == 0)
    near = np.maximum(abs(rows - 1 - y), abs(columns - 1 - x)) <= side // 2 + 1
    return f'{"≥ " if near.any() else ""}{side}'


def region(fig, ax, shape):
    """Brightness of an axes' rendered inside, averaged to (H, W)."""
    picture = to_rgb(fig)
    box = ax.get_window_extent()
    inside = picture[
        round(picture.shape[0] - box.y1) : round(picture.shape[0] - box.y0),
        round(box.x0) : round(box.x1),
    ]
    small = Image.fromarray(inside).convert('L').resize(shape[::-1], Image.BOX)
    return np.asarray(small).astype(float)


def boxes(artists):
    """Where artists were drawn, pixels of the screen."""
    return [artist.get_window_extent() for artist in artists]


def within(inner, outer, slack=0.5):
    """Whether one box lies in another, but for half a pixel."""
    return (
        inner.x0 >= outer.x0 - slack
        and inner.y0 >= outer.y0 - slack
        and inner.x1 <= outer.x1 + slack
        and inner.y1 <= outer.y1 + slack
    )


def apart(found):
    """Whether no box meets another."""
    return not any(
        one.overlaps(other) for one, other in itertools.combinations(found, 2)
    )


def words(fig):
    """What is written in a figure, but for what lies on its maps."""
    found = [text for legend in fig.legends for text in legend.get_texts()]
    for ax in filter(attrgetter('axison'), fig.axes):
        found += [ax.title, ax.xaxis.label, ax.yaxis.label]
        found += numbers(ax.xaxis) + numbers(ax.yaxis)
    return [text for text in found if text.get_text()]


def numbers(axis):
    """The numbers that are seen at an axis."""
    low, high = sorted(axis.get_view_interval())
    return [
        label
        for place, label in zip(
            axis.get_majorticklocs(), axis.get_majorticklabels(), strict=False
        )
        if low <= place <= high and label.get_text()
    ]
