"""How far a pixel is from the borders of the tiles that it lies in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .grid import Tiling, tile_spans

FIRST_EDGE = 8  # px; each next one is twice as far


def distance_along(length: int, tiling: Tiling) -> np.ndarray:
    """Pixels between each place of an axis and the nearest border.

    Args:
        length (int): Of the axis, px.
        tiling (Tiling): Cuts it.

    Returns:
        np.ndarray: Shape (length,), int64: 0 beside a border. Borders are
        those of tiles that the place lies in, but for the image's own;
        ``length`` where there is none.

    Example:
        >>> distance_along(6, Tiling(3, 3)).tolist()
        [2, 1, 0, 0, 1, 2]
    """
    nearest = np.full(length, length, dtype=np.int64)
    for start, end in tile_spans(length, tiling):
        places = np.arange(start, end)
        inside = nearest[start:end]  # a view
        if start > 0:
            np.minimum(inside, places - start, out=inside)
        if end < length:
            np.minimum(inside, end - 1 - places, out=inside)
    return nearest


def border_distances(size: Sequence[int], tiling: Tiling) -> np.ndarray:
    """Distance of every pixel to the nearest border of its tiles.

    Where tiles overlap, a pixel lies in several, and the nearest border of
    any of them counts, since their logits are averaged. Beyond a border a
    network sees its padding in place of the image; the image's own edge is no
    border, as the whole image ends there as well.

    Args:
        size (tuple[int, int]): (H, W) of the image.
        tiling (Tiling): Cuts it.

    Returns:
        np.ndarray: Shape (H, W), int64, in pixels between the pixel and the
        border, along rows or columns; ``max(H, W)`` or more where there is
        no border.
    """
    height, width = size
    most = max(size)
    rows, columns = (
        np.where(line < len(line), line, most)
        for line in (
            distance_along(height, tiling),
            distance_along(width, tiling),
        )
    )
    return np.minimum(rows[:, None], columns[None, :])


def distance_edges(largest: int) -> tuple[int, ...]:
    """Edges of the bins of distances: 0, 8, 16, 32, ... px.

    Args:
        largest (int): Largest window, px: no pixel is farther from a border.

    Returns:
        tuple[int, ...]: The last is at least ``largest``.

    Example:
        >>> distance_edges(60)
        (0, 8, 16, 32, 64)
    """
    edges = [0, FIRST_EDGE]
    while edges[-1] < largest:
        edges.append(2 * edges[-1])
    return tuple(edges)
