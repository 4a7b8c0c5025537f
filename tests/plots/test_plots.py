import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.patches import Rectangle
from PIL import Image

from mmerf import ERFResult
from mmerf.core.errors import ConfigError
from mmerf.plots import (
    NORMALIZATIONS,
    normalize,
    plot_layers,
    plot_map,
    save_figure,
    to_rgb,
)
from mmerf.plots.normalization import LABELS
from mmerf.plots.style import check_cmap


def gaussian(height, width, sigma, center):
    y, x = np.mgrid[:height, :width]
    squared = (y - center[0]) ** 2 + (x - center[1]) ** 2
    return np.exp(-squared / (2 * sigma**2))


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


def test_small_squares_get_an_inset(result):
    assert not plot_map(result)[1].child_axes
    small = ERFResult.from_map(gaussian(400, 500, 4, (300, 90)), (300, 90))
    (inset,) = plot_map(small)[1].child_axes
    low, high = inset.get_xlim()
    assert low < 90 < high and (low + high) / 2 == 90


def test_zero_map_says_why_it_is_black():
    zero = ERFResult.from_map(np.zeros((20, 20)))
    fig, ax = plot_map(zero)
    assert 'zero everywhere' in ax.texts[0].get_text()
    assert to_rgb(fig).shape[2] == 3


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


@pytest.mark.parametrize('suffix', ['png', 'pdf', 'svg'])
def test_files_of_every_format(result, suffix, tmp_path):
    path = save_figure(plot_map(result)[0], tmp_path / f'map.{suffix}')
    head = path.read_bytes()[:200]
    assert {'png': b'PNG', 'pdf': b'%PDF', 'svg': b'<svg'}[suffix] in head or (
        suffix == 'svg' and b'<?xml' in head
    )


def test_picture_looks_as_the_map_does(result):
    """Image comparison that does not depend on fonts."""
    picture = to_rgb(plot_map(result, cmap='gray')[0])
    assert picture.dtype == np.uint8 and 400 < picture.shape[1] < 800
    fig, ax = plot_map(result, cmap='gray')
    to_rgb(fig)
    box = ax.get_window_extent()
    top = picture.shape[0] - box.y1
    inside = picture[
        int(top) + 2 : int(picture.shape[0] - box.y0) - 2,
        int(box.x0) + 2 : int(box.x1) - 2,
    ]
    small = np.asarray(
        Image.fromarray(inside).convert('L').resize((90, 60), Image.BOX)
    )
    expected = normalize(result.map) * 255
    assert np.median(np.abs(small - expected)) < 6
    assert np.corrcoef(small.ravel(), expected.ravel())[0, 1] > 0.9


def test_unknown_names_are_refused():
    with pytest.raises(ConfigError, match='power'):
        normalize(np.ones((2, 2)), 'cube')
    with pytest.raises(ConfigError, match='viridis'):
        check_cmap('infernal')
