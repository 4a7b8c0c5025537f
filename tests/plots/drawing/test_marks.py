from dataclasses import replace

import numpy as np
import pytest
from helpers.figure_probe import boxes, within, words
from matplotlib.colors import same_color
from matplotlib.colors import to_rgb as color_to_rgb

from mmerf.core.results.theoretical_field import Extent, Support
from mmerf.core.statistics.centred_square import centred_square
from mmerf.plots import plot_layers, plot_map, to_rgb
from mmerf.plots.drawing.panels import UNIT_LABEL

SHARES = (0.2, 0.3, 0.5, 0.99)


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
    brightness = np.mean(color_to_rgb(bar.get_color()))
    assert (brightness < 0.3) == dark and (brightness > 0.9) == (not dark)


def as_read(result, side):
    """A side, as a bound where its square ends at the first or last row."""
    y, x = result.center
    ends = (
        y - side // 2,
        x - side // 2,
        y + side // 2 - 59,
        x + side // 2 - 89,
    )
    touches = ends[0] <= 0 or ends[1] <= 0 or ends[2] >= 0 or ends[3] >= 0
    return f'≥ {side}' if touches else str(side)


def drawn(ax):
    """Edges of the outlines by share, in the order of drawing."""
    return {
        float(patch.get_gid().split()[1]): patch.get_bbox().extents
        for patch in ax.patches
        if (patch.get_gid() or '').startswith('square')
    }


@pytest.mark.parametrize('style', ['marked', 'paper'])
@pytest.mark.parametrize('shares', [SHARES, (0.9, 0.1, 0.4, 0.6, 0.7, 0.8)])
def test_contours_are_the_squares_of_all_shares(result, style, shares):
    result = replace(result, shares=shares)
    fig, (ax,) = plot_layers({'a': result}, contours=True, style=style)
    found = drawn(ax)
    assert list(found) == sorted(shares)
    y, x = result.center
    sides = []
    for share, edges in found.items():
        side = centred_square(result.map, share, result.center)
        sides.append(as_read(result, side))
        expected = [
            max(x - side / 2, -0.5), max(y - side / 2, -0.5),
            min(x + side / 2, 89.5), min(y + side / 2, 59.5),
        ]  # fmt: skip
        assert edges.tolist() == expected
    assert ax.get_xlabel().replace('\n', ' ') == ', '.join(sides)
    (legend,) = fig.legends
    named = [text.get_text() for text in legend.get_texts()]
    holds = [f'holds {share * 100:g} %' for share in sorted(shares)]
    assert named == holds + [UNIT_LABEL] * (style == 'marked')
    note = fig.texts[0].get_text().replace('\n', ' ')
    shown = ', '.join(f'{share * 100:g}' for share in sorted(shares))
    assert (
        f'contours: the smallest squares about the unit that hold {shown} % '
        'of the contribution'
    ) in note
    for handle, patch in zip(legend.legend_handles, ax.patches, strict=False):
        assert same_color(handle.get_color(), patch.get_edgecolor())
        assert handle.get_linestyle() == patch.get_linestyle()
    units = [line for line in ax.get_lines() if line.get_marker() == '+']
    assert len(units) == (style == 'marked')


def test_neighbouring_contours_look_different(result):
    _, ax = plot_map(result, contours=True)
    looks = [(p.get_edgecolor(), p.get_linestyle()) for p in ax.patches]
    assert len(set(looks)) == len(SHARES)


def test_a_single_map_names_its_contours(result):
    fig, _ = plot_map(result, contours=True, style='paper')
    named = [text.get_text() for text in fig.legends[0].get_texts()]
    assert named == [
        f'{s * 100:g} %: '
        f'{as_read(result, centred_square(result.map, s, result.center))} px'
        for s in SHARES
    ]
    assert 'contours: the smallest squares' in fig.texts[0].get_text()


def test_many_numbers_stay_below_their_panel(result):
    many = replace(result, shares=tuple(i / 20 for i in range(1, 20)))
    fig, axes = plot_layers(
        {str(i): many for i in range(5)}, contours=True, width='column'
    )
    to_rgb(fig)
    assert all(within(box, fig.bbox) for box in boxes(words(fig)))
    panels = boxes(axes)
    for ax, panel in zip(axes, panels, strict=True):
        label = ax.xaxis.label.get_window_extent()
        assert not any(label.overlaps(other) for other in panels)
        assert label.width <= panel.width + 1


def test_attention_has_no_contours(attention):
    fig, axes = plot_layers({'a': attention}, contours=True)
    assert not axes[0].patches and not fig.legends
    assert 'contours' not in ''.join(t.get_text() for t in fig.texts)
