"""Layer outputs of any form, turned into (N, C, h, w).

``leaves`` walks what a module returned. Each function in ``_FORMS`` then reads
one form of a single output, and returns None if the output has another form.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ..errors import LayerError, OutputIndexError
from ..grid.coordinates import Size


@dataclass(frozen=True)
class OutputContext:
    """What is known about a pass when an output is read.

    Attributes:
        batch (int): Number of images, N.
        input_size (tuple[int, int]): (H, W) of the model's input.
        grids (Collection[tuple[int, int]]): Grid sizes (h, w) made so far in
            the pass, in the order in which they were made.
        grid (tuple[int, int], optional): The (h, w) that the user stated.
        layout (str, optional): ``'NCHW'`` or ``'NHWC'``, if known.
        first (int, optional): The first token of the grid, if stated.
        front (int): Class, distillation and register tokens that the model
            has in front of its grids.
    """

    batch: int
    input_size: Size
    grids: Collection[Size] = ()
    grid: Size | None = None
    layout: str | None = None
    first: int | None = None
    front: int = 0


def leaves(
    output: Any, indices: tuple[int, ...] = ()
) -> Iterator[tuple[tuple[int, ...], Any]]:
    """Every single output in what a module returned, with its indices.

    A tensor and ``(tokens, (h, w))`` are single outputs; tuples, lists and
    the values of mappings are walked. Anything else is skipped.
    """
    if isinstance(output, Tensor) or tokens_with_grid(output):
        yield indices, output
        return
    if isinstance(output, Mapping):
        output = list(output.values())
    if isinstance(output, (tuple, list)):
        for position, item in enumerate(output):
            yield from leaves(item, (*indices, position))


def pick(output: Any, indices: tuple[int, ...], key: str) -> Any:
    """The output that ``indices`` name.

    Raises:
        OutputIndexError: If there is no such output.
    """
    chosen = output
    for depth, index in enumerate(indices):
        items = (
            list(chosen.values()) if isinstance(chosen, Mapping) else chosen
        )
        if tokens_with_grid(items) or not isinstance(items, (tuple, list)):
            raise OutputIndexError(
                f'{key}: there is no output [{index}], the layer returns '
                f'{describe(output)}; leave out the last '
                f'{len(indices) - depth} index(es)'
            )
        if not -len(items) <= index < len(items):
            raise OutputIndexError(
                f'{key}: there is no output [{index}], the layer returns '
                f'{len(items)} outputs; give an index from {-len(items)} to '
                f'{len(items) - 1}'
            )
        chosen = items[index]
    return chosen


def tokens_with_grid(output: Any) -> bool:
    """Whether an output is ``(tokens (N, L, C), (h, w))``."""
    if not isinstance(output, (tuple, list)) or len(output) != 2:
        return False
    tokens, size = output
    if not isinstance(tokens, Tensor) or tokens.dim() != 3:
        return False
    if isinstance(size, Tensor):
        return size.numel() == 2 and not size.is_floating_point()
    return (
        isinstance(size, (tuple, list))
        and len(size) == 2
        and all(isinstance(side, int) for side in size)
    )


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


def describe(output: Any) -> str:
    """An output's form, described for errors and listings.

    Example:
        >>> import torch
        >>> describe([torch.zeros(1, 8, 4, 4), torch.zeros(1, 8, 2, 2)])
        'list of 2: (1, 8, 4, 4), (1, 8, 2, 2)'
    """
    if isinstance(output, Tensor):
        return str(tuple(output.shape))
    if tokens_with_grid(output):
        h, w = (int(side) for side in output[1])
        return f'tokens {tuple(output[0].shape)} with grid ({h}, {w})'
    name = type(output).__name__
    if isinstance(output, Mapping):
        output = list(output.values())
    if isinstance(output, (tuple, list)):
        inner = ', '.join(describe(item) for item in output[:6])
        more = ', ...' if len(output) > 6 else ''
        return f'{name} of {len(output)}: {inner}{more}'
    return name


def to_nchw(output: Any, context: OutputContext) -> Tensor | None:
    """One output as (N, C, h, w), or None where its form cannot be decided.

    Args:
        output: A tensor or ``(tokens, (h, w))``, as ``leaves`` yields it.
        context (OutputContext): What is known about the pass.

    Returns:
        Tensor, optional: A view of the output, shape (N, C, h, w).
    """
    for form in _FORMS:
        nchw = form(output, context)
        if nchw is not None and nchw.shape[0] == context.batch:
            return nchw if nchw.is_floating_point() else None
    return None


def undecided_form(
    key: str, output: Any, context: OutputContext
) -> LayerError:
    """The error for an output whose form could not be decided."""
    name = key.split('[')[0]
    h, w = context.input_size
    if isinstance(output, Tensor) and output.dim() >= 3:
        remedy = f'state its grid: layers=[dict(name={name!r}, grid=(h, w))]'
    else:
        remedy = 'choose a layer that returns a feature map or tokens'
    return LayerError(
        f'{key}: cannot tell which axes of {describe(output)} are the image '
        f'plane for {context.batch} input(s) of ({h}, {w}); {remedy}'
    )


def _stated_grid(output: Any, context: OutputContext) -> Tensor | None:
    """Any form, on the grid that the user stated."""
    if context.grid is None:
        return None
    h, w = context.grid
    tensor = output if isinstance(output, Tensor) else output[0]
    last = tensor.dim() == 4 and tensor.shape[1:3] == (h, w)
    first = tensor.dim() == 4 and tensor.shape[2:] == (h, w)
    if last and (not first or context.layout == 'NHWC'):
        return tensor.permute(0, 3, 1, 2)
    if first:
        return tensor
    if tensor.dim() == 3 and tensor.shape[1] >= h * w:
        return _unflatten(tensor, (h, w), context)
    if tensor.dim() == 3 and tensor.shape[2] >= h * w:
        return _unflatten(tensor.transpose(1, 2), (h, w), context)
    raise LayerError(
        f'grid={context.grid} does not fit an output of shape '
        f'{tuple(tensor.shape)}; h * w must be its number of tokens'
    )


def _channels_last(output: Any, context: OutputContext) -> Tensor | None:
    """(N, h, w, C), if only its axes 1 and 2 are a grid of this model."""
    if not isinstance(output, Tensor) or output.dim() != 4:
        return None
    grids = set(context.grids)
    first, last = tuple(output.shape[1:3]), tuple(output.shape[2:])
    if context.layout == 'NHWC' and (first in grids or last not in grids):
        return output.permute(0, 3, 1, 2)
    if last in grids or first not in grids:
        return None
    return output.permute(0, 3, 1, 2)


def _channels_first(output: Any, context: OutputContext) -> Tensor | None:
    """(N, C, h, w), as it is."""
    if isinstance(output, Tensor) and output.dim() == 4:
        return output
    return None


def _tokens_and_grid(output: Any, context: OutputContext) -> Tensor | None:
    """(tokens, (h, w)): the layer returns its grid."""
    if isinstance(output, Tensor) or not tokens_with_grid(output):
        return None
    tokens, size = output
    h, w = (int(side) for side in size)
    fits = tokens.shape[1] >= h * w
    return _unflatten(tokens, (h, w), context) if fits else None


def _tokens(output: Any, context: OutputContext) -> Tensor | None:
    """(N, L, C), L = h * w of a known grid, after any extra tokens."""
    if not isinstance(output, Tensor) or output.dim() != 3:
        return None
    grids = [g for g in context.grids if g != context.input_size]
    # More than one extra token is only taken to be in front if the model has
    # such parameters: some decoders append theirs at the end.
    for extra in dict.fromkeys((0, 1, context.front)):
        length = output.shape[1] - extra
        for size in reversed(grids):
            if size[0] * size[1] == length:
                return _unflatten(output, size, context)
        strided = _strided_grid(length, context.input_size)
        if strided is not None:
            return _unflatten(output, strided, context)
    return None


def _strided_grid(length: int, input_size: Size) -> Size | None:
    """The only grid of a whole stride with so many units, if there is one."""
    fits = {
        (-(-input_size[0] // s), -(-input_size[1] // s))
        for s in range(2, max(input_size) + 1)
    }
    found = [size for size in fits if size[0] * size[1] == length]
    return found[0] if len(found) == 1 and length > 1 else None


def _unflatten(tokens: Tensor, size: Size, context: OutputContext) -> Tensor:
    """(N, L, C) to (N, C, h, w), without the extra tokens."""
    h, w = size
    n, length, channels = tokens.shape
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
    grid = tokens[:, first : first + h * w]
    return grid.transpose(1, 2).reshape(n, channels, h, w)


_FORMS: tuple[Callable[[Any, OutputContext], Tensor | None], ...] = (
    _stated_grid,
    _tokens_and_grid,
    _channels_last,
    _channels_first,
    _tokens,
)
