"""The pixels that blocks declare, against how torch samples an image.

An image of pixel coordinates goes through blocks without parameters; away
from the border it comes out as the coordinates that the block declares.
"""

import random

import pytest
import torch
from helpers.random_nets import KINDS
from helpers.random_nets.kinds import resampling
from helpers.random_nets.pixels import start

MOVES = [
    'adaptive pool', 'strided slice', 'blur pool', 'crop', 'flip', 'shift',
    'mirror by grid_sample', 'blur by view', 'rows and columns swapped',
]  # fmt: skip
LEARNED = ('skip', 'U-Net', 'patches')
NAMES = [
    *MOVES,
    *(k.name for k in resampling.KINDS if not k.name.startswith(LEARNED)),
]


def tolerance(name, before, after):
    """px: a cubic bends a ramp, nearest units repeat when they enlarge."""
    if name.startswith('bicubic'):
        return 0.2
    grows = any(a > b for a, b in zip(after, before, strict=True))
    if name.startswith('nearest') and (grows or name.endswith('and up')):
        return 1.5
    return 1e-6


@pytest.mark.parametrize('seed', range(3))
@pytest.mark.parametrize('name', NAMES)
def test_declared_pixels_are_those_that_torch_reads(name, seed):
    draw = random.Random(seed)
    size = (draw.randint(40, 70), draw.randint(40, 70))
    block = KINDS[name].make(2, size, draw)
    coords = start(*size)
    if name == 'adaptive pool':  # the maximum is no place between two
        block.inner = torch.nn.AdaptiveAvgPool2d(block.inner.output_size)
    read = block(coords[None])[0]
    after = tuple(read.shape[1:])
    declared = block.pixels(coords, after)
    assert declared.shape == read.shape
    y, x = (2 + side // 8 for side in after)
    read, declared = (v[:, y:-y, x:-x] for v in (read, declared))
    filled = (read != 0).all(0)  # not the zeros that a shift brings in
    off = (read - declared)[:, filled].abs().max()
    assert off <= tolerance(name, size, after)


def test_a_roll_comes_around():
    block = KINDS['roll'].make(2, (20, 30), random.Random(0))
    coords = start(20, 30)
    assert torch.equal(block.pixels(coords, (20, 30)), block(coords[None])[0])
