"""Pixels that do move an element against the Jacobian of one image."""

import pytest
import torch
from core.spans.test_tracer import CASES, SIZE, Run
from torch import nn

from mmerf.core.spans.tracer import SpanTracer

CONV = nn.Conv2d(2, 3, 3, padding=1)
FAR = nn.Conv2d(2, 3, (1, 3), padding=(0, 4), dilation=(1, 4))
MORE = {
    'relu': Run(lambda x, c, d: d(c(x)[:, :2].relu()), CONV, CONV),
    'max pool': Run(lambda x, p: p(x), nn.MaxPool2d(3, 2, 1)),
    'gate': Run(lambda x, c: c(x) * x.mean(3, keepdim=True)[:, :1], CONV),
    'clamp': Run(lambda x: x.clamp(-0.5, 0.5)),
    'where': Run(lambda x, c: torch.where(x[:, :1] > 0, c(x), x[:, :1]), CONV),
    'filled': Run(lambda x: x.masked_fill(x > 0.3, 0.0)),
    'power': Run(lambda x: x**3 / (1 + x**2)),
    'attention': Run(
        lambda x: nn.functional.scaled_dot_product_attention(x, x, x)
    ),
    'a kernel of the image': Run(
        lambda x: nn.functional.conv2d(x, x.mean(2)[0].T[..., None, None])
    ),
    'mask of a softmax': Run(
        lambda x: x.masked_fill(x > 0.3, -float('inf')).softmax(3)
    ),
}
# Nothing is claimed, or less than the Jacobian shows.
# A wider strip would have pixels where this one is padded across.
PADDED = 'cropped'
LESS = {'cumulated', 'fft', 'einsum', 'layer norm', 'attention'}


def moved_in(module, image, axis):
    """First and last place that moves each element; inf, -inf for none."""
    place = torch.arange(SIZE[axis], dtype=torch.float32)
    place = place.view((-1, 1) if axis == 0 else (1, -1))
    jacobian = torch.autograd.functional.jacobian(module, image)
    moves = jacobian != 0
    low = torch.where(moves, place, float('inf')).amin((-4, -3, -2, -1))
    high = torch.where(moves, place, -float('inf')).amax((-4, -3, -2, -1))
    return low, high


def followed(module, image, axis):
    module.requires_grad_(False)
    image = image.clone().requires_grad_()
    with SpanTracer(axis, False, moving=True) as tracer:
        tracer.start(image)
        out = module(image)
        numbers = tracer.memory.read(out)
    return -numbers[4], numbers[5]


@pytest.mark.parametrize(
    ('name', 'axis'),
    [
        (name, axis)
        for name in [*CASES, *MORE]
        for axis in (0, 1)
        if (name, axis) != (PADDED, 0)  # padded across
    ],
)
def test_what_is_said_to_move_an_element_does(name, axis):
    torch.manual_seed(1)
    module = {**CASES, **MORE}[name].double()
    image = torch.randn(1, 2, *SIZE, dtype=torch.float64)
    low, high = moved_in(module, image, axis)
    first, last = followed(module, image, axis)
    assert (first >= low).all() and (last <= high).all()
    if name not in LESS:
        assert torch.equal(first, low) and torch.equal(last, high)


class Straight(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, gradient):
        return torch.zeros_like(gradient)


@torch.no_grad()
def without(x):
    return FAR.double()(x)


@pytest.mark.parametrize(
    'function',
    [
        lambda x: FAR.double()(x.clone()).detach(),
        lambda x: FAR.double()(x.data),
        without,
        lambda x: Straight.apply(FAR.double()(x)),
        lambda x: FAR.double()(x).sign(),
        lambda x: FAR.double()(x).round(),
        lambda x: FAR.double()(x) * 0,
        lambda x: FAR.double()(x)[:, :1].softmax(1),
        lambda x: nn.functional.scaled_dot_product_attention(
            x, x, x, is_causal=True
        ),
    ],
)
def test_what_passes_no_gradient_on_moves_nothing(function):
    image = torch.randn(1, 2, *SIZE, dtype=torch.float64)
    first, last = followed(Run(function), image, 1)
    assert (first == float('inf')).all() and (last == -float('inf')).all()


def test_what_is_read_beside_the_graph_takes_nothing_from_it():
    """A copy, ``data`` or ``detach`` of a tensor that is used on."""
    torch.manual_seed(0)
    image = torch.randn(1, 2, *SIZE, dtype=torch.float64)

    def near(x):
        x = CONV.double()(x)
        return x + FAR.double()(x[:, :2].data).mean() + x.detach().mean()

    first, last = followed(Run(near), image, 1)
    low, high = moved_in(Run(near), image, 1)
    assert torch.equal(first, low) and torch.equal(last, high)


def test_a_kernel_with_zeros_claims_nothing():
    kernel = torch.tensor([1.0, 0, 1, 0, 0], dtype=torch.float64)

    def smooth(x):
        return nn.functional.conv2d(x[:, :1], kernel.view(1, 1, 1, 5))

    image = torch.randn(1, 2, *SIZE, dtype=torch.float64)
    first, last = followed(Run(smooth), image, 1)
    assert (first == float('inf')).all() and (last == -float('inf')).all()
