import numpy as np
import pytest
from matplotlib.colors import to_rgb as rgb_of

from mmerf.core.errors import ConfigError
from mmerf.plots import plot_growth, to_rgb


def record(step, layer, side, stderr=None):
    return {
        'step': step,
        'layer': layer,
        'statistics': {
            'centred_square': {
                '0.5': {'side': side},
                '0.99': {'side': 3 * side},
            },
            'erf_size': {'size': 2.5 * side},
            'uncertainty': {'side': {'0.5': {'stderr': stderr}}},
        },
    }


@pytest.fixture
def history():
    return [
        record(step, layer, side + step // 10, 0.5)
        for step in (0, 40, 80)
        for layer, side in (('a', 5), ('b', 9))
    ]


def data(ax):
    return {
        line.get_label(): line.get_xydata().tolist() for line in ax.get_lines()
    }


def test_one_line_a_layer_and_a_panel_a_quantity(history):
    fig, axes = plot_growth({'run': history})
    assert axes.shape == (3, 1) and fig.get_figwidth() <= 3.5
    half, most, size = axes[:, 0]
    assert data(half) == {
        'a': [[0, 5], [40, 9], [80, 13]],
        'b': [[0, 9], [40, 13], [80, 17]],
    }
    assert data(most)['a'] == [[0, 15], [40, 27], [80, 39]]
    assert data(size)['b'] == [[0, 22.5], [40, 32.5], [80, 42.5]]
    assert half.get_ylabel() == '50 % side (px)'
    band = half.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == 4.5 and band[:, 1].max() == 13.5
    assert not np.isfinite(
        [path.vertices for c in most.collections for path in c.get_paths()]
    ).any()  # nobody measured that error
    labels = [text.get_text() for text in fig.legends[0].get_texts()]
    assert labels == ['a', 'b']


def test_trainings_share_the_scale(history):
    other = [record(0, 'b', 50), record(20, 'c', 70)]
    fig, axes = plot_growth({'one': history, 'two': other})
    assert axes.shape == (3, 2)
    assert [ax.get_title() for ax in axes[0]] == ['one', 'two']
    assert axes[0, 0].get_ylim() == axes[0, 1].get_ylim()
    assert axes[0, 0].get_ylim()[0] == 0 and axes[0, 0].get_ylim()[1] > 70
    assert set(data(axes[0, 1])) == {'b', 'c'}
    colors = {
        line.get_label(): line.get_color()
        for ax in axes[0]
        for line in ax.get_lines()
    }
    same = [line for line in axes[0, 1].get_lines() if line.get_label() == 'b']
    assert (
        same[0].get_color() == colors['b'] and len(set(colors.values())) == 3
    )
    markers = {line.get_marker() for ax in axes[0] for line in ax.get_lines()}
    assert len(markers) == 3
    labels = [text.get_text() for text in fig.legends[0].get_texts()]
    assert labels == ['a', 'b', 'c']


def test_a_zero_map_is_a_gap_in_the_line(history):
    history[2]['statistics'] = {'centred_square': None, 'erf_size': None}
    _, axes = plot_growth({'run': history}, layers=['a'])
    (line,) = axes[0, 0].get_lines()
    assert np.isnan(line.get_ydata()[1]) and line.get_ydata()[2] == 13


def test_unknown_layers_are_refused(history):
    with pytest.raises(ConfigError, match='they have a, b'):
        plot_growth({'run': history}, layers=['c'])


def test_picture_has_the_lines_where_the_numbers_are(history):
    fig, axes = plot_growth({'run': history})
    picture = to_rgb(fig)
    for ax in axes[:, 0]:
        for line in ax.get_lines():
            color = np.array(rgb_of(line.get_color())) * 255
            for point in line.get_xydata():
                x, y = ax.transData.transform(point)
                seen = picture[picture.shape[0] - 1 - int(y), int(x)]
                assert np.abs(seen - color).max() < 40
