"""Maxima among equal values, where rounding would decide."""

from itertools import product

import pytest
import torch
from helpers.slow_reference import float64_map, slow_map
from torch import nn

from mmerf import measure_erf
from mmerf.core.passes.ties import has_flat_part


def pooled(seed):
    torch.manual_seed(seed)
    conv = nn.Conv2d(3, 6, 5, 1, 2)
    return nn.Sequential(
        conv, nn.BatchNorm2d(6), nn.Conv2d(6, 6, 3, 1, 2, dilation=2),
        nn.MaxPool2d(3, 2, 1),
    ).eval()  # fmt: skip


@pytest.mark.parametrize('size', [(48, 56), (160, 176)])
def test_a_flat_image_has_the_map_of_the_plain_loop(size):
    for seed in range(6):
        net, image = pooled(seed), torch.full((1, 3, *size), 0.37)
        image[:, :, : size[0] // 2] = 0.1 * seed
        result = measure_erf(net, image, ['3'])['3']
        expected = float64_map(net, image, result.unit)
        assert abs(result.map - expected).max() <= 1e-4 * expected.max()
        in_window = size[0] > 100
        way = result.provenance['run_on']
        assert ('equal values: chosen' in way) == in_window


def test_only_what_the_window_sees_has_to_be_uneven():
    net = pooled(0)
    image = torch.randn(1, 3, 160, 176)
    image[:, :, :20] = 0
    result = measure_erf(net, [image, image], ['3'])['3']
    assert result.provenance['run_on'].startswith('window')


def test_flat_parts():
    image = torch.arange(600.0).view(1, 1, 20, 30)
    assert not has_flat_part(image)
    assert not has_flat_part(torch.zeros(1, 1, 4, 30))
    for top, left in product(range(16), range(26)):
        flat = image.clone()
        flat[:, :, top : top + 5, left : left + 5] = 3
        assert has_flat_part(flat)
        flat[:, :, top + 2, left + 2] = 4
        assert not has_flat_part(flat)
    stripes = torch.zeros(1, 1, 20, 30)
    stripes[:, :, ::2] = 1
    assert not has_flat_part(stripes)


@pytest.mark.parametrize('order', [1, -1])
def test_every_image_is_looked_at(order):
    size = (48, 56)
    for seed in range(6):
        net = pooled(seed)
        images = [torch.randn(1, 3, *size), torch.full((1, 3, *size), 0.37)]
        images[1][:, :, :24] = 0.1 * seed
        result = measure_erf(net, images[::order], ['3'])['3']
        maps = [float64_map(net, image, result.unit) for image in images]
        expected = sum(maps) / 2
        assert abs(result.map - expected).max() <= 1e-4 * expected.max()


@pytest.mark.parametrize('size', [(32, 40), (160, 176)])
@pytest.mark.parametrize('factor', [2, 3])
def test_a_pooling_of_a_grid_finer_than_the_image(size, factor):
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Upsample(scale_factor=factor, mode='bilinear'),
        nn.Conv2d(3, 6, 5, 1, 2),
        nn.MaxPool2d(2),
    ).eval()
    image = torch.full((1, 3, *size), 0.37)
    image[:, :, : size[0] // 3] = 0.1
    result = measure_erf(net, image, ['2'])['2']
    y, x = result.unit
    # In float32: equal values, computed in float64, are others.
    expected = slow_map(image, lambda i: net(i)[0, :, y, x].relu().sum())
    assert abs(result.map - expected).max() <= 1e-6 * expected.max()
