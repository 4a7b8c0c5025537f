from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.figure_probe import gaussian, region, side_in_words, within
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle
from torch import nn

from mmerf import ERFResult, measure_erf
from mmerf.core.errors import ConfigError
from mmerf.core.results.theoretical_field import Extent, Support
from mmerf.plots import normalize, plot_layers, plot_map, to_rgb
from mmerf.plots.drawing.style import literal


def test_map_figure_shows_the_numbers(result):
    fig, ax = plot_map(result, title='backbone[3], step 4')
    assert ax.get_title() == 'backbone[3], step 4'
    (image,) = ax.get_images()
    assert image.get_clim() == (0, 1)
    np.testing.assert_allclose(image.get_array(), normalize(result.map))
    squares = result.statistics()['centred_square']
    squares = {share: squares[share] for share in ('0.5', '0.99')}
    drawn = [p for p in ax.patches if isinstance(p, Rectangle)]
    for patch, (share, square) in zip(drawn, squares.items(), strict=True):
        side = square['side']
        left, top = patch.get_xy()
        assert patch.get_width() == min(side, 90)
        if top > -0.5:
            assert (left, top) == (40 - side / 2, 30 - side / 2)
            assert patch.get_height() == side
        labels = [h.get_label() for h in ax.get_lines()]
        text = side_in_words(result, share)
        assert f'{float(share) * 100:g} %: {text} px' in labels
    marker = [line for line in ax.get_lines() if line.get_marker() == '+']
    assert marker[0].get_xydata().tolist() == [[40, 30]]
    assert 'unit at (30, 40)' in marker[0].get_label()
    assert len(fig.axes) == 2  # the map and its colour bar


def notes(fig):
    return ' '.join(text.get_text() for text in fig.texts).replace('\n', ' ')


def test_a_small_field_on_a_large_map_is_seen():
    found = ERFResult.from_map(gaussian(700, 900, 9, (333, 444)), (333, 444))
    side = found.statistics()['centred_square']['0.99']['side']
    fig, ax = plot_map(found)
    half = np.ceil(0.6 * side) + 0.5
    assert ax.get_xlim() == (444 - half, 444 + half)
    assert ax.get_ylim() == (333 + half, 333 - half)
    size = round(2 * half)
    assert notes(fig) == (
        f'shown: {size} x {size} px about the unit; image: 700 x 900 px'
    )


def test_a_field_that_is_not_drawn_is_written(result):
    wide = Extent('box', -300, 300)
    fig, _ = plot_map(replace(result, theory=Support(wide, wide, (4, 4))))
    assert 'theoretical field: 601 x 601 px' in notes(fig)
    (legend,) = fig.legends
    names = [text.get_text() for text in legend.get_texts()]
    assert [name.split(':')[0] for name in names] == [
        '50 %', '99 %', 'output unit at (30, 40)',
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
        under.get_array(), (photo - photo.min()) / np.ptp(photo)
    )
    opaque = over.get_alpha()
    assert opaque.max() <= 0.85 and opaque[30, 40] > 0.8
    assert (np.diff(opaque[30, 40:]) < 1e-9).all()
    assert notes(fig).endswith('under the map: the image')
    many = replace(result, num_images=20)
    fig, ax = plot_map(many, image=photo.mean(axis=2))
    assert notes(fig).endswith('under the map: the mean of 20 images')
    assert ax.get_images()[0].get_array().ndim == 2
    fig, ax = plot_map(result, image=photo)
    assert under.zorder < over.zorder
    inside = region(fig, ax, (60, 90))
    far = result.map < np.quantile(result.map, 0.02)
    assert np.corrcoef(inside[far], grey[far])[0, 1] > 0.7
    near = result.map > 0.9 * result.map.max()
    assert inside[near].std() < 0.3 * grey[near].std()
    with pytest.raises(ConfigError, match='60 x 90'):
        plot_map(result, image=photo[:50])


def test_a_figure_is_as_wide_as_a_column(result):
    assert plot_map(result)[0].get_figwidth() <= 3.5


OUTPUTS = 'sum over channels of output at the unit'
POSITIVE = 'sum over channels of relu(output) at the unit'
SIGNED = 'sum over input channels of |d score / d input|'


@pytest.mark.parametrize(
    ('definition', 'why'),
    [
        ({}, ''),
        ({'score': POSITIVE, 'map': SIGNED}, 'no channel of the unit is posi'),
        ({'score': OUTPUTS, 'map': SIGNED}, 'no pixel moves the score'),
    ],
)
def test_zero_map_says_why_it_is_black(definition, why):
    zero = replace(
        ERFResult.from_map(np.zeros((20, 20))),
        definition=definition,
        zero_score_images=1,
    )
    fig, ax = plot_map(zero)
    assert to_rgb(fig).shape[2] == 3
    text = ' '.join(ax.texts[0].get_text().split())
    assert text.startswith('zero everywhere') and why in text
    assert ('positive' in text) == ('relu' in definition.get('score', ''))


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
            note = ax.texts[0]  # the other is the scale bar's
            assert note.get_text().startswith('zero')
            box = note.get_window_extent()
            assert within(box, ax.get_window_extent())
            assert not box.contains(*ax.transData.transform(center[::-1]))
            assert 6 <= note.get_fontsize() <= 8


def test_names_are_no_formulas(result):
    name = r'cost $\nothing$'
    fig, ax = plot_map(replace(result, layer=name))
    to_rgb(fig)
    assert ax.get_title() == name
    fig, ax = plot_map(result, title=f'{literal(name)}, step 4')
    to_rgb(fig)


def test_picture_looks_as_the_map_does(result):
    """Image comparison that does not depend on fonts."""
    fig, ax = plot_map(result, cmap='gray')
    assert 400 < to_rgb(fig).shape[1] < 800
    small, expected = region(fig, ax, (60, 90)), normalize(result.map) * 255
    assert np.median(np.abs(small - expected)) < 6
    assert np.corrcoef(small.ravel(), expected.ravel())[0, 1] > 0.9


def test_attention_has_no_cross_and_no_squares(attention):
    fig, ax = plot_map(attention, normalization='linear')
    assert not ax.lines and not ax.patches and not ax.texts
    assert not fig.legends
    np.testing.assert_allclose(
        ax.get_images()[0].get_array(), attention.map / 2
    )
    (bar,) = [a for a in fig.axes if a is not ax]
    assert bar.get_ylabel() == 'attention / max'


def test_attention_that_is_zero_speaks_of_no_unit(attention):
    zero = replace(attention, map=np.zeros((8, 8)))
    (note,) = plot_map(zero)[1].texts
    assert 'nothing attends' in note.get_text()
    assert 'unit' not in note.get_text()


def test_a_measured_map_has_its_cross_and_squares():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 7, 2, 3))
    found = measure_erf(net, torch.randn(2, 3, 40, 48), ['0'])
    _, ax = plot_map(found['0'])
    assert ax.lines and ax.patches
    assert to_hex(ax.lines[-1].get_color()) == '#00e5ff'
