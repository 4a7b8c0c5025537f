"""Forwards in part: the same maps, or a plain pass."""

import pytest
import torch
from helpers.custom_backward import Doubled
from torch import nn
from torch.utils import dlpack

from mmerf import measure_erf
from mmerf.core.partial import cropped_forward, operations
from mmerf.core.shortcuts import budget

IN_PART = 'convolutions in part: where the scores depend on them'


@pytest.fixture(autouse=True)
def _always(monkeypatch):
    torch.manual_seed(0)
    monkeypatch.setattr(budget, 'REPEATS', 1)
    monkeypatch.setattr(cropped_forward, 'WORTH', 0)
    monkeypatch.setattr(cropped_forward, 'LEAST_SHARE', 0)


@pytest.fixture
def computed(monkeypatch):
    """Numbers that convolutions have made, by forward."""
    counts = []
    start = cropped_forward.CroppedForward.start
    own = cropped_forward._convolved_in

    def started(self):
        counts.append(0)
        start(self)

    def counted(box, *args):
        counts[-1] += box.area
        return own(box, *args)

    monkeypatch.setattr(cropped_forward.CroppedForward, 'start', started)
    monkeypatch.setattr(cropped_forward, '_convolved_in', counted)
    return counts


def conv(inputs=4, outputs=4, **options):
    return nn.Conv2d(inputs, outputs, 3, padding=1, **options)


def images(count=4, side=32):
    return [torch.rand(1, 3, side, side - 3) for _ in range(count)]


def plainly(model, inputs, layers, monkeypatch, **options):
    with monkeypatch.context() as patch:
        patch.setattr(budget, 'REPEATS', 10**9)
        return measure_erf(model, inputs, layers, **options)


def check(model, inputs, layers, monkeypatch, **options):
    """Equal to plain passes; returns how the layers were run."""
    expected = plainly(model, inputs, layers, monkeypatch, **options)
    found = measure_erf(model, inputs, layers, **options)
    for key, result in expected.items():
        assert result.map.any()
        apart = abs(found[key].map - result.map).max()
        assert apart <= 1e-5 * result.map.max(), key
    return [result.provenance['run_on'] for result in found.values()]


@pytest.mark.parametrize(
    'target',
    [
        None,
        dict(type='Unit', y=0, x=7),
        dict(type='UnitGrid', rows=2, columns=2),
    ],
)
def test_the_same_maps_of_fewer_numbers(target, monkeypatch, computed):
    model = nn.Sequential(
        conv(3), nn.BatchNorm2d(4), nn.GELU(), conv(), nn.ReLU(inplace=True),
        nn.MaxPool2d(2), conv(), nn.GELU(), conv(dilation=1), nn.GELU(),
    ).eval()  # fmt: skip
    ways = check(model, images(), ['3', '9'], monkeypatch, target=target)
    assert all(IN_PART in way for way in ways)
    # Confirmed in the second pass, and used in two more.
    numbers = [n for n in computed if n]
    assert len(numbers) == 3 and max(numbers) < 32 * 29


def test_batches_the_last_of_which_is_smaller(monkeypatch):
    model = nn.Sequential(conv(3), nn.ReLU(), conv()).eval()
    stack = torch.rand(7, 3, 20, 24)
    batches = [stack[:2], stack[2:4], stack[4:6], stack[6:]]
    check(model, batches, ['2'], monkeypatch)


def unseen(x):
    """The same numbers; nothing notices that they are handed on."""
    return dlpack.from_dlpack(dlpack.to_dlpack(x.detach()))


class Located(nn.Module):
    """Looks at a place that the image itself says."""

    def __init__(self):
        super().__init__()
        self.one, self.other = conv(3), conv()

    def forward(self, x):
        x = self.one(x)
        at = int(unseen(x).mean((0, 1, 3)).argmax()) % 3
        return self.other(x[:, :, at : at + 20])


def test_an_image_that_takes_another_way_is_run_plainly(monkeypatch):
    torch.manual_seed(1)
    (way,) = check(Located().eval(), images(12), ['other'], monkeypatch)
    assert 'convolutions in part: its operations differ' in way


class Hidden(nn.Module):
    """Hands numbers on in a way that no operation shows."""

    def __init__(self):
        super().__init__()
        self.one, self.other = conv(3), conv()

    def forward(self, x):
        x = self.one(x)
        scale = 1 + abs(unseen(x).numpy()).mean()
        return self.other(x * torch.from_numpy(scale.reshape(1)))


def test_what_operations_do_not_show_is_seen_in_the_maps(monkeypatch):
    (way,) = check(Hidden().eval(), images(), ['other'], monkeypatch)
    assert 'convolutions in part: maps are others' in way


class Ranked(nn.Module):
    """Hands one of two alike outputs to the wider convolution."""

    def __init__(self):
        super().__init__()
        self.one, self.other = conv(3), conv(3)
        self.near, self.far = conv(), nn.Conv2d(4, 4, 3, 1, 8, 8)

    def forward(self, x):
        first, second = self.one(x).relu(), self.other(x).relu()
        if x.mean() > 0:
            first, second = second, first
        return self.near(first) + self.far(second)


def test_where_values_decide_no_forward_is_run_in_part(monkeypatch):
    """The operations are the same; what they are given is not."""
    inputs = [image + shift for image, shift in zip(
        images(6), (2, 2, -2, 2, -2, -2), strict=True
    )]  # fmt: skip
    (way,) = check(Ranked().eval(), inputs, [''], monkeypatch)
    assert 'convolutions in part: values decide' in way


class Divided(nn.Module):
    """Zero over zero wherever a convolution was not computed."""

    def __init__(self):
        super().__init__()
        self.one, self.other = conv(3), conv()
        nn.init.constant_(self.one.bias, 5.0)
        nn.init.constant_(self.other.bias, 5.0)

    def forward(self, x):
        x = self.one(x)
        return self.other(Doubled.apply(x / x.detach().abs()))


def test_maps_that_are_not_finite_are_not_taken(monkeypatch):
    (way,) = check(Divided().eval(), images(), ['other'], monkeypatch)
    assert 'in part: values are not finite' in way


@pytest.mark.parametrize('name, value', [('WORTH', 1e7), ('LEAST_SHARE', 1)])
def test_nothing_is_in_part_where_it_saves_little(
    name, value, monkeypatch, computed
):
    monkeypatch.setattr(cropped_forward, name, value)
    model = nn.Sequential(conv(3), nn.ReLU(), conv()).eval()
    (way,) = check(model, images(), ['2'], monkeypatch)
    assert 'in part' not in way and not computed


def test_much_work_for_each_operation_is_spared_whatever_its_share(
    monkeypatch, computed
):
    monkeypatch.setattr(cropped_forward, 'LEAST_SHARE', 1)
    monkeypatch.setattr(cropped_forward, 'WORTH_ANYWAY', 0)
    model = nn.Sequential(conv(3), nn.ReLU(), conv()).eval()
    (way,) = check(model, images(), ['2'], monkeypatch)
    assert IN_PART in way and computed


def test_a_forward_of_many_operations_is_not_recorded(monkeypatch, computed):
    monkeypatch.setattr(operations, 'MANY_OPERATIONS', 3)
    model = nn.Sequential(conv(3), nn.ReLU(), conv()).eval()
    (way,) = check(model, images(), ['2'], monkeypatch)
    assert 'convolutions in part: more than 3 operations' in way
    assert not computed


def test_nothing_is_recorded_for_few_images(monkeypatch, computed):
    monkeypatch.setattr(budget, 'REPEATS', 5)
    model = nn.Sequential(conv(3), nn.ReLU(), conv()).eval()
    check(model, images(4), ['2'], monkeypatch)
    assert not computed


def test_nothing_is_recorded_where_convolutions_do_little(
    monkeypatch, computed
):
    # 27 multiplications for each of 4 numbers of a pixel, then 36.
    work = 3 * 32 * 29 * (27 + 36) * 4 // 2
    model = nn.Sequential(conv(3), nn.ReLU(), conv()).eval()
    for enough, recorded in ((work + 1, False), (work, True)):
        monkeypatch.setattr(budget, 'WORK_TO_RECORD', enough)
        (way,) = check(model, images(4), ['2'], monkeypatch)
        assert bool(computed) == (IN_PART in way) == recorded


def test_a_model_that_makes_its_tables_in_its_first_forward(monkeypatch):
    class Tables(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.other = conv(3), conv()
            self.table = None

        def forward(self, x):
            if self.table is None:
                self.table = torch.rand(1, 4, *x.shape[2:]).sin()
            return self.other(self.one(x) + self.table).relu()

    (way,) = check(Tables().eval(), images(), ['other'], monkeypatch)
    assert IN_PART in way


class Calibrated(nn.Module):
    """Its first call notes a scale, which the backward pass needs."""

    def __init__(self):
        super().__init__()
        self.register_buffer('scale', torch.tensor(0.0))

    def forward(self, x):
        if not self.scale:
            self.scale.copy_(x.detach().std())
        return x / self.scale


def test_a_model_whose_backward_needs_what_is_given_back(monkeypatch):
    model = nn.Sequential(conv(3), Calibrated(), conv(), conv())
    (words,) = check(model, images(), ['3'], monkeypatch)
    assert 'convolutions in part: 3: one of the variables needed' in words
    assert not model[1].scale
