"""Layouts and pixels of outputs of any shape, against carried coordinates.

The image's channels are each pixel's own row and column; a network that only
moves entries about carries them along, and its output says where they are.
"""

import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.slow_reference import float64_map, images_like
from torch import nn
from torch.nn import functional

from mmerf import measure_erf
from mmerf.core.errors import LayerError
from mmerf.core.following import tracer
from mmerf.core.following.graph import GraphFollower
from mmerf.core.following.kinds import kind_of
from mmerf.core.following.tracer import GridTracer


def carried(batch, height, width):
    """(N, 2, H, W): each pixel's row and column, 1000 more for each image."""
    rows, columns = torch.meshgrid(
        torch.arange(float(height)), torch.arange(float(width)), indexing='ij'
    )
    images = torch.stack([rows, columns])[None].repeat(batch, 1, 1, 1)
    return images + 1000 * torch.arange(float(batch)).view(-1, 1, 1, 1)


def split_a_dimension(x, draw):
    position = draw.randrange(x.dim())
    parts = [k for k in (2, 3, 4) if x.shape[position] % k == 0]
    if not parts:
        return x
    part = draw.choice(parts)
    return x.unflatten(position, (x.shape[position] // part, part))


def join_dimensions(x, draw):
    position = draw.randrange(x.dim() - 1)
    return x.flatten(position, position + 1)


def permute(x, draw):
    return x.permute(draw.sample(range(x.dim()), x.dim()))


def slice_a_dimension(x, draw):
    position = draw.randrange(1, x.dim())
    if x.shape[position] < 6:
        return x
    start, step = draw.randrange(3), draw.choice([1, 1, 2, 3])
    index = [slice(None)] * x.dim()
    index[position] = slice(start, None, step)
    return x[tuple(index)]


def flip(x, draw):
    return x.flip(draw.randrange(x.dim()))


def roll(x, draw):
    return x.roll(draw.randrange(-4, 5), draw.randrange(x.dim()))


def class_tokens(x, draw):
    if x.dim() != 3:
        return x
    extra = torch.full((x.shape[0], 2, x.shape[2]), -1.0)
    return torch.cat([extra, x] if draw.random() < 0.5 else [x, extra], 1)


def windows_and_back(x, draw):
    if x.dim() != 4 or x.shape[2] % 2 or x.shape[3] % 3:
        return x
    n, c, h, w = x.shape
    parts = x.reshape(n, c, h // 2, 2, w // 3, 3).permute(0, 2, 4, 1, 3, 5)
    tokens = parts.reshape(-1, c, 6)
    parts = tokens.reshape(n, h // 2, w // 3, c, 2, 3)
    return parts.permute(0, 3, 1, 4, 2, 5).reshape(n, c, h, w)


def stack_and_take(x, draw):
    position = draw.randrange(x.dim() + 1)
    both = torch.stack([x, torch.zeros_like(x)], position)
    return (
        both.unbind(position)[0]
        if draw.random() < 0.5
        else both.select(position, 0)
    )


MOVES = [
    split_a_dimension, join_dimensions, permute, permute, slice_a_dimension,
    flip, roll, class_tokens, windows_and_back, stack_and_take,
]  # fmt: skip


def moved(images, draw):
    x = images
    for _ in range(draw.randrange(1, 9)):
        x = draw.choice(MOVES)(x, draw) if x.dim() > 1 else x[None]
    return x


@pytest.mark.parametrize('batch', [1, 2])
def test_entries_that_are_moved_about_are_found_again(batch):
    read = 0
    for seed in range(1500):
        draw = random.Random(seed)
        height, width = draw.choice([12, 16, 17]), draw.choice([18, 24, 12])
        images = carried(batch, height, width).requires_grad_().clone()
        following, graph = GridTracer(images), GraphFollower(images)
        with following:
            out = moved(images, draw)
        found = following.read(out, batch)
        told = graph.read(out, batch)
        if found is None:
            assert told is None
            continue
        # Watched, zeros that were made like an image are taken to be of it.
        assert told == found or not found[1].known, seed
        layout, grid = told
        nchw = layout.nchw(out, batch)
        assert nchw is not None and nchw.shape[2:] == grid.size, seed
        if nchw.shape[1] != 2 or not grid.known:
            continue
        read += 1
        h, w = grid.size
        pixels = torch.tensor(
            [[grid.pixel((y, x)) for x in range(w)] for y in range(h)]
        ).permute(2, 0, 1)
        for image in range(batch):
            there = nchw[image] - 1000 * image
            # flips and permutations may have changed the channels' order
            assert (there == pixels).all() or (
                there.flip(0) == pixels
            ).all(), seed
    assert read > 400


class Rows(nn.Module):
    """(N, h, w, C), as transformers have it."""

    def __init__(self, width):
        super().__init__()
        self.norm, self.mix = nn.LayerNorm(width), nn.Linear(width, width)

    def forward(self, x):
        return x + self.mix(self.norm(x))


class Net(nn.Module):
    def __init__(self, width, to, back, layer=None):
        super().__init__()
        self.patch = nn.Conv2d(3, width, 4, 4)
        self.layer = layer or Rows(width)
        self.to, self.back = to, back

    def forward(self, x):
        x = self.patch(x)
        return self.back(self.layer(self.to(x)), x)


class Merging(nn.Module):
    """Swin's patch merging, by a reshape: (N, h, w, C) to half the sides."""

    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(4 * width)
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)

    def forward(self, x):
        n, h, w, c = x.shape
        x = x.reshape(n, h // 2, 2, w // 2, 2, c).permute(0, 1, 3, 4, 2, 5)
        return self.reduction(self.norm(x.flatten(3)))


class Circular(nn.Module):
    """A layer norm over channels first, of a size that only padding makes."""

    def forward(self, x):
        x = functional.pad(x, (2, 2, 2, 2), mode='circular')
        return functional.layer_norm(x, x.shape[1:])


def last(x):
    return x.permute(0, 2, 3, 1)


def first(x, _):
    return x.permute(0, 3, 1, 2)


def by_columns(x):
    return x.transpose(2, 3).flatten(2).transpose(1, 2)


def from_columns(x, like):
    n, c, h, w = like.shape
    return x.transpose(1, 2).reshape(n, c, w, h).transpose(2, 3)


def by_rows(x):
    return x.flatten(2).transpose(1, 2)


def from_rows(x, like):
    return x.transpose(1, 2).reshape(like.shape)


@pytest.mark.parametrize(
    ('width', 'size', 'to', 'back', 'layer'),
    [
        (24, (96, 96), last, first, None),  # C = h = w
        (23, (96, 96), last, first, None),
        (9, (36, 64), by_rows, from_rows, None),  # 9 x 16, and not 12 x 12
        (9, (36, 64), by_columns, from_columns, None),
        (12, (48, 48), by_columns, from_columns, None),
        (12, (48, 64), last, first, Merging(12)),
        (28, (112, 112), last, first, Merging(28)),
    ],
)
def test_layers_of_transformers(width, size, to, back, layer):
    torch.manual_seed(0)
    net = Net(width, to, back, layer).eval()
    images = images_like(1, *size)
    result = measure_erf(net, images, ['layer'])['layer']
    expected = float64_map(net, images, result.unit)
    assert result.pixel_known
    assert abs(result.map - expected).max() <= 1e-5 * expected.max()


def test_what_circular_padding_makes_is_no_row_of_channels():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 16, 2, 2), Circular()).eval()
    images = images_like(1, 32, 24)
    try:
        result = measure_erf(net, images, ['1'])['1']
    except LayerError as error:
        assert "layout='NCHW'" in str(error)
        result = measure_erf(net, images, [dict(name='1', layout='NCHW')])['1']
    expected = float64_map(net, images, result.unit)
    assert abs(result.map - expected).max() <= 1e-5 * expected.max()


class Gathered(nn.Module):
    """Rows fetched by index: operations that are not followed."""

    def __init__(self, channels_last):
        super().__init__()
        self.channels_last = channels_last

    def forward(self, x):
        x = x[:, :, torch.arange(x.shape[2])]
        return x.permute(0, 2, 3, 1) if self.channels_last else x


@pytest.mark.parametrize('channels_last', [False, True])
@pytest.mark.parametrize('sides', [(24, 24), (24, 31)])
def test_what_is_not_followed_is_read_by_how_it_behaves(channels_last, sides):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 24, 2, 2), Gathered(channels_last))
    images = images_like(1, 2 * sides[0], 2 * sides[1])
    result = measure_erf(net, images, ['1'])['1']
    assert result.grid == sides and not result.pixel_known
    rows, columns = np.nonzero(result.map)
    y, x = result.unit
    assert (rows.min(), rows.max()) == (2 * y, 2 * y + 1)
    assert (columns.min(), columns.max()) == (2 * x, 2 * x + 1)


def test_what_behaves_like_no_layout_is_refused():
    class Mixed(nn.Module):
        def forward(self, x):
            x = x[:, :, torch.randperm(x.shape[2])]
            return x.flatten(1)[:, torch.randperm(x[0].numel())].view_as(x)

    with pytest.raises(LayerError, match="layout='NCHW'"):
        measure_erf(nn.Sequential(Mixed()), images_like(1, 24, 24), ['0'])


class Written(nn.Module):
    """Gives a part of a copy other values."""

    def __init__(self, rows):
        super().__init__()
        self.rows = rows

    def forward(self, x):
        y = x.clone()
        part = y[:, :, self.rows]
        part.copy_(x[:, :, : part.shape[2]])
        return y


def test_a_write_to_a_part_moves_units_of_the_whole():
    """What a view is given may come from anywhere: nothing is known then."""
    image = torch.rand(1, 3, 32, 24)
    net = nn.Sequential(Written(slice(2, None)))
    assert not measure_erf(net, image, ['0'])['0'].pixel_known
    net = nn.Sequential(Written(slice(None, None, 2)))
    with pytest.raises(LayerError, match='cannot tell'):
        measure_erf(net, image, ['0'])


def test_tokens_in_an_order_of_their_own():
    """Hiera keeps the four corners of its windows first."""

    class Unrolled(nn.Module):
        def forward(self, x):
            x = x.unflatten(3, (3, 2)).unflatten(2, (4, 2))
            return x.permute(0, 3, 5, 2, 4, 1).flatten(1, 4)

    image = torch.rand(1, 3, 8, 6)
    result = measure_erf(nn.Sequential(Unrolled()), image, ['0'])['0']
    assert result.grid == (8, 6) and result.pixel_known
    rows, columns = np.nonzero(result.map)
    assert (list(rows), list(columns)) == ([4], [3])


def test_what_is_not_followed_is_read_at_every_size():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 5, 2, 2), Gathered(False))
    sizes = [(48, 48), (64, 40), (48, 48)]
    images = [images_like(1, *size) for size in sizes]
    result = measure_erf(net, images, ['1'])['1']
    assert result.num_images == 3 and len(result.sizes) == 2


def test_operations_on_numbers_and_on_nothing():
    """A 0-d tensor has no dimension to reduce, and a truth is no tensor."""

    class Scaled(nn.Module):
        def forward(self, x):
            if torch.equal(x, x.mean()):
                return x
            largest = x.abs().amax().max(0).values.sum(0)
            return x * 2 / largest.detach().squeeze(0).mean()

    image = images_like(1, 16, 18)
    result = measure_erf(nn.Sequential(Scaled()), image, ['0'])['0']
    assert result.pixel_known and result.grid == (16, 18)


def test_a_form_of_an_operation_that_a_rule_does_not_know(monkeypatch):
    def fails(call):
        raise LookupError('another argument')

    def kind(func):
        found = kind_of(func)
        fails_now = found.name == 'convolution'
        return replace(found, rule=fails) if fails_now else found

    monkeypatch.setattr(tracer, 'kind_of', kind)
    net = nn.Sequential(nn.Conv2d(3, 5, 2, 2))
    result = measure_erf(net, images_like(1, 48, 40), ['0'])['0']
    assert result.grid == (24, 20) and not result.pixel_known


def test_an_output_whose_size_the_content_decides():
    class Cropped(nn.Module):
        def forward(self, x):
            return x[:, :, : 12 if x.mean() > 0 else 9]

    images = images_like(1, 16, 18).abs()
    batches = [images, -images, images]
    result = measure_erf(nn.Sequential(Cropped()), batches, ['0'])['0']
    assert result.num_images == 3 and result.grid is None
