"""Models that do something else with a part of an image."""

import pytest
import torch
from helpers.slow_reference import float64_map
from torch import nn
from torch.nn import functional

from mmerf import measure_erf
from mmerf.core.windows.confirm import OTHER_OPERATIONS
from mmerf.core.windows.outline import OutlinedForward


def wide_if_large(x):
    """A strip of 64 px takes the other way."""
    if min(x.shape[2:]) > 64:
        x = x + (2 * functional.avg_pool2d(x, 15, 1, 7) - 1.5).relu()
    return x


def wide_but_in_a_window(x):
    """Strips and the whole image go one way, a window the other."""
    if x.shape[2] * x.shape[3] > 5000:
        x = x + (2 * functional.avg_pool2d(x, 3, 1, 1) - 1.5).relu()
    return x


def scaled_gradient(x):
    share = (x.shape[2] * x.shape[3]) ** -0.5
    return x * share + (x * (1 - share)).detach()


def detached_if_large(x):
    return x.detach() * 0.9 + x * 0.1 if x.shape[3] > 100 else x


def swapped_if_large(x):
    one, other = x * 2, x * -2
    if x.shape[3] > 100:
        one, other = other, one
    return one + (other - 3).relu()


def shifted_by_size(x):
    return x + (x - x.shape[3] / 100).relu()


def weighed_by_size(x):
    return torch.add(x, (x - 3).relu(), alpha=x.shape[3] / 100)


def smoothed_by_size(x):
    wide = 2 * (x.shape[3] // 100) + 1
    return (
        x
        + (
            functional.avg_pool3d(x, (1, 1, wide), 1, (0, 0, wide // 2)) - 3
        ).relu()
    )


def a_constant_of_size(x):
    return x + (x - torch.tensor(x.shape[3] / 100)).relu()


def filled_by_size(x):
    return x + (x - torch.full((1, 1, 1, 1), x.shape[3] // 100)).relu()


def in_tiles(x):
    rows = [part * 1.1 for part in x.split(64, 2)]
    return torch.cat(rows, 2)


KINDS = [
    wide_if_large, wide_but_in_a_window, scaled_gradient, detached_if_large,
    shifted_by_size, swapped_if_large, a_constant_of_size, filled_by_size,
    weighed_by_size, smoothed_by_size,
]  # fmt: skip


class Between(nn.Module):
    """Two convolutions, and something between them."""

    def __init__(self, inner, apart=1):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.inner = inner
        self.last = nn.Conv2d(8, 8, 3, padding=apart, dilation=apart)

    def forward(self, x):
        return self.last(functional.gelu(self.inner(self.first(x).relu())))


@pytest.mark.parametrize(
    ('kind', 'apart'), [*((kind, 1) for kind in KINDS), (wide_if_large, 36)]
)
def test_what_depends_on_the_size_takes_the_whole_image(kind, apart):
    """The first image is dark: what a size decides is asleep there.

    A window of a field that is 72 px wide goes the way of the whole image;
    strips do not.
    """
    net = Between(kind, apart).eval()
    images = torch.randn(4, 3, 192, 256) * torch.tensor(
        [0.05, 1.0, 4.0, 12.0]
    ).view(-1, 1, 1, 1)
    result = measure_erf(net, images, ['last'], batch_size=1)['last']
    wanted = float64_map(net, images, result.unit)
    assert abs(result.map - wanted).max() <= 1e-4 * wanted.max()
    assert OTHER_OPERATIONS in result.provenance['run_on']


class Cut(nn.Module):
    """Pads to a multiple of a size, and cuts; looks at a size, and no more."""

    def forward(self, x):
        height, width = x.shape[2:]
        more = -height % 32, -width % 32
        if any(more):
            x = functional.pad(x, (0, more[1], 0, more[0]))
        x = x + torch.zeros(x.shape[2]).sum()
        return (x.reshape(x.shape) * 2)[:, :, :height, :width]


def test_a_part_may_be_padded_and_cut_to_another_size():
    net, images = Between(Cut()).eval(), torch.randn(3, 3, 160, 171)
    result = measure_erf(net, images, ['last'])['last']
    wanted = float64_map(net, images, result.unit)
    assert abs(result.map - wanted).max() <= 1e-5 * wanted.max()
    assert result.provenance['run_on'].startswith('window')


def test_steps_are_those_of_the_latest_forward():
    steps = []
    net = Between(in_tiles)
    run = OutlinedForward(net, lambda x, _: net(x))
    for height in (64, 128, 64):
        run(torch.rand(1, 3, height, 20), [0])
        steps.append([name for name, *_ in run.steps])
    assert steps[0] == steps[2]
    assert steps[1].count('mul') == 2 == steps[0].count('mul') + 1


def changed_in_place(x):
    turned = x.permute(0, 1, 3, 2)
    y = x * 2
    y.add_(1)
    return y.relu() + turned.contiguous()


def test_a_step_says_what_made_what_it_is_given():
    run = OutlinedForward(nn.ReLU(), lambda x, _: changed_in_place(x))
    run(torch.rand(1, 3, 8, 8), [0])
    image = -1
    assert run.steps == [
        ('permute', 0, 1, 3, 2, image),
        ('mul', 2, image),
        ('add', 1, 1),
        ('relu', 2),
        ('add', 3, image),
    ]
