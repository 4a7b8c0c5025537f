"""Structural supports against closed forms and window arithmetic."""

import numpy as np
import pytest
import torch
from helpers.mmseg_configs import FCN, build
from mmseg.registry import MODELS
from torch import nn

from mmerf import ERFResult, measure_erf
from mmerf.core.errors import ConfigError
from mmerf.core.results.theoretical_field import Extent, Support
from mmerf.core.theory import axis_search
from mmerf.core.theory.closed_form import theoretical_field

VGG16 = [2, 2, 3, 3, 3]  # convolutions before each pooling


def supports(model, layers, size=(64, 64), channels=3):
    results = measure_erf(
        model, torch.randn(1, channels, *size), layers, theory=True
    )
    return {key: result.theory for key, result in results.items()}


def vgg(width=4):
    layers, chain, channels = [], [], 3
    for count in VGG16:
        for _ in range(count):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            chain.append((3, 1, 1, 1))
            channels = width
        layers.append(nn.MaxPool2d(2))
        chain.append((2, 2))
    return nn.Sequential(*layers), chain


def test_vgg16s_last_pooling():
    torch.manual_seed(0)
    net, chain = vgg(8)
    assert theoretical_field(chain) == (212, 32, 15.5)
    key = str(len(net) - 1)
    (found,) = supports(net, [key], (224, 224)).values()
    assert found.size == (212, 212) and found.stride == (32, 32)
    assert found.phase == 'any unit' and str(found) == '212 x 212'


@pytest.mark.parametrize(
    'chain',
    [
        [(3, 1, 1, 1)] * 4,
        [(7, 2, 1, 3), (3, 2, 1, 1), (3, 1, 2, 2)],
        [(5, 1, 3, 6), (3, 2, 1, 1), (1, 1, 1, 0), (3, 1, 4, 4)],
        [(4, 4, 1, 0), (3, 1, 1, 1), (2, 2, 1, 0)],
    ],
)
def test_plain_chains_equal_the_closed_form(chain):
    torch.manual_seed(1)
    layers, channels = [], 3
    for kernel, stride, dilation, padding in chain:
        layers.append(
            nn.Conv2d(channels, 4, kernel, stride, padding, dilation)
        )
        channels = 4
    net = nn.Sequential(*layers)
    for depth in range(1, len(chain) + 1):
        side, stride, _ = theoretical_field(chain[:depth])
        (found,) = supports(net, [str(depth - 1)]).values()
        assert found.size == (side, side)
        assert found.stride == (stride, stride)


def test_kernels_that_differ_between_axes():
    net = nn.Sequential(nn.Conv2d(3, 4, (3, 9), (1, 2), (1, 4)))
    (found,) = supports(net, ['0']).values()
    assert found.size == (3, 9) and found.stride == (1, 2)
    assert found.y == Extent('box', -1, 1) and found.x == Extent('box', -4, 4)


RESNET50_D8 = {'backbone[0]': 39, 'backbone[1]': 95, 'backbone[2]': 271}


@pytest.mark.slow
def test_resnet50_d8_stages_equal_the_closed_form():
    """39, 95, 271, 431 px, also where residual branches start at zero."""
    model = build(
        {**FCN, 'backbone': dict(
            type='ResNetV1c', depth=50, base_channels=4, stem_channels=4,
            strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4),
            norm_cfg=dict(type='BN'), contract_dilation=True,
        ), 'decode_head': {**FCN['decode_head'], 'in_channels': 128}}
    )  # fmt: skip
    for name, module in model.backbone.named_modules():
        if name.endswith('bn3'):
            nn.init.zeros_(module.weight)
    state = {k: v.clone() for k, v in model.state_dict().items()}
    found = supports(model.backbone, [f'layer{i}' for i in (1, 2, 3, 4)])
    assert [s.size for s in found.values()] == [
        (n, n) for n in (39, 95, 271, 431)
    ]
    assert [s.stride[0] for s in found.values()] == [4, 8, 8, 8]
    for key, value in model.state_dict().items():
        assert torch.equal(value, state[key])


def test_pooling_attention_and_instance_norm_are_global():
    class Pooled(nn.Module):
        def forward(self, x):
            return x + x.mean((2, 3), keepdim=True)

    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Conv2d(3, 8, 8, 8)
            self.attend = nn.MultiheadAttention(8, 2, batch_first=True)

        def forward(self, x):
            x = self.embed(x)
            tokens = x.flatten(2).transpose(1, 2)
            out = self.attend(tokens, tokens, tokens)[0]
            return out.transpose(1, 2).reshape(x.shape)

    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.InstanceNorm2d(4), Pooled()
    )
    found = supports(net, ['0', '1', '2'])
    assert [str(s) for s in found.values()] == ['3 x 3', 'global', 'global']
    assert found['1'].size is None and found['1'].box((0, 0)) is None
    (attention,) = supports(nn.Sequential(Attention()), ['0']).values()
    assert str(attention) == 'global'


def test_operations_alone_tell_usual_fields(monkeypatch):
    """No gradient is computed: residuals, poolings, bins, attention."""

    class Bins(nn.Module):
        def forward(self, x):
            small = nn.functional.adaptive_avg_pool2d(x, 1)
            return x + nn.functional.interpolate(
                small, x.shape[2:], mode='bilinear'
            )

    def fails(*args):
        raise AssertionError('a gradient')

    monkeypatch.setattr(axis_search, 'touched_spans', fails)
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 32, 7, 2, 3),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
        nn.Conv2d(32, 8, 3, 1, 30, 30),
        Bins(),
    ).eval()
    found = supports(net, ['3', '4', '5'])
    assert [str(s) for s in found.values()] == [
        '11 x 11', '251 x 251', 'global'
    ]  # fmt: skip


def test_global_along_one_axis_only():
    class Strip(nn.Module):
        def forward(self, x):
            return x + x.mean(3, keepdim=True)

    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), Strip())
    (found,) = supports(net, ['1']).values()
    assert str(found) == '3 x global'


@pytest.mark.parametrize('size', [(112, 168), (128, 96)])
def test_swin_blocks_by_window_arithmetic(size):
    """Unshifted: the 7 x 7 patches of the window that holds the unit."""
    from mmengine.registry import init_default_scope

    init_default_scope('mmseg')
    torch.manual_seed(0)
    net = MODELS.build(
        dict(
            type='SwinTransformer',
            embed_dims=8,
            depths=(2, 2, 2, 2),
            num_heads=(1, 1, 2, 2),
            window_size=7,
        )
    )
    net.eval()
    key = 'stages.0.blocks.0'
    result = measure_erf(net, torch.randn(1, 3, *size), [key], theory=True)[
        key
    ]
    box = result.theory.box(result.unit_pixel)
    expected = []
    for length, unit in zip(size, result.unit, strict=True):
        window = unit // 7 * 7
        last = min(window + 7, length // 4) - 1
        expected += [4 * window, 4 * last + 3]
    assert list(box) == expected
    assert result.theory.phase == 'this unit'
    # and the measured map agrees with it
    rows, columns = np.nonzero(result.map)
    assert (rows.min(), rows.max()) == tuple(expected[:2])
    assert (columns.min(), columns.max()) == tuple(expected[2:])


def test_gaps_of_a_large_dilation_are_seen_through():
    net = nn.Sequential(nn.Conv2d(3, 4, 3, 1, 200, dilation=200))
    (found,) = supports(net, ['0']).values()
    assert found.size == (401, 401)


def test_a_field_beyond_the_longest_strip_is_known(monkeypatch):
    """Taps 600 and 455 px apart: no strip shows them all."""
    monkeypatch.setattr(axis_search, 'LENGTHS', (256, axis_search.FILLED))
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.Conv2d(4, 4, (1, 3), 1, (0, 600), dilation=(1, 600)),
        nn.Conv2d(4, 4, (1, 3), 1, (0, 455), dilation=(1, 455)),
    )
    (found,) = supports(net, ['2']).values()
    assert found.size == (3, 2113) and found.phase == 'any unit'


def test_what_no_strip_confirms_is_at_least_so_much(monkeypatch):
    """A sign passes no gradient on; strips show what is beside it."""

    class Beside(nn.Module):
        def __init__(self):
            super().__init__()
            self.far = nn.Conv2d(4, 4, (1, 3), 1, (0, 700), (1, 700))

        def forward(self, x):
            return x + self.far(x).sign()

    monkeypatch.setattr(axis_search, 'LENGTHS', (256, axis_search.FILLED))
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), Beside())
    x = torch.randn(1, 3, 64, 64)
    result = measure_erf(net, x, ['1'], theory=True)['1']
    assert str(result.theory) == '3 x ≥ 3' and result.theory.size is None
    assert 'beyond a strip of 1056 px' in result.provenance['theory']


def test_the_closed_form_refuses_nonsense():
    assert theoretical_field([]) == (1, 1, 0.0)
    assert theoretical_field([(7, 2, 1, 3), (3, 2)]) == (11, 4, 2.0)
    for entry in [(3,), (3, 0), (0, 1), (3, 1, 1, -1), (3, 1, 1, 1, 1)]:
        with pytest.raises(ConfigError):
            theoretical_field([entry])


def test_theory_is_stored_with_the_result(tmp_path):
    net = nn.Sequential(nn.Conv2d(3, 4, 5, 2, 2))
    nn.init.uniform_(net[0].weight)
    result = measure_erf(net, torch.rand(1, 3, 16, 16), ['0'], theory=True)[
        '0'
    ]
    back = ERFResult.load(result.save(tmp_path / 'x.npz'))
    assert back.theory == result.theory == Support(
        Extent('box', -2, 2), Extent('box', -2, 2), (2, 2)
    )  # fmt: skip
    assert result.statistics()['erf_size']['theory_ratio'] > 0
    with pytest.raises(ConfigError, match='forward'):
        measure_erf(
            net, torch.rand(1, 3, 16, 16), ['0'], theory=True, forward=net
        )


@pytest.mark.parametrize('unit', [(32, 40), (33, 40), (32, 41), (33, 41)])
def test_a_field_that_depends_on_the_place_is_the_measured_units(unit):
    """Even and odd units of a transposed convolution see 3 and 5 px."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 16, 3, 2, 1), nn.ConvTranspose2d(16, 16, 3, 2, 1, 1)
    ).eval()
    target = dict(type='Unit', y=unit[0], x=unit[1], relu=False)
    result = measure_erf(
        net, torch.randn(8, 3, 96, 96), ['1'], theory=True, target=target
    )['1']
    assert result.theory.size == tuple(5 if i % 2 else 3 for i in unit)
    rows, columns = np.nonzero(result.map)
    ends = rows.min(), rows.max(), columns.min(), columns.max()
    assert result.theory.box(result.unit_pixel) == pytest.approx(ends, abs=1)
