"""What a module returned, walked to its single outputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

from ..errors import OutputIndexError


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


def tensor_of(output: Any) -> Tensor | None:
    """The tensor of one output, as ``leaves`` yields it."""
    if isinstance(output, Tensor):
        return output
    return output[0] if tokens_with_grid(output) else None


def is_empty(output: Any) -> bool:
    """Whether one output has no channels, or no numbers at all.

    Encoders of segmentation_models_pytorch return such tensors in place of
    stages that they do not have.
    """
    tensor = tensor_of(output)
    return tensor is not None and not tensor.numel()
