"""What a browser is to WebAgg: its websocket's messages, and the canvas."""

import asyncio
import io
import json
import time

import numpy as np
from PIL import Image
from tornado.websocket import websocket_connect


class WebAggPage:
    """A page that shows a figure, as matplotlib's mpl.js does.

    Attributes:
        canvas (np.ndarray): (H, W, 3) uint8, what a person sees.
        frames (list[np.ndarray]): What was seen after each picture that came.
        message (str): What the toolbar tells of the pointer.
    """

    def __init__(self, socket):
        self.socket, self.mode = socket, 'full'
        self.canvas, self.frames, self.message = None, [], ''
        self._next = None  # message, which is waited for

    @classmethod
    async def opened(cls, port):
        """The page of figure 1, once it has drawn."""
        page = cls(
            await websocket_connect(
                f'ws://127.0.0.1:{port}/1/ws', max_message_size=2**28
            )
        )
        await page.send('supports_binary', value=True)
        await page.send('send_image_mode')
        await page.send('set_device_pixel_ratio', device_pixel_ratio=1)
        await page.send('refresh')
        await page.rest()
        return page

    async def send(self, kind, **values):
        content = {'type': kind, 'figure_id': '1', **values}
        await self.socket.write_message(json.dumps(content))

    async def mouse(self, kind, across, down, buttons=0):
        """A mouse event at a share of the canvas, from its top left."""
        height, width = self.canvas.shape[:2]
        await self.send(
            kind, x=across * width, y=down * height, button=0,
            buttons=buttons, modifiers=[], guiEvent={},
        )  # fmt: skip

    async def click(self, across, down):
        self.frames.clear()
        await self.mouse('motion_notify', across, down)
        await self.mouse('button_press', across, down, 1)
        await self.mouse('button_release', across, down)
        await self.rest()

    async def key(self, name):
        self.frames.clear()
        await self.send('key_press', key=f'k{name}', guiEvent={})
        await self.send('key_release', key=f'k{name}', guiEvent={})
        await self.rest()

    async def rest(self, seconds=60):
        """Answer the server until it has been silent for a second."""
        end = time.perf_counter() + seconds
        while await self._answered_one():
            assert time.perf_counter() < end, 'the server is never silent'

    async def _answered_one(self):
        """Take a message and answer it; False where none comes."""
        if self._next is None:
            self._next = asyncio.ensure_future(self._read())
        done, _ = await asyncio.wait([self._next], timeout=1)
        if not done:
            return False
        message, self._next = self._next.result(), None
        assert message is not None, 'the server closed the page'
        if isinstance(message, bytes):
            self._draw(message)
            await self.send('ack')
            return True
        content = json.loads(message)
        if content['type'] == 'draw':
            await self.send('draw')
        elif content['type'] == 'image_mode':
            self.mode = content['mode']
        elif content['type'] == 'message':
            self.message = content['message']
        return True

    async def _read(self):
        return await self.socket.read_message()

    def _draw(self, png):
        with Image.open(io.BytesIO(png)) as picture:
            values = np.asarray(picture.convert('RGBA'))
        if self.mode == 'full' or self.canvas is None:
            self.canvas = values[..., :3].copy()
        else:
            new = values[..., 3] > 0
            self.canvas[new] = values[new][:, :3]
        self.frames.append(self.canvas.copy())
