"""Tables of positions, which a crop gives another place."""

import pytest
import torch
from helpers.slow_reference import float64_map
from torch import nn
from torch.nn import functional

from mmerf import measure_erf
from mmerf.core.spans.origins import Origins
from mmerf.core.spans.tracer import SpanTracer


def rows(x):
    return torch.arange(x.shape[2], 0.0, -1).view(1, 1, -1, 1).to(x)


def coordinates(x):
    return torch.cat([x, rows(x).expand(len(x), 1, *x.shape[2:])], 1)


def tokens(x):
    flat = x.flatten(2).transpose(1, 2)
    table = torch.linspace(0, 1, flat.shape[1]).to(x)[:, None]
    return (flat + table).transpose(1, 2).reshape(x.shape)


def windowed(x):
    """A bias inside of windows of 8 rows, the same for each."""
    n, c, h, w = x.shape
    bias = torch.linspace(0, 1, 8).to(x)[:, None]
    return (x.view(n, c, h // 8, 8, w) + bias).view(x.shape)


def channels(x):
    return x * torch.linspace(0, 1, x.shape[1]).to(x)[:, None, None]


def overwritten(x):
    x[:, 1:2] = rows(x)
    return x


def beside(x):
    """Coordinates that fill a buffer, after the image."""
    buffer = x.new_empty(len(x), 4, *x.shape[2:])
    buffer[:, :3] = x
    buffer[:, 3:] = rows(x)
    return buffer


def padded(x):
    buffer = x.new_empty(len(x), 4, *x.shape[2:])
    buffer[:, :3] = x
    buffer[:, 3:] = 1
    return buffer


def added_to_a_product(x):
    flat = x[0].flatten(1).T
    table = torch.linspace(0, 1, len(flat)).to(x)[:, None].expand(-1, 5)
    return torch.addmm(table, flat, torch.rand(3, 5))


def added_to_products(x):
    flat = x.flatten(2).transpose(1, 2)
    table = torch.linspace(0, 1, flat.shape[1]).to(x)[None, :, None]
    return torch.baddbmm(table.expand(1, -1, 5), flat, torch.rand(1, 3, 5))


def attention(x, mask):
    """In windows of 8 rows; columns as images, windows as heads."""
    n, c, h, w = x.shape
    tokens = x.view(n, c, h // 8, 8, w).permute(0, 4, 2, 3, 1)[0].contiguous()
    mask = mask.expand(w, h // 8, -1, -1)
    return functional.scaled_dot_product_attention(
        tokens, tokens, tokens, attn_mask=mask
    )


def added_to_scores(x):
    """A mask of attention in windows of 8 rows, another for each."""
    return attention(x, torch.rand(x.shape[2] // 8, 8, 8))


def the_same_for_all_windows(x):
    return attention(x, torch.rand(1, 8, 8))


def copied(x):
    held = rows(x).expand_as(x).clone()
    return held.copy_(x)


@pytest.mark.parametrize(
    ('met', 'run'),
    [
        (True, lambda x: x + rows(x)),
        (True, lambda x: x.mul_(rows(x))),
        (True, coordinates),
        (True, tokens),
        (True, lambda x: torch.where(rows(x) > 40, x, 0)),
        (True, lambda x: x.masked_fill(rows(x).long() % 3 == 0, -1e9)),
        (True, lambda x: x.masked_fill_(rows(x) % 3 == 0, -1e9)),
        (True, lambda x: x.masked_fill(rows(x) > 40, torch.tensor(-1e9))),
        (True, lambda x: torch.stack([x, rows(x).expand_as(x)])),
        (True, overwritten),
        (True, beside),
        (False, padded),
        (True, added_to_a_product),
        (True, added_to_products),
        (True, added_to_scores),
        (False, the_same_for_all_windows),
        (False, copied),
        (False, windowed),
        (False, channels),
        (False, lambda x: x + torch.ones(x.shape[2:])),
        (False, lambda x: x + rows(x)[:, :, :1]),
        (False, lambda x: x + rows(x.transpose(2, 3)).transpose(2, 3)),
        (False, lambda x: functional.conv2d(x, torch.rand(3, 3, 3, 3))),
    ],
)
def test_tables_of_positions_along_an_axis_are_met(met, run):
    strip = torch.rand(1, 3, 64, 24)
    origins = Origins([strip])
    with torch.no_grad(), SpanTracer(0, False, origins) as tracer:
        tracer.start(strip)
        run(strip)
    assert tracer.by_place is met


class Asleep(nn.Module):
    """Channels that read their row, once an image is strong enough."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 24, 3, padding=1)
        nn.init.constant_(self.conv.bias[20:], -15)
        weights = 0.05 * (torch.arange(24) >= 20).float()
        self.register_buffer('weights', weights[:, None, None])

    def forward(self, x):
        return (self.conv(x) + self.weights * rows(x)).relu()


class FilledInPlace(Asleep):
    """What a table is made of is not known here (``lift_fresh``)."""

    def forward(self, x):
        weights = torch.zeros(24, 1, 1)
        weights[20:] = 0.05
        return (self.conv(x) + weights.to(x) * rows(x)).relu()


@pytest.mark.parametrize(
    ('kind', 'mode'),
    [(Asleep, 'window 150 x '), (FilledInPlace, 'whole image')],
)
def test_columns_alone_are_cut_where_rows_count(kind, mode):
    torch.manual_seed(0)
    net = nn.Sequential(kind()).eval()
    images = [torch.randn(1, 3, 150, 170) * s for s in (1, 20, 20)]
    result = measure_erf(net, images, ['0'])['0']
    wanted = sum(float64_map(net, image) for image in images) / 3
    assert abs(result.map - wanted).max() <= 1e-5 * wanted.max()
    assert result.provenance['run_on'].startswith(mode)
