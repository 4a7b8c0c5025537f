"""Curves against plain loops that use the model and nothing of mmerf."""

import numpy as np
import pytest
import torch
from helpers.context_nets import chain, images_of
from torch import nn

from mmerf.core.context.curves import measure_context


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
