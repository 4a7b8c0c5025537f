"""The model's own output as a layer, outputs without channels, the order."""

import numpy as np
import pytest
import torch
from helpers.slow_reference import float64_map, images_like
from torch import nn

from mmerf import ERFResult, measure_erf
from mmerf.core.errors import LayerError
from mmerf.core.running.list_layers import list_layers


class Net(nn.Module):
    """Returns a dict; the map is made outside of every module of its own."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.one = nn.Conv2d(3, 4, 3, padding=1)
        self.two = nn.Conv2d(4, 4, 3, padding=1, stride=2)

    def forward(self, x):
        x = self.two(self.one(x).relu())
        return {'empty': x[:, :0], 'logits': x * 2 + 0.5}


@pytest.mark.parametrize('side', [24, 150])  # whole, and in a window
@pytest.mark.parametrize('name', ['.', ''])
def test_own_output_is_the_plain_map(side, name, tmp_path):
    net, images = Net(), images_like(2, side, side + 6)
    results = measure_erf(net, images, [name, 'two', 'one'], theory=True)
    assert list(results) == ['.[1]', 'two', 'one']  # in this order
    result = results['.[1]']
    expected = float64_map(nn.Sequential(net, Pick()).double(), images)
    assert np.abs(result.map - expected).max() < 1e-5 * expected.max()
    assert result.theory.size == (5, 5)
    assert ERFResult.load(result.save(tmp_path / 'a.npz')).layer == '.[1]'


class Pick(nn.Module):
    def forward(self, outputs):
        return outputs['logits']


def test_own_output_of_a_given_forward_is_what_it_returns():
    net, images = Net(), images_like(1, 20, 20)
    whole = measure_erf(net, images, ['.[1]'])['.[1]']
    given = measure_erf(
        net, images, ['.'], forward=lambda x: net(x)['logits']
    )['.']
    np.testing.assert_array_equal(whole.map, given.map)


class FourStages(nn.Module):
    """An encoder of segmentation_models_pytorch: no stage at stride 2."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.encoder = nn.Identity()
        self.deep = nn.Conv2d(3, 4, 4, 4)

    def forward(self, x):
        n, _, h, w = x.shape
        empty = torch.empty([n, 0, h // 2, w // 2])
        return self.encoder([x, empty, self.deep(x)])[-1]


@pytest.mark.parametrize('side', [24, 152])
def test_a_stage_without_channels_is_passed_over(side):
    images = images_like(2, side, side)
    results = measure_erf(FourStages(), images, ['encoder'])
    assert list(results) == ['encoder[0]', 'encoder[2]']
    expected = float64_map(FourStages().deep, images)
    found = results['encoder[2]'].map
    assert np.abs(found - expected).max() < 1e-5 * expected.max()


def test_an_empty_output_that_is_named_is_an_error():
    with pytest.raises(LayerError, match=r'\(1, 0, 10, 10\) is empty'):
        measure_erf(Net(), images_like(1, 20, 20), ['.[0]'])


def test_own_output_is_listed_first():
    rows = list_layers(Net(), images_like(1, 20, 20))
    assert [row.key for row in rows] == ['.[1]', 'one', 'two']
    assert rows[0].shape == (4, 10, 10) and rows[0].stride == (2, 2)
    rows = list_layers(Net(), images_like(1, 20, 20), pattern='o*')
    assert [row.key for row in rows] == ['one']
