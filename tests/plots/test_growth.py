import itertools

import numpy as np
import pytest
from helpers.figure_probe import apart, boxes, numbers, within, words
from matplotlib.colors import to_rgb as rgb_of

from mmerf.core.errors import ConfigError
from mmerf.core.statistics import (
    STATISTICS,
    Number,
    Statistic,
    shown_numbers,
)
from mmerf.plots import plot_growth, to_rgb

DRAWN = shown_numbers('growth', (0.5, 0.99))


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


def test_one_line_per_layer_and_one_panel_per_quantity(history):
    fig, axes = plot_growth({'run': history})
    assert axes.shape == (len(DRAWN), 1) and fig.get_figwidth() <= 3.5
    half, most, size = axes[:3, 0]
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
    assert axes.shape == (len(DRAWN), 2)
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


def ceilings(ax):
    return [
        line.get_ydata()[0]
        for line in ax.get_lines()
        if line.get_linestyle() == ':'
    ]


def test_the_size_of_the_images_is_a_ceiling(history):
    for entry in history:
        entry['input_size'] = [48, 60]
    _, axes = plot_growth({'run': history})
    half, most = axes[:2, 0]  # up to 17 and 51 px
    assert ceilings(half) == [] and ceilings(most) == [48, 60]
    texts = [text.get_text() for text in most.texts]
    assert texts == ['image: 48 px', 'image: 60 px']
    assert most.get_ylim()[1] > 60
    history[0]['input_size'] = None  # of different sizes
    _, axes = plot_growth({'run': history})
    assert ceilings(axes[1, 0]) == []


def test_a_column_holds_two_trainings(history):
    fig, _ = plot_growth({'a': history, 'b': history}, width='column')
    assert fig.get_figwidth() == 3.4
    fig, _ = plot_growth({'a': history, 'b': history})
    assert fig.get_figwidth() == 7


def test_a_zero_map_is_a_gap_in_the_line(history):
    history[2]['statistics'] = {'centred_square': None, 'erf_size': None}
    _, axes = plot_growth({'run': history}, layers=['a'])
    (line,) = axes[0, 0].get_lines()
    assert np.isnan(line.get_ydata()[1]) and line.get_ydata()[2] == 13


def with_shares(step, *shares):
    squares = {share: {'side': 3 + step} for share in shares}
    statistics = {'centred_square': squares, 'erf_size': {'size': 4}}
    return {'step': step, 'layer': 'a', 'statistics': statistics}


def test_shares_that_not_all_have_are_left_out():
    resumed = [with_shares(0, '0.5', '0.99'), with_shares(8, '0.2', '0.5')]
    other = [with_shares(4, '0.9', '0.5')]
    _, axes = plot_growth({'resumed': resumed, 'other': other})
    assert [ax.get_ylabel() for ax in axes[:2, 0]] == [
        '50 % side (px)', 'ERF size (px)',
    ]  # fmt: skip
    assert data(axes[0, 0]) == {'a': [[0, 3], [8, 11]]}
    assert data(axes[0, 1]) == {'a': [[4, 7]]}


def test_no_share_in_common_is_refused():
    one, other = [with_shares(0, '0.2', '0.5')], [with_shares(4, '0.9')]
    with pytest.raises(ConfigError) as caught:
        plot_growth({'one': one, 'other': other})
    for part in ('other, step 4, a has 0.9', 'one, step 0, a', '0.2, 0.5'):
        assert part in str(caught.value)
    assert '\n' not in str(caught.value)


def test_pictures_of_attention_have_no_size_to_draw(history):
    history[1]['kind'] = 'attention'
    with pytest.raises(ConfigError, match='run, b is a picture of attention'):
        plot_growth({'run': history})
    _, axes = plot_growth({'run': history}, layers=['a'])
    assert set(data(axes[0, 0])) == {'a'}


def test_many_trainings_have_the_limit_of_one(history):
    _, one = plot_growth({'run': history})
    _, many = plot_growth({f'run {i}': history for i in range(8)})
    for first, ax in zip(one[:, 0], many[:, 7], strict=True):
        assert ax.get_ylim() == pytest.approx(first.get_ylim())


def test_long_names_do_not_run_into_each_other(history):
    names = [f'{i} work_dirs/a_long_name/of a training' for i in range(5)]
    fig, axes = plot_growth(dict.fromkeys(names, history))
    to_rgb(fig)
    boxes = [ax.title.get_window_extent() for ax in axes[0]]
    for left, right in itertools.pairwise(boxes):
        assert left.x1 < right.x0
    assert min(b.x0 for b in boxes) > 0 and boxes[-1].x1 < fig.bbox.x1


def test_every_layer_has_a_look_of_its_own():
    layers = [f'layer {i}' for i in range(21)]
    records = [record(step, la, 5) for step in (0, 9) for la in layers]
    _, axes = plot_growth({'run': records})
    looks = {
        (line.get_color(), line.get_marker(), line.get_linestyle())
        for line in axes[0, 0].get_lines()
    }
    assert len(looks) == 21


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


def training(layers, steps):
    return [
        record(step, layer, 9 + 7 * number + step // 9000)
        for step in steps
        for number, layer in enumerate(layers)
    ]


LONG = [f'backbone.layers.{i}.1.attn.attn.out_proj' for i in range(8)]


@pytest.mark.parametrize('count', [1, 2, 4, 6])
@pytest.mark.parametrize('layers', [['a', 'b'], LONG, [2 * LONG[0], 'b']])
def test_words_have_room(count, layers):
    one = training(layers, range(0, 160001, 16000))
    fig, axes = plot_growth({f'training {i}': one for i in range(count)})
    to_rgb(fig)
    box = fig.legends[0].get_window_extent()
    assert within(box, fig.bbox)
    for ax in axes[-1]:
        steps = boxes(numbers(ax.xaxis))
        assert len(steps) >= 3 and apart(box.padded(3) for box in steps)
    found = boxes(text for text in words(fig) if text.get_text() != '0')
    assert apart(found)
    assert min(ax.get_window_extent().height for ax in axes.flat) > 120


def test_many_steps_have_few_markers():
    _, axes = plot_growth({'run': training(LONG[:5], range(40))})
    drawn = []
    for line in axes[0, 0].get_lines():
        first, every = line.get_markevery()
        drawn.append(set(range(first, 40, every)))
        assert len(line.get_xdata()) == 40
    assert max(map(len, drawn)) <= 12
    assert not drawn[0] & drawn[1]  # one does not hide another
    _, axes = plot_growth({'run': training(LONG[:5], range(12))})
    for line in axes[0, 0].get_lines():
        assert line.get_markevery() == (0, 1)


def test_names_are_no_formulas():
    layers = [r'cost $\nothing$', '_orig_mod.backbone']
    fig, axes = plot_growth(dict.fromkeys(layers, training(layers, [0, 8])))
    to_rgb(fig)
    assert [ax.get_title() for ax in axes[0]] == layers
    labels = [text.get_text() for text in fig.legends[0].get_texts()]
    assert labels == layers


def test_ratios_are_in_per_cent_and_negative_numbers_are_seen(monkeypatch):
    class Signed(Statistic):
        name = 'signed'

        def numbers(self, shares):
            return [
                Number('signed', ('value',), 'signed', percent=True, rank=0)
            ]

    monkeypatch.setitem(STATISTICS, 'signed', Signed())
    records = [record(step, 'a', 5) for step in (0, 40)]
    for number, entry in enumerate(records):
        entry['statistics']['signed'] = {'value': 0.2 - 0.3 * number}
    _, axes = plot_growth({'run': records})
    panel = axes[0, 0]
    assert panel.get_ylabel() == 'signed (%)'
    (points,) = data(panel).values()
    assert np.allclose(points, [[0, 20], [40, -10]])
    low, high = panel.get_ylim()
    assert low < -10 and high > 20


def bounded(step, side, reaches):
    found = record(step, 'a', side)
    for share in ('0.5', '0.99'):
        square = found['statistics']['centred_square'][share]
        square['reaches_edge'] = reaches and share == '0.99'
    return found


def test_values_that_the_image_limits_have_hollow_markers(history):
    steps = [bounded(0, 5, False), bounded(8, 9, True), bounded(16, 9, True)]
    fig, axes = plot_growth({'run': steps})
    half, most = axes[:2, 0]
    assert not half.collections
    (hollow,) = most.collections
    assert hollow.get_offsets().tolist() == [[8, 27], [16, 27]]
    assert hollow.get_facecolor().tolist() == [[1, 1, 1, 1]]
    assert 'hollow: at least' in notes(fig)
    assert 'hollow' not in notes(plot_growth({'run': history})[0])


def notes(fig):
    return ' '.join(text.get_text() for text in fig.texts).replace('\n', ' ')


def test_words_of_the_axes_are_explained_once(history):
    fig, axes = plot_growth({'one': history, 'two': history})
    to_rgb(fig)
    assert 'ERF size: root of the number of pixels above 4.55 %' in notes(fig)
    assert notes(fig).count('bands: standard error over images') == 1
    alone = [record(0, 'a', 5), record(8, 'a', 7)]
    assert 'bands' not in notes(plot_growth({'one': alone})[0])
    texts = [*boxes(fig.texts), *boxes(fig.legends[0].get_texts())]
    labels = boxes(ax.xaxis.label for ax in axes[-1])
    assert apart(texts + labels)
    assert all(within(box, fig.bbox) for box in texts)


def test_some_layers_have_the_colours_of_all(history):
    _, axes = plot_growth({'run': history})
    colors = {ln.get_label(): ln.get_color() for ln in axes[0, 0].get_lines()}
    _, some = plot_growth({'run': history}, layers=['b'])
    (line,) = some[0, 0].get_lines()
    assert line.get_color() == colors['b'] != colors['a']
