"""What a measurement knows after its batches, besides its results."""

import pytest
from helpers.slow_reference import images_like
from torch import nn

from mmerf.core.batch import batch_of
from mmerf.core.measurement import Measurement
from mmerf.core.options import MeasurementOptions
from mmerf.core.running import memory


@pytest.mark.parametrize(
    ('expected', 'batch', 'counted'),
    [
        (None, 2, True),  # nobody knows whether more images come
        (5, 2, True),
        (2, 2, False),
        (memory.FIRST_IMAGES + 1, memory.FIRST_IMAGES + 1, True),
        (memory.FIRST_IMAGES, memory.FIRST_IMAGES, False),
    ],
)
def test_memory_is_counted_only_for_images_to_come(expected, batch, counted):
    """Counting takes time in every operation of a forward."""
    net = nn.Sequential(nn.Conv2d(3, 2, 1))
    measurement = Measurement(net, MeasurementOptions(['0']))
    measurement.expect(expected)
    measurement.update(batch_of(net, images_like(batch, 6, 6)))
    assert (measurement.fitting is not None) == counted
