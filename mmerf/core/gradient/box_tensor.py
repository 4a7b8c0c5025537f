"""A tensor that is zero outside a box, and only holds what is inside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

# By aten operation; a rule returns NotImplemented for what it cannot do.
BOX_RULES: dict[Any, Callable] = {}
LARGEST_BOX = 0.6  # of a grid's area; a larger box saves nothing
Box = tuple[int, int, int, int]  # first row, row after, column, column after


class BoxTensor(Tensor):
    """A (N, C, h, w) tensor that is zero outside a box.

    Args:
        inside (Tensor): What the box holds, (N, C, rows, columns).
        box (tuple[int, int, int, int]): Where it lies.
        shape (sequence of int): (N, C, h, w) of the whole.
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
        """The plain tensor."""
        top, bottom, left, right = self.box
        out = torch.zeros_like(
            self.inside[:1, :1, :1, :1].expand(self.shape),
            memory_format=memory_format_of(self.inside),
        )
        out[:, :, top:bottom, left:right] = self.inside
        return out

    def with_inside(self, inside: Tensor) -> BoxTensor:
        """The same box, other contents; channels may differ."""
        return BoxTensor(
            inside, self.box, (*inside.shape[:2], *self.shape[2:])
        )

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: tuple = (), kwargs: Any = None
    ) -> Any:
        rule = BOX_RULES.get(func)
        if rule is not None and not kwargs:
            out = rule(func, *args)
            if out is not NotImplemented:
                return out
        return func(
            *map(plain, args),
            **{k: plain(v) for k, v in (kwargs or {}).items()},
        )


def plain(value: Any) -> Any:
    """The tensor behind a patch; lists of them; anything else as it is."""
    if isinstance(value, BoxTensor):
        return value.whole()
    if isinstance(value, (list, tuple)):
        return type(value)(plain(item) for item in value)
    return value


def as_box_tensor(tensor: Tensor) -> Tensor:
    """A patch of a (N, C, h, w) tensor that is mostly zero, else itself."""
    if isinstance(tensor, BoxTensor) or tensor.dim() != 4:
        return tensor
    edges = (
        (tensor[:, :, i] for i in (0, -1)),
        (tensor[..., i] for i in (0, -1)),
    )
    if all(edge.any() for pair in edges for edge in pair):
        return tensor  # without reading all of it
    touched = (tensor != 0).any(1).any(0)
    rows = touched.any(1).nonzero().flatten().tolist() or [0]
    columns = touched.any(0).nonzero().flatten().tolist() or [0]
    box = (rows[0], rows[-1] + 1, columns[0], columns[-1] + 1)
    if not is_small_enough(box, tensor.shape):
        return tensor
    return BoxTensor(crop(tensor, box), box, tensor.shape)


def is_small_enough(box: Box, shape: Sequence[int]) -> bool:
    """Whether a box is small enough in a (N, C, h, w) to be a patch."""
    area = (box[1] - box[0]) * (box[3] - box[2])
    return area < LARGEST_BOX * shape[2] * shape[3]


def memory_format_of(tensor: Tensor) -> torch.memory_format:
    """The memory format of a (N, C, h, w) tensor."""
    if tensor.is_contiguous(memory_format=torch.channels_last):
        return torch.channels_last
    return torch.contiguous_format


def crop(tensor: Tensor, box: Box) -> Tensor:
    """The part of (N, C, h, w) that is in a box, in the same layout."""
    top, bottom, left, right = box
    piece = tensor[:, :, top:bottom, left:right]
    return piece.contiguous(memory_format=memory_format_of(tensor))


def is_croppable(value: Any, shape: Sequence[int]) -> bool:
    """Whether a factor can be crop to a patch of this shape, or needs not."""
    if not isinstance(value, Tensor):
        return True
    return value.dim() == 0 or (
        value.dim() == 4
        and all(a in (1, b) for a, b in zip(value.shape, shape, strict=True))
    )


def crop_to(value: Any, patch: BoxTensor) -> Any:
    """A tensor's part in a patch's box; what has no grid as it is."""
    if value is patch:
        return patch.inside
    if isinstance(value, BoxTensor):
        value = value.whole()
    if not isinstance(value, Tensor) or value.dim() != 4:
        return value
    top, bottom, left, right = patch.box
    if value.shape[2] > 1:
        value = value[:, :, top:bottom]
    return value[:, :, :, left:right] if value.shape[3] > 1 else value
