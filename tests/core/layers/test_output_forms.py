from dataclasses import replace

import pytest
import torch
from torch import nn

from mmerf import measure_erf
from mmerf.core.errors import LayerError
from mmerf.core.grid.reading import plain_reading
from mmerf.core.layers.output_forms import OutputContext, front_tokens, to_nchw
from mmerf.core.layers.single_outputs import leaves, pick

CONTEXT = OutputContext(2, (32, 64))


def numbered(c, h, w):
    return torch.arange(2.0 * c * h * w).reshape(2, c, h, w)


def read_as(layout, size, shape):
    return replace(CONTEXT, found=plain_reading(shape, layout, size, 2))


@pytest.mark.parametrize(
    ('layout', 'form'),
    [
        ('ncyx', lambda x: x),
        ('nyxc', lambda x: x.permute(0, 2, 3, 1)),
        ('ncxy', lambda x: x.transpose(2, 3)),
        ('n(yx)c', lambda x: x.flatten(2).transpose(1, 2)),
        ('n(xy)c', lambda x: x.transpose(2, 3).flatten(2).transpose(1, 2)),
        ('nc(yx)', lambda x: x.flatten(2)),
    ],
)
def test_every_layout_is_read_as_channels_first(layout, form):
    output = numbered(3, 4, 8)
    context = read_as(layout, (4, 8), form(output).shape)
    assert torch.equal(to_nchw(form(output), context), output)
    # as many images as the pass at hand has
    one = replace(context, batch=1)
    assert torch.equal(to_nchw(form(output[:1]), one), output[:1])
    assert to_nchw(form(output), one) is None


@pytest.mark.parametrize('extra', [0, 1, 2, 5])
def test_tokens_with_class_and_register_tokens(extra):
    output = numbered(3, 4, 8)
    tokens = output.flatten(2).transpose(1, 2)
    padded = torch.cat([torch.full((2, extra, 3), -1.0), tokens], 1)
    found = plain_reading(padded.shape, 'n(yx)c', (4, 8), 2, extra)
    context = replace(CONTEXT, found=found)
    assert torch.equal(to_nchw(padded, context), output)
    stated = replace(CONTEXT, front=extra, grid=(4, 8))
    assert torch.equal(to_nchw(padded, stated), output)


def test_several_extra_tokens_are_not_guessed_but_can_be_stated():
    """A decoder may append as many tokens as it has classes."""
    output = numbered(3, 4, 8)
    tokens = output.flatten(2).transpose(1, 2)
    appended = torch.cat([tokens, torch.full((2, 7, 3), -1.0)], 1)
    with pytest.raises(LayerError, match='first=0'):
        to_nchw(appended, replace(CONTEXT, grid=(4, 8)))
    stated = replace(CONTEXT, grid=(4, 8), first=0)
    assert torch.equal(to_nchw(appended, stated), output)
    with pytest.raises(LayerError, match='leaves'):
        to_nchw(appended, replace(stated, first=8))


def test_class_and_register_tokens_are_the_models_own_parameters():
    net = nn.Module()
    net.vit = nn.Module()
    net.vit.cls_token = nn.Parameter(torch.zeros(1, 1, 8))
    net.vit.register_tokens = nn.Parameter(torch.zeros(1, 4, 8))
    net.vit.cls_emb = nn.Parameter(torch.zeros(1, 19, 8))
    assert front_tokens(net) == 5


def test_tokens_that_bring_their_grid():
    output = numbered(3, 5, 7)
    tokens = output.flatten(2).transpose(1, 2)
    assert torch.equal(to_nchw((tokens, (5, 7)), CONTEXT), output)
    assert torch.equal(
        to_nchw([tokens, torch.tensor([5, 7])], CONTEXT), output
    )


@pytest.mark.parametrize(
    'output',
    [
        torch.zeros(2, 3, 8, 16),  # nothing is known of it
        torch.zeros(2, 13, 5),
        torch.zeros(2, 5),
        torch.zeros(7, 3, 8, 16),  # another batch
        torch.zeros(2, 3, 2, 8, 16),
        torch.zeros(2, 1, 8, 16, dtype=torch.long),
        torch.zeros(()),
    ],
)
def test_nothing_is_decided_by_a_shape(output):
    assert to_nchw(output, CONTEXT) is None


def test_stated_grid_decides():
    context = OutputContext(2, (32, 64), grid=(3, 4))
    output = numbered(5, 3, 4)
    for form in (
        output,
        output.permute(0, 2, 3, 1),
        output.flatten(2).transpose(1, 2),
        output.flatten(2),
    ):
        assert torch.equal(to_nchw(form, context), output)
    with pytest.raises(LayerError, match=r'\(2, 5, 3, 5\)'):
        to_nchw(numbered(5, 3, 5), context)


def test_a_stated_layout_decides_where_nothing_was_followed():
    output = numbered(8, 8, 8)
    first = replace(CONTEXT, layout='NCHW')
    last = replace(CONTEXT, layout='NHWC')
    assert torch.equal(to_nchw(output, first), output)
    assert torch.equal(to_nchw(output.permute(0, 2, 3, 1), last), output)


def test_what_is_stated_and_contradicts_what_was_followed_is_refused():
    tokens = numbered(3, 9, 16).flatten(2).transpose(1, 2)
    context = read_as('n(yx)c', (9, 16), tokens.shape)
    with pytest.raises(LayerError, match=r'its grid is \(9, 16\)'):
        to_nchw(tokens, replace(context, grid=(12, 12)))
    last = numbered(3, 4, 8).permute(0, 2, 3, 1)
    context = read_as('nyxc', (4, 8), last.shape)
    with pytest.raises(LayerError, match=r'its grid is \(4, 8\)'):
        to_nchw(last, replace(context, layout='NCHW'))


def test_leaves_walk_everything_that_is_nested():
    a, b, c = torch.zeros(1), torch.zeros(2), torch.zeros(1, 6, 4)
    output = {'x': (a, [b, None]), 'y': (c, (2, 3)), 'z': 'text'}
    assert [(i, leaf) for i, leaf in leaves(output)] == [
        ((0, 0), a),
        ((0, 1, 0), b),
        ((1,), (c, (2, 3))),
    ]


def test_pick_quotes_what_the_layer_returns():
    output = (torch.zeros(1), torch.zeros(2))
    assert pick(output, (-1,), 'x[-1]') is output[1]
    with pytest.raises(LayerError, match='from -2 to 1'):
        pick(output, (2,), 'x[2]')
    with pytest.raises(LayerError, match=r'returns \(1,\)'):
        pick(output[0], (0,), 'x[0]')


class Many(nn.Module):
    def __init__(self):
        super().__init__()
        self.stages = Stages()
        self.odd = Odd()

    def forward(self, x):
        self.stages(x)
        self.odd(x)
        return x


class Stages(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, 2, 1)

    def forward(self, x):
        y = self.conv(x)
        return (y, {'half': y * 2, 'aux': y.mean((2, 3))}), (y,)


class Odd(nn.Module):
    def forward(self, x):
        return x.mean(3)[:, :, :7] + 1  # (N, 3, 7): 3 tokens? no grid has 3


def test_bare_name_stands_for_all_outputs_that_are_maps():
    results = measure_erf(Many(), torch.rand(2, 3, 16, 16), ['stages'])
    assert list(results) == ['stages[0][0]', 'stages[0][1][0]', 'stages[1][0]']
    chosen = measure_erf(Many(), torch.rand(2, 3, 16, 16), ['stages[1]'])
    assert list(chosen) == ['stages[1][0]']


def test_undecidable_output_quotes_its_shape_and_the_remedy():
    with pytest.raises(LayerError, match=r'\(2, 3, 7\).*grid=\(h, w\)'):
        measure_erf(Many(), torch.rand(2, 3, 16, 16), ['odd'])


def test_index_out_of_range():
    with pytest.raises(LayerError, match=r'no output \[5\].*from -2 to 1'):
        measure_erf(Many(), torch.rand(2, 3, 16, 16), ['stages[5]'])


def test_layer_that_never_runs():
    net = Many()
    net.auxiliary = nn.Conv2d(3, 1, 1)
    with pytest.raises(LayerError, match="'auxiliary' is not run"):
        measure_erf(net, torch.rand(1, 3, 16, 16), ['auxiliary'])
