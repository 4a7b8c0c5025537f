import itertools
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
from helpers.figure_probe import (
    apart,
    boxes,
    gaussian,
    region,
    side_in_words,
    within,
    words,
)

from mmerf import ERFResult
from mmerf.plots import normalize, plot_layers, to_rgb
from mmerf.plots.questions import plot_questions

CLASSES = [
    'road', 'sidewalk', 'building', 'vegetation', 'traffic light', 'person',
    'car', 'bicycle',
]  # fmt: skip


def maps(names, height, width):
    center = (height // 2, width // 2)
    return {
        name: ERFResult.from_map(gaussian(height, width, 20, center), center)
        for name in names
    }


LAYERS = [f'backbone.layers.{i}.1.attn.attn.out_proj' for i in range(7)]
HEADS = [f'decode_head:{name}' for name in CLASSES]


@pytest.mark.parametrize('names', [LAYERS, LAYERS[:5], LAYERS[:2], HEADS])
@pytest.mark.parametrize('shape', [(512, 512), (256, 512), (256, 1024)])
@pytest.mark.parametrize('plot', [plot_layers, plot_questions])
def test_words_do_not_lie_on_each_other(names, shape, plot):
    fig, axes = plot(maps(names, *shape))
    to_rgb(fig)
    found = boxes(words(fig))
    assert apart(found)
    assert all(within(box, fig.bbox) for box in found)
    panels = boxes(axes)
    assert not any(box.overlaps(panel) for box in found for panel in panels)
    for ax, name in zip(axes, names, strict=True):
        lines = ax.get_title().split('\n')
        for line, following in itertools.pairwise(lines):
            assert line[-1] in '.:_' or f'{line} {following}' in name


def test_names_are_no_formulas():
    name = r'cost $\nothing$'
    for plot in (plot_layers, plot_questions):
        fig, axes = plot(maps([name], 40, 40))
        to_rgb(fig)
        assert axes[0].get_title() == name


def zero(result):
    return replace(result, map=np.zeros_like(result.map))


def test_sides_are_written_below_layers(result):
    _, axes = plot_layers({'a': result, 'zero': zero(result)})
    below = axes[0].get_xlabel()
    assert below == '   '.join(
        f'{percent} %: {side_in_words(result, share)} px'
        for percent, share in ((50, '0.5'), (99, '0.99'))
    )
    assert axes[1].get_xlabel() == ''
    _, axes = plot_layers(dict.fromkeys('abcde', result))
    assert axes[0].get_xlabel() == below.replace('   ', '\n')


def test_layers_share_one_scale(result):
    other = ERFResult.from_map(gaussian(60, 90, 3, (30, 40)) * 1e-9, (30, 40))
    _fig, axes = plot_layers({'a': result, 'b': other})
    assert [ax.get_title() for ax in axes] == ['a', 'b']
    assert {ax.get_images()[0].get_clim() for ax in axes} == {(0, 1)}
    assert axes[1].get_images()[0].get_array().max() == pytest.approx(1)
    many = {str(i): result for i in range(7)}
    assert len(plot_layers(many)[1]) == 7


def test_every_panel_shows_as_much_about_the_unit():
    """1.2 times the largest square, also where a map is far larger."""
    shapes = {'a': (300, 400, 3), 'b': (300, 400, 9), 'c': (200, 300, 5)}
    results = {
        name: ERFResult.from_map(gaussian(h, w, sigma, (90, 110)), (90, 110))
        for name, (h, w, sigma) in shapes.items()
    }
    largest = max(
        result.statistics()['centred_square']['0.99']['side']
        for result in results.values()
    )
    fig, axes = plot_layers(results)
    half = np.ceil(1.2 * largest / 2) + 0.5
    for ax in axes:
        assert ax.get_xlim() == (110 - half, 110 + half)
        assert ax.get_ylim() == (90 + half, 90 - half)
    (note,) = fig.texts
    size = round(2 * half)
    assert note.get_text() == (
        f'shown: {size} x {size} px about the unit; '
        'image: 200 x 300, 300 x 400 px'
    )


def test_the_scale_bar_is_as_long_as_it_says(result):
    _, axes = plot_layers({'a': zero(result), 'b': result})
    assert not [line for line in axes[0].lines if line.get_gid()]
    (bar,) = (x for x in axes[1].lines if x.get_gid() == 'scale bar')
    (label,) = axes[1].texts
    left, right = bar.get_xdata()
    assert label.get_text() == f'{right - left:g} px'
    for axis in (axes[1].xaxis, axes[1].yaxis):
        assert not len(axis.get_ticklocs())


def test_the_paper_look_has_maps_and_bars_alone(result):
    fig, axes = plot_layers({'a': result, 'b': result}, style='paper')
    assert not fig.legends and not fig.texts
    for ax in axes:
        assert not ax.patches and not ax.get_xlabel()
        assert all(line.get_gid() == 'scale bar' for line in ax.lines)
    assert len(fig.axes) == 3  # one colour bar
    dark, bright = (
        sum(axes[0].get_images()[0].cmap(value)[:3]) for value in (0.0, 1.0)
    )
    assert dark < 0.05 and bright > 2


@pytest.mark.parametrize(('width', 'inches'), [('page', 7), ('column', 3.4)])
@pytest.mark.parametrize('count', [1, 2, 5, 7])
def test_figures_are_as_wide_as_asked(result, width, inches, count):
    maps = {str(i): result for i in range(count)}
    fig, axes = plot_layers(maps, width=width)
    assert fig.get_figwidth() <= inches + 0.01
    if count > 3:
        assert fig.get_figwidth() == pytest.approx(inches)
    to_rgb(fig)
    sizes = [
        text.get_fontsize()
        for text in fig.findobj(mpl.text.Text)
        if text.get_text()
    ]
    assert min(sizes) >= 6
    panels = [ax.get_window_extent() for ax in axes]
    assert min(box.width for box in panels) > 0.8 * fig.dpi
    assert len({round(box.x0) for box in panels}) <= 5


def test_layers_lie_over_an_image(result):
    grey = np.random.default_rng(0).random((60, 90))
    _, axes = plot_layers({'a': result, 'b': result}, image=grey)
    assert [len(ax.get_images()) for ax in axes] == [2, 2]


def test_picture_looks_as_the_map_does(result):
    """Image comparison that does not depend on fonts."""
    fig, (_, ax) = plot_layers(
        {'zero': zero(result), 'a': result}, cmap='gray'
    )
    small, expected = region(fig, ax, (60, 90)), normalize(result.map) * 255
    assert np.median(np.abs(small - expected)) < 6
    assert np.corrcoef(small.ravel(), expected.ravel())[0, 1] > 0.9


def test_attention_has_no_cross_and_no_squares(attention):
    _, axes = plot_layers({'a': attention, 'b': attention})
    assert all(not ax.patches for ax in axes)
    (bar,) = (line for ax in axes for line in ax.lines)
    assert bar.get_gid() == 'scale bar'
