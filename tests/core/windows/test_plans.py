"""What one measurement found serves the next, confirmed again."""

import pytest
import torch
from helpers.calls import calls_of
from helpers.custom_backward import Custom
from helpers.slow_reference import float64_map
from helpers.strides import rows_of_memory
from torch import nn

from mmerf.core.batch import batch_of
from mmerf.core.measurement import Measurement
from mmerf.core.options import MeasurementOptions
from mmerf.core.passes.carried import carry_over, found_by
from mmerf.core.shortcuts import layout
from mmerf.core.windows import confirm, unit_places


class Net(nn.Module):
    """Local, unless told to subtract the mean over the image."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(3, 8, 3, 2, 1)
        self.second = nn.Conv2d(8, 8, 3, padding=1)
        self.centred = False

    def forward(self, x):
        x = self.first(x)
        if self.centred:
            x = x - 20 * x.mean((2, 3), keepdim=True)
        return self.second(x.relu())


class RowsOfMemory(nn.Module):
    """Adds a share of what lies in memory, which is other rows there."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.share = nn.Parameter(torch.zeros(()))
        self.conv = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x):
        return self.conv(x + self.share * rows_of_memory(x))


def images(side=192, channels=3):
    torch.manual_seed(1)
    return torch.randn(2, channels, side, side + 16)


def measured(net, inputs, known=None, layer='second'):
    """The map, whether knowledge was taken over, where it ran, the next."""
    measurement = Measurement(net, MeasurementOptions([layer]))
    taken = known is not None and carry_over(measurement.passes, known)
    measurement.update(batch_of(net, inputs))
    (result,) = measurement.compute().values()
    mode = result.provenance['run_on']
    return result.map, taken, mode, found_by(measurement.passes)


def assert_agrees(found, net, inputs):
    wanted = float64_map(net, inputs)
    assert abs(found - wanted).max() <= 1e-4 * wanted.max()


@pytest.fixture
def counts(monkeypatch):
    """Counts strips that are read, and whole images that confirm."""
    counted = {'strips': 0, 'whole images': 0}
    reaches, draws = unit_places.reaches, confirm._draws

    def read(*args):
        counted['strips'] += 1
        return reaches(*args)

    def drawn(*args):
        for draw in draws(*args):
            counted['whole images'] += 1
            yield draw

    monkeypatch.setattr(unit_places, 'reaches', read)
    monkeypatch.setattr(confirm, '_draws', drawn)
    return counted


def test_a_window_is_confirmed_again_and_not_searched_for(counts):
    net, inputs = Net().eval(), images()
    *_, mode, known = measured(net, inputs)
    assert mode.startswith('window')
    assert counts == {'strips': 2, 'whole images': 1}
    with torch.no_grad():
        net.second.weight.mul_(-1.5)
    counts.update(dict.fromkeys(counts, 0))
    found, taken, again, known = measured(net, inputs, known)
    assert taken and again == mode
    assert counts == {'strips': 0, 'whole images': 1}
    assert_agrees(found, net, inputs)
    *_, third, _ = measured(net, inputs, known)
    assert third == mode
    assert counts == {'strips': 0, 'whole images': 2}


def test_another_size_is_searched_for(counts):
    net = Net().eval()
    *_, known = measured(net, images())
    found, taken, mode, _ = measured(net, images(208), known)
    assert taken and mode.startswith('window')
    assert counts == {'strips': 4, 'whole images': 2}
    assert_agrees(found, net, images(208))


def test_what_no_module_tree_shows_is_noticed_by_the_confirmation():
    net, inputs = Net().eval(), images()
    *_, known = measured(net, inputs)
    net.centred = True
    found, taken, mode, known = measured(net, inputs, known)
    assert taken and mode.startswith('whole image')
    assert_agrees(found, net, inputs)
    assert measured(net, inputs, known)[2].startswith('whole image')


def test_a_changed_module_tree_is_another_model(counts):
    net, inputs = Net().eval(), images()
    *_, known = measured(net, inputs)
    net.second.padding, net.second.dilation = (9, 9), (9, 9)
    found, taken, mode, _ = measured(net, inputs, known)
    assert not taken and mode.startswith('window')
    assert counts['strips'] == 4
    assert_agrees(found, net, inputs)


@pytest.mark.parametrize('other', ['model', 'layer', 'without'])
def test_nothing_is_taken_over_from_another_measurement(other):
    net, inputs = Net().eval(), images()
    *_, known = measured(net, inputs)
    without = ['first'] if other == 'without' else None
    layers = ['first' if other == 'layer' else 'second']
    measurement = Measurement(
        Net().eval() if other == 'model' else net,
        MeasurementOptions(layers, without=without),
    )
    assert not carry_over(measurement.passes, known)
    assert other != 'without' or found_by(measurement.passes) is None


def test_where_no_window_was_found_none_is_searched_for(counts):
    net, inputs = Net().eval(), images()
    net.centred = True
    *_, mode, known = measured(net, inputs)
    assert mode.startswith('whole image (no window')
    counts.update(dict.fromkeys(counts, 0))
    found, taken, again, _ = measured(net, inputs, known)
    assert taken and again == mode
    assert not any(counts.values())
    assert_agrees(found, net, inputs)


def test_backward_code_of_a_models_own_is_not_met_twice(counts):
    net, inputs = nn.Sequential(Net(), Custom()).eval(), images()
    *_, mode, known = measured(net, inputs, layer='1')
    assert 'no window: Doubled has backward code of its own' in mode
    assert any(counts.values())
    counts.update(dict.fromkeys(counts, 0))
    found, taken, again, _ = measured(net, inputs, known, '1')
    assert taken and again == mode
    assert not any(counts.values())
    assert_agrees(found, net, inputs)


def test_layouts_are_compared_again(monkeypatch):
    compared = calls_of(monkeypatch, layout.Layout, 'disagrees')
    net, inputs = RowsOfMemory().eval(), images(128, 8)
    *_, mode, known = measured(net, inputs, layer='conv')
    assert 'channels last' not in mode
    with torch.no_grad():
        net.share.fill_(0.5)
    found, taken, mode, known = measured(net, inputs, known, 'conv')
    assert taken and 'not channels last: its outputs differ' in mode
    assert len(compared) == 2
    assert_agrees(found, net, inputs)
    *_, mode, _ = measured(net, inputs, known, 'conv')
    assert 'not channels last' in mode and len(compared) == 2


class OfOneSize(nn.Module):
    """Runs on whole images alone."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.second = nn.Conv2d(3, 8, 3, padding=1)
        self.table = nn.Parameter(torch.randn(1, 3, 192, 208))

    def forward(self, x):
        return self.second(x + self.table)


def test_a_search_that_failed_is_not_made_again(counts):
    net, inputs = OfOneSize().eval(), images()
    *_, mode, known = measured(net, inputs)
    assert mode.startswith('whole image (no window') and counts['strips']
    counts.update(dict.fromkeys(counts, 0))
    found, taken, again, _ = measured(net, inputs, known)
    assert taken and again == mode and counts['strips'] == 0
    assert_agrees(found, net, inputs)


class Unfollowed(Net):
    """Runs an operation, over channels, for which there is no rule."""

    def forward(self, x):
        return self.second(self.first(x).logcumsumexp(1))


def test_four_passes_confirm_where_operations_do_not_tell(counts):
    net, inputs = Unfollowed().eval(), images()
    found, _, mode, _ = measured(net, inputs)
    assert mode.startswith('window')
    assert counts == {'strips': 2, 'whole images': 4}
    assert_agrees(found, net, inputs)


class Pooled(Net):
    """Chooses between equal values where an image is flat."""

    def forward(self, x):
        return self.second(nn.functional.max_pool2d(self.first(x), 2))


def test_that_a_model_chooses_is_known_from_the_first_image_on():
    net, inputs = Pooled().eval(), images()
    inputs[..., 80:110, 80:120] = 0.5
    *_, mode, known = measured(net, inputs)
    assert 'equal values' in mode
    new = Measurement(net, MeasurementOptions(['second']))
    assert not new.scored.noticed.chooses
    assert carry_over(new.passes, known) and new.scored.noticed.chooses
    found, taken, again, _ = measured(net, inputs, known)
    assert taken and again == mode
    assert_agrees(found, net, inputs)


def test_a_wider_margin_is_kept():
    net, inputs = Net().eval(), images()
    *_, mode, known = measured(net, inputs)
    known.plans.widen()
    found, taken, wider, _ = measured(net, inputs, known)
    sides = [int(text.split()[1]) for text in (mode, wider)]
    assert taken and sides[1] > sides[0]
    assert_agrees(found, net, inputs)
