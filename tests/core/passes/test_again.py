"""Passes that show how they are to be run, and are run again."""

import copy

import pytest
import torch
from helpers.calls import calls_of
from helpers.custom_backward import Doubled
from helpers.slow_reference import float64_map
from helpers.strides import RowsAdded
from torch import nn

from mmerf import measure_erf
from mmerf.core.batch import batch_of
from mmerf.core.measurement import Measurement
from mmerf.core.options import MeasurementOptions
from mmerf.core.passes.execute import Passes
from mmerf.core.windows.planner import Planner


def hooked(x):
    if x.requires_grad:
        x.register_hook(lambda gradient: gradient * 1)
    return x


def told(x):
    float(x.mean())
    return x


def unbatched(x):
    """What a plain forward takes cannot be taken again in three dimensions."""
    return torch.stack([nn.functional.max_pool2d(y, 3, 1, 1) for y in x])


AGAIN = {
    'group norm': nn.GroupNorm(2, 8),
    'strides': RowsAdded(),
    'hook': hooked,
    'value': told,
    'own backward': Doubled.apply,
    'equal values': nn.MaxPool2d(3, 1, 1),
    'equal values, unbatched': unbatched,
}


class Counting(nn.Module):
    """Its weights are stronger with each forward."""

    def __init__(self, inner):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.inner = inner
        self.last = nn.Conv2d(8, 8, 3, padding=1)
        self.register_buffer('seen', torch.zeros(()))

    def forward(self, x):
        x = self.inner(self.norm(self.first(x)))
        x = x * (1 + self.seen)
        self.seen += 1
        return self.last((x - 0.3).relu())


@pytest.mark.parametrize('size', [(72, 80), (150, 170)])
@pytest.mark.parametrize('kind', AGAIN)
def test_a_pass_that_is_run_again_finds_the_state_of_before(kind, size):
    torch.manual_seed(0)
    net = Counting(AGAIN[kind]).eval()
    images = list(torch.rand(3, 3, *size).split(1))
    # In what is flat a max pooling chooses between equal values.
    images[0][..., size[1] // 2 - 9 : size[1] // 2 + 9] = 0.2
    layers = [dict(name='last', layout='NCHW')]
    result = measure_erf(net, images, layers)['last']
    wanted = sum(float64_map(copy.deepcopy(net), i) for i in images) / 3
    assert abs(result.map - wanted).max() <= 1e-5 * wanted.max()
    assert net.seen == 0


class Divided(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient / (gradient.abs().mean() + 1e-12)


class DividesGradient(nn.Module):
    def forward(self, x):
        return Divided.apply(x)


class HooksGradient(nn.Module):
    def forward(self, x):
        x = x * 1.0
        if x.requires_grad:
            x.register_hook(
                lambda gradient: gradient / (gradient.std() + 1e-12)
            )
        return x


class Dims(nn.Module):
    """Images that seem to be of 0 to 255, to 0 to 1."""

    def forward(self, x):
        return x / 255 if x.mean() > 10 else x


@pytest.mark.parametrize(
    ('kind', 'why'),
    [
        (DividesGradient, 'Divided has backward code of its own'),
        (HooksGradient, 'the model registers hooks on tensors'),
        (Dims, 'values decide what the model runs'),
    ],
)
def test_what_no_forward_of_a_window_shows_takes_the_whole_image(kind, why):
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), kind(), nn.Conv2d(8, 4, 3, padding=1)
    ).eval()
    images = torch.rand(3, 3, 170, 188)
    images[1:, :, :40] *= 500
    images = list(images.split(1))
    result = measure_erf(net, images, ['2'])['2']
    wanted = sum(float64_map(net, image) for image in images) / 3
    assert abs(result.map - wanted).max() <= 1e-5 * wanted.max()
    assert f'whole image (no window: {why}' in result.provenance['run_on']


@pytest.mark.parametrize('kind', ['group norm', 'value'])
def test_what_keeps_the_plain_layout_is_known_before_a_search(
    kind, monkeypatch
):
    net = Counting(AGAIN[kind]).eval()
    layers = [dict(name='last', layout='NCHW')]
    measurement = Measurement(net, MeasurementOptions(layers))
    searches = calls_of(monkeypatch, Planner, 'plan')
    measurement.update(batch_of(net, torch.rand(1, 3, 150, 170)))
    assert len(searches) == 1 and measurement.passes.layout.error


@pytest.mark.parametrize('kind', ['hook', 'own backward', 'strides'])
def test_images_of_a_pass_that_is_run_again_count_once(kind, monkeypatch):
    net = Counting(AGAIN[kind]).eval()
    layers = [dict(name='last', layout='NCHW')]
    measurement = Measurement(net, MeasurementOptions(layers))
    runs = calls_of(monkeypatch, Passes, 'run')
    measurement.update(batch_of(net, torch.rand(1, 3, 150, 170)))
    assert len(runs) > 1
    assert measurement.passes.budget._seen == {(3, 150, 170): 1}
