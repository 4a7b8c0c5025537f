"""Follows the operations that make each grid while a model runs.

One coordinate map per grid size is kept. An operation that makes a grid
(convolution, pooling, unfolding, padding) replaces that size's map; resizing
only adds a map for a size that has none.
"""

from __future__ import annotations

import math
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

from .aten_rules import GRID_RULES
from .coordinates import Grid, Size
from .grid_maps import GridMaps

Steps = tuple[int, int] | None  # px, down and across


class GridTracer(TorchDispatchMode):
    """Follows every operation that changes a grid while a model runs.

    Args:
        input_size (tuple[int, int]): (H, W) of the tensor that the model is
            called with.

    Example:
        >>> import torch
        >>> conv = torch.nn.Conv2d(3, 8, 3, stride=2, padding=1)
        >>> with GridTracer((32, 32)) as tracer:
        ...     _ = conv(torch.zeros(1, 3, 32, 32))
        >>> tracer.grid((16, 16)).pixel((8, 8))
        (16.0, 16.0)
    """

    def __init__(self, input_size: Size) -> None:
        super().__init__()
        self.maps = GridMaps(input_size)
        self.reads_strides = False  # whether as_strided was called

    def grid(self, size: Size) -> Grid:
        """The coordinate map of a grid size (h, w), as it is right now."""
        return self.maps.grid(size)

    def steps(self) -> Steps:
        """Multiples at which a crop keeps every grid made so far.

        Returns:
            tuple[int, int], optional: In pixels, down and across; None where
            a grid's stride is no whole number.
        """
        steps = []
        for axis in ('y', 'x'):
            jumps = [
                getattr(grid, axis).jump for grid in self.maps.grids.values()
            ]
            whole = [jump for jump in jumps if 1 / (jump or 1) % 1]
            if any(jump % 1 for jump in whole):
                return None
            steps.append(math.lcm(*(int(jump) for jump in whole)))
        return steps[0], steps[1]

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple = (),
        kwargs: dict | None = None,
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        name = func._schema.name
        if name == 'aten::as_strided':
            self.reads_strides = True
        rule = GRID_RULES.get(name)
        if rule is not None:
            arguments = {
                argument.name: argument.default_value
                for argument in func._schema.arguments
            }
            arguments.update(zip(arguments, args, strict=False))
            arguments.update(kwargs or {})
            rule(self.maps, arguments, out)
        return out
