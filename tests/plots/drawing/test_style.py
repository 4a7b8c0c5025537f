import sys

import matplotlib as mpl
import numpy as np
import pytest

from mmerf.core.errors import ConfigError
from mmerf.plots import plot_map, to_rgb
from mmerf.plots.drawing.style import check_cmap, check_title, layer_styles


def test_nothing_global_is_changed(result):
    before, backend = dict(mpl.rcParams), mpl.rcParams['backend']

    had_pyplot = 'matplotlib.pyplot' in sys.modules
    fig, _ = plot_map(result)
    to_rgb(fig)
    assert dict(mpl.rcParams) == before
    assert mpl.rcParams['backend'] == backend
    assert ('matplotlib.pyplot' in sys.modules) == had_pyplot


def test_titles_may_be_formulas():
    for title in (None, '', 'words', r'$\sigma$ of it', '2 $', r'a \$ b \$ c'):
        assert check_title(title) == title
    for title in (r'$\nothing$', 'one\nof $x_$ two', r'$\frac{1}$'):
        with pytest.raises(ConfigError, match='no formula'):
            check_title(title)


def test_the_colours_of_replknets_figures():
    """heatmap(cmap='RdYlGn', center=0): zero is the middle of RdYlGn."""
    centred = mpl.colors.Normalize(-1, 1)
    shown, whole = (mpl.colormaps[n] for n in ('replknet', 'RdYlGn'))
    for value in np.linspace(0, 1, 41):
        expected = whole(centred(value))
        assert shown(value) == pytest.approx(expected, abs=0.02)
    assert check_cmap('replknet') == 'replknet'


def test_unknown_colour_maps_are_refused():
    with pytest.raises(ConfigError, match='viridis'):
        check_cmap('infernal')


def test_a_layer_keeps_its_look_whatever_else_is_measured_after_it():
    names = [f'backbone[{i}]' for i in range(9)]
    looks = layer_styles(names)
    assert len(set(looks.values())) == 9
    assert layer_styles(names[:4]) == {k: looks[k] for k in names[:4]}
    assert layer_styles([*names[:2], *names]) == looks
    assert '#000000' not in {looks[k].color for k in names[:6]}
