"""Several inputs against plain autograd: one map each, cut together."""

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.fake_ranks import together
from torch import nn
from torch.nn import functional

from mmerf import ERFResult, measure_erf
from mmerf.core.attributions import Attribution, InputGradient, LayerMaps
from mmerf.core.errors import ConfigError, MeasurementError
from mmerf.core.inputs.forms import batches_of
from mmerf.core.measurement import Measurement
from mmerf.core.options import MeasurementOptions


class Fusion(nn.Module):
    """Two encoders, fused."""

    def __init__(self):
        super().__init__()
        self.rgb = nn.Conv2d(3, 4, 5, 2, 2)
        self.depth = nn.Conv2d(1, 4, 9, 2, 4)
        self.head = nn.Conv2d(8, 4, 3, 1, 1)

    def forward(self, rgb, depth):
        both = torch.cat([self.rgb(rgb), self.depth(depth)], 1)
        return self.head(functional.relu(both))


class Siamese(nn.Module):
    """Two dates through one encoder."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU(), nn.Conv2d(6, 6, 3, 1, 1)
        )
        self.head = nn.Conv2d(6, 4, 3, 1, 1)

    def forward(self, before, after):
        change = self.encoder(before) - self.encoder(after)
        return self.head(change.abs())


class Matching(nn.Module):
    """Two views, joined by their correlation volume and cross attention."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Conv2d(3, 8, 4, 4)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Conv2d(17, 4, 3, 1, 1)

    def forward(self, left, right):
        left, right = self.encoder(left), self.encoder(right)
        padded = functional.pad(right, (1, 1, 1, 1))
        height, width = left.shape[-2:]
        volume = [
            (left * padded[..., y : y + height, x : x + width]).mean(1)
            for y in range(3)
            for x in range(3)
        ]
        tokens = [view.flatten(2).transpose(1, 2) for view in (left, right)]
        seen, _ = self.attention(tokens[0], tokens[1], tokens[1])
        seen = seen.transpose(1, 2).unflatten(2, (height, width))
        return self.head(torch.cat([torch.stack(volume, 1), seen], 1))


def seeded(net, dtype=torch.float64):
    torch.manual_seed(1)
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.3)
    return net.to(dtype).eval()


def drawn(channels, count=5, height=24, width=20):
    """Inputs of very different scales, in float64."""
    generator = torch.Generator().manual_seed(3)
    return [
        40.0**i * torch.randn(
            count, c, height, width, generator=generator, dtype=torch.float64
        )
        for i, c in enumerate(channels)
    ]  # fmt: skip


def gradients(run, inputs, unit=None, relu=True):
    leaves = [x.clone().requires_grad_() for x in inputs]
    output = run(*leaves)
    y, x = unit or (output.shape[2] // 2, output.shape[3] // 2)
    score = output[:, :, y, x]
    score = (score.relu() if relu else score).sum()
    return torch.autograd.grad(score, leaves)


def expected_maps(run, inputs, **options):
    found = gradients(run, inputs, **options)
    return [g.relu().sum(1).mean(0).numpy() for g in found]


def close(result, expected, tolerance=1e-12):
    assert expected.max() > 0
    difference = np.abs(result.map - expected).max()
    assert difference <= tolerance * expected.max()


NETS = {
    'rgb and depth': (Fusion, {'rgb': 3, 'depth': 1}),
    'two dates': (Siamese, {'before': 3, 'after': 3}),
    'two views': (Matching, {'left': 3, 'right': 3}),
}


@pytest.mark.parametrize('net', NETS)
@pytest.mark.parametrize('size', [None, 2])
@pytest.mark.parametrize('unit', [None, (1, 3)])
def test_equals_autograd_of_each_input(net, size, unit):
    make, names = NETS[net]
    model, inputs = seeded(make()), drawn(names.values())
    target = dict(type='CentreUnit')
    if unit is not None:
        target = dict(type='Unit', y=unit[0], x=unit[1])
    results = measure_erf(
        model,
        dict(zip(names, inputs, strict=True)),
        'head',
        target=target,
        batch_size=size,
    )
    assert list(results) == [f'head@{name}' for name in names]
    every = expected_maps(model, inputs, unit=unit)
    for (name, result), maps in zip(results.items(), every, strict=True):
        close(result, maps)
        assert (result.layer, result.num_images) == (name, 5)
        kind = f'whole image, input {name[5:]} of {", ".join(names)}'
        assert result.definition['input'] == kind


@pytest.mark.parametrize('net', ['rgb and depth', 'two dates'])
def test_windows_hold_the_field_of_every_input(net):
    make, names = NETS[net]
    model, inputs = seeded(make()), drawn(names.values(), 2, 200, 168)
    results = measure_erf(model, tuple(inputs), 'head', batch_size=1)
    every = expected_maps(model, inputs)
    assert list(results) == ['head@input0', 'head@input1']
    for result, maps in zip(results.values(), every, strict=True):
        assert result.provenance['run_on'].startswith('window')
        close(result, maps)


def test_a_layer_of_one_input_alone():
    model, (rgb, depth) = seeded(Fusion()), drawn((3, 1))
    results = measure_erf(model, (rgb, depth), ['rgb', 'head'])
    assert not results['rgb@input1'].map.any()
    close(results['rgb@input0'], expected_maps(model.rgb, [rgb])[0])


def test_calls_of_a_shared_encoder_are_told_from_inputs():
    model, dates = seeded(Siamese()), drawn((3, 3))
    results = measure_erf(model, tuple(dates), ['encoder@0', 'encoder'])
    assert list(results)[:2] == ['encoder@0@input0', 'encoder@0@input1']
    for call, own in ((0, 'encoder@0@input0'), (1, 'encoder@input1')):
        close(results[own], expected_maps(model.encoder, [dates[call]])[0])
        assert results[own].provenance['run_on'] == 'whole image'
    assert not results['encoder@0@input1'].map.any()


def test_smooth_grad_draws_noise_for_all_inputs():
    model, inputs = seeded(Fusion()), drawn((3, 1))
    smooth = dict(type='SmoothGrad', std=0.5, samples=3, seed=7)
    results = measure_erf(
        model, tuple(inputs), 'head', attribution=smooth, batch_size=2
    )
    generator = torch.Generator().manual_seed(7)
    sums = [0.0, 0.0]
    for start in (0, 2, 4):
        part = [x[start : start + 2] for x in inputs]
        mean = [0.0, 0.0]
        for _ in range(3):
            noise = torch.randn(
                (len(part[0]), 4, 24, 20), generator=generator
            ).double()
            noisy = [
                part[0] + 0.5 * noise[:, :3],
                part[1] + 0.5 * noise[:, 3:],
            ]
            for i, gradient in enumerate(gradients(model, noisy)):
                mean[i] = mean[i] + gradient / 3
        sums = [sums[i] + mean[i].relu().sum((0, 1)) for i in (0, 1)]
    for result, total in zip(results.values(), sums, strict=True):
        close(result, (total / 5).numpy())


def test_occlusion_covers_one_input_at_a_time():
    model, inputs = seeded(Fusion()), drawn((3, 1))
    cover = dict(type='Occlusion', patch_size=12, relu=False)
    results = measure_erf(
        model, tuple(inputs), 'head', attribution=cover, batch_size=2
    )
    score = lambda *x: model(*x)[:, :, 6, 5].sum(1)  # noqa: E731
    with torch.no_grad():
        clean = score(*inputs)
        for i in (0, 1):
            expected = torch.zeros(24, 20)
            for y in (0, 12):
                for x in (0, 12):
                    covered = [image.clone() for image in inputs]
                    covered[i][..., y : y + 12, x : x + 12] = 0
                    change = (score(*covered) - clean).abs().mean()
                    area = expected[y : y + 12, x : x + 12]
                    area[:] = change / area.numel()
            close(results[f'head@input{i}'], expected.numpy(), 1e-6)


class Doubled(InputGradient):
    """Changes how maps are made, and knows nothing of several inputs."""

    def __call__(self, forward, inputs, target, layers):
        for found in super().__call__(forward, inputs, target, layers):
            yield found._replace(maps=2 * found.maps)


class PlainAttribution(Attribution):
    """Plain autograd, of what it is handed."""

    def __call__(self, forward, inputs, target, layers):
        leaf = inputs.clone().requires_grad_()
        for part in layers.read(forward, leaf + 0, target).values():
            (gradient,) = torch.autograd.grad(part.scores.sum(), leaf)
            yield LayerMaps(part.detached(), 2 * gradient.relu().sum(1))


@pytest.mark.parametrize('attribution', [Doubled, PlainAttribution])
def test_attributions_of_users_need_not_know(attribution):
    model, inputs = seeded(Fusion()), drawn((3, 1))
    results = measure_erf(
        model, tuple(inputs), 'head', attribution=attribution(), batch_size=2
    )
    every = expected_maps(model, inputs)
    for result, maps in zip(results.values(), every, strict=True):
        close(result, 2 * maps)


def test_grad_cam_is_one_map_of_all_inputs():
    results = measure_erf(
        seeded(Fusion()),
        tuple(drawn((3, 1))),
        ['rgb'],
        attribution='GradCAM',
        target=dict(type='ClassRegion', classes=[0]),
    )
    (result,) = results.values()
    assert result.layer == 'rgb:0'
    described = 'whole image, inputs input0, input1 together'
    assert result.definition['input'] == described


def test_forward_gets_the_same_form_cut_to_the_pass():
    model, (rgb, depth) = seeded(Fusion()), drawn((3, 1))
    seen = set()

    def forward(inputs):
        assert list(inputs) == ['colour', 'metres']
        seen.add(tuple(len(x) for x in inputs.values()))
        return model(inputs['colour'], inputs['metres'])

    results = measure_erf(
        model,
        {'colour': rgb, 'metres': depth},
        'head',
        forward=forward,
        batch_size=3,
    )
    assert (3, 3) in seen
    assert all(a == b for a, b in seen)
    every = expected_maps(model, [rgb, depth])
    for result, maps in zip(results.values(), every, strict=True):
        close(result, maps)


def test_classes_resizing_reduced_precision_and_files(tmp_path):
    model = seeded(Fusion(), torch.float32)
    inputs = tuple(x.float() for x in drawn((3, 1)))
    results = measure_erf(
        model,
        inputs,
        'head',
        target=dict(type='ClassUnit', classes=['road']),
        classes=['road', 'sky', 'tree', 'car'],
        input_size=(16, 32),
        amp='bfloat16',
    )
    assert list(results) == ['head@input0:road', 'head@input1:road']
    for key, result in results.items():
        assert result.map.shape == (16, 32)
        assert result.provenance['deviation_from_float32']['images'] == 2
        loaded = ERFResult.load(result.save(Path(tmp_path, 'result.npz')))
        assert (loaded.layer, loaded.definition) == (key, result.definition)
        np.testing.assert_array_equal(loaded.map, result.map)


def test_theory_of_each_input():
    results = measure_erf(
        seeded(Fusion()), tuple(drawn((3, 1))), 'head', theory=True
    )
    # Two kernels, of which the second lies on a grid of stride 2.
    sides = [result.theory.size for result in results.values()]
    assert sides == [(5 + 2 * 2,) * 2, (9 + 2 * 2,) * 2]


def test_a_layer_that_an_input_does_not_reach_has_no_theory():
    with pytest.warns(UserWarning, match='rgb@input1: it depends on no pixel'):
        results = measure_erf(
            seeded(Fusion()), tuple(drawn((3, 1))), 'rgb', theory=True
        )
    assert results['rgb@input0'].theory.size == (5, 5)
    assert results['rgb@input1'].theory is None


def test_targets_of_single_images_stay_with_them():
    model, inputs = seeded(Fusion()), drawn((3, 1))
    units = [(2, 2), (5, 5), (7, 4), (3, 8), (9, 1)]
    results = measure_erf(
        model,
        tuple(inputs),
        'head',
        target=[dict(type='Unit', y=y, x=x) for y, x in units],
        batch_size=2,
    )
    total = {}
    for i, unit in enumerate(units):
        alone = measure_erf(
            model,
            tuple(x[i : i + 1] for x in inputs),
            'head',
            target=dict(type='Unit', y=unit[0], x=unit[1]),
        )
        for key, result in alone.items():
            total[key] = total.get(key, 0) + result.map.sum() / 5
    for key, result in results.items():
        assert result.map.sum() == pytest.approx(total[key], rel=1e-9)


@pytest.mark.parametrize(
    ('images', 'message'),
    [
        ({'0': torch.rand(2, 3, 8, 8)}, "no number, not '0'"),
        ({'a@b': torch.rand(2, 3, 8, 8)}, '@'),
        ((torch.rand(2, 3, 8, 8), torch.rand(2, 1, 4, 4)), 'resize them'),
        ((torch.rand(2, 3, 8, 8), torch.rand(1, 1, 8, 8)), 'differ'),
        ((torch.rand(2, 3, 8, 8), torch.zeros(2).long()), 'int64'),
        ((), 'there is no input'),
        ({'rgb': torch.rand(2, 3, 8, 8), 'd': torch.rand(2, 1, 8, 8)}, 'dept'),
        (None, 'a mapping of such Tensors'),
    ],
)
def test_what_does_not_fit_is_one_line(images, message):
    with pytest.raises(ConfigError, match=message) as caught:
        measure_erf(Fusion(), images, 'head')
    assert '\n' not in str(caught.value)


def test_batches_have_the_same_inputs():
    rgb, depth = (x.float() for x in drawn((3, 1)))
    with pytest.raises(MeasurementError, match='other inputs'):
        measure_erf(
            Fusion(), [(rgb, depth), {'rgb': rgb, 'depth': depth}], 'head'
        )


class Pooled(nn.Module):
    """A max pooling of each input."""

    def __init__(self):
        super().__init__()
        for name, channels in (('rgb', 3), ('depth', 1)):
            layers = nn.Conv2d(channels, 4, 3, 1, 1), nn.MaxPool2d(2)
            self.add_module(name, nn.Sequential(*layers))
        self.head = nn.Conv2d(8, 4, 3, 1, 1)

    def forward(self, rgb, depth):
        return self.head(torch.cat([self.rgb(rgb), self.depth(depth)], 1))


@pytest.mark.parametrize('seed', range(3))
def test_a_flat_part_of_one_input_is_chosen_from_as_in_a_plain_forward(seed):
    model = seeded(Pooled(), torch.float32)
    generator = torch.Generator().manual_seed(seed)
    rgb = torch.randn(2, 3, 200, 200, generator=generator)
    depth = torch.randn(2, 1, 200, 200, generator=generator)
    depth[:, :, 60:140, 60:140] = 0.3
    results = measure_erf(model, (rgb, depth), 'head')
    every = expected_maps(model, [rgb, depth])
    for result, maps in zip(results.values(), every, strict=True):
        assert 'window' in result.provenance['run_on']
        assert 'equal values' in result.provenance['run_on']
        close(result, maps, 1e-5)


def test_ranks_meet_and_one_has_no_image():
    model, inputs = seeded(Fusion()), drawn((3, 1))
    parts = []
    for share in (slice(0, 2), slice(2, 5), slice(0, 0)):
        part = Measurement(model, MeasurementOptions('head'))
        own = tuple(x[share] for x in inputs)
        for batch in batches_of(model, own) if len(own[0]) else ():
            part.update(batch)
        parts.append(part)

    def meet(part, gather, add):
        part.reduce(gather, add)
        return part.compute()

    every = expected_maps(model, inputs)
    for results in together(parts, meet):
        for result, maps in zip(results.values(), every, strict=True):
            close(result, maps)
            assert result.definition['input'].endswith('of input0, input1')
            assert result.provenance['run_on'] is None or (
                result.provenance['run_on'] == 'whole image'
            )
