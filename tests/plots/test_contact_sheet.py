"""All layers in a picture that is seen small."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.figure_probe import side_in_words

from mmerf import ERFResult
from mmerf.core.results.theoretical_field import Extent, Support
from mmerf.plots.contact_sheet import plot_contact_sheet


def bell(width, side=101, at=50):
    y, x = np.mgrid[:side, :side]
    map_hw = np.exp(-((y - at) ** 2 + (x - at) ** 2) / width)
    return ERFResult.from_map(map_hw, center_yx=(at, at))


def test_all_panels_show_one_window_about_their_units():
    results = {'a': bell(20), 'b': bell(60), 'c[0]': bell(40, at=3)}
    fig, axes = plot_contact_sheet(results, title='step 8')
    squares = [r.statistics()['centred_square'] for r in results.values()]
    half = np.ceil(0.6 * max(s['0.99']['side'] for s in squares)) + 0.5
    assert fig.get_suptitle() == f'step 8, {2 * half:.0f} px shown'
    assert len(axes) == 3
    for ax, (layer, result), square in zip(
        axes, results.items(), squares, strict=True
    ):
        y, x = result.center
        assert ax.get_xlim() == (x - half, x + half)
        assert ax.get_ylim() == (y + half, y - half)
        sides = [square[share]['side'] for share in ('0.5', '0.99')]
        assert ax.get_title() == (
            f'{layer}\n50 %: {side_in_words(result, "0.5")} px, '
            f'99 %: {side_in_words(result, "0.99")} px'
        )
        if layer != 'c[0]':  # its squares are clipped by the map
            assert [p.get_width() for p in ax.patches] == sides
        assert ax.images[0].get_array().max() == 1


@pytest.mark.parametrize(
    ('count', 'shape'), [(1, (1, 1)), (2, (1, 2)), (5, (3, 2)), (9, (3, 3))]
)
def test_the_picture_is_nearly_square(count, shape):
    fig, axes = plot_contact_sheet(
        {str(i): bell(9, 9, 4) for i in range(count)}
    )
    grid = axes[0].get_gridspec()
    assert (grid.nrows, grid.ncols) == shape and len(axes) == count
    width, height = fig.get_size_inches()
    assert 0.4 < width / height < 1.8


def test_what_has_no_sides_says_so():
    zero = replace(bell(9), map=np.zeros((101, 101)))
    attention = replace(bell(9), kind='attention')
    _, axes = plot_contact_sheet({'a': zero, '$x$': attention})
    assert [ax.get_title() for ax in axes] == [
        'a\nzero everywhere', '$x$\nattention',
    ]  # fmt: skip
    assert not any(ax.patches for ax in axes)
    assert axes[0].get_xlim() == (-0.5, 100.5)


def test_a_panel_without_a_box_says_why_if_others_have_one():
    box, joined = Extent('box', -8, 8), Extent('global', -50, 50)
    drawn = replace(bell(20), theory=Support(box, box, (4.0, 4.0)))
    without = replace(bell(60), theory=Support(joined, joined, (4.0, 4.0)))
    _, axes = plot_contact_sheet({'a': drawn, 'b': without})
    assert [ax.get_title().split('\n')[2:] for ax in axes] == [
        ['theory: 17 px'], ['theory: global'],
    ]  # fmt: skip
    _, axes = plot_contact_sheet({'a': drawn, 'b': drawn})
    assert 'theory' not in axes[0].get_title()
