"""Maps from windows, folded nets and sparse backward passes against autograd.

Every case compares with a plain loop over the whole image.
"""

import numpy as np
import pytest
import torch
from helpers.slow_reference import slow_map
from torch import nn
from torch.nn import functional

from mmerf import measure_erf
from mmerf.core.batch import batch_of
from mmerf.core.folding import bn_folding
from mmerf.core.measurement import Measurement
from mmerf.core.options import MeasurementOptions
from mmerf.core.targets import Unit
from mmerf.core.windows import planner


def seeded(*modules):
    net = nn.Sequential(*modules)
    torch.manual_seed(0)
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.normal_(module.weight, std=0.2)
            if module.bias is not None:
                nn.init.normal_(module.bias, std=0.1)
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 1.5)
    return net.eval()


def conv(*sizes, **options):
    return nn.Conv2d(*sizes, **options)


def block(channels, dilation=1, stride=1):
    return nn.Sequential(
        conv(
            channels,
            channels,
            3,
            stride=stride,
            padding=dilation,
            dilation=dilation,
            bias=False,
        ),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
    )


class Residual(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.inner = nn.Sequential(
            block(channels), conv(channels, channels, 3, padding=1)
        )

    def forward(self, x):
        return functional.relu(self.inner(x) + x)


class Resize(nn.Module):
    def __init__(self, align_corners, factor=2):
        super().__init__()
        self.align_corners, self.factor = align_corners, factor

    def forward(self, x):
        return functional.interpolate(
            x,
            scale_factor=self.factor,
            mode='bilinear',
            align_corners=self.align_corners,
        )


class PooledGate(nn.Module):
    """Squeeze and excite: every pixel moves every unit, a little."""

    def forward(self, x):
        return x * x.mean(dim=(2, 3), keepdim=True).sigmoid()


class Attention(nn.Module):
    """Attention within windows of 4 x 4 units, as Swin's first block."""

    window_size = 4

    def __init__(self, channels, shift=0):
        super().__init__()
        self.window_size = 4
        self.shift = shift
        self.qkv = nn.Linear(channels, 3 * channels)

    def forward(self, x):
        n, c, h, w = x.shape
        side = self.window_size
        pad = (0, -w % side, 0, -h % side)
        x = functional.pad(x, pad)
        x = x.roll((-self.shift, -self.shift), (2, 3))
        rows, columns = x.shape[2] // side, x.shape[3] // side
        parts = x.view(n, c, rows, side, columns, side)
        parts = parts.permute(0, 2, 4, 3, 5, 1).reshape(-1, side * side, c)
        q, k, v = self.qkv(parts).chunk(3, -1)
        parts = (q @ k.transpose(1, 2) / c**0.5).softmax(-1) @ v
        parts = parts.view(n, rows, columns, side, side, c)
        out = parts.permute(0, 5, 1, 3, 2, 4).reshape(x.shape)
        out = out.roll((self.shift, self.shift), (2, 3))
        return out[:, :, :h, :w]


STEM = (conv(3, 8, 7, stride=2, padding=3), nn.BatchNorm2d(8), nn.ReLU())
POOL = nn.MaxPool2d(3, 2, 1)
LOCAL_NETS = {
    'strides and dilations': lambda: seeded(
        *STEM, POOL, block(8), block(8, 2), block(8, stride=2), block(8, 3)
    ),
    'residual': lambda: seeded(*STEM, Residual(8), POOL, Residual(8)),
    'ceil mode, even kernel': lambda: seeded(
        conv(3, 8, 4, stride=2, padding=1),
        nn.GELU(),
        nn.MaxPool2d(2, 2, ceil_mode=True),
        nn.AvgPool2d(3, 2),
        conv(8, 8, 3, groups=4),
    ),
    'upsampled': lambda: seeded(
        *STEM, block(8, stride=2), Resize(False), block(8)
    ),
    'transposed': lambda: seeded(
        *STEM, nn.ConvTranspose2d(8, 8, 2, stride=2), block(8)
    ),
    'other activations': lambda: seeded(
        conv(3, 8, 3, stride=2, padding=1),
        nn.SiLU(),
        conv(8, 8, 3, padding=1),
        nn.LeakyReLU(0.1),
        conv(8, 8, 3, padding=1),
        nn.Hardswish(),
        nn.Sigmoid(),
    ),
}
GLOBAL = {
    'align_corners': lambda: seeded(
        *STEM, block(8, stride=2), Resize(True), block(8)
    ),
    'group norm': lambda: seeded(*STEM, nn.GroupNorm(2, 8), block(8)),
    'instance norm': lambda: seeded(*STEM, nn.InstanceNorm2d(8), block(8)),
    'gate': lambda: seeded(*STEM, PooledGate(), block(8)),
}


def score_at(net, unit=None):
    def score(image):
        output = net(image)
        y, x = unit or (output.shape[2] // 2, output.shape[3] // 2)
        return output[0, :, y, x].clamp(min=0).sum()

    return score


def measured(net, images, unit=None):
    target = None if unit is None else Unit(*unit)
    measurement = Measurement(
        net, MeasurementOptions([f'{len(net) - 1}'], target=target)
    )
    measurement.update(batch_of(measurement.model, images))
    (result,) = measurement.compute().values()
    (words,) = measurement.passes.run_mode.values()
    return result, words


def equal(net, images, result, unit=None):
    expected = slow_map(images, score_at(net, unit))
    assert expected.max() > 0
    assert np.abs(result.map - expected).max() <= 1e-5 * expected.max()


@pytest.mark.parametrize('size', [(192, 320), (191, 333), (320, 160)])
@pytest.mark.parametrize('name', LOCAL_NETS)
def test_local_layers_run_in_windows(name, size):
    net = LOCAL_NETS[name]()
    images = torch.randn(2, 3, *size)
    result, words = measured(net, images)
    assert words.startswith('window')
    assert result.map.shape == size
    equal(net, images, result)


@pytest.mark.parametrize('unit', [(0, 0), (1, 30), (23, 2), (23, 39)])
def test_units_at_borders_and_corners(unit):
    net = LOCAL_NETS['strides and dilations']()
    images = torch.randn(1, 3, 192, 320)
    result, words = measured(net, images, unit)
    assert words.startswith('window')
    assert result.unit == unit
    equal(net, images, result, unit)


@pytest.mark.parametrize('name', GLOBAL)
def test_layers_that_see_the_whole_image_run_on_it(name):
    net = GLOBAL[name]()
    images = torch.randn(2, 3, 192, 256)
    result, words = measured(net, images)
    assert words.startswith('whole image')
    equal(net, images, result)


@pytest.mark.parametrize('shift', [0, 2])
@pytest.mark.parametrize('unit', [None, (17, 22)])
def test_attention_windows(shift, unit):
    net = seeded(
        conv(3, 8, 4, stride=4), Attention(8), Attention(8, shift), nn.ReLU()
    )
    images = torch.randn(1, 3, 200, 260)
    result, words = measured(net, images, unit)
    assert words.startswith('window')
    equal(net, images, result, unit)


def test_a_layer_beside_a_global_one():
    net = seeded(*STEM, block(8), PooledGate(), block(8))
    images = torch.randn(2, 3, 256, 384)
    measurement = Measurement(net, MeasurementOptions(['3', '5']))
    measurement.update(batch_of(measurement.model, images))
    results = measurement.compute()
    assert list(results) == ['3', '5']
    assert measurement.passes.run_mode['5'] == 'whole image'
    equal(net[:4], images, results['3'])
    equal(net, images, results['5'])


def test_images_of_several_sizes():
    net = LOCAL_NETS['residual']()
    measurement = Measurement(net, MeasurementOptions([f'{len(net) - 1}']))
    for size in ((160, 240), (240, 160), (161, 243)):
        images = torch.randn(1, 3, *size)
        measurement.update(batch_of(measurement.model, images))
        alone, _ = measured(net, images)
        equal(net, images, alone)
    (result,) = measurement.compute().values()
    assert result.num_images == 3 and result.map.shape == (240, 243)


def test_a_window_that_turns_out_too_small_grows():
    """Weights that wake up after the window was planned.

    An operation without a rule hides what the units may reach, so gradients
    tell.
    """
    net = seeded(conv(3, 8, 3, padding=1), conv(8, 8, 9, padding=4))
    net.register_forward_pre_hook(lambda m, x: x[0] + 0 * x[0][0, 0].trace())
    narrow = net[1].weight.data.clone()
    narrow[:, :, :3] = narrow[:, :, 6:] = 0
    wide, net[1].weight.data = net[1].weight.data.clone(), narrow
    images = torch.randn(2, 3, 160, 160)
    measurement = Measurement(net, MeasurementOptions(['1']))
    measurement.update(batch_of(measurement.model, images[:1]))
    small = measurement.passes.run_mode['1']
    net[1].weight.data = wide
    measurement.update(batch_of(measurement.model, images[1:]))
    assert measurement.passes.run_mode['1'] != small
    found = measurement.compute()['1'].map
    net[1].weight.data = narrow
    first = slow_map(images[:1], score_at(net))
    net[1].weight.data = wide
    second = slow_map(images[1:], score_at(net))
    expected = (first + second) / 2
    assert np.abs(found - expected).max() <= 1e-5 * expected.max()


def test_folding_leaves_the_model_as_it_was():
    net = LOCAL_NETS['strides and dilations']()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    weights = [id(p) for p in net.parameters()]
    measurement = Measurement(net, MeasurementOptions(['5']))
    measurement.update(
        batch_of(measurement.model, torch.randn(1, 3, 160, 160))
    )
    assert measurement.passes.foldings._kept.count == 5
    assert [id(p) for p in net.parameters()] == weights
    assert all('forward' not in m.__dict__ for m in net.modules())
    assert not any(m._forward_hooks for m in net.modules())
    for key, value in net.state_dict().items():
        assert torch.equal(value, before[key])


@pytest.mark.parametrize('dtype', [torch.float64, torch.bfloat16])
def test_folding_does_not_depend_on_what_torch_makes_by_default(dtype):
    net = LOCAL_NETS['strides and dilations']()
    images = torch.randn(1, 3, 160, 160)
    measurement = Measurement(net, MeasurementOptions(['5']))
    before = torch.get_default_dtype()
    bn_folding._random_numbers.cache_clear()
    try:
        torch.set_default_dtype(dtype)
        measurement.update(batch_of(measurement.model, images))
        measurement.update(batch_of(measurement.model, images))
    finally:
        torch.set_default_dtype(before)
    assert measurement.passes.foldings._kept.count == 5


def test_folding_is_dropped_where_a_convolution_has_two_readers():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = conv(3, 4, 3, padding=1)
            self.norm = nn.BatchNorm2d(4)

        def forward(self, x):
            x = self.conv(x)
            return self.norm(x) + x

    net = seeded(Two(), nn.ReLU())
    images = torch.randn(1, 3, 160, 160)
    measurement = Measurement(net, MeasurementOptions(['1']))
    measurement.update(batch_of(measurement.model, images))
    assert measurement.passes.foldings._kept.count == 0
    (result,) = measurement.compute().values()
    equal(net, images, result)


class WholeOnly(nn.Module):
    """Runs at one size only, and says so."""

    def __init__(self):
        super().__init__()
        self.net = seeded(block(3), block(3))

    def forward(self, x):
        if x.shape[2:] != (160, 160):
            raise RuntimeError('position embeddings are for 160 x 160')
        return self.net(x)


def test_why_no_window_was_used_is_in_the_result():
    net, images = WholeOnly().eval(), torch.randn(1, 3, 160, 160)
    result = measure_erf(net, images, ['net'])['net']
    expected = slow_map(
        images, lambda x: net(x)[0, :, 80, 80].clamp(min=0).sum()
    )
    assert np.abs(result.map - expected).max() <= 1e-6 * expected.max()
    run_on = result.provenance['run_on']
    assert run_on.startswith('whole image (no window: position embeddings')


def test_a_fault_of_ours_is_no_slow_path(monkeypatch):
    def broken(*args, **kwargs):
        raise KeyError('a bug')

    monkeypatch.setattr(planner.Planner, '_cheapest_plan', broken)
    net, images = seeded(block(3)), torch.randn(1, 3, 160, 160)
    with pytest.raises(KeyError, match='a bug'):
        measure_erf(net, images, ['0'])
