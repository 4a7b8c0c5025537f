"""Memory that runs out, raised where torch raises it."""

import weakref

import numpy as np
import pytest
import torch
from helpers.outside_log import Log
from helpers.seen_operations import Seen
from helpers.slow_reference import centre_score, images_like, slow_map
from torch import nn

from mmerf import measure_erf
from mmerf.core.aggregate.accumulator import Accumulator
from mmerf.core.batch import batch_of
from mmerf.core.errors import MeasurementError
from mmerf.core.measurement import Measurement
from mmerf.core.options import MeasurementOptions
from mmerf.core.running.memory import (
    SavedStorages,
    counted,
    is_out_of_memory,
    run_in_halving_passes,
)


class NoMemoryBack(torch.autograd.Function):
    """Runs out of memory in the backward pass of large batches."""

    @staticmethod
    def forward(ctx, x, most, tried):
        ctx.most, ctx.tried = most, tried
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        ctx.tried.append(len(gradient))
        if len(gradient) > ctx.most:
            raise torch.OutOfMemoryError('CUDA out of memory. Tried 2 GiB')
        return gradient, None, None


class Tight(nn.Module):
    """A net that has memory for a number of images at once."""

    def __init__(self, most, where):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.bn = nn.BatchNorm2d(4)
        self.most, self.where = most, where
        self.log = Log(tried=[], back=[], held=[], alive=[])

    def forward(self, x):
        self.log.alive.append(sum(ref() is not None for ref in self.log.held))
        self.log.tried.append(len(x))
        y = self.conv(x)
        self.log.held.append(weakref.ref(y))
        if self.where == 'backward':
            y = NoMemoryBack.apply(y, self.most, self.log.back)
        elif len(x) > self.most:
            try:
                raise torch.OutOfMemoryError('CUDA out of memory. Tried 2 GiB')
            except torch.OutOfMemoryError as error:
                kept = error  # a cycle, with y in its frame
                raise kept from None
        return self.bn(y)


WHERE = ('forward', 'backward')


@pytest.mark.usefixtures('as_few')
@pytest.mark.parametrize('where', WHERE)
@pytest.mark.parametrize('most', [1, 2, 3])
def test_the_batch_is_halved_and_the_map_is_the_same(where, most):
    net = Tight(most, where).train()
    images = images_like(7, 12, 10)
    measurement = Measurement(net, MeasurementOptions(['bn']))
    measurement.update(batch_of(measurement.model, images))
    sizes = {1: [7, 3, 1] + [1] * 6, 2: [7, 3, 1], 3: [7, 3, 3, 1]}
    tried = net.log.tried
    if where == 'backward':
        # A graph does not tell what a function of the net's own has done.
        assert tried.pop(0) == 7
        assert net.log.back == tried
    assert tried[: len(sizes[most])] == sizes[most]
    assert measurement.batch_size == {1: 1, 2: 1, 3: 3}[most]
    result = measurement.compute()['bn']
    assert result.num_images == measurement.seen == 7
    net.eval()
    plain = slow_map(images, lambda x: centre_score(net.bn(net.conv(x))))
    assert np.abs(result.map - plain).max() <= 1e-6 * plain.max()
    # what is left of a failed pass when the next one starts: nothing
    assert not any(net.log.alive)
    assert 'forward' not in net.bn.__dict__


@pytest.mark.parametrize('where', WHERE)
def test_one_image_that_does_not_fit_gives_up_and_leaves_no_trace(where):
    net = Tight(0, where).train()
    measurement = Measurement(net, MeasurementOptions(['bn']))
    with pytest.raises(torch.OutOfMemoryError, match='CUDA out of memory'):
        measurement.update(batch_of(measurement.model, images_like(4, 6, 6)))
    assert net.log.tried == [4, 2, 1]
    assert measurement.seen == 0 and not measurement.accumulators
    assert net.training and net.bn.training
    assert all(p.requires_grad and p.grad is None for p in net.parameters())
    assert 'forward' not in net.bn.__dict__


@pytest.mark.usefixtures('as_few')
def test_the_rest_goes_on_in_the_size_that_fitted():
    net = Tight(2, 'forward')
    measurement = Measurement(net, MeasurementOptions(['bn']))
    for _ in range(2):
        measurement.update(batch_of(measurement.model, images_like(4, 6, 6)))
    assert net.log.tried == [4, 2, 2, 2, 2]


@pytest.mark.parametrize(
    ('error', 'yes'),
    [
        (MemoryError('Unable to allocate 3 GiB'), True),
        (torch.OutOfMemoryError('HIP out of memory'), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError('CUDNN_STATUS_ALLOC_FAILED'), True),
        (RuntimeError('sizes of tensors must match'), False),
        (ValueError('out of memory'), False),
        (KeyboardInterrupt('out of memory'), False),
    ],
)
def test_errors_that_mean_out_of_memory(error, yes):
    assert is_out_of_memory(error) == yes


@pytest.mark.parametrize('error', [RuntimeError('shape'), KeyboardInterrupt()])
def test_nothing_else_is_tried_again(error):
    tried = []

    def measure(part):
        tried.append(part)
        raise error

    with pytest.raises(type(error)):
        run_in_halving_passes(measure, 4, None)
    assert tried == [slice(0, 4)]


def test_no_image_is_added_twice_where_adding_ran_out(monkeypatch):
    """Half of a pass is in the mean by then: the measurement ends."""
    net = nn.Sequential(nn.Conv2d(3, 2, 1))
    measurement = Measurement(net, MeasurementOptions(['0']))
    added = []

    def add_image(self, *args):
        added.append(1)
        if len(added) == 2:
            raise MemoryError('Unable to allocate 3 GiB')

    monkeypatch.setattr(Accumulator, 'add_image', add_image)
    with pytest.raises(MeasurementError, match='out of memory while adding'):
        measurement.update(batch_of(measurement.model, images_like(4, 6, 6)))
    assert len(added) == 2


def test_counting_what_a_graph_keeps_is_no_operation_of_the_model():
    image = torch.randn(3, requires_grad=True)
    with Seen() as seen, counted(saved := SavedStorages()):
        image.exp().sigmoid()
    assert seen.names == ['exp', 'sigmoid'] and saved.total == 24


class Overwrites(torch.nn.Module):
    """Changes a value that the sigmoid's backward pass needs."""

    def forward(self, x):
        return x.sigmoid().mul_(2)


@pytest.mark.parametrize('count', [1, 2])
def test_values_changed_in_place_are_refused_as_autograd_refuses_them(count):
    batches = iter(torch.randn(count, 1, 3, 8, 8))  # as many as nobody knows
    with pytest.raises(RuntimeError, match='modified by an inplace'):
        measure_erf(torch.nn.Sequential(Overwrites()), batches, ['0'])
