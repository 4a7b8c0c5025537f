"""What autograd's graph tells of places, against operations that are watched.

The tracer has references of its own; here both have to say the same, or the
graph has to say that it does not know.
"""

import pytest
import torch
from helpers.calls import calls_of
from helpers.custom_backward import Custom
from helpers.slow_reference import float64_map, images_like
from torch import nn
from torch.nn import functional as F

from mmerf import measure_erf
from mmerf.core.batch import batch_of
from mmerf.core.following import graph, nodes
from mmerf.core.following.graph import GraphFollower, NotFollowed
from mmerf.core.following.tracer import GridTracer
from mmerf.core.measurement import Measurement
from mmerf.core.options import MeasurementOptions
from mmerf.core.shortcuts import budget
from mmerf.core.shortcuts.trial import Trial

KEPT = torch.rand(1, 4, 12, 16)
CONV = nn.Conv2d(4, 6, 3, 2, 1).requires_grad_(False)
BACK = nn.ConvTranspose2d(4, 6, 4, 2, 1).requires_grad_(False)
BATCH_NORM = nn.BatchNorm2d(4).eval().requires_grad_(False)


def tokens(x):
    return x.flatten(2).transpose(1, 2)


def from_tokens(t, x):
    return t.transpose(1, 2).reshape(x.shape)


def windows(x, side=4):
    n, c, h, w = x.shape
    x = x.view(n, c, h // side, side, w // side, side)
    return x.permute(0, 2, 4, 3, 5, 1).reshape(-1, side * side, c)


def from_windows(t, x, side=4):
    n, c, h, w = x.shape
    t = t.view(n, h // side, w // side, side, side, c)
    return t.permute(0, 5, 1, 3, 2, 4).reshape(x.shape)


OPERATIONS = {
    'AdaptiveAvgPool2D': lambda x: F.adaptive_avg_pool2d(x, (5, 4)),
    'Add': lambda x: x + KEPT,
    'Addmm': lambda x: from_tokens(
        F.linear(tokens(x)[0], torch.rand(4, 4), torch.rand(4))[None], x
    ),
    'Alias': lambda x: torch.ops.aten.alias(x),
    'Amax': lambda x: x.amax(-3, keepdim=True),
    'AvgPool2D': lambda x: F.avg_pool2d(x, 3, 2, 1),
    'Baddbmm': lambda x: from_tokens(
        torch.baddbmm(torch.zeros(1), tokens(x), torch.rand(1, 4, 4)), x
    ),
    'Bmm': lambda x: from_windows(
        (windows(x) @ windows(x).mT).softmax(-1) @ windows(x), x
    ),
    'Cat': lambda x: torch.cat([x, KEPT[:, :3], x.sigmoid()], -3),
    'constant rows': lambda x: torch.cat([KEPT[:, :, :2], x], -2),
    'ChannelShuffle': lambda x: F.channel_shuffle(x, 2),
    'Clone': lambda x: x.clone(),
    'Col2Im': lambda x: F.fold(
        F.unfold(x, 2, stride=2) * 2, x.shape[2:], 2, stride=2
    ),
    'ConstantPadNd': lambda x: F.pad(x, (1, 2, -1, 3)),
    'Convolution': lambda x: CONV(x),
    'Div': lambda x: x / x.norm(),
    'Expand': lambda x: x.mean(1, keepdim=True).expand(-1, 5, -1, -1),
    'Flip': lambda x: x.flip(-1),
    'Gelu': lambda x: F.gelu(x),
    'Glu': lambda x: F.glu(x, -3),
    'Hardswish': lambda x: F.hardswish(x),
    'Im2Col': lambda x: F.unfold(x, 3, padding=1, stride=2).view(1, 36, 6, 8),
    'LinalgVectorNorm': lambda x: x.norm(dim=1, keepdim=True),
    'LogSoftmax': lambda x: x.log_softmax(1),
    'Max': lambda x: x.max(-3, keepdim=True).values,
    'MaxPool2DWithIndices': lambda x: F.max_pool2d(x, 3, 2, 1),
    'Mean': lambda x: x * x.mean((-1, -2), keepdim=True),
    'Mm': lambda x: from_tokens((tokens(x)[0] @ torch.rand(4, 4))[None], x),
    'NativeBatchNorm': lambda x: BATCH_NORM(x),
    'NativeGroupNorm': lambda x: F.group_norm(x, 2),
    'NativeLayerNorm': lambda x: F.layer_norm(
        x.permute(0, 2, 3, 1), (4,)
    ).permute(0, -1, 1, 2),
    'Permute': lambda x: x.permute(0, -1, -2, 1),
    'PixelShuffle': lambda x: F.pixel_shuffle(x, 2),
    'PixelUnshuffle': lambda x: F.pixel_unshuffle(x, 2),
    'PreluKernel': lambda x: F.prelu(x, torch.rand(4)),
    'ReflectionPad2D': lambda x: F.pad(x, (1, 2, 3, 0), mode='reflect'),
    'Relu': lambda x: F.relu(x, inplace=True),
    'Repeat': lambda x: x[:, :1].repeat(1, 3, 1, 1),
    'ReplicationPad2D': lambda x: F.pad(x, (1, 0, 2, 1), mode='replicate'),
    'ReshapeAlias': lambda x: torch.ops.aten._reshape_alias(
        x, (1, 4, 3, 4, 16), (768, 192, 64, 16, 1)
    ).flatten(2, 3),
    'Roll': lambda x: x.roll((-2, 3), (-1, 2)),
    'SafeSoftmax': lambda x: from_windows(
        F.scaled_dot_product_attention(
            windows(x), windows(x), windows(x), torch.ones(16, 16).bool()
        ),
        x,
    ),
    'ScaledDotProductFlashAttentionForCpu': lambda x: from_windows(
        F.scaled_dot_product_attention(*[windows(x)[None]] * 3)[0], x
    ),
    'Select': lambda x: torch.stack([x, x * 2])[-1],
    'Slice': lambda x: x[:, 1:-1, 1:-2, ::2],
    'Softmax': lambda x: x.softmax(-3),
    'Split': lambda x: torch.cat(x.split(2, -3)[::-1], 1),
    'SplitWithSizes': lambda x: x.split([3, 9], -2)[1],
    'Squeeze': lambda x: x.unsqueeze(0).squeeze(),
    'Stack': lambda x: torch.stack([x, x.relu()], -4).flatten(1, 2),
    'stack of constants': lambda x: torch.stack([KEPT, x, KEPT], 1).sum(1),
    'Sum': lambda x: x * x.sum((2, 3), keepdim=True) / x.sum(),
    'T': lambda x: (x[0, 0].t() + 0)[None, None],
    'ToCopy': lambda x: x.double(),
    'Transpose': lambda x: x.transpose(-1, 2),
    'Unbind': lambda x: torch.stack(x.unbind(-3), 1),
    'Unfold': lambda x: x.unfold(-2, 1, 3).squeeze(-1),
    'UnsafeView': lambda x: (tokens(x) @ torch.rand(4, 3)).mT.reshape(
        1, 3, 12, 16
    ),
    'Unsqueeze': lambda x: x.mean(1).unsqueeze(-3),
    'UpsampleBicubic2D': lambda x: F.interpolate(
        x, scale_factor=1.5, mode='bicubic'
    ),
    'UpsampleBilinear2D': lambda x: F.interpolate(
        x, (23, 9), mode='bilinear', align_corners=True
    ),
    'UpsampleNearest2D': lambda x: F.interpolate(x, (7, 5)),
    'UpsampleNearestExact2D': lambda x: F.interpolate(
        x, scale_factor=2.0, mode='nearest-exact'
    ),
    'View': lambda x: x.view(1, 2, 2, 12, 16).sum(1),
    'transposed': lambda x: BACK(x),
    'of images': lambda x: (
        torch.cat([x, x]).view(2, 4, 12, 16).sum(0, keepdim=True)
    ),
}
ON_GPUS = {
    'CudnnBatchNorm',
    'ScaledDotProductEfficientAttention',
    'ScaledDotProductFlashAttention',
}


def both(run, batch=1):
    """What the graph tells, and what the tracer does; with steps."""
    images = torch.rand(batch, 4, 24, 32, requires_grad=True).clone()
    graph, watched = GraphFollower(images), GridTracer(images)
    with watched:
        x = F.avg_pool2d(images, 2)  # a grid with a stride
        out = run(x)
    found = watched.read(out, batch), watched.places.steps()
    return (graph.read(out, batch), graph.places.steps()), found


@pytest.mark.parametrize('name', OPERATIONS)
def test_a_graph_tells_what_the_operation_did(name):
    told, found = both(OPERATIONS[name])
    assert told == found
    if name != 'of images':
        assert found[0] is not None


def test_every_node_that_is_known_is_tried():
    assert nodes._RECORDED.keys() - ON_GPUS <= OPERATIONS.keys()


def test_nodes_are_in_the_graphs_of_their_operations():
    for name in OPERATIONS.keys() & nodes._RECORDED.keys():
        images = torch.rand(1, 4, 12, 16, requires_grad=True).clone()
        waiting, names = [OPERATIONS[name](images).grad_fn], set()
        while waiting:
            node = waiting.pop()
            names.add(node.name())
            waiting += [each for each, _ in node.next_functions if each]
        assert any(each.startswith(f'{name}Backward') for each in names), name


def write(x):
    out = torch.zeros_like(x)
    out[:, :, 1:] = x[:, :, :-1]
    return out


UNKNOWN = {
    'custom': Custom(),
    'index': lambda x: x[:, :, torch.arange(12).flip(0)],
    'gather': lambda x: x.gather(1, x.argsort(1)),
    'mask': lambda x: x.masked_fill(x > 0.5, 0),
    'where': lambda x: torch.where(x.flip(-1) > 0.5, x, 0),
    'written': write,
    'constant': lambda x: x.detach(),
    'two constants': lambda x: torch.cat([KEPT, x, KEPT], 1),
}


@pytest.mark.parametrize('name', UNKNOWN)
def test_what_a_graph_does_not_tell_is_not_followed(name):
    with pytest.raises(NotFollowed):
        both(UNKNOWN[name])


def test_what_comes_after_is_not_followed_either():
    with pytest.raises(NotFollowed):
        both(lambda x: CONV(UNKNOWN['index'](x)) + 1)


def test_images_of_a_batch():
    told, found = both(
        lambda x: from_windows(windows(x), x) + x.flip(1), batch=3
    )
    assert told == found and told[0] is not None


class Counting(nn.Module):
    """A net that counts its forwards, and gives what it has counted."""

    def __init__(self, middle):
        super().__init__()
        torch.manual_seed(0)
        self.one = nn.Conv2d(3, 4, 3, 2, 1)
        self.middle = middle
        self.two = nn.Conv2d(4, 4, 3, 1, 1)
        nn.init.ones_(self.two.bias)  # a score above zero
        self.count, self.log = 0, []

    def forward(self, x):
        self.count += 1
        type(self).counts.append(self.count)
        return self.two(self.middle(self.one(x))) * self.count

    counts: list = []


@pytest.mark.usefixtures('as_few')
@pytest.mark.parametrize(
    ('middle', 'expected'), [(nn.ReLU(), [1]), (Custom(), [1, 1])]
)
def test_a_pass_that_is_not_followed_starts_anew(middle, expected):
    net, images = Counting(middle).eval(), images_like(1, 24, 20)
    Counting.counts.clear()
    found = measure_erf(net, images, ['two'])['two']
    assert Counting.counts == expected and net.count == 0
    reference = float64_map(Counting(middle), images, found.unit)
    assert abs(found.map - reference).max() < 1e-5 * reference.max()
    assert found.pixel_known and found.unit_pixel == (12.0, 10.0)
    assert 'channels last' not in found.provenance['run_on']


def test_many_images_are_watched_though_the_first_were_few(monkeypatch):
    monkeypatch.setattr(budget, 'ENOUGH', 2 * 24 * 20)
    # A comparison of layouts would watch as well.
    monkeypatch.setattr(Trial, 'compares', lambda *_: False)
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.MaxPool2d(2))
    measured = Measurement(net.eval(), MeasurementOptions(['1']))
    for number in range(4):
        few = number < 2
        images = images_like(1, 24, 20)
        measured.update(batch_of(net, images, number))
        assert measured.scored.noticed.chooses == (not few), number


@pytest.mark.usefixtures('as_few')
@pytest.mark.parametrize('told', [True, False])
def test_a_compiled_model_is_not_compiled(monkeypatch, told):
    """For few images that would cost far more than to measure them."""
    if not told:  # torch before 2.6
        monkeypatch.delattr(torch.compiler, 'set_stance')
    compiled = []

    def backend(graph, _):
        compiled.append(graph)
        return graph.forward

    net = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU()).eval()
    images = images_like(1, 24, 20)
    found = measure_erf(
        torch.compile(net, backend=backend), images, ['_orig_mod.1']
    )['_orig_mod.1']
    expected = float64_map(net, images, found.unit)
    assert abs(found.map - expected).max() <= 1e-5 * expected.max()
    assert found.pixel_known and not compiled


class Several(nn.Module):
    """A map, and a vector beside it, as a class token is."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, 2, 1)
        self.runs = []

    def forward(self, x):
        Counting.counts.append(1)
        x = self.conv(x)
        return x, x.mean((2, 3))


@pytest.mark.usefixtures('as_few')
def test_older_torch_is_watched_at_once(monkeypatch):
    """It does not say whether hooks hand out what a node keeps."""
    monkeypatch.setattr(graph, 'SAYS_HOOKS', False)
    followed = calls_of(monkeypatch, GraphFollower, '__init__')
    Counting.counts.clear()
    found = measure_erf(Counting(nn.ReLU()), images_like(1, 24, 20), ['two'])
    assert Counting.counts == [1] and found['two'].pixel_known
    assert not followed


@pytest.mark.usefixtures('as_few')
def test_what_is_no_map_needs_no_second_forward():
    Counting.counts.clear()
    found = measure_erf(Several().eval(), images_like(1, 24, 20), ['.'])
    assert list(found) == ['.[0]'] and len(Counting.counts) == 1


class Unseen(nn.Module):
    """Tokens on a grid that another branch has, and they do not show."""

    def __init__(self):
        super().__init__()
        self.mix, self.beside = nn.Conv1d(3, 4, 1), nn.AvgPool2d((2, 4))
        self.tokens, self.maps = nn.Identity(), nn.Identity()

    def forward(self, x):
        beside = self.maps(self.beside(x))
        mixed = self.mix(x.flatten(2)).view(1, 4, 12, 2, 5, 4)
        tokens = self.tokens(mixed.mean((3, 5)).flatten(2))
        return beside, tokens


@pytest.mark.parametrize('few', [False, True])
def test_tokens_that_are_not_followed_find_every_grid(request, few):
    if few:
        request.getfixturevalue('as_few')
    net, images = Unseen().eval(), images_like(1, 24, 20)
    found = measure_erf(net, images, ['tokens'])['tokens']
    assert found.grid == (12, 5)


class Crossed(nn.Module):
    """Tokens of a 12 x 5 grid, and a map of 5 x 12 units beside them."""

    def forward(self, x):
        beside = F.avg_pool2d(x, (8, 9), (4, 1))
        return F.avg_pool2d(x, (2, 4)).flatten(2).transpose(1, 2), beside


@pytest.mark.parametrize('few', [False, True])
def test_another_grid_than_the_graph_tells_may_be_stated(request, few):
    """Its units sit as those of a map of that size, or in doubt evenly."""
    if few:
        request.getfixturevalue('as_few')
    layer = dict(name='.[0]', grid=(5, 12), first=0)
    (found,) = measure_erf(
        Crossed().eval(), images_like(1, 24, 20), [layer]
    ).values()
    assert found.grid == (5, 12) and not found.pixel_known
    assert found.unit_pixel == (11.5, 10.0)  # of unit (2, 6) of the map


class Padded(nn.Module):
    """Rows of zeros before a map, or rows that no gradient moves."""

    def __init__(self, detached):
        super().__init__()
        self.conv, self.detached = nn.Conv2d(3, 4, 3, 2, 1), detached

    def forward(self, x):
        x = self.conv(x).exp()
        before = x.detach() if self.detached else torch.zeros(1, 4, 2, 10)
        return torch.cat([before, x], 2)


@pytest.mark.usefixtures('as_few')
@pytest.mark.parametrize(
    ('detached', 'rows', 'row'), [(False, 14, 10.0), (True, 24, 0.0)]
)
def test_constant_rows_pad_a_map(detached, rows, row):
    net, images = Padded(detached).eval(), images_like(1, 24, 20)
    found = measure_erf(net, images, ['.'])['.']
    assert found.grid == (rows, 10) and found.unit == (rows // 2, 5)
    expected = float64_map(net, images, found.unit)
    assert abs(found.map - expected).max() < 1e-5 * expected.max()
    assert found.unit_pixel == (row, 10.0) and found.pixel_known
