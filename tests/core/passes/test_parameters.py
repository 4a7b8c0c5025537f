"""Parameters are kept once in a loop, and come back whatever a model does."""

import copy

import pytest
import torch
from helpers.slow_reference import float64_map
from torch import nn

from mmerf import measure_erf
from mmerf.core.batch import batch_of
from mmerf.core.errors import MeasurementError
from mmerf.core.measurement import Measurement
from mmerf.core.options import MeasurementOptions
from mmerf.core.passes import parameters

HEAVY = 2**15  # numbers: not kept together with small tensors


class Net(nn.Module):
    """Writes to its parameters in one of its forwards, in some way."""

    forwards = 0  # of the class: a measurement does not give it back

    def __init__(self, write=None, at=0):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.large = nn.Parameter(torch.ones(HEAVY))
        self.write, self.at = write, at
        Net.forwards = 0

    def forward(self, x):
        Net.forwards += 1
        if self.write is not None and Net.forwards == self.at:
            self.write(self)
        return self.conv(x) * self.large[0]


def counted(net):
    with torch.no_grad():
        net.conv.weight.mul_(3.0)
        net.large.fill_(2.0)


def past_the_count(net):
    net.large.data.fill_(2.0)


def other_memory(net):
    net.conv.weight.data = net.conv.weight.data * 3


def images(count=5):
    torch.manual_seed(1)
    return list(torch.randn(count, 3, 12, 14).split(1))


def expected(net, given):
    plain = copy.deepcopy(net)
    plain.write = None
    maps = [float64_map(plain, image) for image in given]
    return sum(maps) / len(maps)


def state(net):
    return {key: value.clone() for key, value in net.state_dict().items()}


def assert_as_before(net, before):
    for key, value in net.state_dict().items():
        assert torch.equal(value, before[key]), key
    assert all(p.requires_grad for p in net.parameters())


@pytest.fixture
def kept(monkeypatch):
    """Whether each pass has kept the values of parameters."""
    made = []
    own = parameters.Preserved

    def noted(model, parameters=True):
        made.append(parameters)
        return own(model, parameters)

    monkeypatch.setattr(parameters, 'Preserved', noted)
    return made


def test_in_a_loop_the_first_pass_keeps_them_and_one_copy_serves_the_rest(
    kept,
):
    net, given = Net().eval(), images()
    before = state(net)
    found = measure_erf(net, given, ['conv'])['conv'].map
    assert kept == [True] + 4 * [False]
    wanted = expected(net, given)
    assert abs(found - wanted).max() <= 1e-6 * wanted.max()
    assert_as_before(net, before)


def test_code_of_others_may_run_between_batches_of_a_stream(kept):
    net = Net().eval()
    measure_erf(net, (image for image in images()), ['conv'])
    measurement = Measurement(net, MeasurementOptions(['conv']))
    for image in images(2):
        measurement.update(batch_of(net, image))
    assert kept == 7 * [True]


@pytest.mark.usefixtures('as_few')
@pytest.mark.parametrize('at', [1, 2, 4])
@pytest.mark.parametrize('write', [counted, other_memory])
def test_a_model_that_writes_to_them_is_measured_as_it_was(write, at):
    """The pass itself met other weights, and is run again."""
    net, given = Net(write, at).eval(), images()
    before = state(net)
    found = measure_erf(net, given, ['conv'])['conv'].map
    wanted = expected(net, given)
    assert abs(found - wanted).max() <= 1e-6 * wanted.max()
    assert_as_before(net, before)


@pytest.mark.usefixtures('as_few')
def test_what_torch_does_not_count_is_refused_at_the_end_and_given_back():
    net = Net(past_the_count, 3).eval()
    before = state(net)
    with pytest.raises(MeasurementError, match='past the count of writes'):
        measure_erf(net, images(), ['conv'])
    assert_as_before(net, before)
    Net.forwards = 0  # of a stream, each pass is compared by itself
    found = measure_erf(net, iter(images()), ['conv'])['conv'].map
    wanted = expected(net, images())
    assert abs(found - wanted).max() <= 1e-6 * wanted.max()
    assert_as_before(net, before)


@pytest.mark.usefixtures('as_few')
@pytest.mark.parametrize('write', [counted, past_the_count])
def test_a_pass_that_fails_changes_nothing_for_the_next(write, kept):
    """Values are compared at once; the next pass keeps its own."""

    def fails(net):
        write(net)
        raise MeasurementError('of the model')

    net, given = Net(fails, 4).eval(), images(7)
    before = state(net)
    measurement = Measurement(net, MeasurementOptions(['conv']))
    with measurement.loop():
        for i, image in enumerate(given):
            if i == 3:
                with pytest.raises(MeasurementError, match='of the model'):
                    measurement.update(batch_of(net, image))
                assert_as_before(net, before)
            else:
                measurement.update(batch_of(net, image))
    assert kept == [True, False, False, False, True, False, False]
    assert_as_before(net, before)
    found = measurement.compute()['conv'].map
    wanted = expected(net, given[:3] + given[4:])
    assert abs(found - wanted).max() <= 1e-6 * wanted.max()


@pytest.mark.usefixtures('as_few')
def test_ctrl_c_in_a_loop_gives_them_back():
    def ends(net):
        past_the_count(net)
        raise KeyboardInterrupt

    net = Net(ends, 3).eval()
    before = state(net)
    with pytest.raises(KeyboardInterrupt):
        measure_erf(net, images(), ['conv'])
    assert_as_before(net, before)
