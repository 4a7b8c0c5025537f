"""Models that want their images in the plain layout."""

import pytest
import torch
from helpers.calls import calls_of
from helpers.custom_backward import RawMemory
from helpers.slow_reference import float64_map
from helpers.strides import RowsAdded, rows_of_memory
from torch import nn
from torch.nn import functional

from mmerf import measure_erf
from mmerf.core.gradient import worth
from mmerf.core.shortcuts import layout


class Blur(nn.Module):
    """The usual depthwise blur by view, which needs contiguous images."""

    def forward(self, x):
        n, c, h, w = x.shape
        kernel = torch.ones(1, 1, 3, 3).to(x) / 9
        flat = x.view(n * c, 1, h, w)
        return functional.conv2d(flat, kernel, padding=1).view(n, c, h, w)


class Strided(nn.Module):
    def forward(self, x):
        return rows_of_memory(x)


class Contiguous(torch.autograd.Function):
    """A backward that relies on the usual layout, as compiled ones do."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        assert gradient.is_contiguous()
        return gradient


class Custom(nn.Module):
    def forward(self, x):
        return Contiguous.apply(x)


class FarFromZero(nn.Module):
    """torch's group norm rounds far more in the other layout (facts.md)."""

    def __init__(self):
        super().__init__()
        self.norm = nn.GroupNorm(2, 8)

    def forward(self, x):
        return self.norm(x + 30)


@pytest.mark.parametrize('side', [64, 160])
@pytest.mark.parametrize('count', [1, 2])
@pytest.mark.parametrize('kind', [Blur, Strided, Custom, FarFromZero])
def test_the_plain_layout_is_taken_where_it_is_needed(kind, count, side):
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), kind(), nn.Conv2d(8, 4, 3, padding=1)
    ).eval()
    images = torch.randn(count, 3, side, side)
    result = measure_erf(net, images, ['2'])['2']
    expected = float64_map(net, images, result.unit)
    assert result.num_images == count
    assert abs(result.map - expected).max() <= 1e-5 * expected.max()


def test_a_model_that_fails_anyway_raises_its_own_error():
    class Failing(nn.Module):
        def forward(self, x):
            raise KeyError('its own')

    with pytest.raises(KeyError, match='its own'):
        measure_erf(nn.Sequential(Failing()), torch.randn(1, 3, 8, 8), ['0'])


layouts = []


class Layouts(nn.Module):
    """Records in which layout several images come, as measured passes do."""

    def __init__(self):
        super().__init__()
        convs = [nn.Conv2d(32, 32, 3, padding=1) for _ in range(4)]
        blocks = [part for conv in convs for part in (conv, nn.ReLU())]
        self.net = nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), *blocks)

    def forward(self, x):
        if torch.is_grad_enabled() and len(x) > 1:
            layouts.append(x.is_contiguous())
        return self.net(x)


def test_reduced_precision_does_not_speak_against_a_layout():
    torch.manual_seed(0)
    net, images = Layouts().eval(), torch.randn(3, 3, 40, 40)
    with torch.no_grad(), torch.autocast('cpu', dtype=torch.bfloat16):
        plain, other = (
            net(images[:1].contiguous(memory_format=layout))
            for layout in (torch.contiguous_format, torch.channels_last)
        )
    assert abs(plain - other).max() > 1e-4 * plain.max()
    layouts.clear()
    result = measure_erf(net, images, ['net'], amp='bfloat16')['net']
    assert 'channels last' not in result.provenance['run_on']
    assert layouts and not any(layouts)


def test_a_layout_that_one_of_two_layers_needs():
    """One layer runs in a window; the other is told by its outputs alone.

    It reads strides beside a path that is followed: the layout is known.
    """
    torch.manual_seed(0)
    branch = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), RowsAdded())
    net = nn.Sequential(nn.AvgPool2d(2), branch).eval()
    image = torch.randn(1, 3, 163, 187)
    result = measure_erf(net, image, ['0', '1'])['1']
    expected = float64_map(net, image, result.unit)
    assert abs(result.map - expected).max() <= 1e-5 * expected.max()


@pytest.mark.parametrize('windowed', [False, True])
def test_where_a_measured_pass_agrees_one_forward_is_enough(windowed):
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()
    ).eval()
    images = torch.randn(2, 3, 192, 208)
    forward, runs = noted(net)
    target = None if windowed else dict(type='UnitGrid', rows=1, columns=1)
    found = measure_erf(net, images, ['2'], forward=forward, target=target)
    mode = found['2'].provenance['run_on']
    assert mode.startswith('window' if windowed else 'whole image')
    measured, compared = runs[-2:]
    assert measured[1:] == ('channels last', True)
    assert compared[1:] == ('plain', True)
    assert measured[0] == compared[0]
    assert (measured[0] == (192, 208)) is not windowed


def noted(net):
    """A forward, and what it was called with: size, layout, gradient."""
    runs = []

    def forward(x):
        layout = 'plain' if x.is_contiguous() else 'channels last'
        runs.append((tuple(x.shape[2:]), layout, torch.is_grad_enabled()))
        return net(x)

    return forward, runs


@pytest.mark.parametrize(
    ('options', 'count'),
    [
        (dict(attribution=dict(type='SmoothGrad', samples=2)), 2),
        # of the pass and of its check in bfloat16 two, of that in float32 one
        (dict(amp='bfloat16'), 5),
    ],
)
def test_outputs_of_other_images_or_precision_are_not_compared(
    options, count, monkeypatch
):
    """Both layouts are run then, once, and no third forward."""
    ran = calls_of(monkeypatch, layout, '_outputs')
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU()).eval()
    found = measure_erf(net, torch.randn(1, 3, 64, 72), ['1'], **options)
    assert 'channels last' not in found['1'].provenance['run_on']
    assert len(ran) == count


@pytest.mark.parametrize('size', [(72, 80), (150, 160)])
@pytest.mark.parametrize('count', [1, 8])
@pytest.mark.parametrize('most', [worth.MANY_NODES, 3])
def test_backward_code_of_a_models_own_keeps_the_plain_layout(
    size, count, most, monkeypatch
):
    """No forward shows what it makes of a gradient's memory."""
    monkeypatch.setattr(worth, 'MANY_NODES', most)
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        RawMemory(),
        nn.Conv2d(6, 6, 3, padding=1),
    ).eval()
    given = list(torch.randn(count, 3, *size).split(1))
    result = measure_erf(net, given, ['2'])['2']
    wanted = sum(float64_map(net, image) for image in given) / count
    assert abs(result.map - wanted).max() <= 1e-5 * wanted.max()
    if count == 1:
        way = result.provenance['run_on']
        assert 'not channels last: _Raw has backward code of its own' in way


@pytest.mark.parametrize('first', ['one colour', 'black', 'usual'])
@pytest.mark.parametrize('end', ['one value', 'zero', 'usual'])
def test_what_tells_nothing_of_a_layout_is_compared_again(first, end):
    """Some image of one colour, a map of one unit, a layer that is dead."""
    torch.manual_seed(0)
    last = nn.Conv2d(4, 4, 1)
    if end == 'zero':
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
    net = nn.Sequential(
        nn.MaxPool2d(2), RowsAdded(), nn.Conv2d(3, 4, 3, padding=1), last,
        nn.AdaptiveAvgPool2d(1) if end == 'one value' else nn.Identity(),
    ).eval()  # fmt: skip
    given = list(torch.randn(3, 3, 60, 72).split(1))
    if first != 'usual':
        given[0] = torch.full((1, 3, 60, 72), 0.3 * (first != 'black'))
    key = '4' if end == 'one value' else '2'
    layers = [dict(name=name, layout='NCHW') for name in ('2', '4')]
    result = measure_erf(net, given, layers)[key]
    part = net[: int(key) + 1]
    wanted = sum(float64_map(part, image) for image in given) / 3
    assert abs(result.map - wanted).max() <= 1e-5 * wanted.max()


def test_an_output_that_is_zero_tells_nothing_of_a_layout():
    """As that of a dim image, for which no unit is active."""
    torch.manual_seed(0)
    net = nn.Sequential(
        RowsAdded(), nn.Conv2d(3, 4, 3, padding=1), nn.ReLU()
    ).eval()
    nn.init.constant_(net[1].bias, -0.05)
    given = list(torch.randn(3, 3, 60, 72).split(1))
    given[0] = given[0] * 0.001
    layers = [dict(name='2', layout='NCHW')]
    result = measure_erf(net, given, layers)['2']
    wanted = sum(float64_map(net, image) for image in given) / 3
    assert abs(result.map - wanted).max() <= 1e-5 * wanted.max()


def test_a_window_is_compared_once_for_its_image_size(monkeypatch):
    compared = calls_of(monkeypatch, layout.Layout, 'disagrees')
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3)
    ).eval()
    images = list(torch.randn(4, 3, 160, 170).split(1))
    images += list(torch.randn(3, 3, 150, 180).split(1))
    result = measure_erf(net, images, ['2'])['2']
    assert result.provenance['run_on'].startswith('window')
    assert len(compared) == 2
