import io

import pytest
import torch
from rich.console import Console
from torch import nn

from mmerf import measure_erf
from mmerf.apis.terminal.terminal_tables import more_tables, results_table
from mmerf.core.errors import ConfigError


def text(*tables):
    out = io.StringIO()
    for table in tables:
        Console(file=out, width=100).print(table)
    assert max(map(len, out.getvalue().splitlines())) <= 100
    assert all(len(table.columns) <= 5 for table in tables)
    return out.getvalue()


@pytest.fixture
def results():
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 4, 5, padding=2), nn.Conv2d(4, 4, 3, 2, 1)
    )
    images = torch.randn(5, 3, 24, 30)
    return measure_erf(net, images, ['0', '1'], theory=True)


def test_every_number_is_the_statistics(results):
    sides = text(results_table(results))
    shapes = text(*more_tables(results))
    for result in results.values():
        found = result.statistics()
        side = found['centred_square']['0.99']['side']
        error = found['uncertainty']['side']['0.99']['stderr']
        assert f'{side} ± {error:.1f}' in sides
        assert str(result.theory) in sides
        assert f'{found["erf_size"]["theory_ratio"]:.2f}' in shapes
        assert f'{found["gaussian"]["moments"]["sigma_y"]:.1f}' in shapes
        assert f'{found["uncertainty"]["images_worth"]:.1f}' in shapes


def test_other_definitions_do_not_share_a_table(results):
    net = nn.Sequential(nn.Conv2d(3, 4, 5, padding=2))
    other = measure_erf(net, torch.randn(2, 3, 24, 30), ['0'], amp='bfloat16')[
        '0'
    ]
    mixed = {**results, 'other': other}
    with pytest.raises(ConfigError, match="precision is 'float32'"):
        results_table(mixed)
    with pytest.raises(ConfigError, match='not comparable'):
        more_tables(mixed)
    assert 'other' in text(results_table(mixed, force=True))
