"""Distances to borders, against a slow loop over tiles and pixels."""

import numpy as np
import pytest

from mmerf.core.tiling.borders import border_distances, distance_edges
from mmerf.core.tiling.grid import Tiling, tile_spans


def slow(size, tiling):
    height, width = size
    found = np.full(size, max(size))
    for top, bottom in tile_spans(height, tiling):
        for left, right in tile_spans(width, tiling):
            for y in range(top, bottom):
                for x in range(left, right):
                    borders = [
                        y - top if top else None,
                        bottom - 1 - y if bottom < height else None,
                        x - left if left else None,
                        right - 1 - x if right < width else None,
                    ]
                    for one in borders:
                        if one is not None:
                            found[y, x] = min(found[y, x], one)
    return found


@pytest.mark.parametrize('size', [(23, 37), (40, 9), (12, 50), (8, 8)])
@pytest.mark.parametrize('tiling', [(8, 8), (8, 5), (12, 3), (16, 1)])
def test_against_a_loop(size, tiling):
    tiling = Tiling(*tiling)
    found = border_distances(size, tiling)
    assert found.dtype == np.int64
    assert (found == slow(size, tiling)).all()
    assert (found.min() == 0) == tiling.cuts(size)


def test_edges_hold_every_distance():
    for window in (3, 8, 9, 64, 65):
        edges = distance_edges(window)
        distances = border_distances((2 * window, 5), Tiling(window, window))
        assert distances.max() < edges[-1]
        assert edges[:2] == (0, 8)
