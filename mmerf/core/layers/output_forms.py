"""Layer outputs of any form, read as (N, C, h, w).

``layout_of`` says how one output is
laid out: as it was stated, else as its entries were followed through the
forward pass, else as it was found to behave. Nothing is decided by shape.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ..errors import LayerError
from ..grid.coordinates import Size
from ..grid.reading import Reading, plain_reading
from .single_outputs import describe, is_empty, tensor_of


@dataclass(frozen=True)
class OutputContext:
    """What is known when an output is read.

    Attributes:
        batch (int): Number of images, N.
        input_size (tuple[int, int]): (H, W) of the model's input.
        found (Reading, optional): How its entries were followed, or how it
            was found to behave.
        grid (tuple[int, int], optional): The (h, w) that the user stated.
        layout (str, optional): ``'NCHW'`` or ``'NHWC'``, if stated.
        first (int, optional): The first token of the grid, if stated.
        front (int): Class, distillation and register tokens that the model
            has in front of its grids.
    """

    batch: int
    input_size: Size
    found: Reading | None = None
    grid: Size | None = None
    layout: str | None = None
    first: int | None = None
    front: int = 0


def front_tokens(model: nn.Module) -> int:
    """Number of class, distillation and register tokens of a model.

    Found by their parameters' names; they are in front of the patches.
    """
    pattern = r'(^|\.)(cls|class|dist|distillation|reg|register)_tokens?$'
    return sum(
        int(p.shape[1]) if p.dim() == 3 else 1
        for name, p in model.named_parameters()
        if re.search(pattern, name)
    )


def layout_of(output: Any, context: OutputContext) -> Reading | None:
    """How one output is laid out, or None where that is not known.

    Args:
        output: A tensor or ``(tokens, (h, w))``, as ``leaves`` yields it.
        context (OutputContext): What is known about the output.

    Raises:
        LayerError: If what is stated does not fit the output.
    """
    tensor = tensor_of(output)
    if tensor is None or not tensor.is_floating_point():
        return None
    if context.found is None and tensor.shape[:1] != (context.batch,):
        return None
    if context.grid is not None:
        return _on_stated_grid(tensor, context.grid, context)
    if context.layout is not None and tensor.dim() == 4:
        return _in_stated_layout(tensor, context.layout, context)
    if context.found is not None:
        return context.found
    if not isinstance(output, Tensor):
        h, w = (int(side) for side in output[1])
        return _of_tokens(tensor, (h, w), context, 'n(yx)c')
    return None


def to_nchw(output: Any, context: OutputContext) -> Tensor | None:
    """One output as (N, C, h, w), or None where its layout is not known.

    Args:
        output: A tensor or ``(tokens, (h, w))``, as ``leaves`` yields it.
        context (OutputContext): What is known about the output.
    """
    layout = layout_of(output, context)
    tensor = tensor_of(output)
    if layout is None or tensor is None:
        return None
    return layout.nchw(tensor, context.batch)


def undecided_form(
    key: str, output: Any, context: OutputContext
) -> LayerError:
    """The error for an output whose layout is not known."""
    name = key.split('[')[0]
    h, w = context.input_size
    if is_empty(output):
        return LayerError(
            f'{key}: {describe(output)} is empty, there is no unit in it; '
            'choose another output or layer'
        )
    if isinstance(output, Tensor) and output.dim() == 4:
        remedy = (
            f"state it: layers=[dict(name={name!r}, layout='NCHW')] or 'NHWC'"
        )
    elif isinstance(output, Tensor) and output.dim() == 3:
        remedy = f'state its grid: layers=[dict(name={name!r}, grid=(h, w))]'
    else:
        remedy = 'choose a layer that returns a feature map or tokens'
    return LayerError(
        f'{key}: cannot tell which axes of {describe(output)} are the image '
        f'plane for {context.batch} input(s) of ({h}, {w}); {remedy}'
    )


def _on_stated_grid(
    tensor: Tensor, grid: Size, context: OutputContext
) -> Reading:
    """Any form, on the grid that the user stated."""
    h, w = grid
    shape, batch = tuple(tensor.shape), context.batch
    found = context.found
    if found is not None and context.first is None:
        if found.size != grid:
            raise LayerError(
                f'grid={grid} does not fit an output of shape {shape}: its '
                f'grid is {found.size}'
            )
        return found
    last = len(shape) == 4 and shape[1:3] == grid
    first = len(shape) == 4 and shape[2:] == grid
    reading = None
    if last and (not first or context.layout == 'NHWC'):
        reading = plain_reading(shape, 'nyxc', grid, batch)
    elif first:
        reading = plain_reading(shape, 'ncyx', grid, batch)
    elif len(shape) == 3 and shape[1] >= h * w:
        reading = _of_tokens(tensor, grid, context, 'n(yx)c')
    elif len(shape) == 3 and shape[2] >= h * w:
        reading = _of_tokens(tensor, grid, context, 'nc(yx)')
    if reading is None:
        raise LayerError(
            f'grid={grid} does not fit an output of shape {shape}; h * w '
            'must be its number of tokens'
        )
    return reading


def _in_stated_layout(
    tensor: Tensor, layout: str, context: OutputContext
) -> Reading:
    """A 4-d output whose layout the user stated."""
    shape = tuple(tensor.shape)
    h, w = shape[2:] if layout == 'NCHW' else shape[1:3]
    order = 'ncyx' if layout == 'NCHW' else 'nyxc'
    stated = plain_reading(shape, order, (h, w), context.batch)
    found = context.found
    if stated is None or (found is not None and found.size != (h, w)):
        seen = 'another number of images' if found is None else found.size
        raise LayerError(
            f'layout={layout!r} does not fit an output of shape {shape}: its '
            f'grid is {seen}'
        )
    return stated if found is None else found


def _of_tokens(
    tensor: Tensor, grid: Size, context: OutputContext, order: str
) -> Reading | None:
    """Tokens on a grid, after any class tokens."""
    h, w = grid
    length = int(tensor.shape[order.index('(')])
    first = context.first
    if first is None:
        first = length - h * w
        if first > max(1, context.front):
            raise LayerError(
                f'{first} of {length} tokens are no unit of the ({h}, {w}) '
                'grid; state the first one that is: '
                'layers=[dict(name=..., grid=(h, w), first=0)]'
            )
    if first + h * w > length:
        raise LayerError(
            f'first={first} leaves {length - first} of {length} tokens for a '
            f'grid of {h} x {w}'
        )
    return plain_reading(
        tuple(tensor.shape), order, grid, context.batch, first
    )
