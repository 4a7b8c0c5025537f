import pytest
from helpers.figure_probe import within
from matplotlib.text import Text

from mmerf.plots import to_rgb
from mmerf.plots.drawing.figure import Figure
from mmerf.plots.drawing.style import style
from mmerf.plots.drawing.text import (
    FittingText,
    changed_settings,
    fits,
    settings_of,
    wrap_text,
)

RUN = 'resnet18_width32_dilated_contract_seed0_lr2e-3_wd0.01_2026'
MODEL = 'model=dict(backbone=dict(depth=50),decode_head=dict(in_channels=8))'


@pytest.mark.parametrize('room', [0.5, 0.9, 2])
@pytest.mark.parametrize('size', [6.5, 8.5])
@pytest.mark.parametrize('text', [RUN, MODEL, 'W' * 40, 'one or two words'])
def test_every_line_fits(text, room, size):
    lines = wrap_text(text, room, size).split('\n')
    with style():
        fig = Figure(figsize=(3, 3), dpi=720)
        for line in lines:
            drawn = Text(text=line, size=size, figure=fig, parse_math=False)
            assert drawn.get_window_extent().width <= 1.01 * room * 720
    assert ''.join(lines) == text or ' '.join(lines) == text


def test_lines_end_where_readers_pause():
    assert wrap_text('one two', 5) == 'one two'
    assert wrap_text('decode_head:traffic light', 0.9) == (
        'decode_head:\ntraffic light'
    )
    for line in wrap_text(RUN, 1).split('\n')[:-1]:
        assert line[-1] in '_.'
    for line in wrap_text(MODEL, 1).split('\n')[:-1]:
        assert line[-1] in '_,(='
    assert wrap_text('two\nlines', 5) == 'two lines'
    assert wrap_text('', 5) == ''


def test_what_is_cut_says_so():
    whole, short = wrap_text(MODEL, 1), wrap_text(MODEL, 1, max_lines=2)
    assert short.count('\n') == 1 and short.endswith('...')
    assert whole.startswith(short[:-3])
    assert wrap_text(MODEL, 1, max_lines=9) == whole
    cut = wrap_text('some words that are many words', 1, max_lines=1)
    assert cut == 'some words...'


def test_words_take_the_first_place_that_holds_them():
    with style():
        fig = Figure(figsize=(3, 2), dpi=100)
        ax = fig.add_subplot()
        low = ax.get_window_extent().shrunk_to_aspect(1).shrunk(0.05, 0.05)
        places = [low, ax.get_window_extent()]
        text = FittingText([('wide ' * 30, 8), ('ab', 8)], lambda: places)
        ax.add_artist(text)
        to_rgb(fig)
    assert text.get_text() == 'ab'
    assert within(text.get_window_extent(), places[1])
    places[1] = low
    to_rgb(fig)
    assert text.get_text() == ''


def test_settings_are_split_where_the_next_one_begins():
    name = 'strides=(1, 2, 2), norm_cfg.type=BN, depth=18'
    parts = ['strides=(1, 2, 2)', 'norm_cfg.type=BN', 'depth=18']
    assert settings_of(name) == parts
    assert ' '.join(settings_of(name, keep_comma=True)) == name


@pytest.mark.parametrize(
    ('names', 'expected'),
    [
        (['a=1, b=(1, 2)', 'a=1, b=(1, 4)'], {1: 'b=(1, 4)'}),
        (['a=1, b=2', 'a=2, b=2', 'a=2, b=3'], {1: 'a=2', 2: 'a=2, b=3'}),
        (['a=1', 'a=2'], {1: 'a=2'}),
        (['a=1', 'b=1'], {}),  # another setting
        (['whole model', 'without head'], {}),
        (['a=1', 'FCN'], {}),
        (['a=1'], {}),
    ],
)
def test_what_differs_from_the_first_name(names, expected):
    expected = {names[i]: text for i, text in expected.items()}
    assert changed_settings(names) == expected


def test_bold_words_are_wider():
    wide = next(
        width / 1000
        for width in range(200, 2000)
        if fits('dilations=(1,1,2,4)', width / 1000, 8)
    )
    assert not fits('dilations=(1,1,2,4)', wide, 8, 'bold')
