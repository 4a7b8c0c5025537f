"""Google Research's table of receptive fields, against the closed form.

Each network is written here as its widest path, from the papers: a chain of
(kernel, stride, dilation, padding) between the end-points of the table.
"""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from mmerf import measure_erf
from mmerf.core.theory.closed_form import theoretical_field

TABLE = json.loads(
    (Path(__file__).parents[2] / 'data/receptive_field_table.json').read_text()
)['rows']
CONV, DOWN = (3, 1, 1, 1), (3, 2, 1, 1)


def alexnet():
    pool = (3, 2)
    yield from {
        'conv1': [(11, 4)], 'pool1': [pool], 'conv2': [(5, 1, 1, 2)],
        'conv3': [pool, CONV], 'conv4': [CONV], 'conv5': [CONV],
        'pool5': [pool],
    }.items()  # fmt: skip


def vgg(counts):
    """The table names the first one or two convolutions of a stage."""
    for stage, count in enumerate(counts, 1):
        named = min(count, 1 if stage < 3 else 2)
        for number in range(1, named + 1):
            yield f'conv{stage}/conv{stage}_{number}', [CONV]
        yield f'pool{stage}', [CONV] * (count - named) + [(2, 2)]


def mobilenet():
    yield 'Conv2d_0', [DOWN]
    for number in range(1, 14):
        down = number in (2, 4, 6, 12)
        yield f'Conv2d_{number}_pointwise', [DOWN if down else CONV, (1, 1)]


def resnet(counts):
    """The last unit of each block but the fourth has the stride."""
    stem = [(7, 2, 1, 3), DOWN]
    for block, count in enumerate(counts, 1):
        units = [CONV] * (count - 1) + [CONV if block == 4 else DOWN]
        yield f'block{block}', stem + units
        stem = []


def inception_v3():
    """Branches' widest paths: 5 x 5 as two 3 x 3, 7 x 7 in two steps of 7."""
    yield from {
        'Conv2d_1a_3x3': [(3, 2)], 'Conv2d_2a_3x3': [(3, 1)],
        'Conv2d_2b_3x3': [CONV], 'MaxPool_3a_3x3': [(3, 2)],
        'Conv2d_3b_1x1': [(1, 1)], 'Conv2d_4a_3x3': [(3, 1)],
        'MaxPool_5a_3x3': [(3, 2)],
    }.items()  # fmt: skip
    for name in 'bcd':
        yield f'Mixed_5{name}', [CONV] * 2
    yield 'Mixed_6a', [CONV, (3, 2)]
    for name in 'bcde':
        yield f'Mixed_6{name}', [(7, 1, 1, 3)] * 2
    yield 'Mixed_7a', [(7, 1, 1, 3), (3, 2)]
    for name in 'bc':
        yield f'Mixed_7{name}', [CONV] * 2


PATHS = {
    'alexnet_v2': list(alexnet()),
    'vgg_a': list(vgg([1, 1, 2, 2, 2])),
    'vgg_16': list(vgg([2, 2, 3, 3, 3])),
    'inception_v3': list(inception_v3()),
    'mobilenet_v1': list(mobilenet()),
    'resnet_v1_50': list(resnet([3, 4, 6, 3])),
    'resnet_v1_101': list(resnet([3, 4, 23, 3])),
    'resnet_v1_152': list(resnet([3, 8, 36, 3])),
    'resnet_v1_200': list(resnet([3, 24, 36, 3])),
}
ROWS = [(net, end) for net, ends in TABLE.items() for end in ends]


def test_the_whole_table_is_compared():
    assert {net: [e for e, _ in path] for net, path in PATHS.items()} == {
        net: list(ends) for net, ends in TABLE.items()
    }
    assert len(ROWS) >= 30


@pytest.mark.parametrize(('net', 'end'), ROWS)
def test_the_closed_form_gives_the_tables_row(net, end):
    chain = []
    for name, part in PATHS[net]:
        chain += part
        if name == end:
            break
    side, stride, padding = TABLE[net][end]
    found = theoretical_field(chain)
    assert found[:2] == (side, stride)
    if padding is not None:  # about the pixel of unit 0
        assert found[2] == (side - 1) / 2 - padding


class Branches(nn.Module):
    """A 1 x 1 branch beside the widest path, as residual units have."""

    def __init__(self, kernel, stride, dilation=1, padding=0):
        super().__init__()
        self.wide = nn.Conv2d(2, 2, kernel, stride, padding, dilation)
        self.short = nn.Conv2d(2, 2, 1, stride)

    def forward(self, x):
        return self.wide(x) + self.short(x)


@pytest.mark.theory
@pytest.mark.parametrize(
    ('net', 'size'),
    [('mobilenet_v1', 352), ('resnet_v1_50', 256), ('vgg_16', 224)],
)
def test_measured_fields_are_the_tables(net, size):
    torch.manual_seed(0)
    stages, module = [], nn.Conv2d(3, 2, 1)
    for _, part in PATHS[net]:
        steps = [
            nn.MaxPool2d(2, 2)
            if entry == (2, 2)
            else Branches(*entry)
            if net == 'resnet_v1_50' and entry in (CONV, DOWN)
            else nn.Conv2d(2, 2, entry[0], *entry[1:2], (entry[0] - 1) // 2)
            for entry in part
        ]
        stages.append(nn.Sequential(module, *steps))
        module = nn.Identity()
    model = nn.Sequential(*stages)
    results = measure_erf(
        model,
        torch.randn(1, 3, size, size),
        theory=True,
        layers=[str(n) for n in range(len(stages))],
    )
    found = {
        end: result.theory
        for (end, _), result in zip(PATHS[net], results.values(), strict=True)
    }
    for end, (side, stride, _) in TABLE[net].items():
        field = found[end]
        assert field.size == (side, side) and field.stride == (stride, stride)
