"""Labels and predictions, read where a layer's units sit."""

import torch

from mmerf.core.grid.coordinates import Axis, Grid
from mmerf.core.targets.base import TargetContext
from mmerf.core.targets.pass_context import on_grid

NUMBERED = torch.arange(6 * 8).view(1, 6, 8)


def read(grid):
    context = TargetContext('x', (6, 8), grid)
    return on_grid(NUMBERED, context, torch.zeros(1, 1, *grid.size))


def test_the_index_at_each_units_pixel():
    found = read(Grid((3, 4), Axis(0, 2), Axis(1, 2)))
    assert torch.equal(found, NUMBERED[:, ::2, 1::2])


def test_the_rows_of_a_transposed_grid_lie_along_the_columns():
    found = read(Grid((4, 3), Axis(0, 2), Axis(1, 2), swapped=True))
    assert torch.equal(found, NUMBERED[:, ::2, 1::2].transpose(1, 2))


def test_a_rolled_grid_is_read_where_its_units_sat():
    found = read(Grid((3, 4), Axis(0, 2, turn=1), Axis(0, 2)))
    assert torch.equal(found, NUMBERED[:, [2, 4, 0], ::2])
