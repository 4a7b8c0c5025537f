import pytest
import torch
from helpers.branched import Branched, branched, by_hand
from helpers.model_state import differing, of_model, of_process
from helpers.slow_reference import float64_map, images_like
from torch import nn

from mmerf import ERFResult, measure_each, measure_erf
from mmerf.core.errors import ConfigError, LayerError
from mmerf.core.folding.pairs import PairFinder
from mmerf.core.running.intercept import rerouted

CASES = [
    ('blocks.0', 'identity'),
    ('blocks.1.f', 'zero'),
    ('arms.1', 'zero'),
    ('arms.0.1', 'identity'),  # a batch norm that would be folded
    ('arms.0.0', 'identity'),  # a convolution that would be
    ('gate', 'identity'),
    ('gate.norm', 'zero'),
]


@pytest.mark.parametrize(('name', 'way'), CASES)
@pytest.mark.parametrize('size', [(24, 40), (160, 176)])
def test_as_a_network_built_without_it(name, way, size):
    """On the larger images in windows, with batch norms folded."""
    net, images = branched(), images_like(2, *size)
    result = measure_erf(net, images, ['head'], without=[f'{name}={way}'])
    expected = float64_map(by_hand(net, name, way), images)
    assert result['head'].map == pytest.approx(
        expected, abs=1e-5 * expected.max()
    )
    provenance = result['head'].provenance
    assert provenance['without'] == {name: way}
    assert size[0] < 100 or provenance['run_on'].startswith('window')


def test_batch_norms_that_are_switched_off_are_not_folded():
    net, image = branched(), images_like(1, 24, 24)
    for off, count in (
        (net.never, 6),
        (net.arms[0][1], 5),
        (net.gate.conv, 5),
    ):
        with rerouted(off, lambda own, args, kwargs: own(*args)):
            finder = PairFinder(net, set())
            with finder.watching():
                net(image)
            assert len(finder.pairs()) == count


def test_a_window_confirmed_before_is_not_used_again():
    """The widest arm decides about the window; then it is switched off."""
    net, images = branched(), images_like(2, 160, 176)
    whole, less, again = (
        measure_erf(net, images, ['head'], without=without)['head']
        for without in (None, 'arms.2', ())
    )
    expected = float64_map(by_hand(net, 'arms.2', 'zero'), images)
    assert less.map == pytest.approx(expected, abs=1e-5 * expected.max())
    assert (whole.map == again.map).all()
    assert whole.provenance['run_on'] != less.provenance['run_on']
    assert 'without' not in whole.provenance
    assert 'without' not in again.provenance


class Arms(nn.Module):
    """A linear branch of arms with weights >= 0, which are added."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, 1, 1, bias=False)
        self.arms = nn.ModuleList(
            nn.Conv2d(4, 2, 3, 1, rate, rate, bias=False) for rate in (1, 3, 5)
        )

    def forward(self, x):
        x = self.stem(x)
        return sum(arm(x) for arm in self.arms)


def test_the_maps_of_each_arm_alone_add_up():
    torch.manual_seed(0)
    net, images = Arms(), torch.rand(2, 3, 24, 28)
    for parameter in net.parameters():
        nn.init.uniform_(parameter)
    whole = measure_erf(net, images, ['.'])['.']
    summed = 0
    for i, arm in enumerate(net.arms):
        others = [f'arms.{j}' for j in range(3) if j != i]
        alone = measure_erf(net, images, ['.'], without=others)['.']
        leaf = images.clone().requires_grad_()
        arm(net.stem(leaf))[:, :, 12, 14].sum().backward()
        own = leaf.grad.sum(1).mean(0).numpy()
        assert alone.map == pytest.approx(own, rel=1e-5)
        assert alone.provenance['without'] == dict.fromkeys(others, 'zero')
        summed = summed + alone.map
    assert whole.map == pytest.approx(summed, rel=1e-5)


class Idle(Branched):
    """The last arm is multiplied by zero."""

    def __init__(self):
        super().__init__()
        self.arms[2].append(Nothing())


class Nothing(nn.Module):
    def forward(self, x):
        return x * 0


def test_a_module_without_influence_changes_nothing():
    torch.manual_seed(0)
    net, images = Idle().eval(), images_like(2, 24, 24)
    whole, less = (
        measure_erf(net, images, ['head'], without=without)['head']
        for without in (None, ['arms.2'])
    )
    assert whole.map == pytest.approx(less.map, abs=1e-7 * whole.map.max())
    assert less.map.any()


def test_the_theoretical_field_is_that_of_what_is_left():
    """9 px to each side: stem 1, blocks 2 x 2, an arm of rate 2 times 2."""
    net, images = branched(), images_like(1, 48, 48)
    found = [
        measure_erf(net, images, ['head'], theory=True, without=without)
        for without in ('arms.2', None)
    ]
    less, whole = (results['head'].theory for results in found)
    assert (less.y.kind, less.y.before, less.y.after) == ('box', -9, 9)
    assert (whole.y.kind, whole.y.before, whole.y.after) == ('box', -13, 13)


def test_each_image_and_reduced_precision():
    net, images = branched(), images_like(3, 24, 24)
    each = measure_each(net, images, ['head'], without=['blocks.0'])
    hand = by_hand(net, 'blocks.0', 'identity')
    for image, results in zip(images, each, strict=True):
        expected = float64_map(hand, image[None])
        assert results['head'].map == pytest.approx(
            expected, abs=1e-5 * expected.max()
        )
    low = measure_erf(
        net, images, ['head'], amp='bfloat16', without=['blocks.0']
    )['head']
    assert 0 < low.provenance['deviation_from_float32']['map'] < 0.1


def test_a_forward_of_the_users_with_a_second_input():
    net, images = branched(), images_like(4, 24, 24)
    shift = torch.zeros(4, 3, 1, 1)
    result = measure_erf(
        net,
        images,
        ['head'],
        forward=lambda x: net.forward(x + shift),
        batch_size=4,
        without='arms.0',
    )['head']
    expected = float64_map(by_hand(net, 'arms.0', 'zero'), images)
    assert result.map == pytest.approx(expected, abs=1e-5 * expected.max())


class Bare(nn.Module):
    """Calls a module's forward, as segmentors do, which no hook sees."""

    def __init__(self, net):
        super().__init__()
        self.net = net
        self.extra = nn.Conv2d(3, 3, 3, 1, 1)

    def forward(self, x):
        return self.net.forward(x + self.extra.forward(x))


class Graph(nn.Module):
    """Places exchange what they have along the edges of a sparse graph."""

    def __init__(self, size):
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.arm = nn.Conv2d(4, 4, 3, padding=1)
        self.head = nn.Conv2d(4, 2, 1)
        edges = (torch.rand(size, size) < 3 / size) * torch.rand(size, size)
        self.register_buffer('edges', (edges + torch.eye(size)).to_sparse())

    def forward(self, x):
        y = self.stem(x)
        y = y + self.arm(y)
        places = y.permute(2, 3, 0, 1).flatten(2).flatten(0, 1)
        joined = torch.sparse.mm(self.edges * 0.5, places)
        shape = (*y.shape[2:], *y.shape[:2])
        return self.head(joined.reshape(shape).permute(2, 3, 0, 1))


def test_a_network_with_sparse_tensors():
    """Without an arm: as with one whose weights are zero."""
    net, images = Graph(144), images_like(2, 12, 12)
    head = dict(name='head', layout='NCHW')  # the graph joins places at will
    one_by_one = iter(images.split(1))  # more may come: memory is counted
    result = measure_erf(net, one_by_one, [head], without='arm')['head']
    assert result.provenance['without'] == {'arm': 'zero'}
    whole = measure_erf(net, images, [head])['head']
    nn.init.zeros_(net.arm.weight)
    nn.init.zeros_(net.arm.bias)
    expected = float64_map(net, images)
    assert result.map == pytest.approx(expected, abs=1e-5 * expected.max())
    assert abs(whole.map - expected).max() > 1e-2 * expected.max()


def test_a_bare_forward_is_switched_off_too():
    net, images = Bare(branched()), images_like(2, 24, 24)
    less = measure_erf(net, images, ['net'], without='extra')['net']
    assert less.provenance['without'] == {'extra': 'zero'}
    expected = float64_map(net.net, images)
    assert less.map == pytest.approx(expected, abs=1e-5 * expected.max())


def test_results_keep_it_in_their_file(tmp_path):
    result = measure_erf(
        branched(), images_like(1, 24, 24), ['head'], without='arms.1'
    )['head']
    kept = ERFResult.load(result.save(tmp_path / 'x.npz'))
    assert kept.provenance['without'] == {'arms.1': 'zero'}
    assert kept.definition == result.definition


WRONG = [
    (dict(without='arm.1'), LayerError, 'nearest: arms.1'),
    (dict(without='stem'), ConfigError, 'state stem=zero'),
    (dict(without='never'), LayerError, 'never is not run in inference'),
    (dict(without=7), ConfigError, 'without is a list of module names'),
    (dict(without='stem=zero'), LayerError, 'without stem (zero): head: its'),
    (dict(without='head=zero'), LayerError, 'head: its output does not dep'),
    (
        dict(without='arms.1', layers=['arms.1.0']),
        LayerError,
        'arms.1.0 is inside arms.1, which is switched off',
    ),
    (
        dict(without=['arms.1'], layers=['arms.1.*']),
        LayerError,
        'arms.1.0 is inside arms.1',
    ),
]


@pytest.mark.parametrize(('options', 'error', 'words'), WRONG)
def test_errors_of_one_line_leave_nothing(options, error, words):
    net, images = branched().train(), images_like(1, 24, 24)
    before = of_model(net), of_process()
    with pytest.raises(error) as caught:
        measure_erf(net, images, **{'layers': ['head'], **options})
    assert words in str(caught.value) and '\n' not in str(caught.value)
    assert differing(before, (of_model(net), of_process())) == []


def test_layers_of_a_glob_inside_of_it_are_passed_over():
    results = measure_erf(
        branched(), images_like(1, 24, 24), ['arms.*.0'], without='arms.1'
    )
    assert list(results) == ['arms.0.0', 'arms.2.0']


@pytest.mark.parametrize('fault', [None, ValueError, KeyboardInterrupt])
def test_nothing_stays_on_the_model(fault):
    net, images = branched().train(), images_like(2, 160, 176)
    net.stem.register_forward_hook(lambda module, inputs, output: None)
    net.blocks.requires_grad_(False)

    def forward(x):
        forward.calls += 1
        if fault is not None and forward.calls > 2:
            assert '_call_impl' in vars(net.arms[1])
            raise fault
        return net(x)

    forward.calls = 0
    without = ['blocks.0', 'blocks.1.f', 'arms.1', 'gate.norm=zero']
    before = of_model(net), of_process()
    try:
        measure_erf(net, images, ['head'], forward=forward, without=without)
    except (ValueError, KeyboardInterrupt):
        assert fault is not None
    else:
        assert fault is None
    assert differing(before, (of_model(net), of_process())) == []
