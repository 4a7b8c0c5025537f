from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from torch import nn

from mmerf import ERFResult, measure_erf
from mmerf.plots import plot_layers, plot_map, save_figure
from mmerf.plots.questions import plot_questions


@pytest.fixture(scope='module')
def results():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 7, 2, 3))
    images = torch.randn(2, 3, 40, 48)
    targets = {
        'centre unit': None,
        'grid': dict(type='UnitGrid', rows=3, columns=3),
    }
    return {
        name: measure_erf(net, images, ['0'], target=target)['0']
        for name, target in targets.items()
    }


def test_every_panel_is_as_wide_and_about_its_own_unit(results, tmp_path):
    fig, axes = plot_questions(results, reach=20)
    fig.canvas.draw()
    for ax, result in zip(axes, results.values(), strict=True):
        y, x = result.center
        assert ax.get_xlim() == (x - 20, x + 20)
        assert ax.get_ylim() == (y + 20, y - 20)
        ticks = ax.get_xticks()
        labels = [label.get_text() for label in ax.get_xticklabels()]
        shown = {t - x: text for t, text in zip(ticks, labels, strict=True)}
        assert shown[0] == '0' and shown[10] == '10' and shown[-10] == '-10'
        assert ax.get_images()[0].get_clim() == (0, 1)
    names = [ax.get_legend_handles_labels()[1][-1] for ax in axes]
    assert names == ['unit at (20, 24)', 'units, aligned']
    assert [ax.get_title() for ax in axes] == list(results)
    assert save_figure(fig, tmp_path / 'q.svg').is_file()


def test_the_reach_is_half_of_the_first_image(results):
    _, axes = plot_questions(results)
    assert axes[0].get_xlim() == (24 - 24, 24 + 24)


def attention():
    array = np.linspace(0, 2, 64).reshape(8, 8)
    return ERFResult(
        map=array, layer='backbone:sky', kind='attention',
        unit_pixel=(4.0, 4.0), sizes=((8, 8, 1),),
    )  # fmt: skip


def test_attention_has_no_cross_and_no_squares():
    fig, ax = plot_map(attention(), normalization='linear')
    assert not ax.lines and not ax.patches and not ax.texts
    assert not fig.legends
    np.testing.assert_allclose(
        ax.get_images()[0].get_array(), attention().map / 2
    )
    (bar,) = [a for a in fig.axes if a is not ax]
    assert bar.get_ylabel() == 'attention / max'
    _, axes = plot_layers({'a': attention(), 'b': attention()})
    assert all(not ax.lines and not ax.patches for ax in axes)


def test_attention_that_is_zero_speaks_of_no_unit():
    zero = replace(attention(), map=np.zeros((8, 8)))
    (said,) = plot_map(zero)[1].texts
    assert 'nothing attends' in said.get_text()
    assert 'unit' not in said.get_text()


def test_a_field_beside_it_keeps_both(results):
    _, ax = plot_map(results['centre unit'])
    assert ax.lines and ax.patches
    assert to_hex(ax.lines[-1].get_color()) == '#00e5ff'
