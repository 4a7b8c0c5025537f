from dataclasses import replace

import numpy as np
import pytest
from helpers.figure_probe import boxes, gaussian, within

from mmerf import ERFResult
from mmerf.core.errors import ConfigError
from mmerf.plots import plot_comparison, plot_layers, plot_map, to_rgb


def maps(count, peak=1.0):
    """Maps whose peaks are powers of ten, by name."""
    return {
        f'layer {i}': ERFResult.from_map(
            gaussian(40, 40, 5, (20, 20)) * peak * 10.0**-i, (20, 20)
        )
        for i in range(count)
    }


def bars_of(fig, axes):
    return [ax for ax in fig.axes if ax not in set(np.ravel(axes))]


def written(bar):
    return [t.get_text() for t in bar.get_yticklabels() if t.get_text()]


@pytest.mark.parametrize('name', ['linear', 'log10', 'power', 'sqrt'])
@pytest.mark.parametrize('width', ['page', 'column'])
@pytest.mark.parametrize('count', [1, 3, 6])
def test_each_panel_has_its_colour_bar(name, width, count):
    fig, axes = plot_layers(
        maps(count, 52.0), colorbars='each', normalization=name, width=width
    )
    to_rgb(fig)
    bars = bars_of(fig, axes)
    ends = ['52', '5.2', '0.52', '0.052', '5.2e-3', '5.2e-4']
    assert [written(bar) for bar in bars] == [['0', x] for x in ends[:count]]
    panels = boxes(axes)
    for panel, bar in zip(panels, bars, strict=True):
        box = bar.get_window_extent()
        assert 0 < box.x0 - panel.x1 < 20
        assert (box.y0, box.y1) == pytest.approx((panel.y0, panel.y1))
        numbers = [t.get_window_extent() for t in bar.get_yticklabels()]
        for number in numbers:
            assert within(number, fig.bbox)
            assert number.y0 > panel.y0 - 2 and number.y1 < panel.y1 + 2
            assert not any(number.overlaps(other) for other in panels)
    labels = [bar.get_ylabel() for bar in bars]
    assert labels[:-1] == [''] * (count - 1)
    assert labels[-1].startswith('contribution')
    assert ('colours' in labels[-1]) == (name != 'linear')
    label = bars[-1].yaxis.label.get_window_extent()
    assert within(label, fig.bbox) and not any(
        label.overlaps(other) for other in panels
    )


def test_bars_stand_where_there_are_maps():
    first, second, _ = maps(3).values()
    zero = replace(second, map=np.zeros((40, 40)))
    fig, axes = plot_comparison(
        {'a': {'x': first, 'y': zero}, 'b': {'y': second}},
        colorbars='each',
        layout='rows',
    )
    found = [written(bar) for bar in bars_of(fig, axes)]
    assert found == [['0', '1'], ['0'], ['0', '0.1']]


def test_one_map_with_its_own_scale():
    (result,) = maps(1, 1234.0).values()
    for colorbars, expected in (
        ('each', (['0', '1.2e3'], 'contribution')),
        ('shared', (['0.0', '0.5', '1.0'], 'contribution / max')),
    ):
        fig, ax = plot_map(result, normalization='linear', colorbars=colorbars)
        to_rgb(fig)
        (bar,) = bars_of(fig, ax)
        assert (written(bar), bar.get_ylabel()) == expected


def test_unknown_colour_bars_are_refused():
    with pytest.raises(ConfigError, match='shared, each'):
        plot_layers(maps(1), colorbars='none')
