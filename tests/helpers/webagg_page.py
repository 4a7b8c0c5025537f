"""What a browser is to WebAgg: its websocket's messages, and the canvas."""

import asyncio
import io
import json
import time

import numpy as np
from PIL import Image
from tornado.websocket import websocket_connect

PATIENCE = 120  # seconds


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
        self._heard = False  # a picture, or that there is one

    @classmethod
    async def opened(cls, port):
        """The page of figure 1, once it has drawn."""
        page = cls(
            await websocket_connect(
                f'ws://127.0.0.1:{port}/1/ws', max_message_size=2**28
            )
        )
        await page.send('supports_binary', value=True)
        page.mode = None  # the server's may be another page's
        await page.send('send_image_mode')
        while page.mode is None:
            await page._answered_one()
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

    async def rest(self):
        """Answer the server until it has nothing more to send.

        It answers one thing after the other: while a field is measured, no
        question is answered.
        """
        quiet, end = 0, time.perf_counter() + PATIENCE
        while quiet < 6:
            assert time.perf_counter() < end, 'the server never rests'
            await asyncio.sleep(0.05)
            self._heard = False
            await self.send('send_image_mode')
            while await self._answered_one() != 'the mode again':
                pass
            quiet = 0 if self._heard else quiet + 1

    async def _answered_one(self):
        """Take a message and answer it; its type."""
        message = await asyncio.wait_for(self.socket.read_message(), PATIENCE)
        assert message is not None, 'the server closed the page'
        if isinstance(message, bytes):
            self._draw(message)
            await self.send('ack')
            self._heard = True
            return 'picture'
        content = json.loads(message)
        if content['type'] == 'draw':
            await self.send('draw')
            self._heard = True
        elif content['type'] == 'image_mode':
            if content['mode'] == self.mode:
                return 'the mode again'  # as it was asked
            self.mode = content['mode']
        elif content['type'] == 'message':
            self.message = content['message']
        return content['type']

    def _draw(self, png):
        with Image.open(io.BytesIO(png)) as picture:
            values = np.asarray(picture.convert('RGBA'))
        if self.mode == 'full' or self.canvas is None:
            self.canvas = values[..., :3].copy()
        else:
            new = values[..., 3] > 0
            self.canvas[new] = values[new][:, :3]
        self.frames.append(self.canvas.copy())
