from dataclasses import replace

from mmerf.core.results.theoretical_field import Extent, Support
from mmerf.plots import plot_map


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
