"""What is scored: (output, context) -> one number an image.

A target is any callable ``target(output, context)`` that takes a layer's
output (N, C, h, w) and returns scores (N,). Where it is about one unit, a
method ``unit(grid_size)`` says which, so that statistics know their centre.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from .errors import ConfigError
from .geometry import Grid


@dataclass(frozen=True)
class TargetContext:
    """What a target may know besides the output.

    Attributes:
        layer (str): Key of the layer, such as ``'backbone[3]'``.
        input_size (tuple[int, int]): (H, W) of the model's input.
        grid (Grid): Where the output's units sit in the input.
        metas (sequence of mappings, optional): Meta information, one per
            image, where the caller gave any.
        predictions (Tensor, optional): The model's own prediction on this
            layer's grid, class indices of shape (N, h, w), where the target
            asked for it.
    """

    layer: str
    input_size: tuple[int, int]
    grid: Grid
    metas: Sequence[Mapping] | None = None
    predictions: Tensor | None = None


class Target(Protocol):
    """A callable that scores a layer's output."""

    def __call__(self, output: Tensor, context: TargetContext) -> Tensor:
        """Score an output (N, C, h, w); return shape (N,)."""
        ...


class CentreUnit:
    """The positive part of every channel at the unit (h // 2, w // 2).

    Args:
        relu (bool): Whether negative channels count as zero, as in the
            published definition. False scores every channel as it is.

    Source: Ding et al. 2022, arXiv:2203.06717, appendix B.

    Example:
        >>> from mmerf.core.geometry import assumed_grid
        >>> context = TargetContext('x', (8, 8), assumed_grid((4, 4), (8, 8)))
        >>> CentreUnit()(torch.ones(2, 3, 4, 4), context)
        tensor([3., 3.])
    """

    def __init__(self, relu: bool = True) -> None:
        self.relu = relu

    @property
    def definition(self) -> str:
        """What is scored, in words."""
        what = 'relu(output)' if self.relu else 'output'
        return f'sum over channels of {what} at (h // 2, w // 2)'

    def __call__(self, output: Tensor, context: TargetContext) -> Tensor:
        """Score an output (N, C, h, w); return shape (N,)."""
        y, x = self.unit((int(output.shape[2]), int(output.shape[3])))
        unit = output[:, :, y, x]
        if unit.dtype in (torch.float16, torch.bfloat16):
            unit = unit.float()
        return (torch.relu(unit) if self.relu else unit).sum(dim=1)

    def unit(self, size: tuple[int, int]) -> tuple[int, int]:
        """The unit (y, x) of a grid of this size (h, w)."""
        return size[0] // 2, size[1] // 2


TARGETS: dict[str, Callable[..., Target]] = {'CentreUnit': CentreUnit}


def build(spec: Any, table: Mapping[str, Callable], default: str) -> Any:
    """Make a target or attribution from what a config says.

    Args:
        spec: A ready object, a name in the table, ``dict(type=name, ...)``,
            or None for the default.
        table (mapping): Names to classes.
        default (str): The name that None stands for.

    Raises:
        ConfigError: If the name is unknown or its arguments do not fit.
    """
    if spec is None:
        spec = default
    if isinstance(spec, str):
        spec = {'type': spec}
    if not isinstance(spec, Mapping):
        return spec
    options = dict(spec)
    name = options.pop('type', None)
    if name not in table:
        raise ConfigError(
            f'there is no {name!r}; choose one of {", ".join(sorted(table))}'
        )
    try:
        return table[name](**options)
    except TypeError as error:
        raise ConfigError(f'{name}: {error}') from error
