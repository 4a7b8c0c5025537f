"""The live figure, by matplotlib's own events, without a window."""

import gc

import matplotlib
import numpy as np
import pytest
import torch
from helpers.slow_reference import images_like
from matplotlib.backend_bases import KeyEvent, MouseEvent
from matplotlib.colors import same_color
from matplotlib.figure import Figure
from torch import nn

from mmerf import ERFResult, Explorer, measure_erf
from mmerf.core.errors import ConfigError
from mmerf.plots import ExplorerFigure
from mmerf.plots.drawing.style import layer_styles
from mmerf.plots.exploring.figure_state import ALL, CLASS, POSITIVE
from mmerf.plots.exploring.layer_panel import contribution_at
from mmerf.plots.exploring.screen import SCREEN_SIZE

LAYERS = ['0', '2', '4', '.']


@pytest.fixture(scope='module')
def net():
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU(), nn.Conv2d(6, 6, 5, padding=2),
        nn.ReLU(), nn.Conv2d(6, 6, 3, 2, 1), nn.Conv2d(6, 3, 1),
    )  # fmt: skip
    nn.init.constant_(net[5].bias, 2.0)  # every unit has a positive channel
    return net


@pytest.fixture
def image():
    return images_like(1, 48, 64)


@pytest.fixture
def open_figure(net, image, tmp_path):
    """A figure on an Agg canvas, which draws and has events of ours only."""

    def opened(layers=LAYERS, explorer=None, **options):
        explorer = explorer or Explorer(net, image, layers)
        return ExplorerFigure(
            explorer, tmp_path / 'saved',
            figure=Figure(figsize=SCREEN_SIZE), **options,
        )  # fmt: skip

    return opened


def click(live, ax, y, x, button=1):
    """Press the mouse at a pixel that axes show."""
    across, up = ax.transData.transform((x, y))
    canvas = live.figure.canvas
    MouseEvent('button_press_event', canvas, across, up, button)._process()


def press(live, key):
    KeyEvent('key_press_event', live.figure.canvas, key)._process()


def shown_map(live, layer):
    """The values that a panel draws."""
    return np.asarray(live.screen.panels[layer].ax.get_images()[0].get_array())


def test_a_click_shows_every_layers_field_there(net, image, open_figure):
    live = open_figure()
    click(live, live.screen.photograph.ax, 20.2, 33.4)
    assert live.pixel == (20, 33)
    target = {'type': 'Pixel', 'y': 20, 'x': 33}
    own = measure_erf(net, image, LAYERS, target=target)
    assert list(own) == LAYERS
    for key in LAYERS:
        wanted = own[key].map
        assert np.abs(live.results[key].map - wanted).max() <= (
            1e-6 * wanted.max()
        )
        drawn = shown_map(live, key)
        assert np.allclose(drawn, (wanted / wanted.max()) ** 0.2, atol=1e-3)
        (y, x), unit = own[key].unit_pixel, own[key].unit
        (cross,) = [
            line for line in live.screen.panels[key].ax.lines
            if line.get_marker() == '+'
        ]  # fmt: skip
        assert (cross.get_ydata()[0], cross.get_xdata()[0]) == (y, x)
        below = live.screen.panels[key].ax.get_xlabel()
        assert f'unit {unit} at pixel ({y:g}, {x:g})\n' in below
    marks = {
        line.get_marker(): line for line in live.screen.photograph.ax.lines
    }
    assert marks['x'].get_ydata()[0] == 20 and marks['x'].get_xdata()[0] == 33
    assert (marks['+'].get_ydata()[0], marks['+'].get_xdata()[0]) == (
        own['.'].unit_pixel
    )


def test_other_buttons_and_places_ask_nothing(open_figure):
    live = open_figure()
    before = live.pixel
    click(live, live.screen.photograph.ax, 20, 33, button=3)
    click(live, live.controls.axes[0], 0.5, 0.5)
    assert live.pixel == before


def test_arrows_move_the_picked_layers_unit(open_figure):
    live = open_figure()
    assert live.state.picked == '.'
    live.choose((20, 33))
    assert live.results['.'].unit == (5, 8)
    for key, unit in (('right', (5, 9)), ('down', (6, 9)), ('up', (5, 9))):
        press(live, key)
        assert live.results['.'].unit == unit
        assert live.pixel == live.results['.'].unit_pixel
    click(live, live.screen.panels['0'].ax, 20, 36)
    assert live.state.picked == '0' and live.pixel == (20, 36)
    press(live, 'left')
    assert live.results['0'].unit == (10, 17)
    assert live.pixel == (20, 34)
    live.choose((0, 0))
    press(live, 'up')
    assert live.results['0'].unit == (0, 0)


def test_score_class_and_gradient(net, image, open_figure):
    live = open_figure()
    live.choose((20, 33))
    want = {
        ALL: ({'relu': False, 'type': 'Unit', 'y': 5, 'x': 8}, None),
        POSITIVE: ({'type': 'Unit', 'y': 5, 'x': 8}, None),
        CLASS: ({'type': 'ClassUnit', 'classes': 0, 'y': 5, 'x': 8}, None),
    }
    for score, (target, _) in want.items():
        live.controls.score.set_active([POSITIVE, ALL, CLASS].index(score))
        assert live.state.score == score
        (own,) = measure_erf(net, image, ['.'], target=target).values()
        assert np.allclose(live.results['.'].map, own.map, atol=1e-7)
    live.controls.class_index.set_val(1)
    press(live, ']')
    assert live.state.class_index == 2 and live.results['.'].layer == '.:2'
    press(live, ']')  # there is no further one
    assert live.state.class_index == 2
    live.controls.part.set_active(1)
    assert '|d score / d input|' in live.results['.'].definition['map']
    assert '6 channels, not one for each of the 3 classes' in (
        live.screen.panels['0'].sentence
    )
    assert '0' not in live.results and not (
        live.screen.panels['0'].ax.get_images()[0].get_visible()
    )
    live.controls.score.set_active(0)
    press(live, '[')  # choosing a class asks for its logit
    assert live.state.score == CLASS and live.state.class_index == 1


def test_share_normalization_colours_and_zoom_draw_the_same_results(
    open_figure,
):
    live = open_figure()
    live.choose((20, 33))
    before = dict(live.results)
    panel = live.screen.panels['2']
    for share in (30, 90):
        live.controls.share.set_val(share)
        replaced = ERFResult.from_map(before['2'].map, panel.result.unit_pixel)
        side = replaced.from_map(
            before['2'].map, panel.result.unit_pixel, shares=[share / 100]
        ).statistics()['centred_square'][str(share / 100)]['side']
        assert f'{share} % in {side} px' in panel.ax.get_xlabel()
        (box,) = panel.ax.patches
        assert box.get_width() == side
    live.controls.normalization.set_active(3)
    linear = before['2'].map / before['2'].map.max()
    assert np.allclose(shown_map(live, '2'), linear)
    live.controls.cmap.set_active(1)
    assert panel.ax.get_images()[0].get_cmap().name == 'viridis'
    left, right = panel.ax.get_xlim()
    assert right - left < 64 and left < 32 < right
    press(live, 'z')
    assert panel.ax.get_xlim() == (-0.5, 63.5)
    assert panel.ax.get_ylim() == (47.5, -0.5)
    assert live.results == before  # nothing was measured anew


def test_layers_can_be_chosen_six_at_most(open_figure):
    keys = ['0', '1', '2', '3', '4', '5', '.']
    live = open_figure(keys)
    assert list(live.screen.panels) == keys[1:] == live.state.shown
    live.controls.shown.set_active(0)  # a seventh
    assert live.state.shown == keys[1:]
    assert live.controls.shown.get_status() == [False, *[True] * 6]
    live.controls.shown.set_active(6)
    live.controls.shown.set_active(0)
    assert list(live.screen.panels) == list(live.results) or sorted(
        live.results
    ) == sorted(keys[:6])
    assert live.state.picked == '5'
    for index in range(5):
        live.controls.shown.set_active(index)
    live.controls.shown.set_active(5)  # the last one stays
    assert list(live.screen.panels) == ['5']
    with pytest.raises(ConfigError, match='13 layers are too many'):
        open_figure(explorer=Thirteen())


class Thirteen:
    layers = [str(index) for index in range(13)]


@pytest.mark.parametrize(
    ('weight', 'bias', 'part', 'why'),
    [
        (1.0, -1e3, 0, 'no channel of the unit is positive'),
        (-1.0, 1e3, 0, 'no pixel moves the score upwards'),
        (0.0, 1e3, 1, 'no pixel moves the score'),
    ],
)
def test_zero_everywhere_is_a_sentence_on_the_panel(
    image, open_figure, weight, bias, part, why
):
    net = nn.Conv2d(3, 2, 3, padding=1)
    nn.init.constant_(net.weight, weight)
    nn.init.constant_(net.bias, bias)
    live = open_figure(explorer=Explorer(net, image, ['.']))
    live.controls.part.set_active(part)
    panel = live.screen.panels['.']
    assert panel.sentence.startswith(f'zero everywhere: {why}')
    text = panel.ax.texts + [
        artist for artist in panel.ax.artists if hasattr(artist, 'get_text')
    ]
    live.figure.canvas.draw()
    drawn = ' '.join(' '.join(one.get_text() for one in text).split())
    assert 'zero everywhere' in drawn
    assert '% in' not in panel.ax.get_xlabel()


def test_a_pixel_that_is_not_known_is_said(image, open_figure):
    class Lost(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3, padding=1)

        def forward(self, x):
            x = torch.fft.ifft2(torch.fft.fft2(x)).real
            return self.conv(x)

    live = open_figure(explorer=Explorer(Lost(), image, ['conv']))
    assert not live.results['conv'].pixel_known
    text = live.screen.panels['conv'].ax.get_xlabel()
    assert '(assumed, not known)' in text


def test_a_model_that_was_changed_is_a_sentence(net, image, open_figure):
    live = open_figure()
    with torch.no_grad():
        net[0].weight.mul_(1.0)
    live.choose((9, 9))
    assert 'open the image again' in live.screen.panels['2'].sentence


def test_hovering_tells_the_contribution_and_the_distance(open_figure):
    live = open_figure()
    live.choose((20, 33))
    result = live.results['2']
    y, x = result.unit_pixel
    told = live.screen.panels['2'].ax.format_coord(x + 3, y - 4)
    value = result.map[int(y) - 4, int(x) + 3]
    percent = value / result.map.max() * 100
    assert told == (
        f'2: pixel ({y - 4:g}, {x + 3:g}): {value:.3g}, {percent:.3g} % of '
        'the peak, 5.0 px from the unit'
    )
    assert contribution_at(result, (-1, 5)) == 'outside the image'
    told = live.screen.photograph.ax.format_coord(33.3, 20.2)
    assert (
        told
        == f'pixel (20, 33), predicted: {live.explorer.predicted((20, 33))}'
    )
    assert live.screen.photograph.ax.format_coord(-3, 0) == ''


def test_saving_writes_the_figure_and_every_map_and_replaces_nothing(
    open_figure, tmp_path
):
    said = []
    live = open_figure(say=said.append, suffix='svg', name='a/b')
    live.choose((20, 33))
    press(live, 's')
    press(live, 's')
    folders = sorted((tmp_path / 'saved').iterdir())
    assert [f.name for f in folders] == ['a%2Fb_y20_x33', 'a%2Fb_y20_x33_2']
    assert said == [f'wrote {folder}' for folder in folders]
    for folder in folders:
        files = {path.name for path in folder.iterdir()}
        assert files == {'explore.svg', '0.npz', '2.npz', '4.npz', '%2E.npz'}
        loaded = ERFResult.load(folder / '2.npz')
        assert np.array_equal(loaded.map, live.results['2'].map)
    assert '>share (%)<' not in (folders[0] / 'explore.svg').read_text()
    assert live.controls.axes[0].get_visible()
    (tmp_path / 'file').write_text('')
    live.out_dir = tmp_path / 'file'
    press(live, 's')
    assert 'nothing was saved' in live.screen._status.get_text()


@pytest.mark.parametrize(
    ('target', 'attribution', 'score', 'part'),
    [
        (None, None, POSITIVE, 'positive'),
        (None, 'VMamba', POSITIVE, 'positive'),
        (None, 'MambaIR', ALL, 'positive'),
        (None, 'Luo', ALL, 'absolute'),
        ({'type': 'ClassUnit', 'classes': 2}, None, CLASS, 'positive'),
        ({'type': 'CentreUnit', 'channels': [1]}, None,
         'CentreUnit (given)', 'positive'),
        (None, {'type': 'InputGradient', 'channels': 'l2'},
         'CentreUnit (given)', 'positive'),
    ],
)  # fmt: skip
def test_the_controls_start_at_what_was_asked(
    net, image, open_figure, target, attribution, score, part
):
    explorer = Explorer(
        net, image, ['.'], target=target, attribution=attribution
    )
    wanted = explorer.result('.', (6, 8))
    live = open_figure(explorer=explorer)
    assert (live.state.score, live.state.part) == (score, part)
    live.choose((24, 32))
    assert np.array_equal(live.results['.'].map, wanted.map)
    assert live.results['.'].layer == wanted.layer
    live.controls.score.set_active(1)
    assert live.state.score == ALL


def test_nothing_is_held_by_pyplot(open_figure):
    from matplotlib import pyplot

    before = pyplot.get_fignums()
    live = open_figure()
    assert pyplot.get_fignums() == before
    assert matplotlib.rcParams['font.size'] == 10
    explorer = live.explorer
    explorer.close()
    live.choose((3, 3))
    assert 'closed' in live.screen.panels['2'].sentence
    gc.collect()


def test_a_layer_has_one_colour_in_panels_and_on_the_photograph(open_figure):
    live = open_figure()
    looks = layer_styles(LAYERS)
    for picked in ('2', '4'):
        live.pick(picked)
        for key, panel in live.screen.panels.items():
            color = looks[key].color
            (box,) = panel.ax.patches
            assert same_color(box.get_edgecolor(), color)
            assert same_color(panel.ax.title.get_color(), color)
            frame = panel.ax.spines['left'].get_edgecolor()
            assert same_color(frame, color if key == picked else 'black')
        (box,) = live.screen.photograph.ax.patches
        assert same_color(box.get_edgecolor(), looks[picked].color)


def test_a_square_that_reaches_the_edge_is_a_lower_bound(open_figure):
    live = open_figure()
    live.choose((0, 0))
    for panel in live.screen.panels.values():
        assert '50 % in ≥ ' in panel.ax.get_xlabel()
