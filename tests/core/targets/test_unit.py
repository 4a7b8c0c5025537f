import numpy as np
import pytest
import torch
from helpers.slow_reference import images_like, slow_map
from torch import nn

from mmerf import measure_erf
from mmerf.core.errors import ConfigError, TargetError
from mmerf.core.targets import parse_target


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 6, 4, 4))


def close(found, expected):
    assert expected.max() > 0
    assert np.abs(found - expected).max() <= 1e-6 * expected.max()


@pytest.mark.parametrize('unit', [(0, 0), (2, 4), (-1, -2)])
def test_any_unit_against_plain_autograd(unit):
    model, images = net(), images_like(3, 32, 48)
    target = dict(type='Unit', y=unit[0], x=unit[1])
    result = measure_erf(model, images, ['1'], target=target)['1']
    close(
        result.map,
        slow_map(
            images,
            lambda x: model(x)[0, :, unit[0], unit[1]].clamp(min=0).sum(),
        ),
    )
    y, x = unit[0] % 4, unit[1] % 6
    assert result.unit == (y, x)
    assert result.unit_pixel == (8 * y + 3, 8 * x + 3)


def test_chosen_channels_without_the_relu():
    model, images = net(), images_like(2, 32, 48)
    target = dict(type='CentreUnit', relu=False, channels=[1, -1])
    result = measure_erf(model, images, ['1'], target=target)['1']
    close(
        result.map,
        slow_map(images, lambda x: model(x)[0, [1, 5], 2, 3].sum()),
    )
    assert 'channels [1, -1] of output' in result.definition['score']


@pytest.mark.parametrize(
    ('pixel', 'units'),
    [((0, 0), [(0, 0), (0, 0)]), ((16, 20), [(8, 10), (2, 2)]),
     ((31, 47), [(15, 23), (3, 5)]), ((6.9, 7.1), [(3, 4), (0, 1)])],
)  # fmt: skip
def test_the_unit_nearest_a_pixel_in_every_layer(pixel, units):
    """Units sit at 2 i and at 8 i + 3."""
    target = dict(type='Pixel', y=pixel[0], x=pixel[1])
    results = measure_erf(
        net(), images_like(1, 32, 48), ['0', '1'], target=target
    )
    assert [r.unit for r in results.values()] == units


@pytest.mark.parametrize(
    ('target', 'message'),
    [
        (dict(type='Unit', y=4, x=0), 'rows go to 3, columns to 5'),
        (dict(type='Unit', y=0, x=-7), r'no unit \(0, -7\)'),
        (dict(type='Pixel', y=32, x=0), 'outside the 32 x 48 input'),
        (dict(type='CentreUnit', channels=[6]), 'from 0 to 5'),
        (dict(type='CentreUnit', channels=[]), 'from 0 to 5'),
    ],
)
def test_units_and_pixels_that_do_not_exist(target, message):
    with pytest.raises(TargetError, match=message):
        measure_erf(net(), images_like(1, 32, 48), ['1'], target=target)


def test_scores_of_the_wrong_length_quote_both_lengths():
    with pytest.raises(TargetError, match=r'2 image\(s\).*\(2,\)'):
        measure_erf(
            net(),
            images_like(2, 32, 48),
            ['1'],
            target=dict(
                type='Function',
                function=lambda output, context: output.sum(),
                y=2,
                x=3,
            ),
        )


def test_targets_from_the_command_line():
    assert parse_target('pixel=100,30.5') == {
        'type': 'Pixel',
        'y': 100.0,
        'x': 30.5,
    }
    assert parse_target('CentreUnit') == 'CentreUnit'
    assert parse_target(None) is None
    for text in ('unit', 'unit=1', 'unit=1,2,3', 'unit=a,b', 'x=1,2', ''):
        with pytest.raises(ConfigError, match='unit=12,40'):
            parse_target(text)


def test_the_only_unit_of_a_grid_is_nearest_every_pixel():
    """Of a 1 x 1 grid with aligned corners, units are 0 px apart."""

    class One(nn.Module):
        def forward(self, x):
            return nn.functional.interpolate(
                x, size=(1, 1), mode='bilinear', align_corners=True
            )

    target = dict(type='Pixel', y=5, x=5)
    result = measure_erf(
        nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), One()),
        images_like(1, 32, 32),
        ['1'],
        target=target,
    )['1']
    assert result.unit == (0, 0)
