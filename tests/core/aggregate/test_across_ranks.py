"""Ranks played by threads that meet, against one accumulator."""

import numpy as np
import pytest
import torch
from helpers.fake_ranks import together
from torch import nn

from mmerf.core.aggregate.accumulator import Accumulator
from mmerf.core.aggregate.across_ranks import merge_ranks
from mmerf.core.batch import batch_of
from mmerf.core.measurement import Measurement
from mmerf.core.options import MeasurementOptions


def random_images(count, seed=0):
    """Maps of different size, units and windows."""
    rng = np.random.default_rng(seed)
    images = []
    for number in range(count):
        height, width = rng.integers(6, 12, 2)
        pixel = (float(rng.uniform(0, height)), float(rng.uniform(0, width)))
        top, left = int(rng.integers(0, 3)), int(rng.integers(0, 3))
        window = rng.random((height - top, width - left))
        size = (int(height), int(width))
        images.append(
            (window, pixel, 1.0, f'image {number}', (top, left), size)
        )
    return images


def filled(images):
    accumulator = Accumulator()
    for image in images:
        accumulator.update(*image)
    return accumulator


@pytest.mark.parametrize('world', [1, 2, 3])
def test_equals_one_process(world):
    images = random_images(7)
    whole = filled(images).compute()
    ranks = [{'layer': filled(images[i::world])} for i in range(world)]
    for merged in together(ranks, merge_ranks):
        found = merged['layer'].compute()
        peak = whole.map.max()
        assert np.abs(found.map - whole.map).max() <= 1e-12 * peak
        np.testing.assert_allclose(found.stderr, whole.stderr, rtol=1e-9)
        np.testing.assert_array_equal(found.coverage, whole.coverage)
        assert found.pixel == pytest.approx(whole.pixel, rel=1e-12)
        assert merged['layer'].count == 7


def test_ranks_with_nothing_and_with_other_layers():
    images = random_images(3)
    bad = (np.full((4, 4), np.nan), (2.0, 2.0), 1.0, 'broken')
    ranks = [
        {'a': filled(images[:2])},
        {},
        {'b': filled([images[2], bad])},
    ]
    for merged in together(ranks, merge_ranks):
        assert list(merged) == ['a', 'b']
        assert (merged['a'].count, merged['b'].count) == (2, 1)
        assert merged['b'].excluded == ['broken']
        np.testing.assert_allclose(
            merged['a'].compute().map, filled(images[:2]).compute().map
        )


def test_measurements_meet():
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1))
    images = torch.randn(5, 3, 20, 24)
    whole = Measurement(model, MeasurementOptions(['0']))
    whole.update(batch_of(whole.model, images))
    parts = []
    for own in (images[::2], images[1::2], images[:0]):
        part = Measurement(model, MeasurementOptions(['0']))
        if len(own):
            part.update(batch_of(part.model, own))
        parts.append(part)

    def meet(part, gather, add):
        part.reduce(gather, add)
        return part.compute()['0']

    expected = whole.compute()['0']
    for result in together(parts, meet):
        assert result.num_images == 5
        assert result.grid == expected.grid and result.unit == expected.unit
        np.testing.assert_allclose(
            result.map, expected.map, rtol=1e-12, atol=1e-15
        )
