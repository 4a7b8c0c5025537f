import numpy as np
import pytest
from helpers.figure_probe import gaussian, within
from matplotlib.axes import Axes

from mmerf import ERFResult
from mmerf.plots import plot_layers, plot_map, to_rgb


def insets(ax):
    return [child for child in ax.child_axes if type(child) is Axes]


def narrow(shape, center):
    """A narrow peak on a wide tail: its 50 % square is small in the panel."""
    tail = 1e-3 * gaussian(*shape, 60, center)
    return ERFResult.from_map(gaussian(*shape, 3, center) + tail, center)


def test_small_squares_get_an_inset_if_asked(result):
    assert not insets(plot_map(result, inset=True)[1])
    small = narrow((400, 500), (300, 90))
    assert not insets(plot_map(small)[1])
    (inset,) = insets(plot_map(small, inset=True)[1])
    low, high = inset.get_xlim()
    assert low < 90 < high and (low + high) / 2 == 90
    bottom, top = inset.get_ylim()
    assert high - low == bottom - top


@pytest.mark.parametrize('shape', [(128, 512), (512, 128), (256, 256)])
@pytest.mark.parametrize('at', [0.2, 0.5, 0.8])
def test_an_inset_shows_its_size_inside_the_map(shape, at):
    center = (int(shape[0] * at), int(shape[1] * at))
    found = narrow(shape, center)
    for fig, axes in (
        plot_map(found, inset=True),
        plot_layers({str(i): found for i in range(5)}, inset=True),
    ):
        to_rgb(fig)
        for ax in np.atleast_1d(axes):
            (inset,) = insets(ax)
            note = ax.texts[0]  # the others are the scale bar's
            low, high = inset.get_xlim()
            assert note.get_text() == f'{high - low:g} px'
            box = note.get_window_extent()
            assert within(box, ax.get_window_extent())
            frame = inset.get_window_extent()
            assert (
                within(box, frame)
                or box.y1 <= frame.y0 + 2
                or (
                    box.y0 >= frame.y1 - 2
                    or box.x1 <= frame.x0 + 2
                    or box.x0 >= frame.x1 - 2
                )
            )
