"""Spans against the Jacobian: what really moves each element."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef

from mmerf.core.spans.memory import BEYOND
from mmerf.core.spans.tracer import SpanTracer

SIZE = (6, 12)


class Run(nn.Module):
    """A function of the image, with the modules that it needs."""

    def __init__(self, function, *modules):
        super().__init__()
        self.function, self.inner = function, nn.ModuleList(modules)

    def forward(self, x):
        return self.function(x, *self.inner)


def prepared(x):
    """Writes into memory that was made before."""
    out = x.new_zeros(*x.shape[:3], 2 * x.shape[3])
    out[..., ::2] = x
    out[..., 1::2].copy_(2 * x)
    out[..., 0] = 0
    return out.mul_(2).add_(1)


def windows(x):
    """Attention of Swin's kind: windows of 3 x 4, shifted by 1."""
    x = torch.roll(x, (-1, -1), (2, 3))
    n, c, h, w = x.shape
    x = x.view(n, c, h // 3, 3, w // 4, 4).permute(0, 2, 4, 3, 5, 1)
    tokens = x.reshape(-1, 12, c)
    scores = (tokens @ tokens.transpose(1, 2)).softmax(-1)
    x = (scores @ tokens).view(n, h // 3, w // 4, 3, 4, c)
    x = x.permute(0, 5, 1, 3, 2, 4).reshape(n, c, h, w)
    return torch.roll(x, (1, 1), (2, 3))


def rows(x, attention):
    tokens = x.permute(0, 2, 3, 1).flatten(0, 1)  # every row by itself
    out = attention(tokens, tokens, tokens, need_weights=False)[0]
    return out.view(x.shape[0], *x.shape[2:], -1).permute(0, 3, 1, 2)


def unfolded(x):
    columns = F.unfold(x, 3, 2, 2, 1)
    weight = torch.ones(columns.shape[1], columns.shape[1]).to(x)
    out = weight @ columns
    return out.view(len(x), -1, x.shape[2], x.shape[3])


def gathered(x):
    return x[..., torch.tensor([3, 0, 5])].flip(2)


CASES = {
    'dilated': nn.Conv2d(2, 3, 3, 1, 2, 2),
    'even kernel': nn.Conv2d(2, 3, (2, 4), 1, 1),
    'strided': nn.Conv2d(2, 3, 3, 2, 1),
    'grouped': nn.Conv2d(2, 4, 3, padding=1, groups=2),
    'transposed': nn.ConvTranspose2d(2, 3, 3, 2, 1, 1),
    'transposed, dilated': nn.ConvTranspose2d(2, 3, 2, 3, 0, dilation=2),
    'mean pool': nn.AvgPool2d(3, 2, 1, ceil_mode=True),
    'adaptive': nn.AdaptiveAvgPool2d((4, 5)),
    'nearest': nn.Upsample(scale_factor=2),
    'bilinear': nn.Upsample(size=(9, 17), mode='bilinear'),
    'corners': nn.Upsample((7, 15), mode='bilinear', align_corners=True),
    'bicubic': nn.Upsample(scale_factor=2, mode='bicubic'),
    'reflected': nn.ReflectionPad2d((2, 1, 1, 0)),
    'cropped': nn.ZeroPad2d((-2, 1, 0, -1)),
    'shuffled': nn.Sequential(nn.Conv2d(2, 4, 3, 1, 1), nn.PixelShuffle(2)),
    'unshuffled': nn.PixelUnshuffle(2),
    'batch norm': nn.BatchNorm2d(2).eval(),
    'instance norm': nn.InstanceNorm2d(2),
    'group norm': nn.GroupNorm(1, 2),
    'layer norm': Run(lambda x, n: n(x.transpose(1, 3)), nn.LayerNorm(2)),
    'mean of rows': Run(lambda x: x + x.mean(3, keepdim=True)),
    'softmax': Run(lambda x: x.softmax(2)),
    'gated': Run(lambda x, m: F.glu(m(x), 1), nn.Conv2d(2, 4, 3, 1, 1)),
    'gated along rows': Run(lambda x: F.glu(x, 3)),
    'cumulated': Run(lambda x: x.cumsum(3)),
    'prepared': Run(prepared),
    'windows': Run(windows),
    'rows': Run(rows, nn.MultiheadAttention(2, 1, batch_first=True)),
    'unfolded': Run(unfolded),
    'gathered': Run(gathered),
    'stacked': Run(
        lambda x: torch.cat([x, x.exp(), 1 + 0 * torch.ones_like(x)], 1)
    ),
    'linear': Run(lambda x, m: m(x.permute(0, 2, 3, 1)), nn.Linear(2, 3)),
    'einsum': Run(lambda x: torch.einsum('nchw,ncHw->nhHw', x, x)),
    'fft': Run(lambda x: torch.fft.rfft(x, dim=3).abs()),
}
WIDER = {
    'cumulated',
    'fft',
    'cropped',
}  # spans are wider than what moves an element


def spans_of(module, axis, endless=False):
    image = torch.zeros(1, 2, *SIZE, dtype=torch.float64)
    with torch.no_grad(), SpanTracer(axis, endless) as tracer:
        tracer.start(image)
        out = module(image)
        first, last, *_ = tracer.memory.read(out)
    return -first, last, tracer


def moved(module, axis):
    """First and last place that moves each element; inf, -inf for none."""
    torch.manual_seed(0)
    low = high = None
    place = torch.arange(SIZE[axis], dtype=torch.float32)
    place = place.view((-1, 1) if axis == 0 else (1, -1))
    for _ in range(2):
        image = torch.randn(1, 2, *SIZE, dtype=torch.float64)
        jacobian = torch.autograd.functional.jacobian(module, image)
        moves = jacobian.abs() > 1e-12
        lows = torch.where(moves, place, float('inf')).amin((-4, -3, -2, -1))
        highs = torch.where(moves, place, -float('inf'))
        highs = highs.amax((-4, -3, -2, -1))
        low = lows if low is None else torch.minimum(low, lows)
        high = highs if high is None else torch.maximum(high, highs)
    return low, high


@pytest.mark.parametrize('axis', [0, 1])
@pytest.mark.parametrize('name', CASES)
def test_spans_are_what_moves_an_element(name, axis):
    module = CASES[name].double()
    low, high = moved(module, axis)
    first, last, tracer = spans_of(module, axis)
    assert tracer.not_followed == {}
    assert (first <= low).all() and (last >= high).all()
    if name not in WIDER:
        assert torch.equal(first, low) and torch.equal(last, high)


def test_an_operation_without_a_rule_joins_everything():
    net = Run(lambda x: torch.linalg.pinv(x))
    first, last, tracer = spans_of(net, 1)
    assert (first == 0).all() and (last == SIZE[1] - 1).all()
    assert tracer.not_followed


def test_on_a_strip_padding_is_more_of_it():
    net = nn.Conv2d(2, 3, 3, 1, 2, 2).double()
    first, last, _ = spans_of(net, 1, endless=True)
    assert first[0, 0, 3].tolist() == [i - 2 for i in range(SIZE[1])]
    assert last[0, 0, 3].tolist() == [i + 2 for i in range(SIZE[1])]
    down = nn.ConstantPad2d((0, 0, 4, 4), 0.0)
    first, _, _ = spans_of(down, 1, endless=True)
    assert torch.equal(first[0, 0, 0], first[0, 0, 7])  # units across: alike


def test_on_a_strip_without_a_period_padding_is_beyond_it():
    def forward(x, conv):
        return conv(x[..., torch.arange(SIZE[1]).square() % SIZE[1]])

    net = Run(forward, nn.Conv2d(2, 3, 3, padding=1)).double()
    _, last, _ = spans_of(net, 1, endless=True)
    beyond = last[0, 0, 3] >= BEYOND / 2
    assert beyond.nonzero().flatten().tolist() == [0, SIZE[1] - 1]


def test_memory_that_is_gone_is_forgotten():
    image = torch.zeros(1, 2, *SIZE)
    with torch.no_grad(), SpanTracer(0) as tracer:
        tracer.start(image)
        for _ in range(5):
            out = image + 1
        del out
        _ = image * 2
        assert len(tracer.memory._known) <= 3


def test_memory_is_not_looked_through_after_every_operation(monkeypatch):
    """Of 200 tensors that live, each some times, not once an operation."""
    looks = []
    expired = StorageWeakRef.expired
    monkeypatch.setattr(
        StorageWeakRef, 'expired', lambda ref: looks.append(0) or expired(ref)
    )
    with torch.no_grad(), SpanTracer(0) as tracer:
        outputs = [torch.zeros(1, 2, *SIZE)]
        tracer.start(outputs[0])
        for _ in range(200):
            outputs.append(outputs[-1] + 1)
        assert 200 <= len(looks) <= 8 * 200
        del outputs[:-1]
        for _ in range(60):  # a fifth of what was kept
            _ = outputs[-1] * 2
        assert len(tracer.memory._known) <= 3
