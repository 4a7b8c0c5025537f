"""Drive the explorer by real clicks and keys in headless Chromium.

    python tools/dev/explorer_in_chromium.py [--pictures FOLDER] \\
        -- CONFIG [CKPT] --img PHOTO [further options of tools/explore.py]

Without arguments after ``--`` it explores a small network without a config on
a picture that it makes. It clicks the photograph and a map, moves by an arrow
key, drags the share, asks another score, hovers and saves; each has to change
what the page shows, and what is saved has to be the unit that was clicked.
Exit status 1 says what did not. Needs `chromium` (on Debian: apt-get install
chromium) and tornado.
"""

import argparse
import asyncio
import base64
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from tornado.httpclient import AsyncHTTPClient
from tornado.websocket import websocket_connect

from mmerf import ERFResult
from mmerf.plots.exploring.screen import SCREEN_SIZE

ROOT = Path(__file__).parents[2]
WINDOW = (1340, 1200)  # larger than the page, so that it does not scroll
PATIENCE = 120  # seconds for a page, a click or a file
QUIET = 3  # seconds without a picture: nothing more comes
CONV = (
    '--module', 'torch.nn.Conv2d', '--module-options', 'in_channels=3',
    'out_channels=4', 'kernel_size=9', 'padding=4', 'stride=2',
    '--input-size', '96', '128', '--layers', '.',
)  # fmt: skip
# Places of the figure, as shares of its width and height from the top left.
PLACES = {
    'a map': (0.69, 0.2),
    'share': ((0.78, 0.835), (0.86, 0.835)),
    'all channels': (0.206, 0.9025),
}


# When the page was pressed last, and when it has drawn since, in ms.
WATCH = """
window.drawn = [];
for (const kind of ['mousedown', 'keydown'])
    addEventListener(kind, () => { window.began = performance.now(); }, true);
const own = CanvasRenderingContext2D.prototype.drawImage;
CanvasRenderingContext2D.prototype.drawImage = function (...args) {
    own.apply(this, args);
    window.drawn.push(performance.now());
};
"""


class Page:
    """A page of headless Chromium, driven by its DevTools protocol."""

    def __init__(self, socket):
        self.socket, self.number = socket, 0

    async def call(self, method, **params):
        self.number += 1
        message = {'id': self.number, 'method': method, 'params': params}
        await self.socket.write_message(json.dumps(message))
        while True:
            answer = json.loads(await self.socket.read_message())
            if answer.get('id') == self.number:
                assert 'error' not in answer, answer
                return answer['result']

    async def value(self, script):
        found = await self.call(
            'Runtime.evaluate', expression=script, returnByValue=True
        )
        return found['result'].get('value')

    async def mouse(self, kind, place, buttons=0):
        await self.call(
            'Input.dispatchMouseEvent', type=kind, x=place[0], y=place[1],
            button='left' if kind != 'mouseMoved' else 'none',
            buttons=buttons, clickCount=int(kind != 'mouseMoved'),
        )  # fmt: skip

    async def click(self, place):
        await self.mouse('mouseMoved', place)
        await self.mouse('mousePressed', place, 1)
        await self.mouse('mouseReleased', place)

    async def drag(self, start, end):
        await self.mouse('mouseMoved', start)
        await self.mouse('mousePressed', start, 1)
        await self.mouse('mouseMoved', end, 1)
        await self.mouse('mouseReleased', end)

    async def key(self, name, code=None):
        own = {'key': name, 'code': code or name}
        if len(name) == 1:
            own['text'] = name
        await self.call('Input.dispatchKeyEvent', type='keyDown', **own)
        await self.call('Input.dispatchKeyEvent', type='keyUp', **own)

    async def picture(self, box):
        found = await self.call(
            'Page.captureScreenshot',
            clip={**dict(zip(('x', 'y', 'width', 'height'), box, strict=True)),
                  'scale': 1},
        )  # fmt: skip
        return base64.b64decode(found['data'])


class Explored:
    """The explorer's figure on a page."""

    def __init__(self, page, pictures):
        self.page, self.pictures, self.taken = page, pictures, 0
        self.box = None

    async def find(self):
        """Wait for the figure; find where it is."""
        script = """(() => {
            const all = [...document.querySelectorAll('canvas')];
            const box = all.map(c => c.getBoundingClientRect())
                .sort((a, b) => b.width * b.height - a.width * a.height)[0];
            return box && [box.x, box.y, box.width, box.height];
        })()"""
        wanted = SCREEN_SIZE[0] / SCREEN_SIZE[1]
        for _ in range(PATIENCE * 5):
            box = await self.page.value(script)
            if box and abs(box[2] / box[3] - wanted) < 0.01:
                self.box = box
                break
            await asyncio.sleep(0.2)
        assert self.box, 'the page shows no figure'
        await self.settled()

    def at(self, across, down):
        """A place of the page, from shares of the figure."""
        x, y, width, height = self.box
        return x + across * width, y + down * height

    async def shown(self):
        return await self.page.picture(self.box)

    async def settled(self):
        """Wait until nothing has been drawn for a while."""
        drawn, since = None, time.perf_counter()
        end = since + PATIENCE
        while time.perf_counter() < end:
            now = await self.page.value('window.drawn.length')
            if now != drawn:
                drawn, since = now, time.perf_counter()
            elif drawn and time.perf_counter() - since > QUIET:
                return
            await asyncio.sleep(0.1)
        raise AssertionError('the page draws nothing, or never stops')

    async def changes(self, what, act):
        """Do something that has to change the figure; say how soon."""
        await self.settled()
        before = await self.shown()
        await self.page.value('window.drawn = []; 0')
        await act()
        try:
            await self.settled()
        except AssertionError as error:
            raise AssertionError(f'{what}: {error}') from None
        first, last = await self.page.value(
            '[window.drawn[0] - window.began, '
            'window.drawn.at(-1) - window.began]'
        )
        await self.keep(what)
        if await self.shown() == before:
            raise AssertionError(f'{what} changes nothing on the page')
        print(
            f'{what}: drawn after {first / 1000:.2f} s, whole after '
            f'{last / 1000:.2f} s'
        )

    async def keep(self, what):
        if self.pictures:
            self.taken += 1
            name = re.sub(r'\W+', '_', what)
            path = self.pictures / f'{self.taken:02d}_{name}.png'
            path.write_bytes(await self.shown())

    async def told(self, place, expected):
        """What the toolbar tells of a place, once it is as expected."""
        await self.page.mouse('mouseMoved', place)
        script = "document.querySelector('.mpl-message')?.textContent || ''"
        for _ in range(PATIENCE * 5):
            text = await self.page.value(script)
            if re.fullmatch(expected, text):
                return text
            await asyncio.sleep(0.2)
        raise AssertionError(f'hovering tells {text!r}, not {expected}')


@contextlib.contextmanager
def running(command, **options):
    """A process that is ended with the block."""
    process = subprocess.Popen(command, **options)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


def address_of(process):
    """The address that the explorer prints; its other lines are passed on."""
    for line in process.stdout:
        print(f'  {line.rstrip()}')
        if found := re.search(r'http://\S+', line):
            return found[0]
    raise SystemExit('error: the explorer ended before it served a page')


async def page_of(folder, address):
    """The page in a Chromium whose profile is in a folder."""
    ports = Path(folder, 'DevToolsActivePort')
    for _ in range(PATIENCE * 5):
        if ports.exists() and ports.read_text().strip():
            break
        await asyncio.sleep(0.2)
    port = ports.read_text().split()[0]
    client = AsyncHTTPClient()
    for _ in range(PATIENCE):
        found = await client.fetch(f'http://127.0.0.1:{port}/json')
        pages = [p for p in json.loads(found.body) if p['type'] == 'page']
        if pages:
            break
        await asyncio.sleep(0.5)
    socket = await websocket_connect(
        pages[0]['webSocketDebuggerUrl'], max_message_size=2**28
    )
    page = Page(socket)
    await page.call('Page.enable')
    await page.call('Page.addScriptToEvaluateOnNewDocument', source=WATCH)
    await page.call('Page.navigate', url=address)
    return page


async def drive(explored, out_dir):
    """Everything that a person does; each has to be seen."""
    await explored.find()
    await explored.keep('opened')
    page = explored.page
    places = ((0.13, 0.25), (0.24, 0.42), (0.2, 0.33))
    for number, place in enumerate(places):
        spot = explored.at(*place)
        await explored.changes(
            f'click {number + 1} on the photograph',
            lambda spot=spot: page.click(spot),
        )
    a_map = explored.at(*PLACES['a map'])
    told = await explored.told(a_map, '.*: pixel .* px from the unit')
    print(f'hovering tells: {told}')
    told = await explored.told(spot, r'pixel \(\d+, \d+\).*')
    clicked = tuple(map(int, re.findall(r'\d+', told)[:2]))
    await page.key('s')
    for _ in range(PATIENCE * 5):
        files = sorted(Path(out_dir).rglob('*.npz'))
        if files and list(Path(out_dir).rglob('explore.png')):
            break
        await asyncio.sleep(0.2)
    assert files, 'the key s saves nothing'
    await asyncio.sleep(1)
    for file in sorted(Path(out_dir).rglob('*.npz')):
        check_unit(ERFResult.load(file), clicked)
    await explored.keep('saved')
    start, end = (explored.at(*place) for place in PLACES['share'])
    await explored.changes('the share', lambda: page.drag(start, end))
    every = explored.at(*PLACES['all channels'])
    await explored.changes('another score', lambda: page.click(every))
    await page.mouse('mouseMoved', spot)
    await explored.changes('an arrow key', lambda: page.key('ArrowRight'))
    await explored.changes('the key z', lambda: page.key('z', 'KeyZ'))


def check_unit(result, clicked):
    """A saved result is of the unit nearest the pixel that was clicked."""
    for place, pixel, step in zip(
        clicked, result.unit_pixel, result.stride, strict=True
    ):
        away = abs(place - pixel)
        assert away <= step, (
            f'{result.layer}: its unit is at {result.unit_pixel}, and '
            f'{clicked} was clicked'
        )
    print(f'{result.layer}: unit {result.unit} at {result.unit_pixel} saved')


def small_photograph(folder):
    """A picture of stripes and noise, for the network without a config."""
    rng = np.random.default_rng(0)
    values = rng.integers(0, 255, (96, 128, 3), np.uint8)
    values[:, ::16] = 255
    path = Path(folder) / 'stripes.png'
    Image.fromarray(values).save(path)
    return path


def main(argv=None):
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--pictures', help='folder for screenshots')
    parser.add_argument('explored', nargs='*', help='as for tools/explore.py')
    args = parser.parse_args(argv)
    chromium = shutil.which('chromium') or shutil.which('chromium-browser')
    if chromium is None:
        raise SystemExit('error: there is no chromium; apt-get install it')
    pictures = Path(args.pictures) if args.pictures else None
    if pictures:
        pictures.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        out_dir = Path(folder) / 'saved'
        wanted = args.explored or [
            *CONV, '--img', str(small_photograph(folder))
        ]  # fmt: skip
        explore = [
            sys.executable, str(ROOT / 'tools' / 'explore.py'), *wanted,
            '--web', '--port', '18988', '--out-dir', str(out_dir),
        ]  # fmt: skip
        profile = Path(folder) / 'profile'
        browser = [
            chromium, '--headless', '--no-sandbox', '--disable-gpu',
            '--hide-scrollbars', '--remote-debugging-port=0',
            f'--user-data-dir={profile}', '--remote-allow-origins=*',
            f'--window-size={WINDOW[0]},{WINDOW[1]}', 'about:blank',
        ]  # fmt: skip
        environment = {**os.environ, 'PYTHONUNBUFFERED': '1'}
        quiet = {'stdout': subprocess.DEVNULL, 'stderr': subprocess.DEVNULL}
        with (
            running(
                explore, stdout=subprocess.PIPE, text=True, env=environment
            ) as served,
            running(browser, **quiet),
        ):
            address = address_of(served)

            async def all_of_it():
                page = await page_of(profile, address)
                await drive(Explored(page, pictures), out_dir)

            try:
                asyncio.run(all_of_it())
            except AssertionError as error:
                print(f'error: {error}', file=sys.stderr)
                return 1
    print('every click and key was answered')
    return 0


if __name__ == '__main__':
    sys.exit(main())
