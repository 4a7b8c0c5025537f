"""Needed boxes against the support of the score's gradient."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from mmerf.core.partial.boxes import needed_boxes
from mmerf.core.partial.operations import Recording
from mmerf.core.partial.regions import Places

SIZE = (40, 36)


class Apply(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def positive(module):
    for parameter in module.parameters():
        nn.init.uniform_(parameter, 0.1, 1)
    return module


def conv(*args, **options):
    return positive(nn.Conv2d(4, 4, *args, **options))


def in_place(x):
    y = x * 2
    y[:, :, 3:20, 5:30] += x[:, :, 4:21, 2:27]
    return y.relu_()


def split(x):
    one, other = x.chunk(2, 1)
    return torch.cat([other * 2, one], 1)


TIGHT = {  # nothing more is needed than what moves the score
    'conv': conv(3, padding=1),
    'stride': conv(5, stride=2, padding=(0, 3)),
    'transposed': positive(nn.ConvTranspose2d(4, 4, 4, 3, 1)),
    'average pool': nn.AvgPool2d((2, 3), ceil_mode=True),
    'padding': nn.ConstantPad2d((2, -1, 3, 0), 1.0),
    'batch norm': nn.BatchNorm2d(4).eval(),
    'channels': Apply(split),
    'crop': Apply(lambda x: x[:, :, 7:33, 4:]),
    'branches': Apply(lambda x: x[:, :, 1:] + 0.5 * x[:, :, :-1]),
}
LOOSE = {  # never less
    'dilation': conv((3, 2), padding=4, dilation=(4, 3)),
    'far padding': conv(1, padding=6),
    'max pool': nn.MaxPool2d(3, 2, 1),
    'in place': Apply(in_place),
    'bilinear': nn.Upsample(scale_factor=2.5, mode='bilinear'),
    'aligned': nn.Upsample((93, 20), mode='bilinear', align_corners=True),
    'nearest': nn.Upsample(scale_factor=(0.4, 3.0), mode='nearest'),
    'bicubic': nn.Upsample((77, 75), mode='bicubic'),
    'area': Apply(lambda x: functional.interpolate(x, (13, 12), mode='area')),
    'gate': Apply(lambda x: x * x.mean((2, 3), keepdim=True)),
    'tokens': Apply(lambda x: x.flatten(2).softmax(2).unflatten(2, SIZE)),
    'turned': Apply(lambda x: x.transpose(2, 3)),
    'steps': Apply(lambda x: x[:, :, ::2, 1::2]),
    'rolled': Apply(lambda x: x.roll((5, -3), (2, 3))),
    'group norm': nn.GroupNorm(2, 4),
    'number': Apply(lambda x: x * float(x.max())),
}


def support(gradient):
    """The box outside of which a gradient (1, C, h, w) is zero."""
    places = (gradient[0] != 0).any(0).nonzero()
    if not len(places):
        return None
    first, last = places.min(0).values.tolist(), places.max(0).values.tolist()
    return Places(*((a, b + 1) for a, b in zip(first, last, strict=True)))


def needed_and_moved(block, unit, memory_format):
    """Boxes of a first convolution's output: needed, and with a gradient."""
    first = positive(nn.Conv2d(3, 4, 3, padding=1))
    image = torch.rand(1, 3, *SIZE).to(memory_format=memory_format)
    with Recording() as recording, torch.no_grad():
        out = block(first(image))
        y, x = (
            round(f * (n - 1))
            for f, n in zip(unit, out.shape[2:], strict=True)
        )
        out.clone()[:, :, y, x].relu().sum(1)
    assert recording.error is None
    boxes = needed_boxes(recording)
    names = [op.name for op in recording.operations]
    grid = first(image).detach().requires_grad_()
    score = block(grid)[:, :, y, x].sum()
    (gradient,) = torch.autograd.grad(score, grid)
    return boxes[names.index('convolution')], support(gradient)


@pytest.mark.parametrize(
    'memory_format', [torch.contiguous_format, torch.channels_last]
)
@pytest.mark.parametrize('unit', [(0.5, 0.4), (0, 1), (0.95, 0.1)])
@pytest.mark.parametrize('name', TIGHT)
def test_no_more_than_moves_the_score(name, unit, memory_format):
    needed, moved = needed_and_moved(TIGHT[name], unit, memory_format)
    assert needed == moved


@pytest.mark.parametrize('unit', [(0.5, 0.4), (0, 1), (0.95, 0.1)])
@pytest.mark.parametrize('name', LOOSE)
def test_no_less_than_moves_the_score(name, unit):
    needed, moved = needed_and_moved(
        LOOSE[name], unit, torch.contiguous_format
    )
    whole = Places((0, SIZE[0]), (0, SIZE[1]))
    assert moved is None or moved.within(needed or whole) == moved


def test_interpolation_needs_little():
    for name in ('bilinear', 'aligned', 'nearest', 'bicubic', 'max pool'):
        needed, _ = needed_and_moved(
            LOOSE[name], (0.5, 0.4), torch.contiguous_format
        )
        assert needed.area < 0.4 * SIZE[0] * SIZE[1], name


def box_of_a_convolution(use):
    first, image = conv(3), torch.rand(1, 4, 20, 20)
    with Recording() as recording, torch.no_grad():
        grid = first(image)
        grid.clone()[:, :, 3, 3].relu()
        output = use(grid)
    recording.returned(output)
    return needed_boxes(recording)[0]


def test_what_is_kept_or_returned_is_needed():
    unit, whole = Places((3, 4), (3, 4)), Places((0, 18), (0, 18))
    kept = torch.zeros(1, 4, 18, 18)
    assert box_of_a_convolution(lambda grid: None) == unit
    assert box_of_a_convolution(lambda grid: float(grid.max())) == whole
    assert box_of_a_convolution(lambda grid: [{'out': grid}]) == whole
    assert box_of_a_convolution(lambda grid: [kept.copy_(grid)][:0]) == whole
    corner = box_of_a_convolution(lambda grid: grid[:, :, :2, :2])
    assert corner == Places((0, 4), (0, 4))


def test_what_the_forward_keeps_outside_is_needed():
    kept = torch.zeros(1, 4, 18, 18)

    def keep(grid):
        kept.add_(grid)
        return [kept[:, :, 3, 3].relu()]

    assert box_of_a_convolution(keep) == Places((0, 18), (0, 18))


def test_a_branch_that_nobody_reads_is_a_result():
    first, image = conv(3), torch.rand(1, 4, 20, 20)
    with Recording() as recording, torch.no_grad():
        grid = first(image)
        grid[:, :, 3, 3].relu()
        (grid[:, :, 5:9, 6] * 2).numpy()
    assert needed_boxes(recording)[0] == Places((3, 9), (3, 7))
