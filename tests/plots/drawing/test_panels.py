from dataclasses import replace

import numpy as np
import pytest
from helpers.figure_probe import gaussian, within
from matplotlib.colors import same_color
from matplotlib.patches import Rectangle

from mmerf import ERFResult
from mmerf.core.results.theoretical_field import Extent, Support
from mmerf.plots import plot_comparison, plot_layers, plot_map, to_rgb
from mmerf.plots.drawing.normalization import LABELS
from mmerf.plots.drawing.style import THEORY_STYLE
from mmerf.plots.questions import plot_questions


@pytest.fixture
def result():
    return ERFResult.from_map(gaussian(60, 90, 6, (30, 40)), (30, 40))


def field(result, reach):
    box = Extent('box', -reach, reach)
    return replace(result, theory=Support(box, box, (4.0, 4.0)))


def entries(fig):
    (legend,) = fig.legends
    texts = [text.get_text() for text in legend.get_texts()]
    return dict(zip(texts, legend.legend_handles, strict=True))


@pytest.mark.parametrize('columns', [1, 2, 5])
def test_the_legend_fits_the_figure(result, columns):
    maps = {str(i): field(result, 20) for i in range(columns)}
    for fig, _ in (plot_layers(maps), plot_comparison({'run': maps})):
        assert 'theoretical field' in entries(fig)
        to_rgb(fig)
        box = fig.legends[0].get_window_extent()
        assert within(box, fig.bbox)
        assert all(
            box.y1 <= text.get_window_extent().y0
            for ax in fig.axes
            if (text := ax.xaxis.label).get_text()
        )


@pytest.mark.parametrize(
    ('shares', 'drawn'),
    [
        ((0.2, 0.3, 0.5, 0.99), (0.5, 0.99)),
        ((0.2, 0.3, 0.9), (0.2, 0.9)),
        ((0.5,), (0.5,)),
    ],
)
def test_the_legend_has_the_looks_of_the_squares(result, shares, drawn):
    many = replace(result, shares=shares)
    squares = many.statistics()['centred_square']
    fig, (ax,) = plot_layers({'a': many})
    named = entries(fig)
    looks = set()
    assert len(ax.patches) == len(drawn) == len(named) - 1
    for share in drawn:
        (box,) = (
            patch
            for patch in ax.patches
            if isinstance(patch, Rectangle)
            and patch.get_width() == squares[str(share)]['side']
        )
        handle = named[f'holds {share * 100:g} %']
        assert same_color(handle.get_color(), box.get_edgecolor())
        assert handle.get_linestyle() == box.get_linestyle()
        looks.add((handle.get_color(), handle.get_linestyle()))
    assert len(looks) == len(drawn)


def test_what_is_off_the_panel_is_not_in_the_legend(result):
    """A 99 % square beyond the panel; panels cut to 8 px about the unit."""
    fig, (ax,) = plot_questions({'a': result}, reach=8)
    assert ax.get_xlim() == (31.5, 48.5)
    assert list(entries(fig)) == [
        'holds 50 %', 'place of the output unit',
    ]  # fmt: skip


def test_the_field_is_named_where_a_piece_of_it_is_seen(result):
    fig, _ = plot_layers({'a': result, 'b': field(result, 20)})
    handle = entries(fig)['theoretical field']
    assert handle.get_color() == THEORY_STYLE['color'] and handle.is_dashed()
    larger = field(result, 40)  # more than twice the 99 % square
    for fig, _ in (
        plot_layers({'a': larger}),
        plot_comparison({'run': {'a': larger}}),
        plot_layers({'a': result}),
        plot_questions({'a': field(result, 20)}, reach=15),
        plot_map(larger),
    ):
        assert 'theoretical field' not in entries(fig)


@pytest.mark.parametrize('name', LABELS)
@pytest.mark.parametrize('shape', [(60, 90), (10, 90)])
def test_the_colour_bar_names_the_normalisation(name, shape):
    flat = ERFResult.from_map(gaussian(*shape, 6, (5, 40)), (5, 40))
    maps = {str(i): flat for i in range(5)}
    for fig, axes in (
        plot_layers(maps, normalization=name),
        plot_comparison({'run': maps}, normalization=name),
    ):
        (bar,) = (ax for ax in fig.axes if ax not in axes)
        assert bar.get_ylabel().replace('\n', ' ') == LABELS[name]
        to_rgb(fig)
        assert within(bar.yaxis.label.get_window_extent(), fig.bbox)
        first = np.atleast_1d(axes).flat[0].get_window_extent()
        box = bar.get_window_extent()
        assert (box.y0, box.y1) == pytest.approx((first.y0, first.y1))
