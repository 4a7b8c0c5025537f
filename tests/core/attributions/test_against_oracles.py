"""Each attribution against what it must give, on nets that are known."""

import numpy as np
import pytest
import torch
from helpers.slow_reference import images_like, slow_map
from torch import nn

from mmerf import measure_erf
from mmerf.core.errors import ConfigError, LayerError

SIDE = 18


def linear_net(channels=1, seed=1):
    """Two 3 x 3 convolutions with kernels >= 0, and the composed kernel."""
    torch.manual_seed(seed)
    net = nn.Sequential(
        nn.Conv2d(channels, 2, 3, padding=1, bias=False),
        nn.Conv2d(2, 1, 3, padding=1, bias=False),
    ).double()
    for conv in net:
        nn.init.uniform_(conv.weight, 0, 1)
    first, second = (conv.weight.detach().numpy() for conv in net)
    kernel = np.zeros((channels, SIDE, SIDE))  # d output / d input, by loops
    for middle in range(2):
        for y, x in np.ndindex(3, 3):
            for v, u in np.ndindex(3, 3):
                place = (SIDE // 2 + y + v - 2, SIDE // 2 + x + u - 2)
                for channel in range(channels):
                    kernel[(channel, *place)] += (
                        second[0, middle, y, x] * first[middle, channel, v, u]
                    )
    return net, kernel


def positive_images(count=2, channels=1):
    generator = torch.Generator().manual_seed(5)
    shape = (count, channels, SIDE, SIDE)
    return torch.rand(shape, generator=generator, dtype=torch.float64) + 0.5


def measure(net, images, attribution, **options):
    return measure_erf(net, images, ['1'], attribution=attribution, **options)[
        '1'
    ]


@pytest.mark.parametrize(
    'attribution',
    [
        'InputGradient',
        dict(type='InputGradient', part='absolute'),
        dict(type='InputGradient', channels='l2'),
        dict(type='InputGradient', part='absolute', channels='l2'),
        dict(type='InputGradient', relu=False),
        'RepLKNet',
        'VMamba',
        'MambaIR',
        'Luo',
        dict(type='SmoothGrad', std=0.01, samples=3),
    ],
)
def test_every_gradient_of_a_linear_net_is_its_composed_kernel(attribution):
    net, kernel = linear_net()
    result = measure(net, positive_images(), attribution)
    np.testing.assert_allclose(result.map, kernel[0], atol=1e-12)


def test_ways_over_channels():
    net, kernel = linear_net(channels=3)
    images = positive_images(channels=3)
    summed = measure(net, images, 'InputGradient').map
    root = measure(net, images, dict(type='InputGradient', channels='l2')).map
    np.testing.assert_allclose(summed, kernel.sum(0), atol=1e-12)
    np.testing.assert_allclose(root, np.sqrt((kernel**2).sum(0)), atol=1e-12)


def signed_net():
    torch.manual_seed(3)
    return nn.Sequential(nn.Conv2d(3, 4, 3, 1, 1), nn.Conv2d(4, 6, 5, 2, 2))


@pytest.mark.parametrize(
    ('name', 'relu', 'part'),
    [
        ('RepLKNet', True, 'positive'),
        ('VMamba', True, 'positive'),
        ('MambaIR', False, 'positive'),
        ('Luo', False, 'absolute'),
    ],
)
def test_published_definitions_against_plain_autograd(name, relu, part):
    net, images = signed_net(), images_like(3, 20, 24)
    total = 0
    for image in images:
        leaf = image[None].clone().requires_grad_()
        unit = net(leaf)[0, :, 5, 6]
        (unit.clamp(min=0) if relu else unit).sum().backward()
        gradient = leaf.grad[0].double()
        gradient = gradient.clamp(min=0) if part == 'positive' else (
            gradient.abs()
        )  # fmt: skip
        total = total + gradient.sum(0).numpy() / len(images)
    result = measure(net, images, name)
    assert np.abs(result.map - total).max() <= 1e-6 * total.max()
    assert ('relu' in result.definition['score']) == relu
    assert ('|d score' in result.definition['map']) == (part == 'absolute')


def test_the_relu_of_an_attribution_reaches_any_target():
    net, images = signed_net(), images_like(1, 20, 24)
    unit = dict(type='Unit', y=2, x=3)
    result = measure(net, images, 'MambaIR', target=unit)
    plain = measure(net, images, None, target=dict(unit, relu=False))
    np.testing.assert_array_equal(result.map, plain.map)
    assert result.definition == plain.definition
    with pytest.raises(ConfigError, match='relu=True, the attribution relu='):
        measure(net, images, 'Luo', target=dict(unit, relu=True))


def patch_sums(array, side):
    h, w = array.shape
    return np.array(
        [
            [
                array[y : y + side, x : x + side].sum()
                for x in range(0, w, side)
            ]
            for y in range(0, h, side)
        ]
    )


@pytest.mark.parametrize('side', [3, 4])  # 18 px are no multiple of 4
def test_noise_variance_is_the_root_of_the_patch_s_squared_gradient(side):
    """Its relative error shrinks as one over the root of the draws."""
    net, kernel = linear_net(channels=2)
    images = positive_images(count=1, channels=2)
    expected = np.sqrt(patch_sums((kernel**2).sum(0), side))
    spreads = {}
    for draws in (32, 512):
        attribution = dict(
            type='NoiseVariance', patch_size=side, std=0.01, draws=draws
        )
        found = patch_sums(measure(net, images, attribution).map, side)
        seen = expected > 0
        assert found[~seen].max() < 1e-9 * found.max()
        errors = found[seen] / expected[seen] - 1
        stated = np.sqrt(1 / (2 * (draws - 1)))
        assert np.abs(errors).max() < 4 * stated
        spreads[draws] = np.sqrt((errors**2).mean()) / stated
    for spread in spreads.values():
        assert 0.5 < spread < 1.7  # in units of the stated error


def test_noise_does_not_depend_on_the_batch_size_nor_touch_the_global_state():
    net, _ = linear_net()
    images = positive_images()
    state = torch.get_rng_state()
    maps = [
        measure(
            net,
            images,
            dict(type='NoiseVariance', patch_size=9, draws=5, batch_size=size),
        ).map
        for size in (1, 7, 64)
    ]
    for other in maps[1:]:
        np.testing.assert_allclose(other, maps[0], rtol=1e-9)
    other = measure(
        net, images, dict(type='NoiseVariance', patch_size=9, draws=5, seed=1)
    ).map
    assert np.abs(other - maps[0]).max() > 1e-3 * maps[0].max()
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ('side', 'stride', 'value'), [(4, None, 0.0), (6, 3, 0.7), (5, 2, -1.0)]
)
def test_occlusion_is_the_exact_difference(side, stride, value):
    net, images = signed_net(), images_like(2, 18, 20)
    score = lambda x: net(x)[0, :, 4, 5].clamp(min=0).sum().item()  # noqa: E731
    step = stride or side
    expected = np.zeros((18, 20))
    with torch.no_grad():
        for image in images:
            total, count = np.zeros((18, 20)), np.zeros((18, 20))
            tops = [t for t in range(0, 18, step) if t < 18 - side + step]
            lefts = [t for t in range(0, 20, step) if t < 20 - side + step]
            for top in tops:
                for left in lefts:
                    covered = image[None].clone()
                    area = covered[..., top : top + side, left : left + side]
                    area.fill_(value)
                    change = abs(score(image[None]) - score(covered))
                    place = (
                        slice(top, top + side),
                        slice(left, left + side),
                    )
                    total[place] += change / area[0, 0].numel()
                    count[place] += 1
            assert count.min() > 0
            expected += total / count / len(images)
    attribution = dict(
        type='Occlusion', patch_size=side, stride=stride, value=value
    )
    found = measure(net, images, attribution).map
    assert np.abs(found - expected).max() <= 1e-5 * expected.max()


def test_smooth_grad_without_noise_is_the_input_gradient():
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Tanh())
    images = images_like(2, 12, 14)
    plain = measure(net, images, 'InputGradient').map
    smooth = dict(type='SmoothGrad', std=0.0, samples=4)
    np.testing.assert_array_equal(measure(net, images, smooth).map, plain)


def test_smooth_grad_is_the_mean_over_its_own_noise():
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Tanh())
    image = images_like(1, 12, 14)
    generator = torch.Generator().manual_seed(7)
    noise = [torch.randn(image.shape, generator=generator) for _ in range(3)]
    total = 0
    for one in noise:
        leaf = (image + 0.5 * one).requires_grad_()
        net(leaf)[0, :, 6, 7].clamp(min=0).sum().backward()
        total = total + leaf.grad[0].double() / 3
    expected = total.clamp(min=0).sum(0).numpy()
    smooth = dict(type='SmoothGrad', std=0.5, samples=3, seed=7)
    found = measure(net, image, smooth).map
    assert np.abs(found - expected).max() <= 1e-6 * expected.max()


class Hard(nn.Module):
    """An argmax over channels, as one-hot maps: no gradient passes."""

    def forward(self, x):
        return (
            nn.functional.one_hot(x.argmax(1), 4).permute(0, 3, 1, 2).float()
        )


class Quantised(nn.Module):
    """Eight-bit activations, by torch's own quantised tensors."""

    def forward(self, x):
        return torch.quantize_per_tensor(x, 0.01, 0, torch.qint8).dequantize()


@pytest.mark.parametrize('last', [Hard, Quantised])
def test_layers_without_gradient_are_for_noise_variance(last):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 5, padding=2), last())
    images = images_like(2, 24, 24)
    with pytest.raises(LayerError, match='NoiseVariance') as caught:
        measure(net, images, 'InputGradient', target=unrelu())
    assert '\n' not in str(caught.value)
    attribution = dict(type='NoiseVariance', patch_size=4, std=0.5, draws=16)
    target = dict(type='CentreUnit', channels=[0, 1])
    result = measure(net, images, attribution, target=target)
    # the unit (12, 12) sees rows and columns 10 to 14
    assert result.map.any()
    assert not result.map[:8].any() and not result.map[16:].any()
    assert not result.map[:, :8].any() and not result.map[:, 16:].any()
    occlusion = dict(type='Occlusion', patch_size=4, value=3.0)
    assert not measure(net, images, occlusion, target=target).map[:8].any()


def unrelu():
    return dict(type='CentreUnit', relu=False)


@pytest.mark.parametrize(
    ('attribution', 'message'),
    [
        (dict(type='InputGradient', part='negative'), "'positive' or"),
        (dict(type='InputGradient', channels='max'), "'sum' or 'l2'"),
        (dict(type='NoiseVariance', patch_size=0), 'patch_size'),
        (dict(type='NoiseVariance', std=0), 'std'),
        (dict(type='NoiseVariance', std='a'), 'std'),
        (dict(type='NoiseVariance', draws=1), 'draws'),
        (dict(type='NoiseVariance', size=4), 'NoiseVariance'),
        (dict(type='Occlusion', stride=0), 'stride'),
        (dict(type='Occlusion', patch_size=4, stride=5), 'at most patch_size'),
        (dict(type='SmoothGrad', std=-1), 'std'),
        (dict(type='SmoothGrad', samples=0), 'samples'),
        (dict(type='GradCAM', interpolation='cubic'), 'bicubic'),
        (dict(type='Luo', part='positive'), 'Luo'),
    ],
)
def test_options_that_cannot_be_followed(attribution, message):
    with pytest.raises(ConfigError, match=message):
        measure(signed_net(), images_like(1, 8, 8), attribution)


def test_clips_are_summed_over_their_frames():
    """(clip, frame, C, H, W): a forward that makes a list of frames of it."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Tanh())
    clips = images_like(6, 10, 12).view(2, 3, 3, 10, 12)
    frames = measure_erf(
        net, clips, ['1'], forward=lambda x: net(x.flatten(0, 1))
    )['1']
    expected = 3 * slow_map(
        clips.flatten(0, 1), lambda x: net(x)[0, :, 5, 6].clamp(min=0).sum()
    )
    assert np.abs(frames.map - expected).max() <= 1e-6 * expected.max()
    assert frames.num_images == 2


class Fusion(nn.Module):
    """Takes a dict of a list of frames and a depth map."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(7, 4, 3, padding=1)

    def forward(self, data):
        first, second = data['frames']
        return self.conv(torch.cat([first, second, data['depth']], 1))


@pytest.mark.parametrize(
    'attribution', [None, dict(type='Occlusion', patch_size=5)]
)
def test_any_structure_is_made_by_the_caller(attribution):
    torch.manual_seed(0)
    model, clips = Fusion(), images_like(4, 10, 12).view(2, 2, 3, 10, 12)

    def forward(clips):
        depth = torch.ones(len(clips), 1, 10, 12)
        return model(dict(frames=list(clips.unbind(1)), depth=depth))

    found = measure_erf(
        model, clips, ['conv'], forward=forward, attribution=attribution
    )['conv']
    flat = nn.Sequential()
    flat.conv = model.conv
    images = clips.flatten(1, 2)
    expected = measure_erf(
        flat,
        images,
        ['conv'],
        forward=lambda x: model.conv(
            torch.cat([x, torch.ones(len(x), 1, 10, 12)], 1)
        ),
        attribution=attribution,
    )['conv']
    np.testing.assert_allclose(found.map, expected.map, rtol=1e-6, atol=1e-12)
