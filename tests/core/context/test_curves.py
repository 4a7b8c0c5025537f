"""Curves against plain loops that use the model and nothing of mmerf."""

import numpy as np
import pytest
import torch
from helpers.model_state import differing, of_model, of_process
from torch import nn

from mmerf.core.context.curves import ContextMeasurement, measure_context
from mmerf.core.context.options import ContextOptions
from mmerf.core.errors import ConfigError, LayerError, MeasurementError
from mmerf.core.inputs.forms import batches_of


def images_of(count, size=(24, 28), seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 3, *size, generator=generator)


def chain(depth, channels=4):
    """3 x 3 convolutions: the field is 2 * depth + 1 px."""
    torch.manual_seed(1)
    layers = []
    for i in range(depth):
        layers += [nn.Conv2d(3 if i == 0 else channels, channels, 3, 1, 1)]
        layers += [nn.LeakyReLU(0.1)]
    return nn.Sequential(*layers[:-1]).eval()


def plain_curves(net, images, places, sides):
    """Change in standard deviations, and flips: (4, images, sides)."""
    with torch.no_grad():
        whole = net(images).double()
    spread = whole.transpose(0, 1).flatten(1).std(dim=1, correction=0)
    found = np.zeros((4, len(images), len(sides)))
    for n, image in enumerate(images):
        grey = image.mean(dim=(1, 2))
        for s, side in enumerate(sides):
            for y, x in places:
                logits = whole[n, :, y, x]
                top = int(logits.argmax())
                for reverse in (0, 1):
                    copy = image.clone()
                    for i in range(image.shape[1]):
                        for j in range(image.shape[2]):
                            reach = max(abs(i - y), abs(j - x))
                            inside = reach <= (side - 1) // 2
                            if inside == bool(reverse):
                                copy[:, i, j] = grey
                    with torch.no_grad():
                        now = net(copy[None])[0, :, y, x].double()
                    change = abs(float(now[top] - logits[top]))
                    found[2 * reverse, n, s] += change / float(spread[top])
                    found[2 * reverse + 1, n, s] += int(now.argmax()) != top
    return found / len(places)


CURVES = ('keep_change', 'keep_flips', 'replace_change', 'replace_flips')


def test_curves_equal_a_plain_loop():
    net, images = chain(2), images_of(2, (9, 11))
    places = [(y, x) for y in (2, 6) for x in (2, 8)]
    result = measure_context(
        net,
        images,
        '2',
        target={'type': 'UnitGrid', 'rows': 2, 'columns': 2},
        sides=[1, 3, 7],
    )
    expected = plain_curves(net, images, places, [1, 3, 7])
    for name, own in zip(CURVES, expected, strict=True):
        assert np.allclose(getattr(result, name), own, atol=2e-5), name
        mean, error = result.curve(name)
        assert np.allclose(mean, own.mean(axis=0), atol=2e-5)
        deviation = own.std(axis=0, ddof=1) / np.sqrt(2)
        assert np.allclose(error, deviation, atol=2e-5)
    assert expected[1].any() and expected[3].any()
    assert result.units == (4, 4)
    with torch.no_grad():
        every = net(images).transpose(0, 1).flatten(1)
    assert np.allclose(result.spread, every.std(dim=1, correction=0))


@pytest.mark.parametrize('fill', ['mean', 'blur', 'shuffle', 'other-image'])
@pytest.mark.parametrize('depth', [1, 3])
def test_nothing_changes_outside_the_theoretical_field(fill, depth):
    field = 2 * depth + 1
    sides = [1, field - 2, field, field + 2, 29]
    result = measure_context(
        chain(depth), images_of(3), str(2 * depth - 2), fill=fill, sides=sides
    )
    at = result.sides.index(field)
    assert (result.keep_change[:, at:] == 0).all()
    assert (result.keep_flips[:, at:] == 0).all()
    assert (result.keep_change[:, :at] > 0).all()
    # what lies outside the field adds nothing to replacing the field
    if fill in ('blur', 'other-image'):
        outer = result.replace_change[:, at:]
        assert (outer == outer[:, :1]).all()
    first = 1 if fill == 'shuffle' else 0  # one pixel has no other order
    assert (result.replace_change[:, first:] > 0).any(axis=0).all()
    assert (result.replace_change[:, :first] == 0).all()
    assert result.erf_sides['0.99']['side'] <= field
    assert result.mass[field // 2] == pytest.approx(1, abs=1e-12)


def test_a_linear_network_changes_by_the_weights_outside():
    torch.manual_seed(0)
    net = nn.Conv2d(3, 1, 7, padding=3, bias=False).double()
    images = images_of(4, (15, 15)).double()
    result = measure_context(
        nn.Sequential(net), images, '0', target='CentreUnit', sides=[1, 3, 5]
    )
    spread = net(images).detach().std(correction=0)
    weight = net.weight.detach()[0]
    for n, image in enumerate(images):
        about = image[:, 4:11, 4:11] - image.mean(dim=(1, 2), keepdim=True)
        for s, side in enumerate(result.sides):
            inside = torch.zeros(7, 7, dtype=torch.bool)
            low, high = 3 - side // 2, 4 + side // 2
            inside[low:high, low:high] = True
            for name, mask in (
                ('keep_change', ~inside),
                ('replace_change', inside),
            ):
                lost = (weight * about)[:, mask].sum().abs() / spread
                own = getattr(result, name)[n, s]
                assert own == pytest.approx(float(lost), rel=1e-9)


def test_a_strided_units_square_is_about_its_own_pixel():
    """The unit (1, 1) of a stride of 4 sits at (5.5, 5.5), halves up."""
    net = nn.Sequential(nn.Conv2d(3, 2, 4, 4))
    result = measure_context(
        net,
        images_of(2, (16, 16)),
        '0',
        target={'type': 'Unit', 'y': 1, 'x': 1},
        sides=[3, 5],
    )
    assert (result.keep_change[:, 0] > 0).all()
    assert (result.keep_change[:, 1] == 0).all()


def test_runs_do_not_depend_on_batches_and_repeat():
    net, images = chain(2), images_of(5)

    def run(batches, seed=0, fill='other-image', **options):
        return measure_context(
            net, batches, '2', fill=fill, sides=[1, 3], seed=seed, **options
        )

    whole = run(images)
    for size in (1, 2, 5):
        other = run(list(images.split(size)), batch_size=3)
        for name in CURVES:
            assert np.allclose(
                getattr(whole, name), getattr(other, name), atol=1e-6
            )
    one, two, three = (run(images, s, 'shuffle') for s in (0, 0, 1))
    assert np.array_equal(one.keep_change, two.keep_change)
    assert not np.array_equal(one.keep_change, three.keep_change)


def test_another_image_needs_two():
    with pytest.raises(MeasurementError, match='there is one image') as error:
        measure_context(chain(1), images_of(1), '0', fill='other-image')
    assert '\n' not in str(error.value)


def test_units_of_a_class_are_where_it_is_predicted():
    net, images = chain(1), images_of(4, (12, 12))
    with torch.no_grad():
        predicted = net(images).argmax(dim=1)
    counts = [int((image == 2).sum()) for image in predicted]
    images[1] = 0  # one class everywhere, but at the border
    with torch.no_grad():
        absent = not bool((net(images[1:2]).argmax(dim=1) == 2).any())
    assert absent and min(counts) >= 9
    result = measure_context(
        net,
        images,
        '0',
        target={'type': 'ClassRegion', 'classes': ['c']},
        classes=['a', 'b', 'c', 'd'],
        sides=[1, 3],
    )
    assert result.absent_images == 1 and result.units == (9, 9, 9)
    assert result.images == ('image 0', 'image 2', 'image 3')
    with pytest.raises(MeasurementError, match='none of the 1 image'):
        measure_context(
            net,
            images[1:2],
            '0',
            target={'type': 'ClassRegion', 'classes': [2]},
        )


@pytest.mark.parametrize(
    ('options', 'error', 'text'),
    [
        ({'target': {'type': 'ClassRegion'}}, ConfigError, 'one class'),
        ({'target': {'type': 'ClassUnit'}}, ConfigError, 'not of ClassUnit'),
        (
            {'target': {'type': 'Unit', 'y': 99, 'x': 0}},
            Exception,
            'no unit',
        ),
        ({'sides': [4]}, ConfigError, 'odd'),
        ({'fill': 'grey'}, ConfigError, 'unknown fill'),
        ({'layer': 'nothing'}, LayerError, 'nothing'),
        ({'images': images_of(1)[None]}, ConfigError, 'single'),
        ({'images': images_of(1).int()}, ConfigError, 'floating'),
        ({'images': torch.zeros(0, 3, 9, 9)}, MeasurementError, 'no image'),
        ({'threshold': float('nan')}, ConfigError, 'threshold'),
        ({'seed': -1}, ConfigError, 'seed'),
    ],
)
def test_what_is_refused_says_so_in_one_line(options, error, text):
    given = {'layer': '0', 'images': images_of(2), **options}
    images, layer = given.pop('images'), given.pop('layer')
    with pytest.raises(error, match=text) as caught:
        measure_context(chain(1), images, layer, **given)
    assert '\n' not in str(caught.value)


def test_one_channel_has_two_classes():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 1, 3, padding=1))
    images = images_of(3)
    plain = measure_context(net, images, '0', sides=[1])
    level = measure_context(net, images, '0', sides=[1], threshold=0.3)
    assert (plain.keep_change == level.keep_change).all()
    units = [(y, x) for y in (4, 12, 20) for x in (4, 14, 23)]
    with torch.no_grad():
        whole = net(images)[:, 0]
        for result, limit in ((plain, 0.0), (level, 0.3)):
            flips = []
            for image, logits in zip(images, whole, strict=True):
                for y, x in units:
                    copy = image.mean(dim=(1, 2), keepdim=True).expand_as(
                        image
                    ).clone()  # fmt: skip
                    copy[:, y, x] = image[:, y, x]
                    now = net(copy[None])[0, 0, y, x] > limit
                    flips.append(bool(now) != bool(logits[y, x] > limit))
            assert result.keep_flips.mean() == pytest.approx(np.mean(flips))
    sigmoid = nn.Sequential(net[0], nn.Sigmoid())
    with pytest.raises(ConfigError, match='say above which'):
        measure_context(sigmoid, images, '1')
    assert measure_context(sigmoid, images, '1', sides=[3], threshold=0.5)


def test_a_layer_without_spread_is_refused():
    net = nn.Sequential(nn.Conv2d(3, 2, 3))
    nn.init.zeros_(net[0].weight)
    with pytest.raises(MeasurementError, match='is the same at all units'):
        measure_context(net, images_of(2), '0', sides=[1])


class Counting(nn.Module):
    """Its parameter grows with every forward."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1)

    def forward(self, x):
        with torch.no_grad():
            self.conv.weight += 0.1
        return self.conv(x)


def test_a_model_that_changes_as_it_runs_is_refused_and_given_back():
    net = Counting()
    before = net.conv.weight.clone()
    with pytest.raises(MeasurementError, match='changes its parameters'):
        measure_context(net, images_of(1), 'conv', sides=[1])
    assert torch.equal(net.conv.weight, before)


def test_no_trace_is_left():
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Dropout(0.5)
    ).train()
    torch.manual_seed(5)
    before = of_model(net), of_process()
    first = measure_context(net, images_of(2), '2', sides=[3])
    assert not differing(before[0], of_model(net))
    assert not differing(before[1], of_process())
    again = measure_context(net, images_of(2), '2', sides=[3])
    assert (first.keep_change == 0).all() and (again.keep_change == 0).all()


def test_memory_that_runs_out_halves_a_pass(monkeypatch):
    net, images = chain(1), images_of(1)
    whole = measure_context(net, images, '0', sides=[1, 3])
    plain = nn.Conv2d.forward

    def small(self, x):
        if len(x) > 3:
            raise MemoryError
        return plain(self, x)

    monkeypatch.setattr(nn.Conv2d, 'forward', small)
    options = ContextOptions('0', batch_size=8)
    measurement = ContextMeasurement(net, options, [1, 3])
    for batch in batches_of(net, images):
        measurement.update(batch)
    assert measurement.step == 2
    halved = measurement.compute()
    assert np.allclose(halved.keep_change, whole.keep_change, atol=1e-6)


def test_the_erf_is_of_the_logits_that_are_scored():
    net, images = chain(2), images_of(2)
    result = measure_context(net, images, '2', target='CentreUnit')
    leaf = images.clone().requires_grad_()
    logits = net(leaf)[:, :, 12, 14]
    logits.amax(dim=1).sum().backward()
    expected = leaf.grad.relu().sum(dim=1).mean(dim=0)
    assert np.allclose(result.erf.map, expected, atol=1e-6)
    total = float(expected.sum())
    for reach in (0, 1, 2, 9):
        rows = slice(12 - reach, 13 + reach)
        columns = slice(14 - reach, 15 + reach)
        share = float(expected[rows, columns].sum()) / total
        assert result.mass[reach] == pytest.approx(share, rel=1e-5)
