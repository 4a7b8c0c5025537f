from itertools import pairwise

import pytest
import torch

from mmerf.core.context.squares import (
    check_sides,
    default_sides,
    square_mask,
)
from mmerf.core.errors import ConfigError


@pytest.mark.parametrize('centre', [(0, 0), (3, 4), (6, 8), (2, 0)])
@pytest.mark.parametrize('side', [1, 3, 7, 19])
def test_a_square_is_all_pixels_within_reach(centre, side):
    mask = square_mask((7, 9), centre, side)
    for y in range(7):
        for x in range(9):
            reach = max(abs(y - centre[0]), abs(x - centre[1]))
            assert bool(mask[y, x]) == (reach <= side // 2)


@pytest.mark.parametrize('size', [(128, 96), (3, 3), (1, 1), (321, 500)])
def test_default_sides_end_at_the_image(size):
    sides = default_sides(size)
    assert check_sides(sides) == sides
    longest = max(size)
    assert sides[-1] in (longest, longest + 1) and sides[-1] % 2 == 1
    middle = (size[0] // 2, size[1] // 2)
    assert square_mask(size, middle, sides[-1]).all()
    for small, large in pairwise(sides):
        assert 1.2 < large / small < 1.9 or large <= 9


def test_even_sides_are_refused_with_their_neighbours():
    with pytest.raises(ConfigError, match='not 64; for example 63 or 65'):
        check_sides([33, 64])
    for wrong in ([], [0], [-3], [3.0], ['3'], [torch.tensor(3)]):
        with pytest.raises(ConfigError):
            check_sides(wrong)
