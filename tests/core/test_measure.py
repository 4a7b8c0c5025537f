from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.slow_reference import (
    centre_score,
    hooked_score,
    images_like,
    slow_map,
)
from torch import nn
from torch.utils.checkpoint import checkpoint

from mmerf import measure_erf
from mmerf.core.batch import batch_of
from mmerf.core.errors import ConfigError, LayerError, MeasurementError
from mmerf.core.measurement import Measurement
from mmerf.core.options import MeasurementOptions

META = dict(img_shape=(64, 64), pad_shape=(64, 64), ori_shape=(64, 64))


def close(found, expected, tolerance=1e-6):
    assert expected.max() > 0
    assert np.abs(found - expected).max() <= tolerance * expected.max()


def encode_decode(model):
    return lambda x: model.encode_decode(x, [META] * len(x))


def head_score(model):
    return lambda x: centre_score(model.decode_head.forward(model.backbone(x)))


def token_score(tokens, side):
    grid = tokens[0].T.reshape(-1, side, side)[None]
    return centre_score(grid)


FCN_CASES = {
    'backbone[2]': lambda m: lambda x: centre_score(m.backbone(x)[2]),
    'backbone.layer2.0': lambda m: hooked_score(
        m, m.backbone.layer2[0], m.backbone
    ),
    # batch norm whose output an in-place ReLU overwrites on the next line
    'backbone.layer1.0.bn1': lambda m: hooked_score(
        m, m.backbone.layer1[0].bn1, m.backbone
    ),
    'decode_head': head_score,
}
MIT_CASES = {
    'backbone[1]': lambda m: lambda x: centre_score(m.backbone(x)[1]),
    'backbone.layers.0.1.0': lambda m: (
        lambda x: token_score(
            m.backbone.layers[0][1][0](*m.backbone.layers[0][0](x)), 16
        )
    ),
    'decode_head': head_score,
}


@pytest.mark.parametrize(
    ('kind', 'cases'), [('fcn', FCN_CASES), ('segformer', MIT_CASES)]
)
def test_equals_plain_autograd(kind, cases, request):
    model = request.getfixturevalue(kind)
    images = images_like(3, 64, 64)
    results = measure_erf(
        model, images, list(cases), forward=encode_decode(model)
    )
    assert list(results) == list(cases)
    for key, score in cases.items():
        close(results[key].map, slow_map(images, score(model)))
        assert results[key].num_images == 3
        assert results[key].map.dtype == np.float64


def test_batch_norm_before_inplace_relu_is_the_true_output(fcn):
    """The trap: read after the next line, negatives would be gone."""
    key = 'backbone.layer1.0.bn1'
    seen = {}

    def score(output, context):
        seen['minimum'] = float(output.min())
        return torch.relu(output[:, :, 0, 0]).sum(1)

    target = dict(type='Function', function=score, y=0, x=0)
    measure_erf(fcn.backbone, images_like(1, 32, 32), [key[9:]], target=target)
    assert seen['minimum'] < 0


@pytest.mark.parametrize('kind', ['fcn', 'segformer'])
def test_batch_one_and_four_agree(kind, request):
    model = request.getfixturevalue(kind)
    images = images_like(4, 64, 48)
    one, four = (
        measure_erf(
            model,
            images,
            ['backbone[3]', 'decode_head'],
            forward=encode_decode(model),
            batch_size=size,
        )
        for size in (1, 4)
    )
    for key, result in one.items():
        close(four[key].map, result.map)
        assert result.num_images == four[key].num_images == 4


def test_iterable_of_batches_of_any_size(fcn):
    images = images_like(5, 32, 48)
    whole = measure_erf(fcn, images, 'backbone[0]', forward=fcn.backbone)
    parts = measure_erf(
        fcn,
        iter([images[:1], images[1:4], images[4:]]),
        'backbone[0]',
        forward=fcn.backbone,
    )
    close(parts['backbone[0]'].map, whole['backbone[0]'].map)
    assert parts['backbone[0]'].num_images == 5


def composed_kernel(kernels):
    """Full 2-D convolution of kernels, by plain loops."""
    total = np.ones((1, 1))
    for kernel in kernels:
        k, size = kernel.shape[0], total.shape[0]
        out = np.zeros((size + k - 1, size + k - 1))
        for y in range(k):
            for x in range(k):
                out[y : y + size, x : x + size] += kernel[y, x] * total
        total = out
    return total


@pytest.mark.parametrize(
    ('taps', 'sigma'), [(3, 2.582), (5, 4.472), (7, 6.325)]
)
def test_linear_network_gives_its_composed_kernel(taps, sigma):
    layers = 10
    net = nn.Sequential(
        *[
            nn.Conv2d(1, 1, taps, padding=taps // 2, bias=False)
            for _ in range(layers)
        ]
    ).double()
    for parameter in net.parameters():
        nn.init.constant_(parameter, 1 / taps**2)
    side = layers * (taps - 1) + 1
    images = torch.rand(2, 1, side, side, dtype=torch.float64) + 0.1
    result = measure_erf(net, images, [str(layers - 1)])[str(layers - 1)]
    expected = composed_kernel([np.full((taps, taps), 1 / taps**2)] * layers)
    np.testing.assert_allclose(result.map, expected, atol=1e-12)
    distance = np.arange(side) - side // 2
    variance = (result.map.sum(1) * distance**2).sum() / result.map.sum()
    assert np.sqrt(variance) == pytest.approx(sigma, abs=5e-4)
    assert np.all(result.stderr < 1e-12)


def test_random_positive_kernels_do_not_depend_on_the_image():
    torch.manual_seed(1)
    net = nn.Sequential(
        *[nn.Conv2d(1, 1, 3, padding=1, bias=False) for _ in range(3)]
    ).double()
    kernels = []
    for conv in net:
        nn.init.uniform_(conv.weight, 0, 1)
        kernels.append(conv.weight.detach().numpy()[0, 0])
    images = torch.rand(3, 1, 15, 15, dtype=torch.float64)
    result = measure_erf(net, images, ['2'])['2']
    # correlation, so the gradient at the input is the kernels, as they stand
    expected = composed_kernel(kernels)
    np.testing.assert_allclose(result.map[4:11, 4:11], expected, rtol=1e-10)
    assert result.map[:4].sum() == 0


def test_nothing_is_left_on_the_model(fcn):
    fcn.train()
    fcn.backbone.layer1.eval()
    next(fcn.parameters()).requires_grad_(False)
    for parameter in fcn.decode_head.parameters():
        parameter.grad = torch.ones_like(parameter)
    state = {k: v.clone() for k, v in fcn.state_dict().items()}
    before = trace(fcn)
    rng = torch.get_rng_state()
    measure_erf(fcn, images_like(2, 32, 32), forward=encode_decode(fcn))
    with pytest.raises(RuntimeError):
        measure_erf(fcn, torch.zeros(1, 5, 32, 32), 'backbone')
    assert trace(fcn) == before
    assert torch.equal(torch.get_rng_state(), rng)
    for key, value in fcn.state_dict().items():
        assert torch.equal(value, state[key])
    for parameter in fcn.decode_head.parameters():
        assert torch.equal(parameter.grad, torch.ones_like(parameter))


def trace(model):
    return [
        (
            name,
            module.training,
            'forward' in module.__dict__,
            len(module._forward_hooks),
            [(p.requires_grad, p.grad is None) for p in module.parameters()],
        )
        for name, module in model.named_modules()
    ]


class Interrupting(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1)
        self.register_buffer('calls', torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        x = self.conv(x)
        if self.calls > 1:
            raise KeyboardInterrupt
        return x


@pytest.mark.usefixtures('as_few')
def test_interrupt_leaves_nothing_either():
    model = Interrupting().train()
    measure_erf(model, torch.rand(1, 3, 4, 4), 'conv')
    model.calls.fill_(5)
    with pytest.raises(KeyboardInterrupt):
        measure_erf(model, torch.rand(1, 3, 4, 4), 'conv')
    assert model.calls == 5 and model.training
    assert 'forward' not in model.conv.__dict__
    assert all(p.requires_grad for p in model.parameters())


def test_zero_scores_are_averaged_and_counted():
    net = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False))
    nn.init.ones_(net[0].weight)
    images = torch.ones(4, 1, 5, 5)
    images[1:] = -1
    result = measure_erf(net, images, ['0'])['0']
    assert result.zero_score_images == 3
    assert result.num_images == 4
    assert result.map[2, 2] == 0.25


def test_non_finite_maps_are_left_out_and_named():
    net = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False))
    nn.init.ones_(net[0].weight)
    images = torch.ones(3, 1, 5, 5)
    images[1] = float('nan')
    measurement = Measurement(net, MeasurementOptions(['0']))
    batch = batch_of(net, images)
    measurement.update(replace(batch, names=['a', 'b', 'c']))
    result = measurement.compute()['0']
    assert result.excluded == ('b',)
    assert result.num_images == 2
    assert np.isfinite(result.map).all()
    with pytest.raises(MeasurementError, match='non-finite'):
        measure_erf(net, images[1:2], ['0'])


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 3, padding=1, bias=False)
        nn.init.ones_(self.conv.weight)

    def forward(self, x):
        return self.conv(self.conv(x))


def test_layer_called_twice_means_its_last_call():
    images = torch.ones(3, 1, 9, 9)
    for batch_size in (3, 1):  # the first pass is whole, later ones end early
        last = measure_erf(Twice(), images, ['conv'], batch_size=batch_size)
        first = measure_erf(Twice(), images, ['conv@0'], batch_size=batch_size)
        assert (last['conv'].map > 0).sum() == 25
        assert (first['conv@0'].map > 0).sum() == 9
    with pytest.raises(LayerError, match='called 2 time'):
        measure_erf(Twice(), images, ['conv@2'])


@pytest.mark.usefixtures('as_few')
def test_forward_ends_at_the_last_measured_layer():
    net = nn.Sequential(nn.Conv2d(3, 2, 1), nn.Conv2d(2, 2, 1))
    calls = []
    net[1].register_forward_hook(lambda *a: calls.append(1))
    measure_erf(net, torch.rand(4, 3, 6, 6), ['0'], batch_size=1)
    assert len(calls) == 1


def test_inference_mode_and_no_grad_around_the_call(fcn):
    images = images_like(1, 32, 32)
    expected = measure_erf(fcn, images, 'backbone[1]', forward=fcn.backbone)
    for context in (torch.no_grad, torch.inference_mode):
        with context():
            found = measure_erf(
                fcn, images.clone(), 'backbone[1]', forward=fcn.backbone
            )
        key = 'backbone[1]'
        np.testing.assert_array_equal(found[key].map, expected[key].map)


class Checkpointed(torch.nn.Module):
    """Activation checkpointing behind a switch, as packages name theirs."""

    def __init__(self, switch, reentrant):
        super().__init__()
        torch.manual_seed(0)
        self.first = torch.nn.Conv2d(3, 4, 3)
        self.last = torch.nn.Conv2d(4, 2, 3)
        self.switch, self.reentrant = switch, reentrant
        setattr(self, switch, True)

    def forward(self, x):
        if getattr(self, self.switch):
            x = checkpoint(self.first, x, use_reentrant=self.reentrant)
        else:
            x = self.first(x)
        return self.last(x)


@pytest.mark.parametrize('reentrant', [False, True])
@pytest.mark.parametrize(
    'switch',
    ['with_cp', 'use_checkpoint', 'gradient_checkpointing',
     'grad_checkpointing'],
)  # fmt: skip
def test_every_switch_of_checkpointing_is_off_meanwhile(switch, reentrant):
    net, images = Checkpointed(switch, reentrant), images_like(2, 12, 12)
    results = measure_erf(net, images, layers=['first', 'last'])
    assert getattr(net, switch) is True
    setattr(net, switch, False)
    plain = measure_erf(net, images, layers=['first', 'last'])
    for layer, result in results.items():
        np.testing.assert_array_equal(result.map, plain[layer].map)


def test_checkpointed_blocks_can_be_measured(fcn):
    images = images_like(1, 32, 32)
    key = 'backbone.layer2.0.conv1'
    plain = measure_erf(fcn, images, key, forward=fcn.backbone)
    for block in fcn.backbone.modules():
        if hasattr(block, 'with_cp'):
            block.with_cp = True
    found = measure_erf(fcn, images, key, forward=fcn.backbone)
    np.testing.assert_array_equal(found[key].map, plain[key].map)
    assert fcn.backbone.layer2[0].with_cp is True


def test_input_size_measures_everything_at_one_size(fcn):
    results = measure_erf(
        fcn,
        [images_like(1, 40, 40), images_like(1, 32, 64)],
        'backbone[3]',
        forward=fcn.backbone,
        input_size=(32, 48),
    )
    result = results['backbone[3]']
    assert result.map.shape == (32, 48)
    assert result.sizes == ((32, 48, 2),)


def test_images_of_different_size_are_aligned_at_the_unit(fcn):
    key = 'backbone[3]'
    batches = [
        images_like(1, 32, 48, 1),
        images_like(2, 64, 40, 2),
        images_like(1, 56, 56, 3),
    ]
    result = measure_erf(fcn, batches, key, forward=fcn.backbone)[key]
    canvas, count = np.zeros((200, 200)), np.zeros((200, 200))
    singles = [b[i : i + 1] for b in batches for i in range(len(b))]
    for image in singles:
        single = slow_map(image, lambda x: centre_score(fcn.backbone(x)[3]))
        h, w = image.shape[2:]
        y, x = (-(-side // 8) // 2 * 8 for side in (h, w))  # unit at 8 i
        place = slice(100 - y, 100 - y + h), slice(100 - x, 100 - x + w)
        canvas[place] += single / len(singles)
        count[place] += 1
    top, left = (int(100 - p) for p in result.unit_pixel)
    h, w = result.map.shape
    window = slice(top, top + h), slice(left, left + w)
    close(result.map, canvas[window])
    assert canvas.sum() == pytest.approx(result.map.sum())
    np.testing.assert_array_equal(result.coverage, count[window])
    assert result.image_area == (32 * 48 + 2 * 64 * 40 + 56 * 56) / 4
    assert result.statistics()['replknet']['0.5'] is None
    assert 'size' in result.statistics()['replknet']['note']


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(images=torch.zeros(3, 8, 8)), r'\(N, C, H, W\)'),
        (dict(images=torch.zeros(1, 3, 8, 8).int()), 'floating'),
        (dict(shares=(0.5, 1.5)), r'\(0, 1\]'),
        (dict(shares=()), r'\(0, 1\]'),
        (dict(batch_size=0), 'batch_size'),
        (dict(input_size=(8,)), 'input_size'),
        (dict(amp='int8'), 'amp'),
        (dict(target='Centre'), 'CentreUnit'),
        (dict(attribution='Gradient'), 'InputGradient'),
        (dict(target=dict(type='CentreUnit', unit=3)), 'CentreUnit'),
    ],
)
def test_arguments_that_cannot_be_followed(arguments, message):
    net = nn.Sequential(nn.Conv2d(3, 2, 1))
    images = arguments.pop('images', torch.zeros(1, 3, 8, 8))
    with pytest.raises(ConfigError, match=message):
        measure_erf(net, images, ['0'], **arguments)


def test_no_image_is_an_error():
    net = nn.Sequential(nn.Conv2d(3, 2, 1))
    with pytest.raises(MeasurementError, match='no image'):
        measure_erf(net, [], ['0'])
    with pytest.raises(MeasurementError, match='no image'):
        measure_erf(net, torch.zeros(0, 3, 8, 8), ['0'])


class Detached(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1)
        self.other = nn.Conv2d(3, 2, 1)

    def forward(self, x):
        with torch.no_grad():
            y = self.other(x)
        return self.conv(x.detach() * 0 + 1) + y


@pytest.mark.parametrize('name', ['conv', 'other'])
def test_layer_that_does_not_depend_on_the_image(name):
    with pytest.raises(LayerError, match='does not depend on the image'):
        measure_erf(Detached(), torch.rand(1, 3, 4, 4), [name])


def test_half_precision_scores_are_float32(fcn):
    images = images_like(2, 32, 32)
    key = 'backbone[2]'
    full = measure_erf(fcn, images, key, forward=fcn.backbone)[key]
    low = measure_erf(fcn, images, key, forward=fcn.backbone, amp='bfloat16')[
        key
    ]
    assert low.definition['precision'] == 'bfloat16'
    assert 0 < np.abs(low.map - full.map).max() < 0.5 * full.map.max()
    assert low.map.sum() == pytest.approx(full.map.sum(), rel=0.1)


def test_float16_gradients_do_not_vanish():
    """Small positive weights: unscaled, every float16 gradient is zero."""
    net = nn.Sequential(*[nn.Conv2d(3, 3, 3, padding=1) for _ in range(3)])
    for parameter in net.parameters():
        nn.init.constant_(parameter, 2e-4)
    images = torch.rand(2, 3, 16, 16)
    full = measure_erf(net, images, ['2'])['2']
    half = measure_erf(net, images, ['2'], amp='float16')['2']
    assert 0 < full.map.max() < 1e-6
    assert np.abs(half.map - full.map).max() < 0.05 * full.map.max()


def test_float32_inside_an_autocast(fcn):
    images = images_like(1, 32, 32)
    key = 'backbone[2]'
    plain = measure_erf(fcn, images, key, forward=fcn.backbone)[key]
    with torch.autocast('cpu', dtype=torch.bfloat16):
        found = measure_erf(fcn, images, key, forward=fcn.backbone)[key]
    np.testing.assert_array_equal(found.map, plain.map)
    assert torch.backends.cudnn.allow_tf32


class Growing(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1)
        self.register_buffer('kept', torch.zeros(2))

    def forward(self, x):
        import random

        random.random()
        np.random.rand()
        self.kept = torch.ones(2)
        self.register_buffer('mask', torch.ones(1), persistent=False)
        return self.conv(x) + torch.rand(1) * 0


def test_buffers_and_every_random_state_are_as_before():
    import random

    model = Growing()
    kept = model.kept
    states = random.getstate(), np.random.get_state()[1].tolist()
    image = torch.rand(1, 3, 4, 4)
    torch_state = torch.get_rng_state()
    measure_erf(model, image, 'conv')
    assert model.kept is kept and 'mask' not in model._buffers
    assert not model._non_persistent_buffers_set
    assert random.getstate() == states[0]
    assert np.random.get_state()[1].tolist() == states[1]
    assert torch.equal(torch.get_rng_state(), torch_state)


def test_input_size_is_bilinear(fcn):
    image = images_like(1, 64, 80)
    resized = nn.functional.interpolate(image, (32, 48), mode='bilinear')
    key = 'backbone[0]'
    found, expected = (
        measure_erf(fcn, x, key, forward=fcn.backbone, input_size=s)[key]
        for x, s in ((image, (32, 48)), (resized, None))
    )
    np.testing.assert_array_equal(found.map, expected.map)


def test_scores_without_the_relu():
    net = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False))
    nn.init.ones_(net[0].weight)
    images = -torch.ones(2, 1, 5, 5)
    target = dict(type='CentreUnit', relu=False)
    result = measure_erf(net, images, ['0'], target=target)['0']
    assert result.map[2, 2] == 1 and result.zero_score_images == 0
    assert 'relu' not in result.definition['score']
