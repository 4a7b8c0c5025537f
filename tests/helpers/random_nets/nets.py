"""Nets of blocks, made from a recipe, and what is true of their layers."""

import random
from dataclasses import dataclass, field

import torch
from torch import nn

from .block import Layout, Unfit
from .pixels import NoPixel, start
from .table import KINDS

MOST_VALUES = 2_000_000  # of one block's output


@dataclass(frozen=True)
class Recipe:
    """All that a net and its images are made from.

    Attributes:
        size (tuple): (H, W) of the images.
        batch (int): Number of images.
        blocks (tuple): Kind and seed of each block.
        layers (tuple): Block and name inside it of each measured layer.
        target (tuple): ``('CentreUnit',)``, ``('Unit', y, x)`` or
            ``('Pixel', y, x)``.
        style (str): Of the images: ``noise``, ``smooth``, or ``boxed``: noise
            between bars of zeros.
    """

    size: tuple
    batch: int
    blocks: tuple
    layers: tuple = ()
    target: tuple = ('CentreUnit',)
    style: str = 'noise'


@dataclass
class Place:
    """A block's place in a net, and what is true of its output.

    Attributes:
        kind (str): Of the block.
        seed (int): Of its parameters.
        channels (int): Of its input.
        size (tuple): (h, w) of its input.
        grid (tuple): (h, w) of its output.
        coords (Tensor, optional): Each unit's pixel, (2, h, w); None where
            it is not to be known.
        strict (bool): Whether a claim to know it is wrong.
        steps (list, optional): Windows so far, of plain chains.
        reads (dict[str, Layout]): Layers that can be measured.
    """

    kind: str
    seed: int
    channels: int
    size: tuple
    grid: tuple = ()
    coords: torch.Tensor | None = None
    strict: bool = False
    steps: list | None = None
    reads: dict[str, Layout] = field(default_factory=dict)

    def block(self):
        """The block as it is before its first call."""
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            draw = random.Random(self.seed)
            made = KINDS[self.kind].make(self.channels, self.size, draw)
            _random_statistics(made)
        return made.eval()


def _random_statistics(block):
    """Norms as a training may leave them."""
    for module in block.modules():
        if getattr(module, 'running_var', None) is not None:
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.3, 1.3)
            if module.weight is not None:
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, 0, 0.3)


class Chained(nn.Module):
    """Blocks one after the other."""

    def __init__(self, blocks):
        super().__init__()
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return x


class RandomNet:
    """A net that grows block by block, and what is true of each layer.

    Args:
        size (tuple): (H, W) of its images.
        batch (int): Number of images.
        style (str): As in ``Recipe``.
    """

    def __init__(self, size, batch, style='noise'):
        self.size, self.batch, self.style = tuple(size), batch, style
        self.places = []
        self.layers, self.target = (), ('CentreUnit',)
        self._x = self.images()

    def images(self):
        generator = torch.Generator().manual_seed(1000 * self.batch)
        x = torch.randn(self.batch, 3, *self.size, generator=generator)
        if self.style == 'smooth':
            return nn.functional.avg_pool2d(x, 9, 1, 4) * 5
        if self.style == 'boxed':
            x[:, :, : self.size[0] // 4] = 0
            x[..., -(self.size[1] // 3) :] = 0
        return x

    @property
    def grid(self):
        return tuple(self._x.shape[2:])

    def add(self, kind, seed):
        """Put a block at the end.

        Raises:
            Unfit: If it cannot stand there.
        """
        chosen, grid = KINDS[kind], self.grid
        if chosen.most is not None and grid[0] * grid[1] > chosen.most:
            raise Unfit
        place = Place(kind, seed, self._x.shape[1], grid)
        try:
            block = place.block()
            with torch.no_grad():
                x = block(self._x.clone())
        except (RuntimeError, ValueError, AssertionError) as error:
            raise Unfit from error
        if x.dim() != 4 or min(x.shape[2:]) < 4 or x.shape[1] > 64:
            raise Unfit
        if x.numel() > MOST_VALUES or not 1e-6 < x.abs().max() < 1e6:
            raise Unfit
        place.grid, place.reads = tuple(x.shape[2:]), dict(block.reads)
        self._declare(place, block)
        self.places.append(place)
        self._x = x

    def _declare(self, place, block):
        """What becomes of pixels and of the closed form."""
        before = self.places[-1] if self.places else None
        coords, steps = start(*self.size), []
        if before is not None:
            place.strict = before.strict
            coords, steps = before.coords, before.steps
        own = block.steps()
        if steps is not None and own is not None:
            place.steps = [*steps, *own]
        if coords is not None:
            try:
                place.coords = block.pixels(coords, place.grid)
            except NoPixel as error:
                place.strict = error.strict

    def net(self):
        """The net as it is before its first call."""
        return Chained([place.block() for place in self.places]).eval()

    def key(self, layer):
        """A measured layer's name, as mmerf is given it."""
        index, inner = layer
        return f'blocks.{index}' + (f'.{inner}' if inner else '')

    @property
    def recipe(self):
        blocks = tuple((p.kind, p.seed) for p in self.places)
        return Recipe(
            self.size, self.batch, blocks, self.layers, self.target, self.style
        )


def from_recipe(recipe):
    """The net of a recipe.

    Raises:
        Unfit: If there is none.
    """
    net = RandomNet(recipe.size, recipe.batch, recipe.style)
    for kind, seed in recipe.blocks:
        net.add(kind, seed)
    net.layers, net.target = recipe.layers, recipe.target
    for index, inner in net.layers:
        if index >= len(net.places) or inner not in net.places[index].reads:
            raise Unfit
    return net
