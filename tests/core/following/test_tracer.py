"""Units' pixels against coordinates that are carried along independently.

The reference never uses offsets or jumps: it samples an image of pixel
coordinates the way the network samples its input.
"""

import numpy as np
import pytest
import torch
from helpers.mmseg_configs import FCN, SEGFORMER, build
from mmseg.registry import MODELS
from torch import nn
from torch.nn import functional as F

from mmerf import measure_erf
from mmerf.core.attributions import Attribution, LayerMaps
from mmerf.core.errors import LayerError
from mmerf.core.following.tracer import GridTracer
from mmerf.core.targets import CentreUnit


def coordinates(height, width):
    """(1, 2, H, W): each pixel's own row and column."""
    rows, columns = torch.meshgrid(
        torch.arange(float(height)), torch.arange(float(width)), indexing='ij'
    )
    return torch.stack([rows, columns])[None]


def strided(coords, times=1):
    """A padded odd kernel of stride 2 is centred on every second unit."""
    for _ in range(times):
        coords = coords[:, :, ::2, ::2]
    return coords


def followed(run, height, width, batch=1):
    """Grids of what ``run`` returns, one tensor or several."""
    images = torch.zeros(batch, 3, height, width)
    tracer = GridTracer(images)
    with torch.no_grad(), tracer:
        out = run(images)
    several = out if isinstance(out, (tuple, list)) else [out]
    found = [tracer.read(tensor, batch) for tensor in several]
    grids = [None if each is None else each[1] for each in found]
    return grids if isinstance(out, (tuple, list)) else grids[0]


def agree(grid, coords):
    size = grid.size
    assert size == tuple(coords.shape[2:])
    assert grid.known
    for unit in [(0, 0), (size[0] // 2, size[1] // 2), (size[0] - 1, 1)]:
        expected = coords[0, :, unit[0], unit[1]].tolist()
        assert grid.pixel(unit) == pytest.approx(expected)


def backbone(**cfg):
    from mmengine.registry import init_default_scope

    init_default_scope('mmseg')
    net = MODELS.build(cfg)
    net.eval()  # returns None for some of mmseg's backbones
    return net


def resnet(strides):
    cfg = {**FCN['backbone'], 'strides': strides, 'dilations': (1,) * 4}
    return build({**FCN, 'backbone': cfg}).backbone


def test_padded_resnet():
    net = resnet(strides=(1, 2, 2, 2))
    grids = followed(net, 96, 160)
    for times, grid in zip((2, 3, 4, 5), grids, strict=True):
        agree(grid, strided(coordinates(96, 160), times))


def test_mit_reads_each_stage_after_its_own_patch_embedding():
    net = build(SEGFORMER).backbone
    results = measure_erf(net, torch.randn(1, 3, 128, 192), ['layers.*.0'])
    assert len(results) == 4
    for times, result in enumerate(results.values(), start=2):
        coords = strided(coordinates(128, 192), times)
        h, w = coords.shape[2] // 2, coords.shape[3] // 2
        assert result.unit == (h, w) and result.pixel_known
        assert result.unit_pixel == tuple(coords[0, :, h, w].tolist())


def test_mit_stage_four_is_not_the_reduction_grid():
    """Stage 1's 8 x 8 reduction makes stage 4's size first, 14 px off."""
    net = build(SEGFORMER)
    result = measure_erf(
        net, torch.randn(1, 3, 128, 128), ['backbone[3]'], forward=net.backbone
    )['backbone[3]']
    assert result.unit_pixel == (64.0, 64.0)


def test_vgg_like_chain():
    layers = []
    for channels in (3, 4, 4):
        layers += [nn.Conv2d(channels, 4, 3, padding=1), nn.MaxPool2d(2)]
    coords = coordinates(48, 80)
    for count in (1, 2, 3):
        coords = F.avg_pool2d(coords, 2)
        agree(followed(nn.Sequential(*layers[: 2 * count]), 48, 80), coords)


def test_vit():
    net = backbone(
        type='VisionTransformer', img_size=(64, 96), patch_size=16,
        embed_dims=16, num_layers=2, num_heads=2, out_indices=(0, 1),
    )  # fmt: skip
    for grid in followed(net, 64, 96):
        agree(grid, F.avg_pool2d(coordinates(64, 96), 16))


def test_swin():
    net = backbone(
        type='SwinTransformer', embed_dims=8, depths=(2, 2, 2, 2),
        num_heads=(1, 1, 2, 2), window_size=7,
    )  # fmt: skip
    coords = F.avg_pool2d(coordinates(96, 224), 4)
    for grid in followed(net, 96, 224):
        agree(grid, coords)
        coords = F.avg_pool2d(coords, 2)


@pytest.mark.parametrize('channels_last', [False, True])
def test_patch_merging_by_strided_slices(channels_last):
    class Merging(nn.Module):
        def forward(self, x):
            if channels_last:
                x = x.permute(0, 2, 3, 1)
                parts = [x[:, i::2, j::2] for i in (0, 1) for j in (0, 1)]
                return torch.cat(parts, -1)
            parts = [x[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)]
            return torch.cat(parts, 1)

    agree(followed(Merging(), 16, 24), F.avg_pool2d(coordinates(16, 24), 2))


def test_lone_strided_slice_is_subsampling():
    agree(
        followed(lambda x: x[:, :, ::2, ::2], 16, 24),
        strided(coordinates(16, 24)),
    )


@pytest.mark.parametrize('factor', [2, 3])
@pytest.mark.parametrize('mode', ['bilinear', 'nearest', 'bicubic'])
def test_resizing(mode, factor):
    def run(x):
        return F.interpolate(
            F.avg_pool2d(x, 4), scale_factor=factor, mode=mode
        )

    coords = F.interpolate(
        F.avg_pool2d(coordinates(48, 96), 4), scale_factor=factor,
        mode='bilinear',
    )  # fmt: skip
    grid = followed(run, 48, 96)
    inner = coords[:, :, coords.shape[2] // 2, coords.shape[3] // 2]
    unit = (grid.size[0] // 2, grid.size[1] // 2)
    assert grid.pixel(unit) == pytest.approx(tuple(inner[0].tolist()))


def test_resizing_with_aligned_corners():
    def resize(x):
        return F.interpolate(x, (23, 41), mode='bilinear', align_corners=True)

    grid = followed(lambda x: resize(F.avg_pool2d(x, 4)), 48, 96)
    agree(grid, resize(F.avg_pool2d(coordinates(48, 96), 4)))


def test_resizing_does_not_replace_a_grid_that_is_known():
    def run(x):
        y = F.avg_pool2d(x, 4)  # offset 1.5
        z = F.max_pool2d(x, 3, 8, 1)  # offset 0
        wide = conv(F.interpolate(z, scale_factor=2))
        return y + wide, torch.cat([wide, y], 1)

    conv = nn.Conv2d(3, 3, 3, padding=1)
    for grid in followed(run, 32, 48):
        agree(grid, F.avg_pool2d(coordinates(32, 48), 4))


def test_transposed_convolution_undoes_a_patchify():
    down = nn.Conv2d(3, 3, 4, 4)
    up = nn.ConvTranspose2d(3, 3, 2, 2)
    agree(
        followed(nn.Sequential(down, up), 32, 48),
        F.avg_pool2d(coordinates(32, 48), 2),
    )


def test_padding_and_dilation():
    conv = nn.Conv2d(3, 2, (3, 5), (2, 1), (2, 0), dilation=(2, 3))

    def run(x):
        return conv(F.pad(x, (3, 1, 2, 2)))

    grid = followed(run, 20, 30)
    # kernel centre of output (i, j): row 2 i - 2 + 2 - 2, column j + 6 - 3
    assert grid.pixel((0, 0)) == (-2.0, 3.0)
    assert grid.pixel((1, 1)) == (0.0, 4.0)


def test_pixel_shuffles():
    def run(x):
        y = F.pixel_unshuffle(x, 4)
        return y, F.pixel_shuffle(y, 2)

    for grid, side in zip(followed(run, 32, 48), (4, 2), strict=True):
        agree(grid, F.avg_pool2d(coordinates(32, 48), side))


class Scrambling(nn.Module):
    """Channels made of parts of rows: no axis is an image axis any more."""

    def forward(self, x):
        return x.reshape(x.shape[0], -1, x.shape[2] // 3, x.shape[3] // 3)


def test_what_cannot_be_followed_is_refused_or_stated():
    net, image = nn.Sequential(Scrambling()), torch.rand(1, 3, 18, 12)
    with pytest.raises(LayerError, match="layout='NCHW'"):
        measure_erf(net, image, ['0'])
    stated = [dict(name='0', layout='NCHW')]
    result = measure_erf(net, image, stated)['0']
    assert not result.pixel_known
    assert result.unit_pixel == (3.5 * 3 - 0.5, 2.5 * 3 - 0.5)


@pytest.mark.parametrize('size', [(64, 64), (65, 97), (63, 95)])
def test_unit_pixel_is_the_support_centre_of_a_padded_resnet(size):
    """Gradients' own support, in float64, is centred where it should be."""
    net = resnet(strides=(1, 2, 1, 1)).double()
    images = torch.randn(1, 3, *size, dtype=torch.float64)

    class RandomSigns(CentreUnit):
        def __call__(self, output, context):
            y, x = self.unit(context.grid)
            signs = torch.randn(output.shape[1], dtype=torch.float64)
            return (output[:, :, y, x] * signs).sum(1)

    class Signed(Attribution):
        def __call__(self, forward, inputs, target, layers):
            leaf = inputs.clone().requires_grad_()
            for part in layers.read(forward, leaf, target).values():
                (gradient,) = torch.autograd.grad(part.scores.sum(), leaf)
                yield LayerMaps(part.detached(), gradient.abs().sum(1))

    key = 'layer1.0'
    support = measure_erf(
        net, images, key, target=RandomSigns(), attribution=Signed(),
    )[key]  # fmt: skip
    unit = measure_erf(net, images, key)[key].unit_pixel
    rows, columns = np.nonzero(support.map)
    centre = (rows.min() + rows.max()) / 2, (columns.min() + columns.max()) / 2
    assert centre == unit


def test_pooling_that_enlarges_does_not_replace_a_grid():
    """As in pyramid pooling on a small last stage."""

    def run(x):
        y = F.avg_pool2d(x, 4)
        z = F.adaptive_avg_pool2d(F.max_pool2d(y, 3, 2, 1), y.shape[2:])
        return y + z

    agree(followed(run, 24, 24), F.avg_pool2d(coordinates(24, 24), 4))


def test_padding_one_axis_and_by_reflection():
    for pad in [(3, 1), (3, 1, 0, 0)]:
        grid = followed(lambda x, p=pad: F.pad(x, p), 16, 20)
        assert grid.size == (16, 24) and grid.known
        assert grid.pixel((2, 3)) == (2, 0)
    grid = followed(lambda x: F.pad(x, (1, 1, 2, 2), 'reflect'), 16, 20)
    assert grid.size == (20, 22) and grid.pixel((2, 1)) == (0, 0)


def test_dilated_transposed_convolution():
    up = nn.ConvTranspose2d(3, 2, 3, 2, 2, dilation=2)
    # the kernel's middle tap, 2 px in, meets input pixel i at 2 i
    assert followed(up, 16, 20).pixel((8, 4)) == (4, 2)
