"""Fields with gaps, and units that few images reach."""

import pytest
import torch
from torch import nn

from mmerf.core.layers.names import find_layers
from mmerf.core.theory.closed_form import theoretical_field
from mmerf.core.theory.search import structural_support


def theory_of_chain(chain, size=(200, 220), channels=4):
    """What is found of the last of a chain of convolutions."""
    layers, before = [], 3
    for kernel, stride, dilation, padding in chain:
        layers.append(
            nn.Conv2d(before, channels, kernel, stride, padding, dilation)
        )
        before = channels
    return search(nn.Sequential(*layers).eval(), size)


def search(net, size=(200, 220), layers=None):
    names = layers or [str(len(net) - 1)]
    return structural_support(
        net,
        find_layers(net, names),
        lambda copy: lambda images, positions: copy(images),
        size,
    )


def strided(times, kernel, dilation):
    """Strided convolutions, then a dilated one."""
    padding = (kernel - 1) * dilation // 2
    return [(3, 2, 1, 1)] * times + [(kernel, 1, dilation, padding)]


@pytest.mark.parametrize(
    ('times', 'dilation', 'kernel'),
    [
        (3, 18, 3), (3, 24, 3), (4, 12, 3), (2, 48, 3),  # of the report
        (0, 48, 7), (0, 33, 2), (0, 47, 4), (1, 40, 5), (1, 7, 6),
        (2, 31, 2), (3, 48, 7), (4, 5, 7), (5, 12, 3), (5, 48, 3),
    ],
)  # fmt: skip
def test_strides_and_dilations_agree_with_the_closed_form(
    times, dilation, kernel
):
    torch.manual_seed(dilation)
    chain = strided(times, kernel, dilation)
    side, stride, _ = theoretical_field(chain)
    theory = theory_of_chain(chain)
    (found,) = theory.fields.values()
    assert found.size == (side, side) and found.phase == 'any unit'
    assert found.stride == (stride, stride) and theory.reasons == {}


@pytest.mark.parametrize('channels', [1, 2, 3])
def test_max_pools_of_few_channels_are_right_or_bounds(channels):
    """One random image may never choose an outer tap as the maximum."""
    known = 0
    for seed in range(4):
        torch.manual_seed(seed)
        layers, chain = [], []
        for before in (3, channels, channels):
            layers += [
                nn.Conv2d(before, channels, 3, padding=1),
                nn.ReLU(),
                nn.MaxPool2d(3, 2, 1),
            ]
            chain += [(3, 1, 1, 1), (3, 2, 1, 1)]
        side, *_ = theoretical_field(chain)
        theory = search(nn.Sequential(*layers).eval(), (64, 64))
        if '8' not in theory.fields:
            assert theory.why('8')
            continue
        found = theory.fields['8']
        for extent in (found.y, found.x):
            if extent.kind == 'box':
                assert extent.size == side
            else:
                assert extent.kind == 'at least' and extent.size <= side
        known += found.size is not None
        assert (found.size is None) == ('8' in theory.reasons)
    assert known >= 1


def test_channels_that_are_off_are_no_smaller_box():
    """The outer taps pass through a ReLU that no image switches on."""

    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.on = nn.Conv2d(3, 4, 1)
            self.off = nn.Conv2d(3, 4, (1, 3), 1, (0, 9), (1, 9))
            nn.init.constant_(self.off.bias, -1e12)

        def forward(self, x):
            return self.on(x) + self.off(x).relu()

    theory = search(nn.Sequential(Branches()), (64, 64))
    found = theory.fields['0']
    assert found.y.kind == 'box' and found.y.size == 1
    assert found.x.kind == 'at least' and found.x.size == 1
    assert 'allow 19 px' in theory.why('0')


def test_a_branch_beside_a_narrow_strip_is_not_forgotten():
    """An even kernel has no tap within 16 px; the branch beside it has."""

    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.near = nn.Conv2d(3, 4, 3, padding=1)
            self.far = nn.Conv2d(3, 4, 2, 1, 20, 40)

        def forward(self, x):
            return self.near(x) + self.far(x)

    net = nn.Sequential(Branches())
    (found,) = search(net).fields.values()
    assert found.size == (41, 41)


def test_a_mean_over_the_whole_is_global_however_it_is_written():
    class Mean(nn.Module):
        def forward(self, x):
            return x + nn.functional.avg_pool2d(x, x.shape[2:])

    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), Mean())
    (found,) = search(net).fields.values()
    assert str(found) == 'global'


def test_a_chain_wider_than_1056_px_is_not_global():
    """Dense: it fills strips of 256 and 1056 px, and ends beyond."""
    chain = [(3, 2, 1, 1)] * 3 + [(9, 1, 1, 4)] * 18
    side, *_ = theoretical_field(chain)
    assert side == 1167
    (found,) = theory_of_chain(chain).fields.values()
    assert found.size == (side, side)


def test_a_batch_norm_behind_tokens_is_no_wider_than_its_operations():
    """torch 2.13 computes a wrong gradient of it for a batch of one."""

    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm2d(4)
            self.linear = nn.Linear(4, 4)

        def forward(self, x):
            size = x.shape[2:]
            x = self.linear(self.norm(x).flatten(2).transpose(1, 2))
            return x.transpose(1, 2).unflatten(2, size)

    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), Tokens(), nn.Conv2d(4, 4, 3, padding=1)
    )
    (found,) = search(net).fields.values()
    assert found.size == (5, 5)


def test_operations_that_are_not_followed_give_a_bound():
    class Sampled(nn.Module):
        def forward(self, x):
            places = nn.functional.affine_grid(
                torch.eye(2, 3)[None].to(x).repeat(len(x), 1, 1), x.shape
            )
            return nn.functional.grid_sample(x, places)

    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), Sampled())
    theory = search(net, (64, 64))
    assert theory.fields['1'].y.kind == 'at least'
    assert 'grid_sampler' in theory.why('1')


def test_units_that_differ_from_their_neighbours_are_seen():
    """Of an upsampling by 2, units two apart agree and neighbours do not."""
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.Conv2d(4, 4, 2, 2),
        nn.Upsample(scale_factor=2),
    )
    (found,) = search(net).fields.values()
    assert found.phase == 'this unit' and found.size == (4, 4)


def test_a_field_that_depends_on_the_images_size_is_that_of_the_image():
    """Bins of a quarter of the image; the measured unit's is the last."""
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.AdaptiveAvgPool2d(2))
    (found,) = search(net, (64, 96)).fields.values()
    assert found.size == (32, 48) and found.phase == 'this unit'


class Windows(nn.Module):
    """Adds the mean of every window along both axes."""

    def __init__(self, side, first):
        super().__init__()
        self.side, self.first = side, first

    def forward(self, x):
        size = x.shape[2:]
        ends = [-(n + self.first) % self.side for n in size]
        pad = (self.first, ends[1], self.first, ends[0])
        rows, columns = (
            (n + self.first + end) // self.side
            for n, end in zip(size, ends, strict=True)
        )
        windows = nn.functional.pad(x, pad).unflatten(3, (columns, -1))
        windows = windows.unflatten(2, (rows, -1))
        mean = windows.mean((3, 5), keepdim=True).expand_as(windows)
        mean = mean.flatten(4).flatten(2, 3)
        a, b = self.first, self.first
        return x + mean[:, :, a : a + size[0], b : b + size[1]]


def window_field(unit, length, windows):
    """First and last pixel, by window arithmetic; windows last to first."""
    low = high = unit
    for side, first in windows:
        low = (low + first) // side * side - first
        high = (high + first) // side * side - first + side - 1
        low, high = max(low, 0), min(high, length - 1)
    return low, high


@pytest.mark.parametrize('size', [(64, 2400), (640, 80)])
@pytest.mark.parametrize('last', [False, True])
def test_windows_whose_field_fills_every_strip_are_not_global(size, last):
    """A chain of them joins 1056 px in many steps, and ends beyond."""
    torch.manual_seed(0)
    sides = [(224, 112), (224, 0)] * 3
    net = nn.Sequential(
        nn.Conv2d(3, 4, 1), *(Windows(*side) for side in sides)
    )
    if last:
        net.append(nn.AdaptiveAvgPool2d(1))
    theory = search(net, size)
    (found,) = theory.fields.values()
    if last:
        assert str(found) == 'global'
        return
    assert found.phase == 'this unit' and not theory.reasons
    for extent, length in zip((found.y, found.x), size, strict=True):
        low, high = window_field(length // 2, length, sides[::-1])
        assert (extent.kind, extent.size) == ('box', high - low + 1)
        assert extent.before == low - length // 2


def test_an_unknown_operation_is_never_global():
    """Its gradients fill every strip, and its field ends at 4097 px."""

    class Sampled(nn.Module):
        def forward(self, x):
            places = nn.functional.affine_grid(
                torch.eye(2, 3)[None].to(x).repeat(len(x), 1, 1), x.shape
            )
            return nn.functional.grid_sample(x, places)

    chain = [nn.Conv2d(4, 4, 3, 1, d, d) for d in (1, 2, 4, 8, 16, 32)]
    chain += [nn.Conv2d(4, 4, 9, 1, 128, 32) for _ in range(5)]
    net = nn.Sequential(nn.Conv2d(3, 4, 1), Sampled(), *chain)
    theory = search(net, (64, 96))
    (found,) = theory.fields.values()
    for extent, length in zip((found.y, found.x), (64, 96), strict=True):
        assert extent.kind in ('box', 'at least')
        assert extent.size <= length
    assert found.phase == 'this unit'
