"""What stands below panels: sides, their bounds, fields without a box."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.figure_probe import apart, boxes, gaussian, within, words

from mmerf import ERFResult
from mmerf.core.results.theoretical_field import Extent, Support
from mmerf.plots import plot_comparison, plot_layers, plot_map, to_rgb


def bell(sigma=4, side=128):
    center = (side // 2, side // 2)
    return ERFResult.from_map(gaussian(side, side, sigma, center), center)


def with_field(result, kind='box', reach=20, why=None):
    extent = Extent(kind, -reach, reach)
    return replace(
        result,
        theory=Support(extent, extent, (4.0, 4.0)),
        provenance={} if why is None else {'theory': why},
    )


def below(fig_axes):
    return [ax.get_xlabel().split('\n') for ax in np.ravel(fig_axes[1])]


def foot(fig):
    return ' '.join(text.get_text() for text in fig.texts).replace('\n', ' ')


@pytest.mark.parametrize('count', [1, 5])
def test_a_side_that_an_image_limits_is_only_a_lower_bound(count):
    """A square of 127 px about pixel 64 of 128 reaches the last one."""
    flat = ERFResult.from_map(np.ones((128, 128)))
    assert flat.statistics()['centred_square']['0.99']['side'] == 129
    fig, axes = plot_layers(dict.fromkeys(map(str, range(count)), flat))
    for ax in axes:
        assert '50 %: 91 px' in ax.get_xlabel()
        assert '99 %: ≥ 129 px' in ax.get_xlabel()
    assert "≥: the square reaches the image's edge" in foot(fig)
    assert '≥' not in foot(plot_layers({'a': bell()})[0])


def test_frames_that_end_inside_a_canvas_limit_a_side_too():
    """Two images of 40 px whose units sit at 10 and at 30: frames overlap."""
    wide = bell(6, 60)
    assert wide.statistics()['centred_square']['0.99']['side'] < 40
    coverage = np.ones((60, 60))
    coverage[20:41, 20:41] = 2
    cut = replace(wide, coverage=coverage)
    ((text,),) = below(plot_layers({'a': cut}))
    half, most = text.split('   ')
    assert '≥' not in half and '99 %: ≥ ' in most
    assert '≥' not in below(plot_layers({'a': wide}))[0][0]


def test_every_panel_says_why_it_has_no_box_if_others_have_one():
    results = {
        'drawn': with_field(bell()),
        'large': with_field(bell(), reach=200),
        'beyond': with_field(bell(2), reach=55),
        'global': with_field(bell(), 'global', 528),
        'bound': with_field(bell(), 'at least', 528, 'a scan is not followed'),
        'unknown': replace(bell(), provenance={'theory': 'it is a lookup'}),
        'left out': bell(),
    }
    fig, axes = plot_layers(results)
    assert [line for _, line in below((fig, axes))] == [
        'theory: 41 px', 'theory: 401 px > image', 'theory: 111 px > panel',
        'theory: global', 'theory: ≥ 1057 x ≥ 1057', 'theory: not known',
        'theory: not looked for',
    ]  # fmt: skip
    assert 'theory of map: a scan is not followed' in foot(fig)
    assert 'theory of map: it is a lookup' in foot(fig)


def test_nothing_is_said_where_all_panels_have_a_box_or_none():
    boxed, without = with_field(bell()), with_field(bell(), reach=200)
    for results in ({'a': boxed, 'b': boxed}, {'a': without, 'b': bell()}):
        fig, axes = plot_layers(results)
        assert 'theory' not in str(below((fig, axes))) + foot(fig)


@pytest.mark.parametrize('width', ['page', 'column'])
@pytest.mark.parametrize('count', [1, 3, 5])
def test_two_lines_fit_below_panels(width, count):
    flat = with_field(ERFResult.from_map(np.ones((128, 128))), 'global')
    layers = dict.fromkeys(map(str, range(count)), flat)
    layers['0'] = with_field(bell(), reach=20)
    layers['1'] = with_field(bell(), reach=300)
    fig, axes = plot_comparison({'one': layers, 'two': layers}, width=width)
    to_rgb(fig)
    assert apart(boxes(words(fig)))
    for ax, lines in zip(axes.ravel(), below((fig, axes)), strict=True):
        assert len(lines) == 2 and lines[1].startswith('theory')
        box, panel = ax.xaxis.label.get_window_extent(), ax.bbox
        assert box.width <= 1.03 * panel.width
        assert within(box, fig.bbox)
        named = '%' in lines[0] or 'hold 50 and 99 %' in foot(fig)
        assert named


def test_a_map_of_its_own_says_why_its_field_is_not_known():
    fig, _ = plot_map(replace(bell(), provenance={'theory': 'it is a lookup'}))
    assert 'theory of map: it is a lookup' in foot(fig)
