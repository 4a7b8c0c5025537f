"""A block of a random net: a module that declares what it does to places."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from .pixels import NoPixel


class Unfit(Exception):
    """A block that cannot stand here; another net is drawn."""


@dataclass(frozen=True)
class Layout:
    """The true layout of an output, by which the reference reads it.

    Attributes:
        form (str): ``NCHW``, ``NHWC``, ``rows`` (tokens row by row, (N, L,
            C)), ``columns`` (column by column), ``NCL``.
        front (int): Tokens before the grid's first.
    """

    form: str = 'NCHW'
    front: int = 0

    def read(self, output, size):
        """(N, C, h, w) of an output whose grid is ``size``."""
        h, w = size
        if self.form == 'NCHW':
            return output
        if self.form == 'NHWC':
            return output.permute(0, 3, 1, 2)
        if self.form == 'NCL':
            output = output.transpose(1, 2)
        tokens = output[:, self.front : self.front + h * w].transpose(1, 2)
        if self.form == 'columns':
            return tokens.unflatten(2, (w, h)).transpose(2, 3)
        return tokens.unflatten(2, (h, w))


class Block(nn.Module):
    """(N, C, h, w) to (N, C', h', w').

    Attributes:
        reads (dict[str, Layout]): Layers that can be measured, by their name
            inside the block; their grid is that of the block's output.
    """

    reads = {'': Layout()}

    def pixels(self, coords, size):
        """Coordinates after the block: as before it, on the same grid."""
        if tuple(coords.shape[1:]) != tuple(size):
            raise NoPixel
        return coords

    def steps(self):
        """(kernel, stride, dilation) of plain windows; None for others."""
        return None


class Apply(Block):
    """A block made of functions.

    Args:
        function (callable): ``function(block, x)``, from (N, C, h, w) to
            (N, C', h', w'); finds its modules on the block, since a copy of
            the block has others.
        pixels (callable, optional): As ``Block.pixels``.
        steps (list, optional): As ``Block.steps`` returns.
        inner_reads (tuple of str): Layers inside, on the block's own grid,
            that can be measured.
        parts: Modules, parameters and buffers, by name.
    """

    def __init__(
        self, function, pixels=None, steps=None, inner_reads=(), **parts
    ):
        super().__init__()
        self.reads = {name: Layout() for name in ('', *inner_reads)}
        self.function, self._pixels, self._steps = function, pixels, steps
        for name, part in parts.items():
            if type(part) is torch.Tensor:
                self.register_buffer(name, part)
            else:
                setattr(self, name, part)

    def forward(self, x):
        return self.function(self, x)

    def pixels(self, coords, size):
        if self._pixels is None:
            return super().pixels(coords, size)
        return self._pixels(coords, size)

    def steps(self):
        return self._steps


def nowhere(coords, size):
    """Nothing is to be known of the units' pixels."""
    raise NoPixel


def mixed(coords, size):
    """Branches of different offsets are joined: there is no one pixel."""
    raise NoPixel(strict=True)


@dataclass(frozen=True)
class Kind:
    """One kind of blocks.

    Attributes:
        name (str): In tables and reports.
        make (callable): ``make(channels, size, draw)`` gives a block for
            inputs (N, channels, *size); ``draw`` is a ``random.Random``.
        most (int, optional): Units of the largest grid that it may stand on.
        filler (bool): Local, cheap and common: stands between the others.
        square (bool): Wants square images.
    """

    name: str
    make: Callable
    most: int | None = None
    filler: bool = False
    square: bool = False
