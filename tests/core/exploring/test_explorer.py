"""One graph is kept: every unit's map equals a measurement of that unit."""

import gc
import weakref

import numpy as np
import pytest
import torch
from helpers.model_state import differing, of_model, of_process
from helpers.slow_reference import images_like
from torch import nn
from torch.utils.checkpoint import checkpoint

from mmerf import measure_erf
from mmerf.core.batch import batch_of
from mmerf.core.errors import (
    ConfigError,
    LayerError,
    MeasurementError,
    TargetError,
)
from mmerf.core.exploring.explorer import Explorer

SAME = (
    'layer', 'unit', 'unit_pixel', 'grid', 'stride', 'pixel_known', 'kind',
    'num_images', 'zero_score_images', 'units', 'sizes', 'shares',
)  # fmt: skip


class Net(nn.Module):
    """Two stages and four logits, of random weights; counts its forwards."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(3, 6, 3, 2, 1)
        self.norm = nn.BatchNorm2d(6)
        self.body = nn.Conv2d(6, 6, 3, padding=1)
        self.head = nn.Conv2d(6, 4, 1)
        self.norm.running_var.uniform_(0.5, 2)
        self.register_buffer('scale', torch.ones(1))

    def forward(self, x):
        x = self.norm(self.stem(x)).relu()
        return self.head(self.body(x).relu())


@pytest.fixture
def net():
    return Net()


def deviation(one, other):
    """Largest difference of two maps, as a fraction of the peak."""
    return np.abs(one - other).max() / other.max()


def plain_map(net, module, image, score):
    """The map of a score of a module's output, by plain autograd."""
    net, leaf = net.eval(), image.clone().requires_grad_()
    kept = []
    handle = module.register_forward_hook(
        lambda module, inputs, output: kept.append(output.clone())
    )
    net(leaf)
    handle.remove()
    (gradient,) = torch.autograd.grad(score(kept[0]), leaf)
    return gradient[0].clamp(min=0).sum(0).numpy()


def test_maps_are_those_of_plain_autograd_in_float64(net):
    image = images_like(1, 30, 44).double()
    rng = np.random.default_rng(0)
    with Explorer(net.double(), image, ['stem', 'body', 'head']) as explorer:
        for key in explorer.layers:
            h, w = explorer.grid(key).size
            for y, x in rng.integers((h, w), size=(4, 2)).tolist():
                found = explorer.result(key, (y, x)).map
                own = plain_map(
                    net, getattr(net, key), image,
                    lambda out: out[0, :, y, x].clamp(min=0).sum(),  # noqa: B023
                )  # fmt: skip
                assert deviation(found, own) < 1e-12
        explorer.ask({'type': 'ClassUnit', 'classes': 2})
        own = plain_map(net, net.head, image, lambda out: out[0, 2, 5, 9])
        assert deviation(explorer.result('head', (5, 9)).map, own) < 1e-12


@pytest.mark.parametrize('name', ['fcn', 'segformer'])
@pytest.mark.parametrize('double', [False, True])
def test_results_are_those_of_a_measurement(name, double, request):
    model, image = request.getfixturevalue(name), images_like(1, 64, 96)
    if double:  # measured with every shortcut; rounding is no matter
        model, image = model.double(), image.double()
    else:
        request.getfixturevalue('as_few')
    layers = ['backbone', 'decode_head']
    rng = np.random.default_rng(1)
    with Explorer(model, image, layers) as explorer:
        for _ in range(2):
            pixel = rng.uniform(0, 64), rng.uniform(0, 96)
            target = dict(type='Pixel', y=pixel[0], x=pixel[1])
            measured = measure_erf(model, image, layers, target=target)
            assert explorer.layers == list(measured)
            for key, found in explorer.results(pixel):
                own = measured[key]
                if own.map.any():
                    most = 1e-12 if double else 1e-6
                    assert deviation(found.map, own.map) < most
                for field in SAME:
                    assert getattr(found, field) == getattr(own, field)
                assert found.definition['map'] == own.definition['map']


@pytest.mark.parametrize('method', ['RepLKNet', 'VMamba', 'MambaIR', 'Luo'])
def test_attributions_of_one_gradient(net, method):
    image = images_like(1, 30, 44)
    with Explorer(net, image, ['body']) as explorer:
        explorer.ask(attribution=method)
        found = explorer.result('body', (7, 11))
    own = measure_erf(
        net, image, ['body'], attribution=method,
        target=dict(type='Unit', y=7, x=11),
    )['body']  # fmt: skip
    assert deviation(found.map, own.map) < 1e-6
    assert found.definition == own.definition


def test_the_model_runs_once_and_a_map_of_one_layer_is_one_backward(
    net, monkeypatch
):
    runs, backwards = [], []
    own = torch.autograd.grad
    monkeypatch.setattr(
        torch.autograd, 'grad',
        lambda *args, **kwargs: backwards.append(1) or own(*args, **kwargs),
    )  # fmt: skip
    net.register_forward_hook(lambda *_: runs.append(1))
    with Explorer(net, images_like(1, 30, 44), ['stem', 'body']) as explorer:
        keys = [key for key, _ in explorer.results((3, 4), first='body')]
        assert keys == ['body', 'stem'] and len(backwards) == 2
        explorer.ask({'type': 'CentreUnit', 'relu': False}, 'Luo')
        explorer.result('stem', (0, 0))
        assert len(backwards) == 3
    assert len(runs) == 1


def test_nothing_is_left_on_the_model_or_the_process(net):
    net.train()
    net.body.weight.requires_grad_(False)
    net.head.weight.grad = torch.ones_like(net.head.weight)
    state, process = of_model(net), of_process()

    def unchanged():
        assert not differing(of_model(net), state)
        assert not differing(of_process(), process)

    explorer = Explorer(net, images_like(1, 30, 44), ['stem', 'head'])
    unchanged()  # also while it is open
    list(explorer.results((8, 9)))
    unchanged()
    with pytest.raises(TargetError, match='no unit'):
        explorer.result('stem', (99, 0))
    unchanged()
    explorer.close()
    unchanged()


def test_nothing_is_left_where_the_forward_or_a_gradient_fails(
    net, monkeypatch
):
    net.train()
    state, process = of_model(net), of_process()
    with pytest.raises(RuntimeError, match='expected input'):
        Explorer(net, images_like(1, 30, 44)[:, :2], ['head'])
    assert not differing(of_model(net), state)
    with Explorer(net, images_like(1, 30, 44), ['head']) as explorer:

        def fails(*args, **kwargs):
            net.scale += 1
            torch.rand(1)
            raise KeyboardInterrupt

        monkeypatch.setattr(torch.autograd, 'grad', fails)
        with pytest.raises(KeyboardInterrupt):
            explorer.result('head', (1, 1))
        monkeypatch.undo()
        assert not differing(of_model(net), state)
        assert not differing(of_process(), process)
        explorer.result('head', (1, 1))


class Recomputing(Net):
    """Runs a part of itself again in each backward pass."""

    def forward(self, x):
        x = checkpoint(self._features, x, use_reentrant=False)
        return self.head(self.body(x).relu())

    def _features(self, x):
        return self.norm(self.stem(x)).relu()


def test_a_checkpoint_runs_again_in_eval_mode_and_leaves_nothing():
    net, image = Recomputing().train(), images_like(1, 30, 44)
    state = of_model(net)
    own = measure_erf(net, image, ['body'])['body']
    with Explorer(net, image, ['body']) as explorer:
        found = explorer.result('body', own.unit)
    assert deviation(found.map, own.map) < 1e-6
    assert not differing(of_model(net), state)


class Counting(Net):
    """Scales by a buffer that it writes to in every forward."""

    def forward(self, x):
        self.scale += 1
        x = self.norm(self.stem(x)).relu() * self.scale
        return self.head(self.body(x).relu())


def test_a_buffer_that_is_given_back_does_not_matter():
    net, image = Counting(), images_like(1, 30, 44)
    own = measure_erf(net, image, ['body'])['body']
    with Explorer(net, image, ['body']) as explorer:
        assert net.scale.item() == 1
        net.norm.running_var.fill_(9)  # as a training would
        found = explorer.result('body', own.unit)
    assert deviation(found.map, own.map) < 1e-6


def test_a_model_that_was_trained_meanwhile_is_refused(net):
    with Explorer(net, images_like(1, 30, 44), ['stem', 'body']) as explorer:
        explorer.result('body', (3, 3))
        with torch.no_grad():
            net.body.weight += 0.1
        with pytest.raises(MeasurementError, match='open the image again'):
            explorer.result('body', (3, 3))
        explorer.result('stem', (3, 3))  # does not depend on that weight


class Growing(Net):
    def forward(self, x):
        with torch.no_grad():
            self.head.weight += 1
        return super().forward(x)


def test_a_model_that_changes_its_weights_is_refused():
    net = Growing()
    before = net.head.weight.clone()
    with pytest.raises(MeasurementError, match='changes its parameters'):
        Explorer(net, images_like(1, 30, 44), ['body'])
    assert torch.equal(net.head.weight, before)


def test_memory_is_told_bounded_and_freed(net):
    image = images_like(1, 30, 44)
    # Input of each convolution, and each activation that is its own; the
    # outputs of both layers once more.
    stage, logits = 6 * 15 * 22, 4 * 15 * 22
    explorer = Explorer(net, image, ['stem', 'head'])
    kept = 4 * (stage + stage + logits)  # at least these
    assert kept < explorer.memory < 4 * (image.numel() + 8 * stage)
    with pytest.raises(MeasurementError, match='takes more than 0 MB'):
        Explorer(net, image, ['stem', 'head'], most_bytes=explorer.memory // 2)
    output = weakref.ref(explorer._ran.outputs['head'][0])
    explorer.close()
    gc.collect()
    assert output() is None
    for call in (explorer.ask, lambda: explorer.result('stem', (0, 0))):
        with pytest.raises(MeasurementError, match='closed'):
            call()


def test_a_unit_without_a_positive_channel_has_a_zero_map(net):
    nn.init.constant_(net.head.bias, -100)
    with Explorer(net, images_like(1, 30, 44), ['head']) as explorer:
        found = explorer.result('head', (4, 4))
        assert not found.map.any() and found.zero_score_images == 1
        explorer.ask({'type': 'CentreUnit', 'relu': False})
        assert explorer.result('head', (4, 4)).map.any()


def test_units_are_the_nearest_and_move_in_the_image(net):
    class Turned(Net):
        def forward(self, x):
            return super().forward(x).transpose(2, 3)

    with Explorer(Turned(), images_like(1, 30, 44), ['stem', '.']) as explorer:
        assert explorer.unit('stem', (12.6, 20)) == (6, 10)
        assert explorer.unit('stem', (0, 43.9)) == (0, 21)
        assert explorer.unit('.', (12.6, 20)) == (10, 6)  # rows are columns
        assert explorer.moved('stem', (6, 10), 1, -2) == (7, 8)
        assert explorer.moved('.', (10, 6), 1, -2) == (8, 7)
        assert explorer.moved('stem', (0, 0), -1, -1) == (0, 0)
        for pixel in ((-1, 0), (30, 0), (0, 44)):
            with pytest.raises(TargetError, match='outside the 30 x 44'):
                explorer.unit('stem', pixel)
        with pytest.raises(LayerError, match='the layers are stem'):
            explorer.unit('body', (3, 3))


def test_classes_and_what_is_predicted(net):
    image = images_like(1, 30, 44)
    want = net.eval()(image)[0].argmax(0)
    names = ['sky', 'road', 'tree', 'car']
    with Explorer(net, image, ['body'], classes=names) as explorer:
        assert explorer.classes == names
        assert explorer.predicted((13, 21)) == names[want[6, 10]]
        explorer.ask({'type': 'ClassUnit', 'classes': 'tree'})
        with pytest.raises(TargetError, match='not one for each of the 4'):
            explorer.result('body', (2, 2))
        with pytest.raises(ConfigError, match="no class 'trees'"):
            explorer.ask({'type': 'ClassUnit', 'classes': 'trees'})
        assert explorer.question.target.classes == ['tree']
    with Explorer(net, image, ['head'], classes=names[:2]) as explorer:
        assert explorer.classes == ['0', '1', '2', '3']


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'target': 'grid'}, 'unknown target'),
        ({'target': dict(type='UnitSample', count=2)}, 'not about one'),
        ({'target': dict(type='ClassRegion', classes=1)}, 'not about one'),
        ({'target': dict(type='ClassUnit')}, 'one class is shown at a time'),
        ({'attribution': 'SmoothGrad'}, 'runs the model again'),
        ({'attribution': 'Occlusion'}, 'runs the model again'),
        ({'attribution': 'GradCAM'}, 'runs the model again'),
        ({'layers': ['bodi']}, 'nearest: body'),
    ],
)  # fmt: skip
def test_what_cannot_be_explored(net, options, message):
    options = {'layers': ['head'], **options}
    with pytest.raises(ConfigError, match=message):
        Explorer(net, images_like(1, 30, 44), **options)


@pytest.mark.parametrize(
    ('image', 'message'),
    [
        (torch.zeros(2, 3, 8, 8), r'one image, shape \(1, C, H, W\), not'),
        (torch.zeros(3, 8, 8), r'not shape \(3, 8, 8\)'),
        (torch.zeros(1, 2, 3, 8, 8), r'not shape \(1, 2, 3, 8, 8\)'),
        (torch.zeros(1, 3, 8, 8, dtype=torch.uint8), 'normalise it'),
        ('photo.png', 'not a str'),
        (batch_of(None, torch.zeros(3, 3, 8, 8)), r'not shape \(3, 3'),
    ],
)
def test_images_that_are_refused(net, image, message):
    with pytest.raises(ConfigError, match=message):
        Explorer(net, image, ['head'])


def test_a_layer_without_a_gradient_is_refused_as_it_is_opened(net):
    class Constant(Net):
        def forward(self, x):
            return super().forward(x.detach())

    with pytest.raises(LayerError, match='does not depend on the image'):
        Explorer(Constant(), images_like(1, 30, 44), ['head'])


def test_a_module_that_is_off(net):
    image = images_like(1, 30, 44)
    net.head = nn.Sequential(nn.Conv2d(6, 6, 3, padding=1), nn.Conv2d(6, 4, 1))
    with Explorer(net, image, ['.'], without=['head.0']) as explorer:
        found = explorer.result('.', (7, 11))
    own = measure_erf(net, image, ['.'], without=['head.0'])['.']
    assert own.unit == (7, 11) and deviation(found.map, own.map) < 1e-6
    assert found.provenance['without'] == {'head.0': 'identity'}
