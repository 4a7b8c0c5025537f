"""What is refused, what stays on a model, and memory that runs out."""

import numpy as np
import pytest
import torch
from helpers.context_nets import chain, images_of
from helpers.model_state import differing, of_model, of_process
from torch import nn

from mmerf.core.context.curves import ContextMeasurement, measure_context
from mmerf.core.context.options import ContextOptions
from mmerf.core.errors import ConfigError, LayerError, MeasurementError
from mmerf.core.inputs.forms import batches_of


def test_another_image_needs_two():
    with pytest.raises(MeasurementError, match='there is one image') as error:
        measure_context(chain(1), images_of(1), '0', fill='other-image')
    assert '\n' not in str(error.value)


@pytest.mark.parametrize(
    ('options', 'error', 'text'),
    [
        ({'target': {'type': 'ClassRegion'}}, ConfigError, 'one class'),
        ({'target': {'type': 'ClassUnit'}}, ConfigError, 'not of ClassUnit'),
        (
            {'target': {'type': 'Unit', 'y': 99, 'x': 0}},
            Exception,
            'no unit',
        ),
        ({'sides': [4]}, ConfigError, 'odd'),
        ({'fill': 'grey'}, ConfigError, 'unknown fill'),
        ({'layer': 'nothing'}, LayerError, 'nothing'),
        ({'images': images_of(1)[None]}, ConfigError, 'single'),
        ({'images': images_of(1).int()}, ConfigError, 'floating'),
        ({'images': torch.zeros(0, 3, 9, 9)}, MeasurementError, 'no image'),
        ({'threshold': float('nan')}, ConfigError, 'threshold'),
        ({'seed': -1}, ConfigError, 'seed'),
    ],
)
def test_what_is_refused_says_so_in_one_line(options, error, text):
    given = {'layer': '0', 'images': images_of(2), **options}
    images, layer = given.pop('images'), given.pop('layer')
    with pytest.raises(error, match=text) as caught:
        measure_context(chain(1), images, layer, **given)
    assert '\n' not in str(caught.value)


def test_a_layer_without_spread_is_refused():
    net = nn.Sequential(nn.Conv2d(3, 2, 3))
    nn.init.zeros_(net[0].weight)
    with pytest.raises(MeasurementError, match='is the same at all units'):
        measure_context(net, images_of(2), '0', sides=[1])


class Counting(nn.Module):
    """Its parameter grows with every forward."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1)

    def forward(self, x):
        with torch.no_grad():
            self.conv.weight += 0.1
        return self.conv(x)


def test_a_model_that_changes_as_it_runs_is_refused_and_given_back():
    net = Counting()
    before = net.conv.weight.clone()
    with pytest.raises(MeasurementError, match='changes its parameters'):
        measure_context(net, images_of(1), 'conv', sides=[1])
    assert torch.equal(net.conv.weight, before)


def test_no_trace_is_left():
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Dropout(0.5)
    ).train()
    torch.manual_seed(5)
    before = of_model(net), of_process()
    first = measure_context(net, images_of(2), '2', sides=[3])
    assert not differing(before[0], of_model(net))
    assert not differing(before[1], of_process())
    again = measure_context(net, images_of(2), '2', sides=[3])
    assert (first.keep_change == 0).all() and (again.keep_change == 0).all()


def test_memory_that_runs_out_halves_a_pass(monkeypatch):
    net, images = chain(1), images_of(1)
    whole = measure_context(net, images, '0', sides=[1, 3])
    plain = nn.Conv2d.forward

    def small(self, x):
        if len(x) > 3:
            raise MemoryError
        return plain(self, x)

    monkeypatch.setattr(nn.Conv2d, 'forward', small)
    options = ContextOptions('0', batch_size=8)
    measurement = ContextMeasurement(net, options, [1, 3])
    for batch in batches_of(net, images):
        measurement.update(batch)
    assert measurement.step == 2
    halved = measurement.compute()
    assert np.allclose(halved.keep_change, whole.keep_change, atol=1e-6)
