"""A tensor that is zero outside a box, and stores only the box."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

# By aten operation; a rule returns NotImplemented for arguments that it does
# not cover, and the operation then runs on plain tensors.
BOX_RULES: dict[Any, Callable] = {}
LARGEST_BOX_SHARE = 0.6  # of a grid's area; a larger box saves nothing
Box = tuple[int, int, int, int]  # first row, row after, column, column after


class NotPlainError(RuntimeError):
    """Code outside mmerf needs a plain tensor where a box tensor is."""


class BoxTensor(Tensor):
    """A (N, C, h, w) tensor that is zero outside a box.

    Args:
        inside (Tensor): The values in the box, (N, C, rows, columns).
        box (tuple[int, int, int, int]): The box: first row, row after the
            last, first column, column after the last.
        shape (sequence of int): (N, C, h, w) of the tensor it stands for.
    """

    inside: Tensor
    box: Box

    @staticmethod
    def __new__(  # noqa: D102
        cls, inside: Tensor, box: Box, shape: Sequence[int]
    ) -> BoxTensor:
        strides = torch.empty(shape, device='meta').to(
            memory_format=memory_format_of(inside)
        )
        return Tensor._make_wrapper_subclass(
            cls,
            tuple(shape),
            strides=strides.stride(),
            dtype=inside.dtype,
            device=inside.device,
        )

    def __init__(self, inside: Tensor, box: Box, shape: Sequence[int]) -> None:
        self.inside, self.box = inside, box

    def __repr__(self) -> str:  # type: ignore[override]
        return f'BoxTensor({tuple(self.inside.shape)} of {tuple(self.shape)})'

    def whole(self) -> Tensor:
        """The plain tensor (N, C, h, w), zeros included."""
        top, bottom, left, right = self.box
        out = torch.zeros_like(
            self.inside[:1, :1, :1, :1].expand(self.shape),
            memory_format=memory_format_of(self.inside),
        )
        out[:, :, top:bottom, left:right] = self.inside
        return out

    def with_inside(self, inside: Tensor) -> BoxTensor:
        """The same box with other values; N and C may differ."""
        return BoxTensor(
            inside, self.box, (*inside.shape[:2], *self.shape[2:])
        )

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: tuple = (), kwargs: Any = None
    ) -> Any:
        if func._schema.is_mutable:
            raise NotPlainError(
                f'{func} would change a box tensor in place, which holds a '
                'part of the gradient only'
            )
        rule = BOX_RULES.get(func)
        if rule is not None and not kwargs:
            out = rule(func, *args)
            if out is not NotImplemented:
                return out
        return func(
            *map(to_plain, args),
            **{k: to_plain(v) for k, v in (kwargs or {}).items()},
        )


def to_plain(value: Any) -> Any:
    """A box tensor as a plain one, in lists too; anything else as it is."""
    if isinstance(value, BoxTensor):
        return value.whole()
    if isinstance(value, (list, tuple)):
        return type(value)(to_plain(item) for item in value)
    return value


def as_box_tensor(tensor: Tensor) -> Tensor:
    """A mostly zero (N, C, h, w) tensor as a box tensor; others unchanged."""
    if isinstance(tensor, BoxTensor) or tensor.dim() != 4:
        return tensor
    edges = (
        (tensor[:, :, i] for i in (0, -1)),
        (tensor[..., i] for i in (0, -1)),
    )
    if all(edge.any() for pair in edges for edge in pair):
        return tensor  # decided without reading all of it
    found = placed(tensor, (0, 0), tensor.shape)
    return tensor if found is None else found


def placed(
    part: Tensor, corner: tuple[int, int], shape: Sequence[int]
) -> BoxTensor | None:
    """A part of a grid, all else of which is zero, as a box tensor.

    Args:
        part (Tensor): Shape (N, C, rows, columns).
        corner (tuple[int, int]): Its first row and column in the grid.
        shape (sequence of int): The grid's (N, C, h, w).

    Returns:
        BoxTensor, optional: With a box no larger than what is not zero; None
        where that is so large that it saves no work.
    """
    nonzero = (part != 0).any(1).any(0)
    rows = nonzero.any(1).nonzero().flatten().tolist() or [0]
    columns = nonzero.any(0).nonzero().flatten().tolist() or [0]
    inner = (rows[0], rows[-1] + 1, columns[0], columns[-1] + 1)
    top, left = corner
    box = (inner[0] + top, inner[1] + top, inner[2] + left, inner[3] + left)
    if not is_small_enough(box, shape):
        return None
    return BoxTensor(crop(part, inner), box, shape)


def is_small_enough(box: Box, shape: Sequence[int]) -> bool:
    """Whether a box in a (N, C, h, w) tensor is small enough to save work."""
    area = (box[1] - box[0]) * (box[3] - box[2])
    return area < LARGEST_BOX_SHARE * shape[2] * shape[3]


def memory_format_of(tensor: Tensor) -> torch.memory_format:
    """The memory format of a (N, C, h, w) tensor."""
    if tensor.is_contiguous(memory_format=torch.channels_last):
        return torch.channels_last
    return torch.contiguous_format


def empty_like(shape: Sequence[int], tensor: Tensor) -> Tensor:
    """Memory for a (N, C, h, w) tensor, with all else as of another."""
    return torch.empty(
        tuple(shape),
        dtype=tensor.dtype,
        device=tensor.device,
        memory_format=memory_format_of(tensor),
    )


def crop(tensor: Tensor, box: Box) -> Tensor:
    """The part of a (N, C, h, w) tensor in a box, in its memory format."""
    top, bottom, left, right = box
    piece = tensor[:, :, top:bottom, left:right]
    return piece.contiguous(memory_format=memory_format_of(tensor))


def is_croppable(value: Any, shape: Sequence[int]) -> bool:
    """Whether an operand can be cropped to a box of a (N, C, h, w) shape.

    Numbers and 0-d tensors need no cropping; a 4-d tensor has to have that
    shape, or broadcast to it.
    """
    if not isinstance(value, Tensor):
        return True
    return value.dim() == 0 or (
        value.dim() == 4
        and all(a in (1, b) for a, b in zip(value.shape, shape, strict=True))
    )


def crop_to(value: Any, box_tensor: BoxTensor) -> Any:
    """The part of an operand in a box tensor's box; non-grids as they are."""
    if value is box_tensor:
        return box_tensor.inside
    if isinstance(value, BoxTensor):
        value = value.whole()
    if not isinstance(value, Tensor) or value.dim() != 4:
        return value
    top, bottom, left, right = box_tensor.box
    if value.shape[2] > 1:
        value = value[:, :, top:bottom]
    return value[:, :, :, left:right] if value.shape[3] > 1 else value
