"""Nets that look local on a crop and are not, against autograd in float64."""

import copy

import numpy as np
import pytest
import torch
from helpers.slow_reference import float64_map
from torch import nn
from torch.nn import functional

from mmerf import measure_erf
from mmerf.core.grid.coordinates import even_grid
from mmerf.core.layers.names import find_layers
from mmerf.core.running.layer_scores import LayerScores
from mmerf.core.running.probes import Recorder
from mmerf.core.targets.base import TargetContext
from mmerf.core.windows.confirm import UnitValues, unconfirmed
from mmerf.core.windows.outline import OutlinedForward
from mmerf.core.windows.window import UnitPlace, Window


def listed(net):
    return OutlinedForward(net, lambda x, _: net(x))


def strided(channels):
    return [nn.Conv2d(channels, 8, 3, 2, 1), nn.ReLU()]


class Skips(nn.Module):
    """Upsamples to the sizes of its skips, as FPN and UPerNet do."""

    def __init__(self, mode):
        super().__init__()
        self.mode = mode
        self.first = nn.Conv2d(3, 8, 3, 2, 1)
        self.second = nn.Conv2d(8, 8, 3, 2, 1)
        self.third = nn.Conv2d(8, 8, 3, 2, 1)
        self.out = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x):
        one = self.first(x).relu()
        two = self.second(one).relu()
        three = self.third(two).relu()
        for skip in (two, one):
            three = skip + functional.interpolate(
                three, skip.shape[2:], mode=self.mode
            )
        return self.out(three)


class AlignedUNet(nn.Module):
    """Two levels, upsampled with aligned corners."""

    def __init__(self):
        super().__init__()
        self.down = nn.Conv2d(3, 8, 3, padding=1)
        self.deep = nn.Conv2d(8, 8, 3, padding=1)
        self.out = nn.Conv2d(16, 4, 3, padding=1)

    def forward(self, x):
        one = self.down(x).relu()
        two = self.deep(functional.max_pool2d(one, 2)).relu()
        wide = functional.interpolate(
            two, scale_factor=2, mode='bilinear', align_corners=True
        )
        return self.out(torch.cat([one, wide], 1))


class OverMaximum(nn.Module):
    def __init__(self, detached):
        super().__init__()
        self.detached = detached
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.out = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x):
        most = x.abs().amax((1, 2, 3), True)
        x = x / (most.detach() if self.detached else most)
        return self.out(self.first(x).relu())


class Position(nn.Module):
    """An interpolated position embedding before a non-linearity."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, 4)
        self.table = nn.Parameter(torch.randn(1, 8, 14, 14))

    def forward(self, x):
        x = self.patches(x)
        size = x.shape[2:]
        return functional.gelu(
            x + functional.interpolate(self.table, size, mode='bicubic')
        )


class Coordinates(nn.Module):
    """Coordinates as channels, under a bias that dwarfs them."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(5, 8, 3, padding=1)
        self.out = nn.Conv2d(8, 8, 3, padding=1)
        nn.init.constant_(self.out.bias, 1000.0)

    def forward(self, x):
        h, w = x.shape[2:]
        y = torch.linspace(-1, 1, h).to(x).view(1, 1, h, 1)
        z = torch.linspace(-1, 1, w).to(x).view(1, 1, 1, w)
        both = [v.expand(len(x), 1, h, w) for v in (y, z)]
        return self.out(self.first(torch.cat([x, *both], 1)).relu())


class Halved(nn.Module):
    """Halves images that are large."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 5, padding=2)

    def forward(self, x):
        if x.shape[2] > 100:
            x = functional.avg_pool2d(x, 2)
        return self.conv(x)


class Table(nn.Module):
    """Makes its table of positions at the first size that it sees."""

    def __init__(self):
        super().__init__()
        self.patches, self.table = nn.Conv2d(3, 8, 4, 4), None

    def forward(self, x):
        x = self.patches(x)
        if self.table is None:
            h, w = x.shape[2:]
            noise = torch.arange(8.0 * h * w).sin().to(x) * 3
            self.table = noise.view(1, 8, h, w)
        size = x.shape[2:]
        return functional.gelu(
            x + functional.interpolate(self.table, size, mode='bicubic')
        )


class Calibrated(nn.Module):
    """Takes its range from its first call, as observers do."""

    def __init__(self):
        super().__init__()
        self.conv, self.range = nn.Conv2d(3, 8, 5, 1, 2), None

    def forward(self, x):
        if self.range is None:
            self.range = float(x.abs().max())
        return self.conv(functional.hardtanh(2 * x / self.range))


def gap(rate):
    return nn.Sequential(
        *strided(3), *strided(8), *strided(8),
        nn.Conv2d(8, 8, 3, padding=rate, dilation=rate),
    )  # fmt: skip


CASES = {
    'field with a gap': (lambda: gap(18), (512, 512), None),
    'gap from the image itself': (
        lambda: nn.Conv2d(3, 8, 3, padding=70, dilation=70),
        (300, 300),
        None,
    ),
    'nearest to a skip': (lambda: Skips('nearest'), (257, 321), None),
    'bilinear to a skip': (lambda: Skips('bilinear'), (257, 321), None),
    'aligned corners': (AlignedUNet, (256, 256), None),
    'aligned corners, off the centre': (AlignedUNet, (256, 256), (40, 200)),
    'over its maximum': (lambda: OverMaximum(False), (160, 192), None),
    'over its maximum, detached': (
        lambda: OverMaximum(True),
        (160, 192),
        None,
    ),
    'position embedding': (Position, (256, 256), None),
    'coordinates under a bias': (Coordinates, (160, 160), None),
    'a table made lazily': (Table, (256, 256), None),
    'calibrated by its first call': (Calibrated, (256, 256), None),
    'halved when large': (Halved, (256, 256), None),
}


@pytest.mark.parametrize('seed', range(2))
@pytest.mark.parametrize('name', CASES)
def test_the_map_is_that_of_autograd(name, seed):
    make, size, unit = CASES[name]
    torch.manual_seed(seed)
    net = nn.Sequential(make()).eval()
    fresh = copy.deepcopy(net)
    image = torch.randn(1, 3, *size)
    target = None
    if unit is not None:
        target = dict(type='Unit', y=unit[0], x=unit[1])
    result = measure_erf(net, image, ['0'], target=target)['0']
    expected = float64_map(fresh, image, result.unit)
    assert abs(result.map - expected).max() <= 1e-4 * expected.max()


class Median(nn.Module):
    """Fills in what lies below the median of the whole image."""

    def __init__(self):
        super().__init__()
        self.mix = nn.Conv2d(3, 6, 3, padding=1)

    def forward(self, x):
        x = self.mix(x)
        middle = x.detach().flatten(1).median(1).values.view(-1, 1, 1, 1)
        return x.masked_fill(x < middle, 0.1)


class Mean(Median):
    """Passes on what lies above the mean of its channel."""

    def forward(self, x):
        x = self.mix(x)
        return torch.where(x > x.mean((2, 3), True).detach(), x, 0.1 * x)


@pytest.mark.parametrize(
    ('kind', 'seed'), [(Median, 5), (Mean, 5), (Mean, 10)]
)
def test_what_a_statistic_of_the_image_decides(kind, seed):
    """In these nets a noisy image decides as its crop does; this one not."""
    torch.manual_seed(seed)
    net = nn.Sequential(nn.AvgPool2d(2), kind()).eval()
    images = torch.randn(2, 3, 160, 160)
    result = measure_erf(net, images, ['1'])['1']
    expected = float64_map(net, images, result.unit)
    assert abs(result.map - expected).max() <= 1e-4 * expected.max()


def test_what_is_local_still_runs_in_a_window():
    torch.manual_seed(0)
    net = nn.Sequential(*strided(3), *strided(8), nn.Conv2d(8, 8, 3)).eval()
    image = torch.randn(1, 3, 300, 420)
    result = measure_erf(net, image, ['4'])['4']
    assert result.provenance['run_on'].startswith('window')
    expected = float64_map(net, image, result.unit)
    assert abs(result.map - expected).max() <= 1e-5 * expected.max()


def test_every_size_is_confirmed_for_itself():
    """Sizes that divide confirm nothing for those that do not."""
    torch.manual_seed(0)
    net = nn.Sequential(Skips('bilinear')).eval()
    images = [torch.randn(1, 3, 256, 320), torch.randn(1, 3, 257, 321)]
    for image in (*images, *images[::-1]):
        result = measure_erf(net, [image], ['0'])['0']
        expected = float64_map(net, image, result.unit)
        assert abs(result.map - expected).max() <= 1e-4 * expected.max()
    both = measure_erf(net, images, ['0'])['0']
    assert both.num_images == 2


class TableFirst(nn.Module):
    """Makes a table at the first size, before the layer that is local."""

    def __init__(self):
        super().__init__()
        self.local, self.table = nn.Conv2d(3, 8, 5, 1, 2), None

    def forward(self, x):
        if self.table is None:
            h, w = x.shape[2:]
            noise = torch.arange(8.0 * h * w).sin().to(x) * 3
            self.table = noise.view(1, 8, h, w)
        size = x.shape[2:]
        return functional.gelu(
            self.local(x) + functional.interpolate(self.table, size)
        )


def test_a_window_leaves_nothing_for_the_whole_image_to_find():
    torch.manual_seed(0)
    net = nn.Sequential(TableFirst()).eval()
    fresh, image = copy.deepcopy(net), torch.randn(1, 3, 256, 256)
    results = measure_erf(net, image, ['0.local', '0'])
    assert results['0.local'].provenance['run_on'].startswith('window')
    expected = float64_map(fresh, image, results['0'].unit)
    assert abs(results['0'].map - expected).max() <= 1e-4 * expected.max()


class NearlyEverywhere(nn.Module):
    """A maximum over the image that many places nearly attain."""

    def __init__(self):
        super().__init__()
        self.norm, self.mix = nn.LayerNorm(3), nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x):
        x = self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return self.mix(x + x.amax((2, 3), True))


def test_a_maximum_over_places_is_not_taken_for_that_of_a_window():
    for seed in range(6):
        torch.manual_seed(seed)
        net = nn.Sequential(NearlyEverywhere()).eval()
        image = torch.randn(1, 3, 206, 224)
        result = measure_erf(net, image, ['0'])['0']
        expected = float64_map(net, image, result.unit)
        assert abs(result.map - expected).max() <= 1e-4 * expected.max()
        assert result.provenance['run_on'].startswith('whole')


def test_of_an_output_only_the_unit_is_kept():
    """Else all outputs of one whole image lie in memory beside the next."""
    output, grid = torch.randn(1, 6, 40, 40), even_grid((40, 40), (80, 80))
    values = UnitValues({'layer': (3, 4)})
    values(output, TargetContext('layer', (80, 80), grid))
    kept = values.values['layer']
    assert torch.equal(kept, output[0, :, 3, 4])
    assert kept.untyped_storage().nbytes() == 6 * 4


def test_how_far_a_channel_varies_is_seen_away_from_the_border():
    """Padding beside a large bias would allow any difference."""
    torch.manual_seed(0)
    output = torch.randn(1, 2, 20, 24)
    inner = output[0, :, 5:15, 6:18].flatten(1)
    low, high = np.quantile(inner, (0.1, 0.9), 1, method='inverted_cdf')
    for border in (output[:, :, :2], output[..., -2:]):
        border += 300
    expected = torch.from_numpy((high - low) / 2.56)
    torch.testing.assert_close(spreads_of(output), expected)


def spreads_of(output):
    grid = even_grid(output.shape[2:], (240, 256))
    values = UnitValues({'layer': (3, 4)})
    values(output, TargetContext('layer', (240, 256), grid))
    return values.spreads['layer']


@pytest.mark.parametrize('share', [0.05, 0.9])
def test_what_fills_some_places_is_not_how_far_a_channel_varies(share):
    """Nor are zeros; a channel of one value does not vary."""
    torch.manual_seed(0)
    output = torch.randn(1, 4, 60, 64)
    for channel, value in ((1, -1e9), (2, 0.0)):
        output[0, channel][torch.rand(60, 64) < share] = value
    output[0, 3] = 7
    expected = torch.tensor([1.0, 1.0, 1.0, 0.0])
    torch.testing.assert_close(spreads_of(output), expected, rtol=0.25, atol=0)


class FilledPositions(nn.Module):
    """Positions from the corner; a huge number in every third place."""

    def __init__(self):
        super().__init__()
        self.conv, self.out = (nn.Conv2d(n, 8, 3, padding=1) for n in (3, 8))
        self.positions = torch.randn(1, 8, 200, 200)

    def forward(self, x):
        h, w = x.shape[2:]
        mask = torch.zeros(h, w, dtype=torch.bool)
        mask[::3, ::3] = True
        here = self.positions[:, :, :h, :w].to(x)
        return self.out((self.conv(x) + here).relu()).masked_fill(mask, -1e9)


def test_a_huge_number_in_some_places_hides_no_difference():
    torch.manual_seed(0)
    net, image = FilledPositions(), torch.randn(1, 3, 200, 200)
    (result,) = measure_erf(net, image, ['']).values()
    expected = float64_map(net, image, result.unit)
    assert result.unit[0] % 3 or result.unit[1] % 3
    assert abs(result.map - expected).max() <= 1e-4 * expected.max()


class Held(nn.Module):
    """Zero at the unit, but for a fraction of contents; else the mirror."""

    def __init__(self, bias):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 2, 3, padding=1)
        self.bias = bias

    def forward(self, x):
        x = self.conv(x)
        return (x + 2 * x.flip(3) + self.bias).relu()


@pytest.mark.parametrize('bias', [-1.0, -1000.0])
def test_a_unit_that_is_zero_confirms_no_window(bias, monkeypatch):
    """It says as little in a crop as in the whole image."""
    net, size = Held(bias), (150, 171)
    image = torch.randn(1, 3, *size)
    layers = LayerScores(find_layers(net, ['']))
    layers.read(lambda x, _: net(x), image, Recorder())
    (key,) = layers.order
    grid = even_grid(size, size)
    drawn = []
    probe = layers.probe

    def noted(forward, image, *args):
        drawn.append(tuple(image.shape[2:]))
        return probe(forward, image, *args)

    monkeypatch.setattr(layers, 'probe', noted)
    held = 0
    for column in range(30, 90, 3):
        place = UnitPlace(grid, (75, column), (1, 1))
        window = Window((60, 90), (column - 15, column + 16))
        drawn.clear()
        found = unconfirmed(
            layers, listed(net), image, {key: place}, window, True
        )
        assert found == {key}
        held += drawn.count(size) > 1
    assert held


class Told(nn.Module):
    """A convolution, and something that the whole image tells it."""

    def __init__(self, tell):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.tell = nn.Conv2d(3, 4, 3, padding=1), tell

    def forward(self, x):
        return self.conv(x) + self.tell(x)


TELLS = {
    'largest': lambda x: x.amax((1, 2, 3), True),
    'strongest': lambda x: (x.amax((1, 2, 3), True) - 20).relu(),
    'smallest': lambda x: x.amin((1, 2, 3), True),
    'mean': lambda x: x.mean((1, 2, 3), True),
    'median': lambda x: x.median().view(1, 1, 1, 1),
    'spread': lambda x: x.std().view(1, 1, 1, 1),
    'far away': lambda x: x[:, :1].roll((70, 60), (2, 3)),
    'mirrored': lambda x: x[:, :1].flip(3),
    'most alike': lambda x: x.flatten()[
        (x.flatten() - 2.5).abs().argmin()
    ].view(1, 1, 1, 1),
    'brightest row': lambda x: x.sum(3, True).amax((1, 2), True),
    'row': lambda x: torch.arange(1.0, 1 + x.shape[2])[:, None].log().to(x),
}


@pytest.mark.parametrize('by_operations', [True, False])
@pytest.mark.parametrize('name', TELLS)
def test_what_lies_outside_shows(name, by_operations):
    """Whatever the operations tell, it is seen in one pass as in four."""
    size = (160, 192)
    image = torch.randn(1, 3, *size, generator=torch.manual_seed(1))
    for tell, refused in ((TELLS[name], True), (lambda x: 0.0, False)):
        net = Told(tell)
        layers = LayerScores(find_layers(net, ['']))
        layers.read(lambda x, _, net=net: net(x), image, Recorder())
        (key,) = layers.order
        place = UnitPlace(even_grid(size, size), (60, 101), (1, 1))
        found = unconfirmed(
            layers, listed(net), image, {key: place},
            Window((45, 76), (84, 118)), by_operations,
        )  # fmt: skip
        assert found == ({key} if refused else set())
