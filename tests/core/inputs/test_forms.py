"""Loaders' batches, and the precision of what they give."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from mmerf import measure_erf
from mmerf.core.errors import ConfigError
from mmerf.core.inputs.joining import layer_and_input

IMAGES = torch.randn(5, 3, 9, 8, generator=torch.Generator().manual_seed(0))


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1)).eval()


def loader(*tensors):
    return DataLoader(TensorDataset(IMAGES, *tensors), batch_size=2)


@pytest.mark.parametrize(
    'labels',
    [
        (),
        (torch.zeros(5).long(),),
        (torch.zeros(5),),
        (torch.zeros(5, 9, 8).long(), torch.zeros(5, dtype=torch.bool)),
    ],
)
def test_images_of_a_loader_without_their_labels(labels):
    expected = measure_erf(net(), IMAGES, '0')['0']
    found = measure_erf(net(), loader(*labels), '0')['0']
    assert found.num_images == 5
    np.testing.assert_allclose(found.map, expected.map, rtol=1e-6)


@pytest.mark.parametrize('second', [(5, 1, 9, 8), (5, 9, 8), (5, 4)])
def test_a_mask_or_a_second_input_is_not_guessed(second):
    with pytest.raises(ConfigError, match='may be a label or an input'):
        measure_erf(net(), loader(torch.zeros(second)), '0')


def test_tuples_and_mappings_of_an_iterable_are_several_inputs():
    class Sum(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = net()

        def forward(self, one, two):
            return self.head(one + two)

    halves = (IMAGES[:2], IMAGES[:2] / 2)
    named = dict(zip(('one', 'two'), halves, strict=True))
    assert list(measure_erf(Sum(), [halves], 'head')) == [
        'head@input0',
        'head@input1',
    ]
    assert list(measure_erf(Sum(), iter([named]), 'head')) == [
        'head@one',
        'head@two',
    ]


@pytest.mark.parametrize('dtype', [torch.float64, torch.float16])
def test_images_get_the_precision_of_the_weights(dtype):
    expected = measure_erf(net(), IMAGES.to(dtype).float(), '0')['0']
    found = measure_erf(net(), IMAGES.to(dtype), '0')['0']
    np.testing.assert_array_equal(found.map, expected.map)


@pytest.mark.parametrize(
    ('key', 'expected'),
    [
        ('head', ('head', '')),
        ('head:road', ('head', '')),
        ('head@1', ('head@1', '')),
        ('head@1[0][2]', ('head@1[0][2]', '')),
        ('head@rgb:road', ('head', 'rgb')),
        ('head@1[0]@2nd', ('head@1[0]', '2nd')),
    ],
)
def test_a_key_tells_its_layer_and_input(key, expected):
    assert layer_and_input(key) == expected
