import numpy as np
import pytest
import torch
from torch import nn

from mmerf import measure_erf
from mmerf.plots import save_figure
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
    fig, axes = plot_questions(results, reach=10)
    fig.canvas.draw()
    for ax, result in zip(axes, results.values(), strict=True):
        y, x = result.center
        assert ax.get_xlim() == (x - 10.5, x + 10.5)
        assert ax.get_ylim() == (y + 10.5, y - 10.5)
        assert ax.get_images()[0].get_clim() == (0, 1)
    names = [ax.get_legend_handles_labels()[1][-1] for ax in axes]
    assert names == ['output unit at (20, 24)', 'units, aligned']
    assert [ax.get_title() for ax in axes] == list(results)
    assert save_figure(fig, tmp_path / 'q.svg').is_file()


def test_the_reach_is_that_of_the_largest_square(results):
    largest = max(
        result.statistics()['centred_square']['0.99']['side']
        for result in results.values()
    )
    _, axes = plot_questions(results)
    half = np.ceil(0.6 * largest) + 0.5
    assert axes[0].get_xlim() == (24 - half, 24 + half)
