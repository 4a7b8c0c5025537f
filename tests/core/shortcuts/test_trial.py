"""Few images: one plain pass, then what agrees with it."""

import pytest
import torch
from helpers.calls import calls_of
from helpers.custom_backward import RawMemory
from helpers.slow_reference import float64_map
from helpers.strides import rows_of_memory
from torch import nn

from mmerf import measure_erf
from mmerf.core.batch import batch_of
from mmerf.core.gradient import worth
from mmerf.core.measurement import Measurement
from mmerf.core.options import MeasurementOptions
from mmerf.core.partial import partial_forwards
from mmerf.core.shortcuts import budget, layout

SIZE = (136, 144)
PLAIN, FASTER = torch.contiguous_format, torch.channels_last


@pytest.fixture(autouse=True)
def _no_window_pays(monkeypatch, _every_shortcut):
    monkeypatch.setattr(budget, 'ENOUGH', 10**12)


class Seen(nn.Module):
    """Notes in which layout features come, and whether with a gradient."""

    notes = []  # of the class: a measurement does not give them back

    def forward(self, x):
        layout = FASTER if x.stride(1) == 1 else PLAIN
        Seen.notes.append((layout, torch.is_grad_enabled()))
        return x


def net(*inner):
    torch.manual_seed(0)
    layers = [
        nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(),
        *inner, nn.Conv2d(6, 6, 3, padding=1),
    ]  # fmt: skip
    for layer in layers:
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.running_var, 0.5, 2)
            nn.init.normal_(layer.weight)
    Seen.notes.clear()
    return nn.Sequential(Seen(), *layers).eval()


def images(count, size=SIZE):
    torch.manual_seed(1)
    return list(torch.randn(count, 3, *size).split(1))


def measured(model, given, layer):
    """The map, and how it was run."""
    measurement = Measurement(model, MeasurementOptions([layer]))
    measurement.expect(len(given))
    for image in given:
        measurement.update(batch_of(model, image))
    (result,) = measurement.compute().values()
    return result.map, result.provenance['run_on']


def assert_right(found, model, given):
    wanted = sum(float64_map(model, image) for image in given) / len(given)
    assert abs(found - wanted).max() <= 1e-5 * wanted.max()


@pytest.mark.parametrize('enough', [0, 10**12])
def test_where_weights_outweigh_outputs_the_layout_stays_plain(
    enough, monkeypatch
):
    monkeypatch.setattr(budget, 'ENOUGH', enough)
    torch.manual_seed(0)
    Seen.notes.clear()
    model = nn.Sequential(
        Seen(), nn.Conv2d(3, 64, 16, 16), nn.BatchNorm2d(64), nn.ReLU(),
        nn.Conv2d(64, 256, 3, padding=1),
    ).eval()  # fmt: skip
    given = images(7)
    found, way = measured(model, given, '4')
    assert {layout for layout, _ in Seen.notes} == {PLAIN}
    assert 'not channels last' not in way
    assert_right(found, model, given)


def test_one_plain_pass_one_forward_to_compare_and_then_faster_ones():
    model, given = net(), images(7)
    found, way = measured(model, given, '4')
    first, compared, *rest = Seen.notes
    assert first == (PLAIN, True) and compared == (FASTER, True)
    # The third pass is run once more, in part.
    assert len(rest) >= 6 and set(rest) == {(FASTER, True)}
    assert 'not channels last' not in way
    assert_right(found, model, given)


@pytest.mark.parametrize('count', [1, budget.REPEATS - 1])
def test_fewer_passes_run_as_a_plain_loop_does(count):
    measured(net(), images(count), '4')
    assert Seen.notes == count * [(PLAIN, True)]


@pytest.mark.parametrize('enough', [False, True])
def test_of_images_in_one_pass_none_is_left_to_gain(enough, monkeypatch):
    """Few are run as they are; many in the faster layout from the first on."""
    monkeypatch.setattr(budget, 'ENOUGH', 0 if enough else 10**12)
    model = net()
    measurement = Measurement(model, MeasurementOptions(['4']))
    measurement.expect(8)
    measurement.batch_size = 8
    measurement.update(batch_of(model, torch.cat(images(8, (96, 104)))))
    faster = [(FASTER, True), (PLAIN, True)]
    assert Seen.notes == (faster if enough else [(PLAIN, True)])


class Rows(nn.Module):
    """Reads its memory as if it were in the plain layout."""

    def forward(self, x):
        return rows_of_memory(x)


class Viewed(nn.Module):
    """Raises on features that are channels-last."""

    def forward(self, x):
        return x.view(len(x), -1, *x.shape[2:]).view(-1).view(x.shape)


@pytest.mark.parametrize(
    ('inner', 'why'), [(Rows, 'outputs differ'), (Viewed, 'view size is not')]
)
def test_a_model_that_needs_the_plain_layout(inner, why):
    model, given = net(inner()), images(7)
    found, way = measured(model, given, '5')
    assert 'not channels last' in way and why in way
    assert [layout for layout, _ in Seen.notes][-5:] == 5 * [PLAIN]
    assert_right(found, model, given)


def test_an_output_that_is_dead_tells_nothing():
    """Rows are others in the faster layout, but not of a black image."""
    model, given = net(Rows()), images(8)
    given[0] = torch.zeros(1, 3, *SIZE)
    model[0].forward = lambda x: x
    for layer in (model[1], model[5]):
        nn.init.zeros_(layer.bias)
    nn.init.zeros_(model[2].running_mean)
    nn.init.zeros_(model[2].bias)
    found, way = measured(model, given, '5')
    assert 'not channels last: its outputs differ' in way
    assert_right(found, model, given)


class OnlyWithGradient(nn.Module):
    """Reads memory as it lies, where gradients are enabled."""

    def forward(self, x):
        return x + 0.5 * Rows()(x) if torch.is_grad_enabled() else x


@pytest.mark.parametrize('inner', [RawMemory, OnlyWithGradient])
def test_what_a_forward_without_gradient_does_not_show(inner):
    model, given = net(inner()), images(8)
    found, _ = measured(model, given, dict(name='5', layout='NCHW'))
    assert_right(found, model, given)
    assert [layout for layout, _ in Seen.notes][-5:] == 5 * [PLAIN]


class Random(nn.Module):
    def forward(self, x):
        return x * (1 + 0.1 * torch.rand(1))


def test_random_numbers_do_not_speak_against_a_layout():
    model, given = net(Random()), images(8)
    _, way = measured(model, given, '5')
    assert 'channels last' not in way and Seen.notes[-1][0] == FASTER


class Mixer(nn.Module):
    """More products of matrices than convolutions."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 6, 4, 4)
        self.one, self.two = nn.Linear(6, 6), nn.Linear(6, 6)

    def forward(self, x):
        Seen.notes.append((x.is_contiguous(), torch.is_grad_enabled()))
        x = self.conv(x).permute(0, 2, 3, 1)
        return self.two(self.one(x).relu()).permute(0, 3, 1, 2)


@pytest.mark.parametrize('large', [False, True])
def test_a_model_of_matrix_products_has_no_layout_to_gain(monkeypatch, large):
    """But a pass is recorded where convolutions are large."""
    recorded = calls_of(monkeypatch, partial_forwards.Recording, '__init__')
    monkeypatch.setattr(worth, 'LARGE_SHARE', 0.01 if large else 1e9)
    monkeypatch.setattr(worth, 'LARGE_GRADIENT', 1)
    Seen.notes.clear()
    model, given = Mixer().eval(), images(8)
    found, way = measured(model, given, '')
    assert len(recorded) == large
    assert Seen.notes == 8 * [(True, True)]
    assert 'channels last' not in way and 'in part' not in way
    assert_right(found, model, given)


def test_where_the_comparison_has_no_memory_the_pass_still_counts(monkeypatch):
    def full(*args):
        raise torch.OutOfMemoryError('CUDA out of memory')

    monkeypatch.setattr(layout, '_outputs', full)
    model, given = net(), images(7)
    found, way = measured(model, given, '4')
    assert 'out of memory' in way
    assert all(note == (PLAIN, True) for note in Seen.notes)
    assert_right(found, model, given)


def test_it_is_tried_once_for_each_size(monkeypatch):
    tried = calls_of(monkeypatch, layout.Layout, 'try_on')
    measured(net(), [*images(7), *images(7, (140, 150))], '4')
    assert len(tried) == 2


def test_an_output_of_one_unit_is_compared_once(monkeypatch):
    compared = calls_of(monkeypatch, layout.Layout, 'disagrees')
    model = nn.Sequential(net(), nn.AdaptiveAvgPool2d(1))
    measured(model, images(7), '1')
    assert len(compared) == 1


def test_the_public_call_takes_it_too():
    model, given = net(), images(7)
    found = measure_erf(model, given, ['4'], batch_size=1)['4']
    assert (FASTER, True) in Seen.notes
    assert_right(found.map, model, given)
