import numpy as np
import pytest
import torch
from helpers.slow_reference import images_like
from torch import nn

from mmerf.core.batch import batch_of
from mmerf.core.measurement import Measurement
from mmerf.core.options import MeasurementOptions
from mmerf.core.running import memory
from mmerf.core.running.memory import SavedStorages, counted, images_that_fit


def net():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 16, 5, padding=2), nn.ReLU(), nn.Conv2d(16, 8, 3)
    )


def measured(model, images, amp=None):
    measurement = Measurement(model, MeasurementOptions(['2'], amp=amp))
    for image in images.split(2):
        measurement.update(batch_of(measurement.model, image))
    return measurement.compute()['2']


def test_reduced_precision_reports_what_it_changes():
    model, images = net(), images_like(6, 24, 30)
    result = measured(model, images, 'bfloat16')
    told = result.provenance['deviation_from_float32']
    exact = measured(model, images[:2])
    reduced = measured(model, images[:2], 'bfloat16')
    difference = np.abs(reduced.map - exact.map).max() / exact.map.max()
    assert told['images'] == 2 and result.num_images == 6
    assert told['map'] == pytest.approx(difference, rel=1e-6)
    assert 0 < told['map'] < 0.1
    assert all(0 <= value < 0.2 for value in told['side'].values())
    assert result.definition['precision'] == 'bfloat16'


def test_float32_compares_nothing():
    result = measured(net(), images_like(2, 24, 30))
    assert 'deviation_from_float32' not in result.provenance


def test_bytes_that_a_graph_keeps():
    image = torch.zeros(1, 3, 10, 10, requires_grad=True)
    with counted(saved := SavedStorages()):
        image.exp().exp()
    assert saved.total == 2 * 300 * 4


@pytest.mark.parametrize(
    ('free', 'images'), [(10, 1), (8_000, 2), (10**9, 32), (None, 1)]
)
def test_images_that_fit(free, images, monkeypatch):
    monkeypatch.setattr(memory, 'free_memory', lambda device: free)
    assert images_that_fit(torch.device('cpu'), 1000) == images


def test_free_memory_of_this_machine():
    assert 10**7 < memory.free_memory(torch.device('cpu')) < 10**14


@pytest.mark.usefixtures('as_few')
def test_batches_are_split_by_memory_after_the_first(monkeypatch):
    sizes = []

    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x):
            sizes.append(len(x))
            return self.conv(x)

    monkeypatch.setattr(
        'mmerf.core.running.memory.images_that_fit', lambda device, each: 3
    )
    measurement = Measurement(
        nn.Sequential(Counting()), MeasurementOptions(['0'])
    )
    for _ in range(2):
        measurement.update(batch_of(measurement.model, images_like(7, 12, 12)))
    assert sizes == [7, 3, 3, 1]
    assert measurement.compute()['0'].num_images == 14
