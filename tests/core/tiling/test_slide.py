"""Tiles against MMSegmentation's, and a network whose field is known."""

import pytest
import torch
from torch import nn

from mmerf.core.tiling.borders import border_distances
from mmerf.core.tiling.grid import Tiling
from mmerf.core.tiling.slide import slide

TILINGS = [Tiling(16, 16), Tiling(16, 12), Tiling(20, 7), Tiling(40, 40)]


@pytest.mark.parametrize('tiling', TILINGS, ids=str)
def test_as_mmseg_slides(fcn, tiling):
    from mmengine.config import ConfigDict

    images = torch.randn(2, 3, 32, 48)
    side, step = (tiling.window,) * 2, (tiling.stride,) * 2
    fcn.test_cfg = ConfigDict(mode='slide', crop_size=side, stride=step)
    metas = [{'img_shape': (32, 48)} for _ in images]
    with torch.no_grad():
        expected = fcn.slide_inference(images, metas)
        found = slide(
            lambda tile: fcn.encode_decode(
                tile, [{'img_shape': tile.shape[2:]}] * 2
            ),
            images,
            tiling,
        )
    assert torch.equal(found, expected)


def chain(layers):
    """Of 3 x 3 convolutions: a field of 2 * layers + 1 px."""
    torch.manual_seed(1)
    convs = [nn.Conv2d(2, 2, 3, padding=1) for _ in range(layers)]
    for conv in convs:  # integers, so that sums are exact
        conv.weight.data = torch.randint(-2, 3, conv.weight.shape).double()
        conv.bias.data = torch.ones(2).double()
    return nn.Sequential(*convs)


@pytest.mark.parametrize('layers', [1, 3, 5])
@pytest.mark.parametrize('tiling', [Tiling(16, 16), Tiling(16, 10)], ids=str)
def test_nothing_changes_half_a_field_from_borders(layers, tiling):
    net = chain(layers)
    images = torch.randint(-9, 10, (1, 2, 40, 55)).double()
    with torch.no_grad():
        whole, tiles = net(images), slide(net, images, tiling)
    changed = (whole != tiles).any(dim=1)[0].numpy()
    distances = border_distances((40, 55), tiling)
    assert not changed[distances >= layers].any()
    for distance in range(layers):
        assert changed[distances == distance].any()
    classes = (whole.argmax(1) != tiles.argmax(1))[0].numpy()
    assert classes.any() and not classes[distances >= layers].any()
