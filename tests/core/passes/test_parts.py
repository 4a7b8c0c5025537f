"""A second input that forward= holds: refused where a batch is cut."""

import functools

import pytest
import torch
from torch import nn

from mmerf import measure_erf
from mmerf.core.errors import MeasurementError
from mmerf.core.passes import parts

COUNT = 5
GENERATOR = torch.Generator().manual_seed(0)
IMAGES = torch.randn(COUNT, 3, 16, 16, generator=GENERATOR)
DEPTH = torch.randn(COUNT, 1, 16, 16, generator=GENERATOR)
LAST_DIFFERS = torch.zeros(COUNT, 1, 16, 16)
LAST_DIFFERS[-1] = 1
ROWS, ARRAY, ONE = list(DEPTH), DEPTH.numpy(), DEPTH[:1]
OCCLUSION = dict(type='Occlusion', patch_size=8)


class TwoBranches(nn.Module):
    def __init__(self):
        super().__init__()
        self.rgb = nn.Conv2d(3, 4, 3, padding=1)
        self.depth = nn.Conv2d(1, 4, 3, padding=1)
        self.head = nn.Identity()

    def forward(self, rgb, depth):
        return self.head(self.rgb(rgb) + self.depth(depth))


@pytest.fixture
def model():
    torch.manual_seed(0)
    return TwoBranches().eval()


class Held:
    def __init__(self, model):
        self.model, self.depth = model, DEPTH

    def __call__(self, images):
        return self.model(images, self.depth[: len(images)])


HELD = {  # each is right for the whole batch, and wrong for a part of it
    'global': lambda m: lambda x: m(x, DEPTH[: len(x)]),
    'last rows': lambda m: lambda x: m(x, DEPTH[-len(x) :]),
    'whole': lambda m: lambda x: m(x, DEPTH),
    'attribute': Held,
    'partial': lambda m: functools.partial(
        lambda x, depth: m(x, depth[: len(x)]), depth=DEPTH
    ),
    'list': lambda m: lambda x: m(x, torch.stack(ROWS[: len(x)])),
    'array': lambda m: lambda x: m(x, torch.from_numpy(ARRAY[: len(x)])),
    'last differs': lambda m: lambda x: m(x, LAST_DIFFERS[: len(x)]),
    'other images': lambda m: lambda x: m(x, x[:, :1].mean(0, True)),
}
FINE = {
    'one for all': lambda m: lambda x: m(x, ONE),
    'a constant of as many rows': lambda m: (
        lambda x: m(x / torch.arange(1.0, 6.0)[2], x[:, :1])
    ),
    'of the images': lambda m: lambda x: m(x, x.mean(1, True)),
}
WAYS = {
    'passes of two': dict(batch_size=2),
    'passes of one': dict(batch_size=1),
    'copies': dict(attribution=OCCLUSION),
    'two of them in both precisions': dict(amp='bfloat16'),
}


@pytest.mark.parametrize('way', WAYS)
@pytest.mark.parametrize('held', HELD)
def test_is_refused_where_the_batch_is_cut(model, held, way):
    with pytest.raises(MeasurementError, match='as a mapping or a tuple'):
        measure_erf(
            model, IMAGES, 'head', forward=HELD[held](model), **WAYS[way]
        )


@pytest.mark.parametrize('way', WAYS)
@pytest.mark.parametrize('fine', FINE)
def test_what_belongs_to_every_image_is_not(model, fine, way):
    forward = FINE[fine](model)
    found = measure_erf(model, IMAGES, 'head', forward=forward, **WAYS[way])
    assert found['head'].num_images == COUNT


@pytest.mark.parametrize('held', HELD)
@pytest.mark.parametrize('attribution', ['InputGradient', 'SmoothGrad'])
def test_the_whole_batch_may_be_run(model, held, attribution):
    measure_erf(
        model,
        IMAGES,
        'head',
        forward=HELD[held](model),
        attribution=attribution,
    )


def test_layers_that_it_does_not_reach_may_be_cut(model):
    forward = HELD['global'](model)
    measure_erf(model, IMAGES, 'rgb', forward=forward, batch_size=2)


def test_predictions_that_it_reaches_may_not(model):
    with pytest.raises(MeasurementError, match='the output: with forward='):
        measure_erf(
            model,
            IMAGES,
            'rgb',
            forward=HELD['global'](model),
            batch_size=2,
            target='ClassRegion',
        )


@pytest.mark.parametrize('size', [1, 2])
@pytest.mark.parametrize('held', [*HELD, *FINE])
def test_where_memory_does_not_hold_the_batch(model, held, size, monkeypatch):
    monkeypatch.setattr(parts, 'images_that_fit', lambda *_: COUNT - 1)
    forward = {**HELD, **FINE}[held](model)
    if held in FINE:
        measure_erf(model, IMAGES, 'head', forward=forward, batch_size=size)
        return
    with pytest.raises(MeasurementError, match='as a mapping or a tuple'):
        measure_erf(model, IMAGES, 'head', forward=forward, batch_size=size)


def test_a_batch_that_memory_cuts_is_compared_too(model, monkeypatch):
    forward, failed = HELD['global'](model), []

    def once(images):
        if torch.is_grad_enabled() and not failed:
            failed.append(True)
            raise MemoryError
        return forward(images)

    with pytest.raises(MeasurementError, match='as a mapping or a tuple'):
        measure_erf(model, IMAGES, 'head', forward=once)
    assert failed


def test_the_comparison_leaves_the_model_as_it_was(model):
    model.train()
    model.count = 0
    model.rgb.register_forward_hook(
        lambda *_: setattr(model, 'count', model.count + 1)
    )
    measure_erf(
        model, IMAGES, 'head', forward=FINE['of the images'](model),
        batch_size=2,
    )  # fmt: skip
    assert model.training
    assert model.count == 0
