"""Sparse backward passes against ordinary ones, operation by operation."""

import pytest
import torch
from helpers.slow_reference import centre_score, float64_map, slow_map
from torch import nn
from torch.nn import functional

from mmerf import measure_erf
from mmerf.core.gradient.box_tensor import (
    BoxTensor,
    NotPlainError,
    to_plain,
)
from mmerf.core.gradient.sparse_backward import SparseBackward


def gradients(run, image, unit):
    leaf = image.clone().requires_grad_()
    score = run(leaf)[:, :, unit[0], unit[1]].sum()
    (expected,) = torch.autograd.grad(score, leaf, retain_graph=True)
    with SparseBackward():
        (found,) = torch.autograd.grad(score, leaf)
    return found, expected


def conv(channels, kernel, **options):
    torch.manual_seed(channels + kernel)
    return nn.Conv2d(3, channels, kernel, **options).requires_grad_(False)


CASES = {
    'stride': [conv(3, 3, stride=2, padding=1), conv(3, 5, stride=3)],
    'dilation': [conv(3, 3, dilation=4, padding=4), conv(6, 3, padding=1)],
    'uneven': [nn.Conv2d(3, 3, (1, 5), (1, 2), (0, 2)).requires_grad_(False)],
    'groups': [conv(3, 3, padding=1, groups=3)],
    'max pool': [nn.MaxPool2d(3, 2, 1), conv(3, 3, padding=1)],
    'max pool, ceil': [nn.MaxPool2d(2, 2, ceil_mode=True), conv(3, 3)],
    'batch norm': [
        conv(3, 3, padding=1),
        nn.BatchNorm2d(3).eval().requires_grad_(False),
        nn.ReLU(),
        conv(3, 3, padding=1),
    ],
    'bilinear': [conv(3, 3), nn.Upsample((60, 71), mode='bilinear')],
    'aligned': [
        conv(3, 3, stride=2),
        nn.Upsample(scale_factor=3, mode='bilinear', align_corners=True),
        conv(3, 3),
    ],
    'scale': [conv(3, 3), nn.Upsample(scale_factor=1.7, mode='bilinear')],
    'smaller': [nn.Upsample((13, 20), mode='bilinear'), conv(3, 3)],
    'bicubic': [conv(3, 3), nn.Upsample(scale_factor=2, mode='bicubic')],
    'nearest': [conv(3, 3), nn.Upsample(scale_factor=2.5), conv(3, 3)],
    'exact': [conv(3, 3), nn.Upsample((50, 77), mode='nearest-exact')],
    'unknown operations': [
        conv(3, 3, padding=1),
        nn.AvgPool2d(2),
        nn.Upsample(scale_factor=2, mode='bicubic'),
        conv(3, 3, padding=1),
    ],
}


@pytest.mark.parametrize('unit', [(0, 0), (5, 6), (-1, -1)])
@pytest.mark.parametrize('name', CASES)
def test_equals_the_plain_pass(name, unit):
    net = nn.Sequential(*CASES[name])
    image = torch.randn(2, 3, 41, 50)
    for memory_format_of in (torch.contiguous_format, torch.channels_last):
        laid = image.contiguous(memory_format=memory_format_of)
        found, expected = gradients(net, laid, unit)
        assert expected.any()
        torch.testing.assert_close(to_plain(found), expected)


@pytest.mark.parametrize(
    'name',
    ['bilinear', 'aligned', 'scale', 'smaller', 'bicubic', 'nearest', 'exact'],
)
def test_interpolation_keeps_the_box(name):
    image = torch.randn(1, 3, 41, 50)
    found, expected = gradients(nn.Sequential(*CASES[name]), image, (5, 6))
    assert isinstance(found, BoxTensor) and expected.any()
    rows = expected.any(3).any(1).nonzero()[:, 1]
    columns = expected.any(2).any(1).nonzero()[:, 1]
    top, bottom, left, right = found.box
    assert top <= rows.min() and rows.max() < bottom <= rows.max() + 3
    assert left <= columns.min() and columns.max() < right < 26


def test_batch_norm_of_one_image_whose_gradient_comes_from_tokens():
    """Plain autograd is wrong here with torch 2.13; it must not matter."""
    norm = nn.BatchNorm2d(8).eval().requires_grad_(False)
    nn.init.uniform_(norm.weight, 0.5, 2)
    weights = torch.randn(1, 100, 8)

    def run(x):
        tokens = norm(x).flatten(2).transpose(1, 2)
        return (tokens * weights).transpose(1, 2).view(1, 8, 10, 10)

    image = torch.randn(1, 8, 10, 10)
    leaf = image.clone().requires_grad_()
    score = run(leaf).sum()
    with SparseBackward():
        (found,) = torch.autograd.grad(score, leaf)
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    expected = weights.transpose(1, 2).view(1, 8, 10, 10)
    expected = expected * scale[None, :, None, None]
    torch.testing.assert_close(to_plain(found), expected)


def test_works_where_the_gradient_is_alone():
    net = nn.Sequential(conv(3, 3, padding=1), nn.ReLU(), conv(8, 3))
    found, _ = gradients(net, torch.randn(1, 3, 64, 64), (20, 30))
    assert isinstance(found, BoxTensor)
    assert found.inside.shape == (1, 3, 5, 5)
    assert found.box == (19, 24, 29, 34)


def test_sums_of_branches():
    one, other = conv(3, 3, padding=1), conv(3, 7, padding=3)

    def run(x):
        x = one(x)
        y = torch.cat([x, other(x) * 0.5, x / 3], 1)
        return y[:, :3] + y[:, 3:6] - y[:, 6:] * x.mean(1, keepdim=True)

    found, expected = gradients(run, torch.randn(1, 3, 40, 40), (9, 30))
    torch.testing.assert_close(to_plain(found), expected)


def test_a_gradient_that_reaches_only_padding_is_zero():
    net = nn.Conv2d(3, 2, 1, padding=3).requires_grad_(False)
    found, expected = gradients(net, torch.randn(1, 3, 20, 20), (0, 0))
    assert not expected.any()
    assert torch.equal(to_plain(found), expected)


def test_a_wide_gradient_is_no_box_tensor():
    net = nn.Sequential(conv(3, 3, padding=1), conv(3, 9, padding=4))
    found, expected = gradients(net, torch.randn(1, 3, 11, 11), (5, 5))
    assert not isinstance(found, BoxTensor)
    torch.testing.assert_close(found, expected)


class Cube(torch.autograd.Function):
    """Backward code that looks into memory, as compiled operators do."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        assert gradient.data_ptr()  # 0 of a tensor without memory
        return 3 * x**2 * gradient


def test_models_with_their_own_backward_code_fall_back_to_autograd():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = conv(3, 3, padding=1), conv(4, 3)

        def forward(self, x):
            return self.last(functional.relu(Cube.apply(self.first(x))))

    net = nn.Sequential(Net())
    images = torch.randn(3, 3, 30, 30)
    result = measure_erf(net, images, ['0'], batch_size=1)['0']
    expected = slow_map(images, lambda x: centre_score(net(x)))
    assert abs(result.map - expected).max() <= 1e-6 * expected.max()
    assert 'ordinary autograd: ' in result.provenance['run_on']


class TutorialReLU(torch.autograd.Function):
    """The custom function of PyTorch's own tutorial: it edits its gradient."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        gradient = gradient.clone()
        gradient[x < 0] = 0
        return gradient


class Applied(nn.Module):
    def forward(self, x):
        return TutorialReLU.apply(x)


class Hooked(nn.Module):
    """A tensor hook that changes the gradient in place."""

    def forward(self, x):
        x = x * 1.0
        if x.requires_grad:
            x.register_hook(lambda gradient: gradient.mul_(0.5))
        return x


@pytest.mark.parametrize('kind', [Applied, Hooked])
def test_gradients_that_are_changed_in_place_are_plain(kind):
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), kind(),
        nn.Conv2d(8, 8, 3, padding=1), kind(), nn.Conv2d(8, 8, 3, padding=1),
    ).eval()  # fmt: skip
    images = torch.randn(2, 3, 64, 64)
    result = measure_erf(net, images, ['4'], batch_size=1)['4']
    expected = float64_map(net, images, result.unit)
    assert abs(result.map - expected).max() <= 1e-5 * expected.max()


def test_no_operation_changes_a_box_tensor_in_place():
    """Every aten operation with a mutable argument, by its schema."""
    boxed = BoxTensor(torch.ones(1, 1, 2, 2), (0, 2, 0, 2), (1, 1, 8, 8))
    count = 0
    for name in torch._C._dispatch_get_all_op_names():
        namespace, _, rest = name.partition('::')
        packet, _, overload = rest.partition('.')
        if namespace != 'aten':
            continue
        try:
            func = getattr(
                getattr(torch.ops.aten, packet), overload or 'default'
            )
        except AttributeError:
            continue
        if func._schema.is_mutable:
            count += 1
            with pytest.raises(NotPlainError, match='in place'):
                BoxTensor.__torch_dispatch__(func, (), (boxed,))
    assert count > 500
    assert bool((boxed.whole()[:, :, :2, :2] == 1).all())


class Recurrence(nn.Module):
    """One small operation after another over the image's columns."""

    def __init__(self, steps):
        super().__init__()
        self.steps = steps

    def forward(self, x):
        state = x[..., :1]
        for step in range(self.steps):
            state = 0.9 * state + x[..., step % x.shape[-1]][..., None]
        return x + state


@pytest.mark.parametrize(('steps', 'plain'), [(300, False), (2000, True)])
def test_a_recurrence_is_left_to_autograd(steps, plain):
    image = torch.randn(1, 3, 12, 12)
    result = measure_erf(Recurrence(steps).eval(), image, ['.'])['.']
    run_on = result.provenance['run_on']
    assert ('more than 5,000 operations' in run_on) == plain


PICKS = {
    'a unit': lambda x: x[:, :, 20, 31],
    'a unit from the end': lambda x: x[:, :, -3, -1],
    'a row, then a column': lambda x: x[:, :, 4][..., 38],
    'rows': lambda x: x[:, :, 5:9],
    'rows from before the first': lambda x: x[:, :, -900:3],
    'columns up to beyond the last': lambda x: x[..., 36:900],
    'a box': lambda x: x[:, :, 5:9, -4:-2],
    'every second row': lambda x: x[:, :, 3:9:2],
    'channels of a box': lambda x: x[:, :, 5:9, 30:33][:, 2:5],
    'a unit of a box of channels': lambda x: x[:, 1:4, 5:9, 30:33][:, :, 1, 2],
    'one channel, then a unit': lambda x: x[:, 2][:, 20, 31],
    'one image, then a unit': lambda x: x[1][:, 20, 31],
    'images': lambda x: x[1:, :, 5:9],
    'nothing': lambda x: x[:, :, 7:7],
    'nothing, beyond the last': lambda x: x[:, :, 900:],
}


@pytest.mark.parametrize('pick', PICKS.values(), ids=PICKS)
def test_a_part_that_is_picked(pick):
    net = conv(3, 3, padding=1)
    leaf = torch.randn(2, 3, 40, 40, requires_grad=True)

    def gradient():
        score = (pick(net(leaf)) ** 2).sum()
        return torch.autograd.grad(score, leaf)[0]

    with SparseBackward():
        found = gradient()
    torch.testing.assert_close(to_plain(found), gradient())


def test_of_a_unit_the_gradient_is_a_box():
    grid = torch.randn(1, 6, 40, 40, requires_grad=True)
    with SparseBackward():
        (found,) = torch.autograd.grad(grid[:, :, 20, 31].sum(), grid)
    assert found.box == (20, 21, 31, 32)
    with SparseBackward():
        (found,) = torch.autograd.grad(grid[:, 2][:, 20, 31].sum(), grid)
    assert found.box == (20, 21, 31, 32)
    with SparseBackward():
        (found,) = torch.autograd.grad(grid[:, 2:4, 5:9, 30:33].sum(), grid)
    assert found.box == (5, 9, 30, 33)
    assert to_plain(found).sum() == 24


class PlusMean(nn.Module):
    """Each place depends on all."""

    def forward(self, x):
        return x + x.mean((2, 3), keepdim=True)


def test_what_is_gained_counts_work():
    """Of a light and a heavy convolution, the latter's zeros are skipped."""
    light, heavy = conv(8, 1), nn.Conv2d(8, 8, 3, padding=1)
    net = nn.Sequential(light, PlusMean(), heavy.requires_grad_(False))
    image = torch.randn(1, 3, 40, 40, requires_grad=True)
    score = net(image)[:, :, 20, 20].sum()
    with SparseBackward() as mode:
        torch.autograd.grad(score, image)
    assert 0.9 < mode.gain < 1
