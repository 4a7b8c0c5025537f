"""What max poolings take where values are equal, in windows too."""

import pytest
import torch
from helpers.slow_reference import float64_map, images_like
from torch import nn

from mmerf import measure_erf


def deep(seed):
    """Two poolings with a batch norm each, whose units see 40 px."""
    torch.manual_seed(seed)
    parts = []
    for channels in (3, 6):
        parts += [
            nn.Conv2d(channels, 6, 3, padding=1),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, 1),
        ]
    net = nn.Sequential(*parts, nn.Conv2d(6, 6, 3, padding=1)).eval()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    return net


def with_flat_parts(count=1):
    images = images_like(count, 160, 176)
    images[:, :, 40:84, 60:90] = 0.3  # the centre is at its border
    images[:, :, 84:120] = -0.2
    return images


@pytest.mark.parametrize('unit', [None, (10, 20), (25, 0)])
def test_a_window_with_flat_parts_is_the_plain_loop(unit):
    for seed in range(4):
        net, images = deep(seed), with_flat_parts(2)
        images[1] = images[1].flip(1)
        target = unit and dict(type='Unit', y=unit[0], x=unit[1])
        result = measure_erf(net, images, ['8'], target=target)['8']
        words = result.provenance['run_on']
        assert words.startswith('window') and 'equal values' in words
        expected = float64_map(net, images, unit)
        assert abs(result.map - expected).max() <= 1e-4 * expected.max()


def test_changed_copies_are_run_plainly():
    """What an attribution adds to an image leads to other entries."""
    attribution = dict(type='NoiseVariance', draws=4, patch_size=40)
    net, images = deep(0), with_flat_parts()
    result = measure_erf(net, images, ['8'], attribution=attribution)['8']
    assert not result.provenance['run_on'].startswith('window')


class Choosing(nn.Module):
    def forward(self, x):
        return torch.maximum(x, x.roll(1, 2))


def test_other_maxima_are_run_plainly():
    net, images = nn.Sequential(*deep(1), Choosing()), with_flat_parts()
    result = measure_erf(net, images, ['9'])['9']
    assert 'ties in a flat part' in result.provenance['run_on']
    expected = float64_map(net, images)
    assert abs(result.map - expected).max() <= 1e-4 * expected.max()


def test_layers_that_follow_may_need_a_larger_image_than_the_window():
    net, images = deep(2), with_flat_parts()
    net.extend([nn.MaxPool2d(3), nn.Conv2d(6, 2, 5)])  # of 60 px at least
    result = measure_erf(net, images, ['8'])['8']
    assert result.provenance['run_on'].startswith('window')
    expected = float64_map(net[:9], images)
    assert abs(result.map - expected).max() <= 1e-4 * expected.max()
