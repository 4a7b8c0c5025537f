from dataclasses import replace

import numpy as np
import pytest
from helpers.figure_probe import (
    apart,
    boxes,
    gaussian,
    region,
    side_in_words,
    within,
    words,
)

from mmerf import ERFResult
from mmerf.core.errors import ConfigError
from mmerf.plots import normalize, plot_comparison, to_rgb


def result(height=40, width=60, sigma=6, center=(20, 30), layer='a'):
    return ERFResult.from_map(
        gaussian(height, width, sigma, center), center, layer=layer
    )


@pytest.fixture
def runs():
    return {
        'one': {'a': result(), 'b': result(sigma=3), 'c': result()},
        'two': {'b': result(sigma=12), 'c': result()},
        'three': {},
    }


def test_runs_down_layers_across_on_one_scale(runs):
    _, axes = plot_comparison(runs, gaps={'three': 'it was not built'})
    assert axes.shape == (3, 3)
    assert [ax.get_title() for ax in axes[0]] == ['a', 'b', 'c']
    assert [ax.get_ylabel() for ax in axes[:, 0]] == list(runs)
    for row, run in zip(axes, runs.values(), strict=True):
        for ax, layer in zip(row, 'abc', strict=True):
            if layer not in run:
                assert not ax.get_images()
                continue
            (image,) = ax.get_images()
            assert image.get_clim() == (0, 1)
            np.testing.assert_allclose(
                image.get_array(), normalize(run[layer].map)
            )
            half, most = (
                side_in_words(run[layer], s) for s in ('0.5', '0.99')
            )
            assert ax.get_xlabel() == f'50 %: {half} px   99 %: {most} px'
            assert len(ax.patches) == 2
    assert axes[1, 0].texts[0].get_text() == 'no such layer'
    note = ' '.join(text.get_text() for text in axes[2, 0].texts)
    assert 'not measured: it was not built' in note.replace('\n', ' ')


def test_layers_are_chosen_and_ordered(runs):
    _, axes = plot_comparison(runs, layers=['b', 'c', 'a'])
    assert [ax.get_title() for ax in axes[0]] == ['b', 'c', 'a']


@pytest.mark.parametrize(
    ('width', 'count', 'layers', 'rows'),
    [
        ('page', 4, 'a', 1),  # one layer: side by side
        ('page', 8, 'a', 2),  # in two rows
        ('column', 8, 'a', 3),
        ('page', 4, 'ab', 2),  # a row for each layer
        ('page', 2, 'abcde', 2),  # a row for each run
        ('page', 2, 'abcdefgh', 4),  # folded
        ('column', 3, 'abcd', 4),
    ],
)
def test_panels_stand_in_few_rows(width, count, layers, rows):
    maps = {layer: result(layer=layer) for layer in layers}
    names = [f'run {i}' for i in range(count)]
    fig, axes = plot_comparison(dict.fromkeys(names, maps), width=width)
    assert axes.shape == (count, len(layers))
    to_rgb(fig)
    found = boxes(axes.ravel())
    assert len({round(box.y0) for box in found}) == rows
    assert apart(found) and all(within(box, fig.bbox) for box in found)
    assert apart(boxes(words(fig)))
    seen = {ax.get_title() for ax in axes.ravel()}
    seen |= {ax.get_ylabel() for ax in axes.ravel()}
    assert seen >= {*names, *(layers if len(layers) > 1 else '')}


@pytest.mark.parametrize(('layout', 'rows'), [('rows', 4), ('columns', 1)])
def test_a_layout_is_as_it_is_asked_for(layout, rows):
    names = [f'run {i}' for i in range(4)]
    fig, axes = plot_comparison(
        {name: {'a': result()} for name in names}, layout=layout
    )
    to_rgb(fig)
    assert axes.shape == (4, 1)
    found = boxes(axes.ravel())
    assert len({round(box.y0) for box in found}) == rows
    assert len({round(box.x0) for box in found}) == 4 // rows


def test_unknown_layouts_are_refused():
    with pytest.raises(ConfigError, match='rows, columns'):
        plot_comparison({'a': {'a': result()}}, layout='diagonal')


def test_maps_of_different_size_share_the_scale_in_pixels():
    small, large = result(sigma=9), result(90, 80, 8, (70, 20))
    fig, ((first,), (second,)) = plot_comparison(
        {'small': {'a': small}, 'large': {'a': large}}
    )
    to_rgb(fig)
    half = 0.5 + np.ceil(0.6 * max(
        one.statistics()['centred_square']['0.99']['side']
        for one in (small, large)
    ))  # fmt: skip
    for ax, (y, x) in ((first, (20, 30)), (second, (70, 20))):
        assert ax.get_xlim() == (x - min(30.5, half), x + min(59.5, half))
        assert ax.get_ylim() == (y + min(19.5, half), y - min(70.5, half))
    pixel = [
        ax.get_window_extent().width / np.ptp(ax.get_xlim())
        for ax in (first, second)
    ]
    assert pixel[0] == pytest.approx(pixel[1])


def test_picture_looks_as_the_maps_do(runs):
    fig, axes = plot_comparison(runs, gaps={'three': 'why'}, cmap='gray')
    for ax, found in ((axes[0, 0], runs['one']['a']),
                      (axes[1, 1], runs['two']['b'])):  # fmt: skip
        (left, right), (low, high) = ax.get_xlim(), sorted(ax.get_ylim())
        part = np.s_[round(low + 0.5) : round(high + 0.5),
                     round(left + 0.5) : round(right + 0.5)]  # fmt: skip
        expected = normalize(found.map)[part] * 255
        small = region(fig, ax, expected.shape)
        assert np.corrcoef(small.ravel(), expected.ravel())[0, 1] > 0.9
    empty = region(fig, axes[2, 1], (4, 6))
    assert empty.min() > 250


def test_other_shares_and_a_zero_map():
    shares = (0.25, 0.75)
    one = replace(result(), shares=shares)
    zero = replace(one, map=np.zeros((40, 60)))
    _, axes = plot_comparison({'one': {'a': one}, 'zero': {'a': zero}})
    assert axes[0, 0].get_xlabel().count('%') == 2
    assert '25 %' in axes[0, 0].get_xlabel()
    assert 'zero everywhere' in axes[1, 0].texts[0].get_text()


def test_long_names_break_between_settings():
    name = 'strides=(1, 2, 2, 1), dilations=(1, 1, 2, 4)'
    maps = {'a': result(), 'b': result(), 'c': result()}
    _, axes = plot_comparison({name: maps, 'b': maps})
    lines = axes[0, 0].get_ylabel().split('\n')
    assert lines == ['strides=(1, 2, 2, 1),', 'dilations=(1, 1, 2, 4)']


def test_reasons_are_words_and_no_formulas():
    why = 'costs $1 and $2 more'
    _, axes = plot_comparison({'a': {'a': result()}, 'b': {}}, gaps={'b': why})
    (note,) = (t for t in axes[1, 0].texts if 'costs' in t.get_text())
    assert not note.get_parse_math()


def test_attention_is_called_so():
    seen = replace(result(), kind='attention')
    fig, axes = plot_comparison({'a': {'a': seen}}, normalization='linear')
    (bar,) = (ax for ax in fig.axes if ax not in axes)
    assert bar.get_ylabel() == 'attention / max'


def test_gaps_have_the_form_of_panels(runs):
    fig, axes = plot_comparison(runs, gaps={'three': 'why'})
    to_rgb(fig)
    first, *others = boxes(axes.ravel())
    for box in others:
        assert box.size == pytest.approx(first.size, abs=1)


WHY = (
    'backbone.depth=77 does not fit: invalid depth 77 for resnet in '
    '/home/user/projects/segmentation/configs/deeplabv3plus/'
    'deeplabv3plus_r77-d8_4xb2-80k_cityscapes-512x1024.py; choose one of 18, '
    '34, 50, 101, 152 or give another backbone whose stages this model knows, '
    'and a decode head that takes as many channels as they have'
)


@pytest.mark.parametrize('shape', [(40, 40), (40, 160)])
@pytest.mark.parametrize('columns', [1, 2, 5])
def test_a_long_reason_stays_in_its_row(shape, columns):
    maps = {str(i): result(*shape) for i in range(columns)}
    fig, axes = plot_comparison(
        {'one': maps, 'two': {}, 'three': maps}, gaps={'two': WHY}
    )
    to_rgb(fig)
    (note,) = (t for t in axes[1, 0].texts if 'depth' in t.get_text())
    box = note.get_window_extent()
    assert not any(box.overlaps(other) for other in boxes(words(fig)))
    assert not any(
        box.overlaps(panel) for panel in boxes([*axes[0], *axes[2]])
    )
    assert within(box, fig.bbox)
    text = note.get_text().replace('\n', ' ')
    assert text.endswith('...') or text.endswith('they have')


LONG = (
    'resnet18_width32_dilated_contract_seed0_lr2e-3_wd0.01_very_long_name',
    'model=dict(backbone=dict(depth=50),decode_head=dict(in_channels=1024))',
    'strides=(1, 2, 2, 1), dilations=(1, 1, 2, 4)',
    'a name of many words and words ' * 9,
)


@pytest.mark.parametrize('shape', [(40, 40), (40, 160)])
@pytest.mark.parametrize('columns', [1, 2, 5])
def test_long_names_stay_beside_their_panels(shape, columns):
    maps = {str(i): result(*shape) for i in range(columns)}
    fig, axes = plot_comparison(dict.fromkeys(LONG, maps))
    to_rgb(fig)
    assert apart(boxes(words(fig)))
    assert all(within(box, fig.bbox) for box in boxes(words(fig)))
    if columns == 5:
        labels = [ax.get_ylabel() for ax in axes[:, 0]]
        assert labels[3].endswith('...')
        if shape == (40, 40):
            assert ''.join(labels[2].split()) == LONG[2].replace(' ', '')


def test_names_are_no_formulas():
    name = r'cost $\nothing$'
    fig, axes = plot_comparison({name: {name: result()}})
    to_rgb(fig)
    assert axes[0, 0].get_title() == axes[0, 0].get_ylabel() == name


@pytest.mark.parametrize('layers', ['a', 'abc'])
def test_rows_of_a_sweep_say_in_bold_what_changes(layers):
    maps = {layer: result(layer=layer) for layer in layers}
    names = [f'depth={d}, dilation=(1, {n})' for d in (18, 50) for n in (1, 2)]
    fig, axes = plot_comparison(dict.fromkeys(names, maps))
    to_rgb(fig)
    found = [ax.title for ax in axes[:, 0]]  # combinations side by side
    assert [' '.join(text.get_text().split()) for text in found] == [
        names[0], 'dilation=(1, 2)', 'depth=50', names[3],
    ]  # fmt: skip
    weights = [text.get_fontweight() for text in found]
    assert weights == ['normal', 'bold', 'bold', 'bold']
    assert apart(boxes(words(fig)))


def test_rows_are_bold_too():
    maps = {layer: result(layer=layer) for layer in 'abcde'}
    fig, axes = plot_comparison({'depth=18, a=1': maps, 'depth=50, a=1': maps})
    first, second = (ax.yaxis.label for ax in axes[:, 0])
    assert (first.get_text(), second.get_text()) == (
        'depth=18, a=1', 'depth=50',
    )  # fmt: skip
    assert (first.get_fontweight(), second.get_fontweight()) == (
        'normal', 'bold',
    )  # fmt: skip
    assert fig.get_figwidth() == 7


def test_a_note_is_written_below(runs):
    fig, _ = plot_comparison(runs, note='; not shown: d')
    assert fig.texts[-1].get_text().endswith('; not shown: d')
