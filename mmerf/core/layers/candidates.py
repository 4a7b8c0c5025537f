"""The layouts that an output of some shape may have, by its shape alone."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from ..grid.coordinates import Size
from ..grid.reading import Reading, plain_reading


def possible_layouts(
    shape: Sequence[int],
    batch: int,
    input_size: Size,
    sizes: Collection[Size] = (),
    front: int = 0,
) -> list[Reading]:
    """Every layout that fits a shape; which one it is, behaviour decides.

    Args:
        shape (sequence of int): Of the output.
        batch (int): Number of images, N.
        input_size (tuple[int, int]): (H, W) of the model's input.
        sizes (collection of tuple): Grid sizes (h, w) that the model made.
        front (int): Class tokens that the model has.

    Returns:
        list[Reading]: Feature maps with channels first or last, rows before
        columns or after them (units are counted as the output has them);
        tokens on grids of the model and on grids of
        whole strides, with class tokens before or after.

    Example:
        >>> [r.size for r in possible_layouts((1, 4, 6, 8), 1, (24, 32))]
        [(6, 8), (6, 8), (4, 6), (4, 6)]
    """
    found: list[Reading | None] = []
    if len(shape) == 4:
        a, b, c = (int(side) for side in shape[1:])
        for order, size in (
            ('ncyx', (b, c)),
            ('ncxy', (c, b)),
            ('nyxc', (a, b)),
            ('nxyc', (b, a)),
        ):
            if min(size) > 1:
                layout = plain_reading(shape, order, size, batch)
                across = order.index('x') < order.index('y')
                found.append(layout and replace(layout, swapped=across))
    elif len(shape) == 3:
        grids = dict.fromkeys([*sizes, *_strided(input_size)])
        for order in ('n(yx)c', 'n(xy)c', 'nc(yx)', 'nc(xy)'):
            length = int(shape[order.index('(')])
            for size in grids:
                extra = length - size[0] * size[1]
                if 0 <= extra <= max(1, front) and min(size) > 1:
                    found += [
                        plain_reading(shape, order, size, batch, before)
                        for before in dict.fromkeys((extra, 0))
                    ]
    return list(dict.fromkeys(reading for reading in found if reading))


def _strided(input_size: Size) -> list[Size]:
    """Grids of whole strides, the same down and across."""
    height, width = input_size
    return [
        (-(-height // stride), -(-width // stride))
        for stride in range(2, max(input_size) + 1)
    ]
