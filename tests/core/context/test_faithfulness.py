"""Rankings against a slow loop that knows the network's weights alone."""

import numpy as np
import pytest
import torch
from torch import nn

from mmerf.core.attributions.base import Attribution, LayerMaps
from mmerf.core.attributions.presets import Luo
from mmerf.core.context.faithfulness import rank_attributions
from mmerf.core.context.options import named_attributions
from mmerf.core.context.ranking import RankingResult
from mmerf.core.context.squares import descending, patch_labels
from mmerf.core.errors import ConfigError, MeasurementError, ResultError


class Flat(Attribution):
    """The same contribution everywhere."""

    def __call__(self, forward, inputs, target, layers):
        for part in layers.read(forward, inputs.clone(), target).values():
            yield LayerMaps(part.detached(), torch.ones(1, *inputs.shape[2:]))


class Broken(Flat):
    """A map that is not finite."""

    def __call__(self, *args):
        for found in super().__call__(*args):
            yield found._replace(maps=found.maps * float('nan'))


@pytest.fixture
def net():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 1, 7, padding=3, bias=False))
    # a unit's weights differ much: some patches matter, others hardly do
    with torch.no_grad():
        net[0].weight *= torch.linspace(0, 1, 7).pow(3)
    return net.double()


def images_of(count, size=(12, 12)):
    generator = torch.Generator().manual_seed(3)
    return torch.randn(count, 3, *size, generator=generator).double()


def slow_areas(net, images, unit, maps, steps, draws, patch, seed, scale):
    """Areas of the maps' orders, by a loop over images, draws and steps."""
    height, width = images.shape[2:]
    y, x = unit
    with torch.no_grad():
        whole = net(images)
    spread = float(whole.std(correction=0))
    corners = [
        (i, j) for i in range(0, height, patch) for j in range(0, width, patch)
    ]
    areas = []
    for n, image in enumerate(images):
        drawn = [
            np.random.default_rng([seed, n, 0, k]).permutation(len(corners))
            for k in range(draws)
        ]
        values = [
            float(maps[n][i : i + patch, j : j + patch].mean())
            for i, j in corners
        ]
        own = sorted(drawn[0], key=lambda p: -values[p])
        grey = image.mean(dim=(1, 2), keepdim=True)

        def change(gone, image=image, grey=grey, n=n):
            copy = image.clone()
            for p in gone:
                i, j = corners[p]
                copy[:, i : i + patch, j : j + patch] = grey
            with torch.no_grad():
                now = net(copy[None])[0, 0, y, x]
            return abs(float(now - whole[n, 0, y, x])) / spread

        area = 0.0
        for step in range(steps + 1):
            gone = step * len(corners) // steps
            if scale == 'log':
                gone = max(len(corners) // 2 ** (steps - step), 1)
            random = np.mean([change(order[:gone]) for order in drawn])
            weight = 0.5 if step in (0, steps) else 1
            area += weight * (change(own[:gone]) - random) / steps
        areas.append(area)
    return np.array(areas)


@pytest.mark.parametrize('scale', ['log', 'linear'])
def test_areas_equal_a_slow_loop_and_beat_chance(net, scale):
    images = images_of(24)
    result = rank_attributions(
        net,
        images,
        '0',
        ['Luo', Flat()],
        target={'type': 'Unit', 'y': 6, 'x': 5},
        steps=4,
        scale=scale,
        draws=2,
        patch_size=2,
        seed=7,
    )
    leaf = images.clone().requires_grad_()
    net(leaf)[:, 0, 6, 5].sum().backward()
    gradients = leaf.grad.abs().sum(dim=1)
    flat = torch.ones_like(gradients)
    for own, maps in zip(result.areas, (gradients, flat), strict=True):
        expected = slow_areas(net, images, (6, 5), maps, 4, 2, 2, 7, scale)
        assert np.allclose(own, expected, atol=1e-9)
    rows = result.ranked()
    assert [row['name'] for row in rows] == ['Luo', 'Flat']
    assert rows[0]['faithfulness'] > 3 * rows[0]['stderr'] > 0
    assert abs(rows[1]['faithfulness']) < 0.25 * rows[0]['faithfulness']


def test_the_input_gradient_beats_chance(net):
    result = rank_attributions(
        net, images_of(24), '0', ['InputGradient'], patch_size=1
    )
    [row] = result.ranked()
    assert row['faithfulness'] > 3 * row['stderr']
    assert row['less'] == 0 and row['less_stderr'] == 0


def test_a_constant_map_is_worth_nothing(net):
    result = rank_attributions(net, images_of(3), '0', [Flat()], draws=1)
    assert (result.areas == 0).all()


def test_standard_errors_are_those_of_paired_differences(net):
    result = rank_attributions(
        net, images_of(5), '0', ['InputGradient', 'Luo', 'Occlusion', Flat()]
    )
    areas = dict(zip(result.names, result.areas, strict=True))
    rows = result.ranked()
    means = [row['faithfulness'] for row in rows]
    assert means == sorted(means, reverse=True)
    best = areas[rows[0]['name']]
    for row in rows:
        own = areas[row['name']]
        error = own.std(ddof=1) / np.sqrt(5)
        assert row['stderr'] == pytest.approx(error)
        less = best - own
        assert row['less'] == pytest.approx(less.mean())
        error = less.std(ddof=1) / np.sqrt(5)
        assert row['less_stderr'] == pytest.approx(error)


class Swapped(Luo):
    """Each unit gets the map of another one."""

    def __call__(self, *args):
        every = list(super().__call__(*args))
        yield from every[::-1]


def test_maps_are_of_their_own_units(net):
    result = rank_attributions(
        net,
        images_of(8),
        '0',
        ['Luo', Swapped()],
        target={'type': 'UnitGrid', 'rows': 2, 'columns': 2},
    )
    assert result.units == (4,) * 8
    rows = result.ranked()
    assert rows[0]['name'] == 'Luo'
    assert rows[1]['less'] > 3 * rows[1]['less_stderr']


def test_equal_patches_keep_a_given_order():
    label = patch_labels((5, 7), 2)
    assert label.max() + 1 == 12 and label[4, 6] == 11 and label[2, 1] == 4
    values = np.array([0, 2.0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 3])
    ties = np.random.default_rng(0).permutation(12)
    order = descending(values[label], label, ties)
    assert order[0] == 11 and order[3] == 4 and {*order[1:3]} == {1, 2}
    zeros = [p for p in ties if values[p] == 0]
    assert order[4:].tolist() == zeros


@pytest.mark.parametrize(
    ('given', 'text'),
    [
        (['GradCAM'], 'pictures of attention'),
        (['Luo', 'Luo'], 'twice'),
        (['nothing'], 'unknown attribution'),
        ([], 'at least one'),
    ],
)
def test_attributions_that_cannot_be_ranked(given, text):
    with pytest.raises(ConfigError, match=text):
        named_attributions(given)


def test_names_that_are_ranked():
    assert 'IntegratedGradients' in named_attributions(None)
    given = ['Luo', {'type': 'SmoothGrad', 'std': 0.3}, 'Saliency']
    found = named_attributions(given)
    assert list(found) == ['Luo', 'SmoothGrad, 0.3', 'Saliency']
    assert found['Saliency'].method == 'Saliency'


def test_an_unknown_scale_is_refused(net):
    with pytest.raises(ConfigError, match="'log' or 'linear'"):
        rank_attributions(net, images_of(1), '0', ['Luo'], scale='square')


def test_a_map_that_is_not_finite_is_refused(net):
    with pytest.raises(MeasurementError, match='no finite map'):
        rank_attributions(net, images_of(1), '0', [Broken()])


def test_what_is_saved_is_loaded(net, tmp_path):
    result = rank_attributions(net, images_of(2), '0', ['Luo', Flat()])
    loaded = RankingResult.load(result.save(tmp_path / 'r.npz'))
    assert loaded.record() == result.record()
    broken = RankingResult(**{**vars(result), 'names': ('one',)})
    path = broken.save(tmp_path / 'broken.npz')
    with pytest.raises(ResultError, match='no whole ranking'):
        RankingResult.load(path)
