import numpy as np
import pytest
from helpers.figure_probe import gaussian, within
from matplotlib.axes import Axes

from mmerf import ERFResult
from mmerf.plots import plot_layers, plot_map, to_rgb


def insets(ax):
    return [child for child in ax.child_axes if type(child) is Axes]


def test_small_squares_get_an_inset(result):
    assert not insets(plot_map(result)[1])
    small = ERFResult.from_map(gaussian(400, 500, 4, (300, 90)), (300, 90))
    (inset,) = insets(plot_map(small)[1])
    low, high = inset.get_xlim()
    assert low < 90 < high and (low + high) / 2 == 90
    bottom, top = inset.get_ylim()
    assert high - low == bottom - top


@pytest.mark.parametrize('shape', [(128, 512), (512, 128), (256, 256)])
@pytest.mark.parametrize('at', [0.2, 0.5, 0.8])
def test_an_inset_shows_its_size_inside_the_map(shape, at):
    center = (int(shape[0] * at), int(shape[1] * at))
    found = ERFResult.from_map(gaussian(*shape, 3, center), center)
    for fig, axes in (
        plot_map(found),
        plot_layers({str(i): found for i in range(5)}),
    ):
        to_rgb(fig)
        for ax in np.atleast_1d(axes):
            (inset,), (note,) = insets(ax), ax.texts
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
