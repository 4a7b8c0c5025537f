"""Which units are looked at, and which class they have."""

import numpy as np
import pytest
import torch
from helpers.context_nets import chain, images_of
from torch import nn

from mmerf.core.context.curves import measure_context
from mmerf.core.errors import ConfigError, MeasurementError


def test_units_of_a_class_are_where_it_is_predicted():
    net, images = chain(1), images_of(4, (12, 12))
    with torch.no_grad():
        predicted = net(images).argmax(dim=1)
    counts = [int((image == 2).sum()) for image in predicted]
    images[1] = 0  # one class everywhere, but at the border
    with torch.no_grad():
        absent = not bool((net(images[1:2]).argmax(dim=1) == 2).any())
    assert absent and min(counts) >= 9
    result = measure_context(
        net,
        images,
        '0',
        target={'type': 'ClassRegion', 'classes': ['c']},
        classes=['a', 'b', 'c', 'd'],
        sides=[1, 3],
    )
    assert result.absent_images == 1 and result.units == (9, 9, 9)
    assert result.images == ('image 0', 'image 2', 'image 3')
    with pytest.raises(MeasurementError, match='none of the 1 image'):
        measure_context(
            net,
            images[1:2],
            '0',
            target={'type': 'ClassRegion', 'classes': [2]},
        )


def test_one_channel_has_two_classes():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 1, 3, padding=1))
    images = images_of(3)
    plain = measure_context(net, images, '0', sides=[1])
    level = measure_context(net, images, '0', sides=[1], threshold=0.3)
    assert (plain.keep_change == level.keep_change).all()
    units = [(y, x) for y in (4, 12, 20) for x in (4, 14, 23)]
    with torch.no_grad():
        whole = net(images)[:, 0]
        for result, limit in ((plain, 0.0), (level, 0.3)):
            flips = []
            for image, logits in zip(images, whole, strict=True):
                for y, x in units:
                    copy = image.mean(dim=(1, 2), keepdim=True).expand_as(
                        image
                    ).clone()  # fmt: skip
                    copy[:, y, x] = image[:, y, x]
                    now = net(copy[None])[0, 0, y, x] > limit
                    flips.append(bool(now) != bool(logits[y, x] > limit))
            assert result.keep_flips.mean() == pytest.approx(np.mean(flips))
    sigmoid = nn.Sequential(net[0], nn.Sigmoid())
    with pytest.raises(ConfigError, match='say above which'):
        measure_context(sigmoid, images, '1')
    assert measure_context(sigmoid, images, '1', sides=[3], threshold=0.5)
