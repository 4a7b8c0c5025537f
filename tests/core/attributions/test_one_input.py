"""Attributions of each of several inputs, the others held."""

import pytest
import torch
from helpers.several_inputs import (
    Fusion,
    close,
    drawn,
    expected_maps,
    gradients,
    seeded,
)

from mmerf import measure_erf
from mmerf.core.attributions import Attribution, InputGradient, LayerMaps


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
