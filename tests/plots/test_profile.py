from dataclasses import replace

import numpy as np
import pytest
from helpers.figure_probe import apart, boxes, gaussian, within
from matplotlib.colors import to_rgb as rgb_of

from mmerf import ERFResult
from mmerf.plots import plot_growth, plot_profile, to_rgb


@pytest.fixture
def result():
    return ERFResult.from_map(
        7 * gaussian(81, 101, 9, (40, 50)), (40, 50), layer='a'
    )


def test_a_gaussian_is_its_own_fit(result):
    fig, axes = plot_profile(result)
    assert axes.shape == (2, 1) and fig.get_figwidth() <= 3.5
    ring, mass = axes[:, 0]
    drawn, fitted = ring.get_lines()[:2]
    x, y = drawn.get_data()
    expected = np.exp(-(x**2) / (2 * 81))
    near = x < 30
    np.testing.assert_allclose(y[near], expected[near], atol=0.01)
    np.testing.assert_allclose(fitted.get_ydata()[near], y[near], atol=1e-6)
    assert ring.texts[0].get_text() == 'R² = 1.00'
    assert ring.get_yscale() == 'log'
    x, y = mass.get_lines()[0].get_data()
    radial = result.statistics()['radial']['cumulative_mass']
    for radius, share in radial.items():
        if int(radius) < len(y):
            assert y[int(radius)] == pytest.approx(share)
    inside = y[x <= mass.get_xlim()[1]]
    assert inside[-1] >= 0.995


@pytest.mark.parametrize(('width', 'inches'), [('page', 7), ('column', 3.4)])
def test_layers_fit_the_width(result, width, inches):
    maps = {f'layer {i}': result for i in range(5)}
    fig, axes = plot_profile(maps, width=width)
    assert axes.shape == (2, 5) and fig.get_figwidth() == inches
    to_rgb(fig)
    found = boxes(axes.ravel())
    assert apart(found) and min(box.width for box in found) > 80
    texts = fig.legends[0].get_texts()
    assert all(within(box, fig.bbox) for box in boxes(texts))
    assert any('variance' in text.get_text() for text in texts)
    assert len({ax.get_ylim() for ax in axes[0]}) == 1
    assert len({ax.get_xlim() for ax in axes.ravel()}) == 1


def test_layers_share_the_scales(result):
    flat = ERFResult.from_map(np.ones((81, 101)), (40, 50), layer='b')
    zero = replace(result, map=np.zeros((81, 101)))
    fig, axes = plot_profile({'a': result, 'b': flat, 'zero': zero})
    assert fig.get_figwidth() <= 7.1
    assert [ax.get_title() for ax in axes[0]] == ['a', 'b', 'zero']
    assert len({ax.get_ylim() for ax in axes[0]}) == 1
    assert len({ax.get_xlim() for ax in axes.ravel()}) == 1
    np.testing.assert_allclose(axes[0, 1].get_lines()[0].get_ydata(), 1)
    assert not axes[0, 2].get_lines() and axes[0, 2].texts


def test_long_tails_are_seen_beside_the_fit(result):
    """A Gaussian with a flat floor: the fit misses the floor."""
    tail = replace(result, map=result.map + 0.02)
    _, axes = plot_profile(tail)
    drawn, fitted = axes[0, 0].get_lines()[:2]
    assert drawn.get_ydata()[45] > 50 * np.nan_to_num(fitted.get_ydata()[45])


def test_picture_has_the_line_where_the_numbers_are(result):
    fig, axes = plot_profile(result)
    picture, ax = to_rgb(fig), axes[1, 0]
    line = ax.get_lines()[-1]  # drawn over the other, which is the same
    color = np.array(rgb_of(line.get_color())) * 255
    hits = 0
    for point in line.get_xydata()[5:30]:
        x, y = ax.transData.transform(point)
        seen = picture[picture.shape[0] - 1 - int(y), int(x)]
        hits += np.abs(seen - color).max() < 90
    assert hits > 8  # the line is dashed


def test_names_break_and_are_no_formulas(result):
    names = [r'cost $\nothing$', *(f'backbone.{i}.attn.proj' for i in 'abcd')]
    fig, axes = plot_profile(dict.fromkeys(names, result))
    to_rgb(fig)
    assert apart(boxes(ax.title for ax in axes[0]))
    assert axes[0, 0].get_title().replace('\n', ' ') == names[0]


def test_a_layer_has_its_colour_of_the_growth_figure(result):
    maps = {f'layer {i}': result for i in range(3)}
    records = [
        {'step': 0, 'layer': layer, 'statistics': result.statistics()}
        for layer in maps
    ]
    _, growth = plot_growth({'run': records})
    _, axes = plot_profile(maps)
    for i, line in enumerate(growth[0, 0].get_lines()):
        for ax in axes[:, i]:
            assert ax.get_lines()[0].get_color() == line.get_color()
            assert ax.get_lines()[1].get_color() != line.get_color()
