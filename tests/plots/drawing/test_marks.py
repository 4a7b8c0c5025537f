from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from mmerf.core.results.theoretical_field import Extent, Support
from mmerf.plots import plot_layers, plot_map


def test_theoretical_field_is_a_dashed_box_about_the_unit(result):
    field = Support(Extent('box', -5, 7), Extent('box', -20, 20), (4.0, 4.0))
    _, ax = plot_map(replace(result, theory=field))
    (box,) = (p for p in ax.patches if p.get_gid() == 'theory')
    assert box.get_bbox().extents.tolist() == [19.5, 24.5, 60.5, 37.5]
    assert box.get_linestyle() != '-'
    labels = [line.get_label() for line in ax.get_lines()]
    assert 'theory: 13 x 41 px' in labels
    wide = replace(field, x=Extent('global', -40, 49), y=field.x)
    _, ax = plot_map(replace(result, theory=wide))
    assert not [p for p in ax.patches if p.get_gid() == 'theory']
    labels = [line.get_label() for line in ax.get_lines()]
    assert 'theory: 41 x global' in labels


@pytest.mark.parametrize(
    ('cmap', 'dark'),
    [('inferno', False), ('replknet', True), ('gray_r', True)],
)
def test_the_scale_bar_stands_out_from_the_ground(result, cmap, dark):
    _, (ax,) = plot_layers({'a': result}, cmap=cmap)
    (bar,) = (line for line in ax.get_lines() if line.get_gid() == 'scale bar')
    brightness = np.mean(to_rgb(bar.get_color()))
    assert (brightness < 0.3) == dark and (brightness > 0.9) == (not dark)
