import io
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
from helpers.figure_probe import gaussian, region, within
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from PIL import Image

from mmerf import ERFResult
from mmerf.core.errors import ConfigError
from mmerf.core.results.theoretical_field import Extent, Support
from mmerf.plots import (
    NORMALIZATIONS,
    normalize,
    plot_layers,
    plot_map,
    save_figure,
    to_rgb,
)
from mmerf.plots.drawing.normalization import LABELS
from mmerf.plots.drawing.style import check_cmap, check_title, literal


@pytest.fixture
def result():
    return ERFResult.from_map(
        gaussian(60, 90, 15, (30, 40)), (30, 40), layer='backbone[3]'
    )


def test_normalisations_as_the_design_defines_them():
    x = np.array([[0.0, 0.5, 2.0]])
    np.testing.assert_allclose(normalize(x), (x / 2) ** 0.2)
    np.testing.assert_allclose(normalize(x, 'sqrt'), (x / 2) ** 0.5)
    np.testing.assert_allclose(normalize(x, 'linear'), x / 2)
    np.testing.assert_allclose(
        normalize(x, 'log10'), np.log10(x + 1) / np.log10(3)
    )
    assert set(LABELS) == set(NORMALIZATIONS)


@given(
    st.sampled_from(sorted(NORMALIZATIONS)),
    st.lists(st.floats(0, 1e300), min_size=4, max_size=4),
)
def test_normalised_maps_end_in_zero_to_one(name, values):
    found = normalize(np.array(values).reshape(2, 2), name)
    assert np.isfinite(found).all()
    assert found.min() >= 0 and found.max() <= 1
    if max(values) == 0:
        assert not found.any()
    else:
        assert found.max() == pytest.approx(1)


def test_map_figure_shows_the_numbers(result):
    fig, ax = plot_map(result, title='backbone[3], step 4')
    assert ax.get_title() == 'backbone[3], step 4'
    (image,) = ax.get_images()
    assert image.get_clim() == (0, 1)
    np.testing.assert_allclose(image.get_array(), normalize(result.map))
    squares = result.statistics()['centred_square']
    drawn = [p for p in ax.patches if isinstance(p, Rectangle)]
    for patch, (share, square) in zip(drawn, squares.items(), strict=False):
        side = square['side']
        left, top = patch.get_xy()
        assert patch.get_width() == min(side, 90)
        if top > -0.5:
            assert (left, top) == (40 - side / 2, 30 - side / 2)
            assert patch.get_height() == side
        labels = [h.get_label() for h in ax.get_lines()]
        assert f'{float(share) * 100:g} %: {side} px' in labels
    marker = [line for line in ax.get_lines() if line.get_marker() == '+']
    assert marker[0].get_xydata().tolist() == [[40, 30]]
    assert 'unit at (30, 40)' in marker[0].get_label()
    assert len(fig.axes) == 2  # the map and its colour bar


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
def test_an_inset_tells_its_size_inside_the_map(shape, at):
    center = (int(shape[0] * at), int(shape[1] * at))
    found = ERFResult.from_map(gaussian(*shape, 3, center), center)
    for fig, axes in (
        plot_map(found),
        plot_layers({str(i): found for i in range(5)}),
    ):
        to_rgb(fig)
        for ax in np.atleast_1d(axes):
            (inset,), (said,) = insets(ax), ax.texts
            low, high = inset.get_xlim()
            assert said.get_text() == f'{high - low:g} px'
            box = said.get_window_extent()
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


def test_scales_as_a_share_of_the_image(result):
    fig, ax = plot_map(result)
    to_rgb(fig)
    above, right = (c for c in ax.child_axes if type(c) is not Axes)
    np.testing.assert_allclose(above.get_xlim(), (0, 100))
    np.testing.assert_allclose(right.get_ylim(), (100, 0))
    assert [t.get_text() for t in above.get_xticklabels()] == [
        '0 %', '50 %', '100 %',
    ]  # fmt: skip


def test_map_over_an_image_lets_it_through_where_little_comes_from(result):
    # waves, so that half a pixel of a renderer's rounding changes little
    rows, columns = np.sin(np.mgrid[:60, :90] * np.pi / 10)
    photo = np.repeat((127 + 120 * rows * columns)[..., None], 3, 2)
    photo = photo.astype(np.uint8)
    fig, ax = plot_map(result, image=photo)
    under, over = ax.get_images()
    grey = photo.mean(axis=2)
    np.testing.assert_allclose(
        under.get_array(), (grey - grey.min()) / np.ptp(grey)
    )
    np.testing.assert_allclose(over.get_alpha(), normalize(result.map))
    assert under.zorder < over.zorder
    inside = region(fig, ax, (60, 90))
    far = result.map < np.quantile(result.map, 0.02)
    assert np.corrcoef(inside[far], grey[far])[0, 1] > 0.7
    near = result.map > 0.9 * result.map.max()
    assert abs(np.corrcoef(inside[near], grey[near])[0, 1]) < 0.6
    _, axes = plot_layers({'a': result, 'b': result}, image=grey)
    assert [len(ax.get_images()) for ax in axes] == [2, 2]
    with pytest.raises(ConfigError, match='60 x 90'):
        plot_map(result, image=photo[:50])


def test_layers_tell_the_sides_below(result):
    _, axes = plot_layers({'a': result, 'zero': zero_like(result)})
    squares = result.statistics()['centred_square']
    below = axes[0].get_xlabel()
    for share, square in squares.items():
        assert f'{float(share) * 100:g} %: {square["side"]}' in below
    assert axes[1].get_xlabel() == ''


def zero_like(result):
    return replace(result, map=np.zeros_like(result.map))


def test_figures_are_as_wide_as_a_column_or_a_page(result):
    assert plot_map(result)[0].get_figwidth() <= 3.5
    for count in (2, 5, 7):
        fig, axes = plot_layers({str(i): result for i in range(count)})
        assert fig.get_figwidth() <= 7.1
        to_rgb(fig)
        sizes = [
            text.get_fontsize()
            for text in fig.findobj(mpl.text.Text)
            if text.get_text()
        ]
        assert min(sizes) >= 6
        boxes = [ax.get_window_extent() for ax in axes]
        assert min(box.width for box in boxes) > 0.8 * fig.dpi


def test_zero_map_says_why_it_is_black():
    zero = ERFResult.from_map(np.zeros((20, 20)))
    fig, ax = plot_map(zero)
    assert 'zero everywhere' in ax.texts[0].get_text()
    assert to_rgb(fig).shape[2] == 3


@pytest.mark.parametrize(
    'shape', [(64, 64), (64, 128), (64, 256), (32, 256), (256, 64)]
)
@pytest.mark.parametrize('at', [0.1, 0.5, 0.9])
def test_a_zero_map_says_so_beside_its_cross(shape, at):
    center = (int(shape[0] * at), int(shape[1] * at))
    zero = ERFResult.from_map(np.zeros(shape), center)
    for fig, axes in (
        plot_map(zero),
        plot_layers({str(i): zero for i in range(5)}),
        plot_layers({'a': zero, 'b': zero}),
    ):
        to_rgb(fig)
        for ax in np.atleast_1d(axes):
            (said,) = ax.texts
            assert said.get_text().startswith('zero')
            box = said.get_window_extent()
            assert within(box, ax.get_window_extent())
            assert not box.contains(*ax.transData.transform(center[::-1]))
            assert 6 <= said.get_fontsize() <= 8


def test_layers_share_one_scale(result):
    other = ERFResult.from_map(gaussian(60, 90, 3, (30, 40)) * 1e-9, (30, 40))
    _fig, axes = plot_layers({'a': result, 'b': other})
    assert [ax.get_title() for ax in axes] == ['a', 'b']
    assert {ax.get_images()[0].get_clim() for ax in axes} == {(0, 1)}
    assert axes[1].get_images()[0].get_array().max() == pytest.approx(1)
    many = {str(i): result for i in range(7)}
    assert len(plot_layers(many)[1]) == 7


def test_nothing_global_is_changed(result):
    before, backend = dict(mpl.rcParams), mpl.rcParams['backend']
    import sys

    had_pyplot = 'matplotlib.pyplot' in sys.modules
    fig, _ = plot_map(result)
    to_rgb(fig)
    assert dict(mpl.rcParams) == before
    assert mpl.rcParams['backend'] == backend
    assert ('matplotlib.pyplot' in sys.modules) == had_pyplot


def test_a_notebook_shows_a_figure(result):
    """IPython asks an object for ``_repr_png_``, whatever the backend."""
    for fig in (plot_map(result)[0], plot_layers({'a': result})[0]):
        shown = Image.open(io.BytesIO(fig._repr_png_())).convert('RGB')
        np.testing.assert_array_equal(np.asarray(shown), to_rgb(fig))


@pytest.mark.parametrize('suffix', ['png', 'pdf', 'svg'])
def test_files_of_every_format(result, suffix, tmp_path):
    path = save_figure(plot_map(result)[0], tmp_path / f'map.{suffix}')
    head = path.read_bytes()[:200]
    assert {'png': b'PNG', 'pdf': b'%PDF', 'svg': b'<svg'}[suffix] in head or (
        suffix == 'svg' and b'<?xml' in head
    )


def test_words_in_a_pdf_stay_words(result, tmp_path):
    written = save_figure(plot_map(result)[0], tmp_path / 'map.pdf')
    content = written.read_bytes()
    assert b'/FontFile2' in content and b'/Type3' not in content


def test_names_are_no_formulas(result):
    name = r'cost $\nothing$'
    fig, ax = plot_map(replace(result, layer=name))
    to_rgb(fig)
    assert ax.get_title() == name
    fig, ax = plot_map(result, title=f'{literal(name)}, step 4')
    to_rgb(fig)


@pytest.mark.parametrize('figure', ['map', 'layers'])
def test_picture_looks_as_the_map_does(result, figure):
    """Image comparison that does not depend on fonts."""
    if figure == 'map':
        fig, ax = plot_map(result, cmap='gray')
        assert 400 < to_rgb(fig).shape[1] < 800
    else:
        fig, (_, ax) = plot_layers(
            {'zero': zero_like(result), 'a': result}, cmap='gray'
        )
    small, expected = region(fig, ax, (60, 90)), normalize(result.map) * 255
    assert np.median(np.abs(small - expected)) < 6
    assert np.corrcoef(small.ravel(), expected.ravel())[0, 1] > 0.9


def test_unknown_names_are_refused():
    with pytest.raises(ConfigError, match='power'):
        normalize(np.ones((2, 2)), 'cube')
    with pytest.raises(ConfigError, match='viridis'):
        check_cmap('infernal')


def test_titles_may_be_formulas():
    for title in (None, '', 'words', r'$\sigma$ of it', '2 $', r'a \$ b \$ c'):
        assert check_title(title) == title
    for title in (r'$\nothing$', 'one\nof $x_$ two', r'$\frac{1}$'):
        with pytest.raises(ConfigError, match='no formula'):
            check_title(title)
