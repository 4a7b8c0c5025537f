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
from mmerf.core.grid.tracer import GridTracer
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


def history_of(run, height, width):
    history = GridTracer((height, width))
    with torch.no_grad(), history:
        run(torch.zeros(1, 3, height, width))
    return history


def agree(history, coords):
    size = tuple(coords.shape[2:])
    grid = history.grid(size)
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
    history = history_of(net, 96, 160)
    for times in (2, 3, 4, 5):
        agree(history, strided(coordinates(96, 160), times))


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
    history = history_of(nn.Sequential(*layers), 48, 80)
    coords = coordinates(48, 80)
    for _ in range(3):
        coords = F.avg_pool2d(coords, 2)
        agree(history, coords)


def test_vit():
    net = backbone(
        type='VisionTransformer', img_size=(64, 96), patch_size=16,
        embed_dims=16, num_layers=2, num_heads=2, out_indices=(0, 1),
    )  # fmt: skip
    agree(history_of(net, 64, 96), F.avg_pool2d(coordinates(64, 96), 16))


def test_swin():
    net = backbone(
        type='SwinTransformer', embed_dims=8, depths=(2, 2, 2, 2),
        num_heads=(1, 1, 2, 2), window_size=7,
    )  # fmt: skip
    history = history_of(net, 96, 224)
    coords = F.avg_pool2d(coordinates(96, 224), 4)
    for _ in range(4):
        agree(history, coords)
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

    history = history_of(Merging(), 16, 24)
    agree(history, F.avg_pool2d(coordinates(16, 24), 2))


def test_lone_strided_slice_is_subsampling():
    history = history_of(lambda x: x[:, :, ::2, ::2], 16, 24)
    agree(history, strided(coordinates(16, 24)))


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
    history = history_of(run, 48, 96)
    inner = coords[:, :, coords.shape[2] // 2, coords.shape[3] // 2]
    grid = history.grid(tuple(coords.shape[2:]))
    unit = (grid.size[0] // 2, grid.size[1] // 2)
    assert grid.pixel(unit) == pytest.approx(tuple(inner[0].tolist()))


def test_resizing_with_aligned_corners():
    def resize(x):
        return F.interpolate(x, (23, 41), mode='bilinear', align_corners=True)

    history = history_of(lambda x: resize(F.avg_pool2d(x, 4)), 48, 96)
    agree(history, resize(F.avg_pool2d(coordinates(48, 96), 4)))


def test_resizing_does_not_replace_a_grid_that_is_known():
    def run(x):
        y = F.avg_pool2d(x, 4)  # offset 1.5
        z = F.max_pool2d(x, 3, 8, 1)  # offset 0
        return y, F.interpolate(z, scale_factor=2)

    agree(history_of(run, 32, 48), F.avg_pool2d(coordinates(32, 48), 4))


def test_transposed_convolution_undoes_a_patchify():
    down = nn.Conv2d(3, 3, 4, 4)
    up = nn.ConvTranspose2d(3, 3, 2, 2)
    history = history_of(nn.Sequential(down, up), 32, 48)
    agree(history, F.avg_pool2d(coordinates(32, 48), 2))


def test_padding_and_dilation():
    conv = nn.Conv2d(3, 2, (3, 5), (2, 1), (2, 0), dilation=(2, 3))

    def run(x):
        return conv(F.pad(x, (3, 1, 2, 2)))

    history = history_of(run, 20, 30)
    size = run(torch.zeros(1, 3, 20, 30)).shape[2:]
    grid = history.grid(tuple(size))
    # kernel centre of output (i, j): row 2 i - 2 + 2 - 2, column j + 6 - 3
    assert grid.pixel((0, 0)) == (-2.0, 3.0)
    assert grid.pixel((1, 1)) == (0.0, 4.0)


def test_pixel_shuffles():
    def run(x):
        return F.pixel_shuffle(F.pixel_unshuffle(x, 4), 2)

    history = history_of(run, 32, 48)
    agree(history, F.avg_pool2d(coordinates(32, 48), 4))
    agree(history, F.avg_pool2d(coordinates(32, 48), 2))


def test_unknown_history_is_reported():
    class Reshaping(nn.Module):
        def forward(self, x):
            return x.reshape(x.shape[0], -1, x.shape[2] // 3, x.shape[3] // 3)

    net = nn.Sequential(Reshaping())
    result = measure_erf(net, torch.rand(1, 3, 18, 12), ['0'])['0']
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
        return F.adaptive_avg_pool2d(F.max_pool2d(y, 3, 2, 1), y.shape[2:])

    agree(history_of(run, 24, 24), F.avg_pool2d(coordinates(24, 24), 4))


def test_padding_one_axis_and_by_reflection():
    for pad in [(3, 1), (3, 1, 0, 0)]:
        history = history_of(lambda x, p=pad: F.pad(x, p), 16, 20)
        assert history.grid((16, 24)).pixel((2, 3)) == (2, 0)
        assert history.grid((16, 24)).known
    history = history_of(lambda x: F.pad(x, (1, 1, 2, 2), 'reflect'), 16, 20)
    assert history.grid((20, 22)).pixel((2, 1)) == (0, 0)


def test_dilated_transposed_convolution():
    up = nn.ConvTranspose2d(3, 2, 3, 2, 2, dilation=2)
    history = history_of(up, 16, 20)
    size = tuple(up(torch.zeros(1, 3, 16, 20)).shape[2:])
    # the kernel's middle tap, 2 px in, meets input pixel i at 2 i
    assert history.grid(size).pixel((8, 4)) == (4, 2)
