"""Targets and attributions from names, import paths, dicts and objects."""

import pytest
import torch
from helpers.scores import score_at_three
from helpers.slow_reference import images_like
from torch import nn

import mmerf
from mmerf import measure_erf
from mmerf.core.build import build_target_and_attribution
from mmerf.core.errors import ConfigError
from mmerf.core.targets import Unit


class FirstUnit(mmerf.Target):
    definition = 'sum over channels at unit (0, 0)'

    def unit(self, grid):
        return 0, 0

    def __call__(self, output, context):
        return output[:, :, 0, 0].sum(1)


class Halved(mmerf.Attribution):
    """The input gradient of every score, halved."""

    def __call__(self, forward, inputs, target, layers):
        leaf = inputs.clone().requires_grad_()
        for part in layers.read(forward, leaf, target).values():
            (gradient,) = torch.autograd.grad(
                part.scores.sum(), leaf, retain_graph=True
            )
            maps = gradient.relu().sum(1) / 2
            yield mmerf.core.attributions.LayerMaps(part.detached(), maps)


@pytest.fixture
def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1))


def test_a_bare_function_is_refused_in_one_line(net):
    with pytest.raises(ConfigError, match="type='Function'") as caught:
        measure_erf(net, images_like(1, 32, 32), ['0'], target=score_at_three)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    'function', [score_at_three, 'helpers.scores.score_at_three']
)
def test_a_function_is_measured_about_the_unit_that_is_stated(net, function):
    target = dict(type='Function', function=function, y=3, x=3)
    images = images_like(2, 32, 32)
    result = measure_erf(net, images, ['0'], target=target)['0']
    plain = measure_erf(net, images, ['0'], target=Unit(3, 3, relu=False))['0']
    assert result.unit == (3, 3) and result.unit_pixel == (3.0, 3.0)
    assert (result.map == plain.map).all()
    y, x = divmod(int(result.map.argmax()), 32)
    assert abs(y - 3) <= 1 and abs(x - 3) <= 1
    assert 'score_at_three at unit (3, 3)' in result.definition['score']


def test_a_users_own_target_and_attribution_are_measured(net):
    images = images_like(2, 16, 16)
    own = measure_erf(
        net, images, ['0'], target=FirstUnit(), attribution=Halved()
    )
    plain = measure_erf(net, images, ['0'], target=Unit(0, 0, relu=False))
    assert own['0'].unit == (0, 0)
    torch.testing.assert_close(
        torch.tensor(own['0'].map), torch.tensor(plain['0'].map) / 2
    )
    assert own['0'].definition['map'] == 'Halved'


@pytest.mark.parametrize(
    ('target', 'attribution', 'message'),
    [
        ('CenterUnit', None, "unknown target 'CenterUnit'; the known ones"),
        (None, 'Inputgradient', 'unknown attribution'),
        ('no_such_package.Target', None, 'there is no package no_such_pa'),
        ('collections.OrderedDict', None, 'is no target'),
        (None, 'torch.nn.ReLU', 'is no attribution'),
        (None, score_at_three, 'is no attribution'),
        (FirstUnit, None, 'is no target'),
        (dict(type='Unit'), None, "missing 2 required .* 'y' and 'x'"),
        (dict(type='Function', function=5, y=0, x=0), None, 'no function'),
        (dict(type='Function', function=print, y='a', x=0), None, 'a column'),
        (dict(type='CentreUnit', relu=True), 'MambaIR', 'relu=False'),
        ([5], None, 'is no target'),
    ],
)
def test_what_cannot_be_built_is_one_line(target, attribution, message):
    with pytest.raises(ConfigError, match=message) as caught:
        build_target_and_attribution(target, attribution)
    assert '\n' not in str(caught.value)


def test_a_target_without_a_unit_is_refused(net):
    class NoUnit(mmerf.Target):
        def __call__(self, output, context):
            return output.sum((1, 2, 3))

    with pytest.raises(mmerf.core.errors.TargetError, match='gives no unit'):
        measure_erf(net, images_like(1, 8, 8), ['0'], target=NoUnit())


@pytest.mark.parametrize(
    ('by_class', 'region'),
    [('prediction', 'prediction'), ('label', 'ground_truth')],
)
def test_by_class_states_the_region(by_class, region):
    for given, component in (
        (None, 'largest'),
        ('ClassRegion', 'all'),
        (dict(type='ClassRegion', component='largest'), 'largest'),
    ):
        target, _ = build_target_and_attribution(given, None, by_class)
        assert (target.region, target.component) == (region, component)
