"""tools/explore.py: a browser's own messages, and the errors of one line."""

import asyncio
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.webagg_page import WebAggPage
from PIL import Image
from skimage import data

from mmerf import ERFResult
from mmerf.__main__ import main as mmerf
from mmerf.apis import erf_from_module
from mmerf.plots.exploring import windows

ROOT = Path(__file__).parents[2]
UNET = ['--module', 'helpers.plain_nets.UNet', '--module-options',
        'classes=4', 'encoder_weights=None', '--seed', '3']  # fmt: skip
LAYERS = ['encoder.stem', 'encoder.deep', 'segmentation_head']
# Shares of the figure, from its top left: parts that are drawn, and places.
PHOTO, PANELS = (slice(0, 0.7), slice(0, 0.39)), (
    slice(0.03, 0.6), slice(0.4, 1)
)  # fmt: skip
FIRST, LAST = (0.49, 0.17), (0.49, 0.52)  # panels, two a row


@pytest.fixture(scope='module')
def served(tmp_path_factory):
    """The explorer of a small network, in a process that serves it."""
    folder = tmp_path_factory.mktemp('served')
    picture = Image.fromarray(data.astronaut()).resize((96, 64))
    picture.save(folder / 'astronaut.png')
    process = subprocess.Popen(
        [
            sys.executable, str(ROOT / 'tools/explore.py'), *UNET,
            '--layers', *LAYERS, '--img', str(folder / 'astronaut.png'),
            '--web', '--port', '18940', '--out-dir', str(folder / 'saved'),
        ],
        cwd=ROOT / 'tests', stdout=subprocess.PIPE, text=True,
        env={'PYTHONPATH': f'{ROOT}:{ROOT / "tests"}', 'PATH': '/usr/bin:/bin',
             'PYTHONUNBUFFERED': '1', 'MPLCONFIGDIR': str(folder)},
    )  # fmt: skip
    lines = []
    try:
        for line in process.stdout:
            lines.append(line)
            if found := re.search(r'http://127\.0\.0\.1:(\d+)/', line):
                break
        else:
            raise AssertionError(''.join(lines))
        yield folder, int(found[1]), ''.join(lines)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        process.kill()


def browse(served, visit):
    """Run a visitor on a page of the served explorer."""

    async def run():
        page = await WebAggPage.opened(served[1])
        return await visit(page)

    return asyncio.run(run())


def seen(frame, part):
    """A part of a frame, by shares of its height and width."""
    rows, columns = (
        slice(int(span.start * length), int(span.stop * length))
        for span, length in zip(part, frame.shape, strict=False)
    )
    return frame[rows, columns]


def differ(one, other, part):
    """Whether two frames differ in a part."""
    return bool((seen(one, part) != seen(other, part)).any())


def test_a_click_shows_the_picked_layer_first_and_then_the_others(served):
    first = slice(0.03, 0.33), slice(0.4, 0.69)
    last = slice(0.37, 0.66), slice(0.4, 0.69)

    async def visit(page):
        before = page.canvas.copy()
        await page.click(0.1, 0.3)
        return before, page.frames

    before, frames = browse(served, visit)
    assert differ(before, frames[0], PHOTO)
    assert differ(before, frames[0], last)  # the picked one
    assert not differ(before, frames[0], first)
    assert differ(before, frames[-1], first)


def test_hovering_tells_contribution_and_distance(served):
    async def visit(page):
        await page.click(0.2, 0.33)
        told = []
        for place in ((0.2, 0.33), FIRST, (0.9, 0.95)):
            await page.mouse('motion_notify', *place)
            await page.rest()
            told.append(page.message)
        return told

    photo, panel, _ = browse(served, visit)
    assert re.fullmatch(r'pixel \(\d+, \d+\), predicted: [0-3]', photo)
    assert re.fullmatch(
        r'encoder\.stem: pixel \(\d+, \d+\): [\d.e-]+, [\d.e-]+ % of the '
        r'peak, [\d.]+ px from the unit',
        panel,
    )


def test_what_is_saved_is_the_measurement_of_the_clicked_pixel(served):
    folder, saved = served[0], served[0] / 'saved'

    async def visit(page):
        await page.click(0.13, 0.4)
        told = []
        for key in ('s', 'right', 's'):
            await page.mouse('motion_notify', 0.13, 0.4)
            await page.key(key)
            told.append(page.message)
        return told[0]

    before = set(saved.glob('*')) if saved.exists() else set()
    told = browse(served, visit)
    y, x = map(int, re.search(r'\((\d+), (\d+)\)', told).groups())
    (first,) = set(saved.glob(f'astronaut_y{y}_x{x}*')) - before
    torch.manual_seed(3)
    results = {}
    for here in saved.glob('*'):
        with Image.open(here / 'explore.png') as picture:
            assert 1800 < picture.width < 2000  # the figure without controls
            assert picture.height < 0.8 * picture.width * 7.6 / 13
        results[here.name] = {
            result.layer: result
            for result in map(ERFResult.load, here.glob('*.npz'))
        }
    own = erf_from_module(
        'helpers.plain_nets.UNet', img_dir=folder / 'astronaut.png',
        module_options={'classes': 4, 'encoder_weights': None}, seed=3,
        layers=LAYERS, target={'type': 'Pixel', 'y': y, 'x': x}, theory=False,
    )  # fmt: skip
    for key, result in results[first.name].items():
        assert result.unit == own[key].unit
        deviation = np.abs(result.map - own[key].map).max()
        assert deviation < 1e-6 * own[key].map.max()
    assert set(own) == set(results[first.name])
    head = 'segmentation_head'  # the arrow moved its unit by one
    y, x = own[head].unit
    assert (y, x + 1) in {found[head].unit for found in results.values()}


def test_each_control_changes_the_panels(served):
    at = {
        'all channels': (0.206, 0.9025), 'absolute': (0.3215, 0.931),
        'log10': (0.413, 0.885), 'viridis': (0.513, 0.885),
        'zoom': (0.6795, 0.9605), 'share': (0.86, 0.835),
        'class': (0.86, 0.885),
    }  # fmt: skip

    async def visit(page):
        await page.click(0.2, 0.33)
        changed = {}
        for name, place in at.items():
            before = page.canvas.copy()
            await page.click(*place)
            changed[name] = differ(before, page.canvas, PANELS)
        before = page.canvas.copy()
        await page.click(0.036, 0.859)  # unchecks the first layer
        changed['layers'] = differ(before, page.canvas, PANELS)
        return changed

    assert [k for k, on in browse(served, visit).items() if not on] == []


def test_only_this_machine_is_served_and_notes_are_printed(served):
    assert 'note: the graph of this 64 x 96 image keeps' in served[2]
    assert 'note: no checkpoint' in served[2]
    with socket.socket() as other, pytest.raises(OSError):
        other.connect(('127.0.0.2', served[1]))


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        ([], 'give the photograph to explore'),
        (['--img', 'photos'], 'is a folder; name one photograph'),
        (['--img', 'nothing.png'], 'there is no folder nothing.png'),
        (['--img', 'bad.png'], 'bad.png: it is not an image'),
        (['--img', 'photos/coffee.png', '--layers', 'encoder.steam'],
         'nearest: encoder.stem'),
        (['--img', 'photos/coffee.png', '--target', 'grid=3x3'],
         'is not about one unit'),
        (['--img', 'photos/coffee.png', '--attribution', 'Occlusion'],
         'runs the model again'),
        (['--img', 'photos/coffee.png', '--cmap', 'infernal'],
         'no colour map'),
        (['--img', 'photos/coffee.png', '--host', 'no.such.host.invalid'],
         'cannot be listened at'),
    ],
)  # fmt: skip
def test_what_the_user_can_mend(
    photos, tmp_path, monkeypatch, capsys, args, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'bad.png').write_text('no image')
    assert mmerf(['explore', *UNET, '--web', *args]) == 1
    err = capsys.readouterr().err
    assert err.startswith('error: ') and message in err
    assert err.count('\n') == 1
    assert not (tmp_path / 'work_dirs').exists()


def test_without_tornado_or_a_window_system(photos, monkeypatch, capsys):
    import matplotlib

    backend = matplotlib.get_backend()
    args = ['explore', *UNET, '--img', str(photos / 'coffee.png')]
    try:
        monkeypatch.setitem(sys.modules, 'tornado', None)
        assert mmerf([*args, '--web']) == 1
        assert '--web needs tornado' in capsys.readouterr().err
        matplotlib.use('agg')
        assert mmerf(args) == 1
        assert 'no window can be opened here' in capsys.readouterr().err
    finally:
        matplotlib.use(backend)


def test_on_a_desktop_the_figure_is_shown_until_it_is_closed(
    photos, tmp_path, monkeypatch, capsys
):
    from matplotlib import pyplot

    monkeypatch.setattr(windows, '_WITHOUT_WINDOWS', ())
    monkeypatch.chdir(tmp_path)
    shown = []

    def show(block):
        event = pyplot.gcf().canvas
        shown.append((block, len(event.figure.axes)))

    monkeypatch.setattr(pyplot, 'show', show)
    args = ['explore', *UNET, '--img', str(photos / 'coffee.png')]
    assert mmerf(args) == 0
    ((block, axes),) = shown
    assert block and axes > 8
    assert 'note: layers by default' in capsys.readouterr().out
    pyplot.close('all')
